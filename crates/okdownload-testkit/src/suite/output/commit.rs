//! The final name.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use okdownload_output::{CommitOptions, OpenMode, StatKind};
use okdownload_types::ErrorKind::AlreadyExists;

use super::OutputFixture;
use super::bench::{Bench, PLAIN, assert_kind, write};

/// Nothing stands under the final name before, and nothing else is left after.
pub async fn the_whole_file_gets_its_name(fixture: &dyn OutputFixture) {
    commit(fixture, PLAIN).await;
}

/// The same where it must survive the loss of power.
pub async fn a_durable_file_gets_its_name(fixture: &dyn OutputFixture) {
    commit(fixture, CommitOptions::new(false, true, None)).await;
}

async fn commit(fixture: &dyn OutputFixture, options: CommitOptions) {
    let bench = Bench::new(fixture);
    let part = bench.part("part", "abc").await;
    assert!(bench.factory.stat(&bench.at("done")).await.unwrap().is_none());
    let identity = part.identity();
    part.commit(&bench.at("done"), options).await.unwrap();
    assert_eq!(bench.text("done").await.as_deref(), Some("abc"));
    assert_eq!(fixture.names().await, ["done"]);
    let stat = bench.factory.stat(&bench.at("done")).await.unwrap().unwrap();
    assert_eq!((stat.kind, stat.length), (StatKind::File, 3));
    // How an interrupted completion is known again.
    assert_eq!(stat.identity, identity);
}

/// A resource may have no bytes.
pub async fn an_empty_file_is_a_file(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let part = bench.open("part").await;
    part.commit(&bench.at("done"), PLAIN).await.unwrap();
    assert_eq!(bench.text("done").await.as_deref(), Some(""));
    assert_eq!(fixture.names().await, ["done"]);
}

/// What has the name stays, and so does the part.
pub async fn a_taken_name_is_not_replaced(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    bench.file("done", "old").await;
    for durable in [false, true] {
        let part = bench.part("part", "new").await;
        assert_kind(
            part.commit(&bench.at("done"), CommitOptions::new(false, durable, None)).await,
            AlreadyExists,
        );
        part.close().await.unwrap();
        assert_eq!(bench.text("done").await.as_deref(), Some("old"));
        if bench.capability().resume {
            let kept = bench.factory.open_part(&bench.at("part"), OpenMode::Existing).await.unwrap().unwrap();
            assert_eq!(kept.initial_length(), 3);
            kept.close().await.unwrap();
        }
    }
}

/// Whole, and also where nothing was to be replaced.
pub async fn a_taken_name_is_replaced_if_told(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let replace = CommitOptions::new(true, false, None);
    for bytes in ["first", "second, longer", "3rd"] {
        let part = bench.part("part", bytes).await;
        part.commit(&bench.at("done"), replace.clone()).await.unwrap();
        assert_eq!(bench.text("done").await.as_deref(), Some(bytes));
        assert_eq!(fixture.names().await, ["done"]);
    }
}

/// Told or not. Where there are no directories, the name is free.
pub async fn a_directory_is_never_replaced(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    bench.file("directory/inside", "old").await;
    let stat = bench.factory.stat(&bench.at("directory")).await.unwrap();
    for replace in [false, true] {
        let part = bench.part("part", "new").await;
        let done = part.commit(&bench.at("directory"), CommitOptions::new(replace, false, None)).await;
        if stat.is_some_and(|stat| stat.kind == StatKind::Directory) {
            assert_kind(done, AlreadyExists);
            part.abort().await.unwrap();
        } else {
            done.unwrap();
            assert_eq!(bench.text("directory").await.as_deref(), Some("new"));
            bench.factory.remove(&bench.at("directory")).await.unwrap();
        }
        assert_eq!(bench.text("directory/inside").await.as_deref(), Some("old"));
        assert_eq!(fixture.names().await, ["directory/inside"]);
    }
}

/// Of commits to one name at the same time exactly one gets it.
pub async fn one_of_many_commits_wins(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let mut commits = Vec::new();
    for n in 0..16 {
        let part = bench.part(&format!("part-{n}"), &format!("bytes of {n}")).await;
        let to = bench.at("done");
        commits.push(tokio::spawn(async move {
            let done = part.commit(&to, PLAIN).await;
            if done.is_err() {
                part.abort().await.unwrap();
            }
            done
        }));
    }
    let mut winner = None;
    for (n, commit) in commits.into_iter().enumerate() {
        match commit.await.unwrap() {
            Ok(()) => assert_eq!(winner.replace(n), None),
            error => assert_kind(error, AlreadyExists),
        }
    }
    assert_eq!(bench.text("done").await, winner.map(|n| format!("bytes of {n}")));
    assert_eq!(fixture.names().await, ["done"]);
}

/// Where the place can do that; else the file gets its name all the same.
pub async fn the_time_of_modification_is_set(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let seconds = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    for (n, modified) in [seconds(784_111_777), seconds(1), seconds(4_102_444_800)].into_iter().enumerate() {
        let name = format!("done-{n}");
        let part = bench.part("part", "abc").await;
        let options = CommitOptions::new(false, n == 0, Some(modified));
        part.commit(&bench.at(&name), options).await.unwrap();
        let stat = bench.factory.stat(&bench.at(&name)).await.unwrap().unwrap();
        if fixture.keeps_modified() {
            assert_eq!(stat.modified, Some(modified));
        } else {
            assert!(stat.modified.is_none_or(|time| time <= SystemTime::now() + Duration::from_secs(3600)));
        }
        assert_eq!(bench.text(&name).await.as_deref(), Some("abc"));
    }
}

/// Under the same name, and the finished file is not touched by it.
pub async fn the_part_can_be_made_again(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    bench.part("part", "first").await.commit(&bench.at("done"), PLAIN).await.unwrap();
    let part = bench.open("part").await;
    assert_eq!(part.initial_length(), 0);
    write(&*part, 0, &["second"]).await.unwrap();
    assert_eq!(bench.text("done").await.as_deref(), Some("first"));
    part.commit(&bench.at("again"), PLAIN).await.unwrap();
    assert_eq!(fixture.names().await, ["again", "done"]);
}

//! The final name.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use okdownload_output::{CommitOptions, OpenMode, StatKind};
use okdownload_types::ErrorKind::{AlreadyExists, FileBusy, Misuse};

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
    let part = bench.part_of("done", "abc").await;
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
    let part = bench.open_done().await;
    part.commit(&bench.at("done"), PLAIN).await.unwrap();
    assert_eq!(bench.text("done").await.as_deref(), Some(""));
    assert_eq!(fixture.names().await, ["done"]);
}

/// What has the name stays, and so does the part.
pub async fn a_taken_name_is_not_replaced(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    bench.file("done", "old").await;
    for durable in [false, true] {
        let part = bench.part_of("done", "new").await;
        assert_kind(
            part.commit(&bench.at("done"), CommitOptions::new(false, durable, None)).await,
            AlreadyExists,
        );
        part.close().await.unwrap();
        assert_eq!(bench.text("done").await.as_deref(), Some("old"));
        if bench.capability().resume {
            let kept = bench.at(&bench.part_name("done"));
            let kept = bench.factory.open_part(&kept, OpenMode::Existing).await.unwrap().unwrap();
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
        let part = bench.part_of("done", bytes).await;
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
        let part = bench.part_of("directory", "new").await;
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

/// Of commits to one name at the same time exactly one gets it. Where parts are hidden, each comes from another
/// factory: one factory has a part open once.
pub async fn one_of_many_commits_wins(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let hides = bench.capability().hides_parts;
    let mut commits = Vec::new();
    for n in 0..16 {
        let factory = if hides { fixture.factory() } else { bench.factory.clone() };
        let name = if hides { "done".to_owned() } else { format!("part-{n}") };
        let opened = factory.open_part(&bench.at(&name), OpenMode::Create).await;
        if hides && opened.as_ref().is_err_and(|error| error.kind() == FileBusy) {
            continue;
        }
        let part = opened.unwrap().unwrap();
        write(&*part, 0, &[&format!("bytes of {n}")]).await.unwrap();
        let to = bench.at("done");
        let commit = tokio::spawn(async move {
            let done = part.commit(&to, PLAIN).await;
            if done.is_err() {
                part.abort().await.unwrap();
            }
            done
        });
        commits.push((n, commit));
    }
    let mut winner = None;
    for (n, commit) in commits {
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
        let part = bench.part_of(&name, "abc").await;
        let options = CommitOptions::new(false, n == 0, Some(modified));
        part.commit(&bench.at(&name), options).await.unwrap();
        let stat = bench.factory.stat(&bench.at(&name)).await.unwrap().unwrap();
        assert!(part.modified().is_none_or(|known| Some(known) == stat.modified));
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
    let [first, second] = if bench.capability().hides_parts { ["done", "again"] } else { ["part"; 2] };
    bench.part(first, "first").await.commit(&bench.at("done"), PLAIN).await.unwrap();
    let part = bench.open(second).await;
    assert_eq!(part.initial_length(), 0);
    write(&*part, 0, &["second"]).await.unwrap();
    assert_eq!(bench.text("done").await.as_deref(), Some("first"));
    part.commit(&bench.at("again"), PLAIN).await.unwrap();
    assert_eq!(fixture.names().await, ["again", "done"]);
}

/// With `hides_parts`: nobody sees it, and it gets the name it was opened with, no other. Without: it stands beside
/// the file, which is not there before.
pub async fn a_part_is_hidden_or_stands_beside(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let part = bench.part_of("done", "abc").await;
    part.flush_and_sync().await.unwrap();
    assert!(bench.factory.stat(&bench.at("done")).await.unwrap().is_none());
    assert!(!fixture.names().await.contains(&"done".to_owned()));
    if bench.capability().hides_parts {
        assert_eq!(fixture.names().await, [""; 0]);
        for replace in [false, true] {
            let elsewhere = part.commit(&bench.at("other"), CommitOptions::new(replace, false, None)).await;
            assert_kind(elsewhere, Misuse);
        }
        part.commit(&bench.at("done"), PLAIN).await.unwrap();
        assert_eq!(fixture.names().await, ["done"]);
    } else {
        part.commit(&bench.at("other"), PLAIN).await.unwrap();
        assert_eq!(fixture.names().await, ["other"]);
    }
}

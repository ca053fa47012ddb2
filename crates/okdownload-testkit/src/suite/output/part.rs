//! Opening, continuing and giving up parts.

use okdownload_output::OpenMode;
use okdownload_types::ErrorKind::{FileBusy, Unsupported};

use super::OutputFixture;
use super::bench::{Bench, PLAIN, assert_kind, write};

/// And asking for it makes nothing.
pub async fn a_missing_part_is_none(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    for name in ["part", "no/such/directory/part"] {
        assert!(bench.factory.open_part(&bench.at(name), OpenMode::Existing).await.unwrap().is_none());
    }
    assert!(bench.factory.stat(&bench.at("no")).await.unwrap().is_none());
    assert_eq!(fixture.names().await, [""; 0]);
}

/// As many as are missing, also by two at once.
pub async fn directories_are_made(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let (a, b) = tokio::join!(bench.part_of("x/y/z/a", "a"), bench.part_of("x/y/z/b", "b"));
    a.commit(&bench.at("x/y/z/a"), PLAIN).await.unwrap();
    b.commit(&bench.at("x/y/z/b"), PLAIN).await.unwrap();
    assert_eq!(fixture.names().await, ["x/y/z/a", "x/y/z/b"]);
}

/// With `resume`: its bytes and its identity are kept. Without it, every part starts empty.
pub async fn a_closed_part_can_be_continued(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    continue_part(&bench, &bench).await;
}

/// The same for the next run of the program.
pub async fn another_run_continues_a_part(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let next = Bench::new(fixture).restarted();
    continue_part(&bench, &next).await;
}

async fn continue_part(first: &Bench<'_>, next: &Bench<'_>) {
    let part = first.part_of("done", "abc").await;
    let identity = part.identity();
    assert_eq!(part.initial_length(), 0);
    part.close().await.unwrap();
    drop(part);

    let existing = next.factory.open_part(&next.at(&next.part_name("done")), OpenMode::Existing).await;
    if !next.capability().resume {
        // Either is an honest answer: nothing is there, or it can't be opened.
        match existing {
            Ok(part) => assert!(part.is_none()),
            error => assert_kind(error, Unsupported),
        }
        let part = next.part_of("done", "xyz").await;
        assert_eq!(part.initial_length(), 0);
        assert_eq!(next.finished(&*part).await, b"xyz");
        return;
    }
    let existing = existing.unwrap().unwrap();
    assert_eq!((existing.initial_length(), existing.identity()), (3, identity));
    existing.close().await.unwrap();

    let again = next.open_done().await;
    assert_eq!((again.initial_length(), again.identity()), (3, identity));
    write(&*again, 3, &["def"]).await.unwrap();
    assert_eq!(next.finished(&*again).await, b"abcdef");
}

/// In either mode, until it is closed.
pub async fn a_part_is_open_once(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let part = bench.part("part", "abc").await;
    for mode in [OpenMode::Existing, OpenMode::Create] {
        assert_kind(bench.factory.open_part(&bench.at("part"), mode).await, FileBusy);
    }
    bench.open("other").await.close().await.unwrap();
    write(&*part, 3, &["def"]).await.unwrap();
    part.close().await.unwrap();
    bench.open("part").await.abort().await.unwrap();
}

/// Of openings at the same time exactly one gets the part.
pub async fn one_of_many_openings_wins(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let openings = (0..16).map(|_| {
        let (factory, at) = (bench.factory.clone(), bench.at(&bench.part_name("done")));
        tokio::spawn(async move { factory.open_part(&at, OpenMode::Create).await })
    });
    let mut won = Vec::new();
    for opening in openings.collect::<Vec<_>>() {
        match opening.await.unwrap() {
            Ok(part) => won.push(part.unwrap()),
            error => assert_kind(error, FileBusy),
        }
    }
    assert_eq!(won.len(), 1);
    write(&*won[0], 0, &["abc"]).await.unwrap();
    assert_eq!(bench.finished(&*won[0]).await, b"abc");
}

/// A caller that was cancelled had no time to close it.
pub async fn a_dropped_part_is_free_again(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    drop(bench.part("part", "abc").await);
    bench.open("part").await.abort().await.unwrap();
}

/// Closing again does nothing; everything else is an error, and nothing is written.
pub async fn a_closed_part_stays_closed(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let part = bench.part_of("done", "abc").await;
    let length = bench.capability().resume.then_some(3);
    part.close().await.unwrap();
    part.close().await.unwrap();
    assert!(write(&*part, 3, &["d"]).await.is_err());
    assert!(part.set_length(1).await.is_err());
    assert!(part.flush_and_sync().await.is_err());
    assert!(part.commit(&bench.at("done"), PLAIN).await.is_err());
    part.close().await.unwrap();
    assert!(!fixture.names().await.contains(&"done".to_owned()));
    if let Some(length) = length {
        assert_eq!(bench.open_done().await.initial_length(), length);
    }
}

/// With `resume` it is kept; without, nobody could ever find it again, so nothing is left of it.
pub async fn a_closed_part_is_kept_or_given_up(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let part = bench.part_of("done", "abc").await;
    part.flush_and_sync().await.unwrap();
    part.close().await.unwrap();
    let kept = bench.capability().resume.then(|| bench.part_name("done"));
    assert_eq!(fixture.names().await, kept.into_iter().collect::<Vec<_>>());
}

/// With all it held, and its name can be used again.
pub async fn an_aborted_part_is_gone(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    bench.part("part", "abc").await.abort().await.unwrap();
    assert_eq!(fixture.names().await, [""; 0]);
    assert!(bench.factory.open_part(&bench.at("part"), OpenMode::Existing).await.unwrap().is_none());
    let again = bench.open("part").await;
    assert_eq!(again.initial_length(), 0);
    again.abort().await.unwrap();
}

/// Whatever comes of the call that is interrupted, and of the next one, the part can be given up, and nothing is left.
pub async fn an_interrupted_part_is_gone(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let part = bench.part_of("done", "abc").await;
    let (_, ()) = tokio::join!(write(&*part, 3, &["def"]), async {
        part.interrupt();
    });
    let _ = write(&*part, 6, &["ghi"]).await;
    part.interrupt();
    part.abort().await.unwrap();
    assert_eq!(fixture.names().await, [""; 0]);
    let again = bench.part_of("done", "xyz").await;
    assert_eq!((again.initial_length(), bench.finished(&*again).await), (0, b"xyz".to_vec()));
}

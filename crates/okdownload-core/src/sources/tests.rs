use super::*;
use okdownload_types::{ErrorKind, Target};

fn sources(count: usize) -> Sources {
    let task = DownloadTask::builder("http://h/0", Target::file("/t"));
    let task = (1..count).fold(task, |task, number| task.mirror(format!("http://m{number}/")));
    Sources::new(&task.build().unwrap())
}

fn temporary() -> Error {
    Error::new(ErrorKind::Network, "reset").temporary()
}

fn asking(seconds: u64) -> Error {
    temporary().with_retry_after(Duration::from_secs(seconds))
}

/// Fails a source without progress; returns whether another one can be asked at once.
fn fail(sources: &mut Sources, source: usize, error: &Error, reach: Reach, now: Instant) -> bool {
    sources.failed(source, error, !error.is_temporary(), false, reach, now).another
}

#[test]
fn a_round_goes_over_all_of_them() {
    for (count, asked) in [(1, vec![0]), (2, vec![0, 1]), (4, vec![0, 1, 2, 3])] {
        let (mut sources, now) = (sources(count), Instant::now());
        for round in 0..3 {
            for (nth, source) in asked.iter().enumerate() {
                assert_eq!(sources.pick(Reach::Any, false, now), *source, "{count} {round}");
                let another = fail(&mut sources, *source, &temporary(), Reach::Any, now);
                assert_eq!(another, nth + 1 < asked.len(), "{count} {round} {source}");
            }
            assert!(sources.decisive(Reach::Any).is_some());
            sources.new_round();
        }
    }
}

#[test]
fn progress_begins_a_new_round() {
    let (mut sources, now) = (sources(2), Instant::now());
    assert!(fail(&mut sources, 0, &temporary(), Reach::Proven, now));
    assert!(!fail(&mut sources, 1, &temporary(), Reach::Proven, now));
    assert!(sources.failed(1, &temporary(), false, true, Reach::Proven, now).another);
    // The same place is no progress.
    assert!(!sources.failed(0, &temporary(), false, false, Reach::Proven, now).another);
}

#[test]
fn who_is_left_out_stays_out() {
    let (mut sources, now) = (sources(3), Instant::now());
    let gone = Error::new(ErrorKind::Status, "404");
    let failed = sources.failed(0, &gone, true, false, Reach::Any, now);
    assert_eq!(failed, Failed { left_out: true, another: true });
    // Another of its connections finds out as well.
    assert!(!sources.failed(0, &gone, true, false, Reach::Any, now).left_out);
    sources.new_round();
    sources.new_version();
    assert_eq!(sources.pick(Reach::Any, false, now), 1);
    assert!(fail(&mut sources, 1, &gone, Reach::Any, now));
    assert!(!fail(&mut sources, 2, &gone, Reach::Any, now));
    // Nobody is left who could get better.
    assert!(sources.decisive(Reach::Any).is_none());
    assert!(sources.abandon(Reach::Any).is_none());
}

#[test]
fn nobody_is_asked_sooner_than_he_wants() {
    let (mut sources, now) = (sources(3), Instant::now());
    let later = |seconds| now + Duration::from_secs(seconds);
    assert!(fail(&mut sources, 0, &asking(60), Reach::Any, now));
    assert!(fail(&mut sources, 1, &asking(20), Reach::Any, now));
    assert!(!fail(&mut sources, 2, &asking(40), Reach::Any, now));
    assert_eq!(
        sources.decisive(Reach::Any).and_then(|error| error.retry_after()),
        Some(Duration::from_secs(20))
    );
    sources.new_round();
    for (seconds, source) in [(0, 1), (19, 1), (20, 1), (40, 1), (59, 1), (60, 0)] {
        assert_eq!(sources.pick(Reach::Any, false, later(seconds)), source, "{seconds}");
    }
    // It is not another to turn to, either.
    assert!(!fail(&mut sources, 1, &temporary(), Reach::Any, later(30)));
    assert!(fail(&mut sources, 1, &temporary(), Reach::Any, later(40)));
}

#[test]
fn blocks_go_round_those_that_serve() {
    let (mut sources, now) = (sources(3), Instant::now());
    let picks = |sources: &mut Sources, reach, now, count: usize| -> Vec<usize> {
        (0..count).map(|_| sources.pick(reach, true, now)).collect()
    };
    sources.answered(1, true);
    assert_eq!(picks(&mut sources, Reach::Proven, now, 4), [2, 0, 1, 2]);
    assert_eq!(picks(&mut sources, Reach::Home, now, 3), [1, 1, 1]);
    assert!(fail(&mut sources, 0, &temporary(), Reach::Proven, now));
    assert_eq!(picks(&mut sources, Reach::Proven, now, 3), [1, 2, 1]);
    // After a while it gets another chance.
    assert_eq!(picks(&mut sources, Reach::Proven, now + PAUSE, 3), [2, 0, 1]);
    sources.strange(2, ResumeFailedCause::ResponseEtagChanged);
    assert_eq!(picks(&mut sources, Reach::Proven, now + PAUSE, 3), [0, 1, 0]);
    sources.answered(0, false);
    sources.distrust();
    assert_eq!(picks(&mut sources, Reach::Proven, now + PAUSE, 3), [1, 1, 1]);
}

#[test]
fn the_home_is_asked_first() {
    let (mut sources, now) = (sources(3), Instant::now());
    assert!(sources.is_home(MAIN) && !sources.decides(MAIN));
    sources.answered(2, true);
    assert!(sources.is_home(2) && sources.decides(2) && !sources.is_home(MAIN));
    sources.answered(1, false);
    assert_eq!(sources.pick(Reach::Proven, false, now), 2);
    // There is nobody else where nothing can be proved.
    assert!(!fail(&mut sources, 2, &temporary(), Reach::Home, now));
    assert!(fail(&mut sources, 2, &temporary(), Reach::Proven, now));
    sources.new_version();
    assert!(sources.is_home(MAIN));
    assert!(sources_of_one().decides(MAIN));
}

fn sources_of_one() -> Sources {
    sources(1)
}

#[test]
fn only_what_others_can_do_is_spared() {
    let mut sources = sources(2);
    sources.answered(0, true);
    assert!(sources.can_spare(1, Reach::Proven) && !sources.can_spare(0, Reach::Proven));
    sources.failed(0, &Error::new(ErrorKind::Status, "404"), true, false, Reach::Proven, Instant::now());
    assert!(!sources.can_spare(1, Reach::Proven));
}

#[test]
fn what_cannot_be_compared_is_left_for_the_end() {
    use ResumeFailedCause::{ContentLengthChanged, ResponseEtagChanged, ValidatorMissing};
    let now = Instant::now();
    // Strangers, the reach, whom a 404 has left out; the cause and who is asked then.
    for (strangers, reach, gone, expected) in [
        (&[][..], Reach::Proven, &[][..], None),
        (&[(1, ResponseEtagChanged)], Reach::Proven, &[], Some((ResponseEtagChanged, 1))),
        (
            &[(1, ResponseEtagChanged), (2, ContentLengthChanged)],
            Reach::Proven,
            &[0],
            Some((ResponseEtagChanged, 1)),
        ),
        (&[(2, ContentLengthChanged)], Reach::Proven, &[1], Some((ContentLengthChanged, 2))),
        (&[], Reach::Home, &[], Some((ValidatorMissing, 1))),
        (&[], Reach::Home, &[1], Some((ValidatorMissing, 2))),
        (&[], Reach::Home, &[1, 2], None),
        (&[], Reach::Any, &[0], None),
    ] {
        let mut sources = sources(3);
        sources.answered(0, true);
        for (source, cause) in strangers {
            sources.strange(*source, *cause);
            let failed = sources.failed(*source, &temporary().permanent(), true, false, reach, now);
            assert!(failed.left_out);
            assert!(!sources.failed(*source, &temporary().permanent(), true, false, reach, now).left_out);
        }
        for source in gone {
            sources.failed(*source, &Error::new(ErrorKind::Status, "404"), true, false, reach, now);
        }
        let cause = sources.abandon(reach);
        assert_eq!(cause, expected.map(|(cause, _)| cause), "{strangers:?} {reach:?} {gone:?}");
        if let Some((_, next)) = expected {
            assert_eq!(sources.pick(Reach::Any, false, now), next);
            // The one that was given up is not asked again.
            for _ in 0..2 {
                let asked = sources.pick(Reach::Any, false, now);
                assert_ne!(asked, 0);
                fail(&mut sources, asked, &temporary(), Reach::Any, now);
            }
        }
    }
}

#[test]
fn a_wrong_file_is_not_fetched_from_the_same_place_again() {
    let now = Instant::now();
    for (used, next) in [(&[0][..], 1), (&[1], 0), (&[0, 1], 0)] {
        let mut sources = sources(2);
        for source in used {
            sources.answered(*source, true);
        }
        sources.distrust();
        sources.new_version();
        assert_eq!(sources.pick(Reach::Any, false, now), next, "{used:?}");
    }
    let mut alone = sources_of_one();
    alone.answered(0, true);
    alone.distrust();
    assert_eq!(alone.pick(Reach::Any, false, now), 0);
}

//! How often, how soon and how long it is tried, in simulated time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/simulated.rs"]
mod simulated;

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use okdownload::connection::{ConnectRequest, error as words};
use okdownload::prelude::*;
use okdownload::{DownloadTaskBuilder, LowestSpeed, Timeouts};
use okdownload_store_memory::MemoryStore;
use simulated::{Answer, MemoryDisk, Scripted, Step};
use tokio::time::Instant;

const MIB: u64 = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);

fn task(connections: u32) -> DownloadTaskBuilder {
    let task = DownloadTask::builder("http://host/a", Target::file("/simulated/a"));
    task.connection_count(NonZeroU32::new(connections).unwrap())
}

fn engine(server: &Scripted, disk: &MemoryDisk) -> okdownload::OkDownloadBuilder {
    OkDownload::builder()
        .connection_factory(server.clone())
        .output_stream_factory(disk.clone())
        .download_store(MemoryStore::new())
        .runtime(tokio::runtime::Handle::current())
        .seed(1)
}

/// Runs a task; the end, and how long it took. A day is for ever.
async fn run(server: &Scripted, disk: &MemoryDisk, task: DownloadTaskBuilder) -> (TaskEnd, Duration) {
    let ok = engine(server, disk).build().unwrap();
    let begin = Instant::now();
    let running = ok.task(task.build().unwrap()).enqueue();
    let end = tokio::time::timeout(24 * 3600 * SECOND, running).await.unwrap();
    let took = begin.elapsed();
    ok.shutdown().await.unwrap();
    (end, took)
}

async fn fetch(server: &Scripted, task: DownloadTaskBuilder) -> (TaskEnd, Duration) {
    run(server, &MemoryDisk::default(), task).await
}

fn reset() -> Answer {
    Answer::error(words::broken())
}

#[tokio::test(start_paused = true)]
async fn waits_double_from_half_a_second_to_half_a_minute() {
    let server = Scripted::new(|_, _| Answer::status(503, &[]));
    let (end, _) = fetch(&server, task(1).retries(12)).await;
    assert_eq!((end.error.unwrap().status(), server.asked().len()), (Some(503), 13));
    for (number, wait) in server.waits().into_iter().enumerate() {
        let most = (Duration::from_millis(500) * (1 << number.min(10))).min(30 * SECOND);
        // Whoever failed together does not come back together.
        assert!((most / 2..=most).contains(&wait), "{number}: {wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_and_nothing_else() {
    let statuses = [408, 425, 429, 500, 502, 503, 504].map(|status| (Answer::status(status, &[]), true));
    let final_ones = [400, 401, 404, 410, 501, 505].map(|status| (Answer::status(status, &[]), false));
    let others = [
        (Answer::error(words::unresolved()), true),
        (Answer::error(words::unconnected()), true),
        (Answer::error(words::timed_out()), true),
        (reset(), true),
        (Answer::never(), true),
        (Answer::whole(9).with_steps([Step::Bytes(4)]), true),
        (Answer::whole(9).with_steps([Step::Bytes(4), Step::Reset]), true),
        (Answer::whole(9).with_steps([Step::Bytes(4), Step::Silence]), true),
        (Answer::error(words::malformed()), false),
        (Answer::error(words::untrusted()), false),
        (Answer::status(200, &[("content-length", "x")]), false),
        (Answer::status(304, &[]), false),
    ];
    for (answer, again) in statuses.into_iter().chain(final_ones).chain(others) {
        let first = answer.clone();
        let server = Scripted::new(
            move |request, number| {
                if number == 0 { first.clone() } else { Answer::range(request, 9) }
            },
        );
        let disk = MemoryDisk::default();
        let (end, _) = run(&server, &disk, task(1)).await;
        let malformed = answer.head.as_ref().is_ok_and(|(status, _)| *status == 200) && !again;
        if malformed {
            // Once, the whole is asked for without a range; that is no retry.
            assert!(end.is_completed() && server.waits() == [Duration::ZERO], "{end:?}");
            continue;
        }
        assert_eq!(end.is_completed(), again, "{answer:?}: {end:?}");
        assert_eq!(server.asked().len(), if again { 2 } else { 1 }, "{answer:?}");
        assert_eq!(disk.has("/simulated/a", 9), again, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_server_says_how_long_to_wait_at_least() {
    let sent = "Sun, 06 Nov 1994 08:49:45 GMT";
    for (asked, least, most) in [
        ("7", 7.0, 7.0),
        ("300", 300.0, 300.0),
        ("Sun, 06 Nov 1994 08:50:45 GMT", 60.0, 60.0),
        // Nothing that would be a wait.
        ("0", 0.25, 0.5),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0.25, 0.5),
        ("soon", 0.25, 0.5),
    ] {
        let server = Scripted::new(move |request, number| match number {
            0 => Answer::status(503, &[("retry-after", asked), ("date", sent)]),
            _ => Answer::range(request, 9),
        });
        let (end, _) = fetch(&server, task(1)).await;
        let wait = server.waits()[0].as_secs_f64();
        assert!(end.is_completed() && (least..=most + 0.001).contains(&wait), "{asked}: {wait}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_more_than_five_minutes_is_an_error_that_names_it() {
    for (asked, named) in [
        ("301", "301 s"),
        ("Sun, 06 Nov 1994 09:49:45 GMT", "3600 s"),
        ("99999999999999999999999", "18446744073709551615 s"),
    ] {
        let date = [("retry-after", asked), ("date", "Sun, 06 Nov 1994 08:49:45 GMT")];
        let headers = date.map(|(name, value)| (name, value.to_owned()));
        let server = Scripted::new(move |_, _| Answer { head: Ok((429, headers.to_vec())), ..reset() });
        let (end, took) = fetch(&server, task(1)).await;
        let error = end.error.unwrap();
        assert!(took < SECOND && server.asked().len() == 1, "{took:?}");
        assert!(error.advice().unwrap().contains(named) && error.retry_after().is_some(), "{error}");
    }
}

/// One cut of the network is one failure, however many connections it drops.
#[tokio::test(start_paused = true)]
async fn connections_that_are_lost_together_are_one_failure() {
    const TOTAL: u64 = 64 * MIB;
    let server = Scripted::new(|request, number| {
        let answer = Answer::range(request, TOTAL);
        // The first request is small, and there are eight connections.
        let held = [Step::Bytes(MIB / 2), Step::Wait(SECOND), Step::Reset];
        if (1..=8).contains(&number) { answer.with_steps(held) } else { answer }
    });
    let disk = MemoryDisk::default();
    let (end, _) = run(&server, &disk, task(8).retries(1)).await;
    assert!(end.is_completed() && disk.has("/simulated/a", TOTAL), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_dies_is_given_up_after_as_many_rounds_as_are_forgiven() {
    let server = Scripted::new(|request, number| match number {
        0..=8 => Answer::range(request, 64 * MIB).with_steps([
            Step::Bytes(MIB / 2),
            Step::Wait(SECOND),
            Step::Reset,
        ]),
        _ => Answer::error(words::unconnected()),
    });
    let (end, _) = fetch(&server, task(8).retries(3)).await;
    assert_eq!(end.error.unwrap().kind(), ErrorKind::Connect);
    let tries = server.asked().len();
    assert!((12..=9 + 8 * 4).contains(&tries), "{tries}");
}

/// Progress is what this run never had before.
#[tokio::test(start_paused = true)]
async fn the_same_ten_bytes_again_and_again_are_no_progress() {
    let again = [Step::Bytes(10), Step::Reset];
    let tagged = Answer::whole(1000).with_steps(again.clone());
    let untagged = Answer::status(200, &[("content-length", "1000")]).with_steps(again);
    for answer in [tagged, untagged] {
        let server = Scripted::new(move |_, _| answer.clone());
        let (end, _) = fetch(&server, task(1).retries(4)).await;
        assert_eq!(end.error.unwrap().kind(), ErrorKind::Network);
        assert!((5..=6).contains(&server.asked().len()), "{}", server.asked().len());
    }
    // Ten new bytes each time are.
    let server =
        Scripted::new(|request, _| Answer::range(request, 1000).with_steps([Step::Bytes(10), Step::Reset]));
    let disk = MemoryDisk::default();
    let (end, _) = run(&server, &disk, task(1).retries(1)).await;
    assert!(end.is_completed() && disk.has("/simulated/a", 1000) && server.asked().len() == 100, "{end:?}");
}

/// Counts the connections that are being served, by the bodies that are not at their end.
fn serves(most: usize, refusal: impl Fn() -> Answer + Send + Sync + 'static) -> Scripted {
    let begun = Arc::new(AtomicUsize::new(0));
    Scripted::new(move |request, number| {
        let answer = Answer::range(request, 24 * MIB);
        // The first ones are slow, so that the others come while they are served.
        let length: u64 =
            answer.steps.iter().map(|step| if let Step::Bytes(n) = step { *n } else { 0 }).sum();
        if number == 0 {
            return answer;
        }
        match begun.fetch_add(1, Ordering::Relaxed) {
            n if n < most => {
                answer.with_steps([Step::Bytes(1000), Step::Wait(2 * SECOND), Step::Bytes(length - 1000)])
            }
            n if n < 4 => refusal(),
            _ => answer,
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_further_connection_that_is_refused_costs_nothing() {
    let refusals: [fn() -> Answer; 6] = [
        || Answer::status(429, &[("retry-after", "3600")]),
        || Answer::status(503, &[]),
        || Answer::status(403, &[]),
        || reset(),
        || Answer::error(words::unconnected()),
        || Answer::never(),
    ];
    for refusal in refusals {
        let server = serves(2, refusal);
        let disk = MemoryDisk::default();
        let (end, took) = run(&server, &disk, task(4).retries(0)).await;
        assert!(end.is_completed() && disk.has("/simulated/a", 24 * MIB), "{:?}: {end:?}", refusal());
        // Silence is heard sooner than its own limit.
        assert!(took < 10 * SECOND, "{:?}: {took:?}", refusal());
    }
}

/// Whoever was served takes over what another one gets no answer for; what comes later is dropped.
#[tokio::test(start_paused = true)]
async fn a_block_without_an_answer_is_taken_over() {
    for late in [Duration::MAX, 20 * SECOND] {
        let silent = Arc::new(std::sync::Mutex::new(None));
        let first = silent.clone();
        let server = Scripted::new(move |request: &ConnectRequest, number| {
            let answer = Answer::range(request, 8 * MIB);
            let range = request.headers["range"].clone();
            let mut silent = first.lock().unwrap();
            if number == 2 {
                *silent = Some(range);
                return answer.after(late);
            }
            answer
        });
        let disk = MemoryDisk::default();
        let (end, took) = run(&server, &disk, task(2)).await;
        assert!(end.is_completed() && disk.has("/simulated/a", 8 * MIB), "{end:?}");
        // A tenth of what a head may take.
        assert!((3 * SECOND..4 * SECOND).contains(&took), "{took:?}");
        assert!(silent.lock().unwrap().is_some());
    }
}

/// A piece that nobody answers for must not hold up all that lies behind it.
#[tokio::test(start_paused = true)]
async fn a_reader_is_not_held_up_by_one_silent_request() {
    const TOTAL: u64 = 64 * MIB;
    let server = Scripted::new(
        |request, number| {
            if number == 2 { Answer::never() } else { Answer::range(request, TOTAL) }
        },
    );
    let ok = engine(&server, &MemoryDisk::default()).build().unwrap();
    let mut reader = ok.task(task(3).build().unwrap()).into_reader().unwrap();
    let (begin, mut bytes) = (Instant::now(), 0);
    while let Some(chunk) = reader.chunk().await.unwrap() {
        bytes += chunk.len() as u64;
    }
    assert!(bytes == TOTAL && begin.elapsed() < 4 * SECOND, "{bytes} in {:?}", begin.elapsed());
    ok.shutdown().await.unwrap();
}

/// Where every answer is slow, requests are not thrown away for ever.
#[tokio::test(start_paused = true)]
async fn slow_answers_are_not_taken_over_without_end() {
    let server = Scripted::new(|request, _| Answer::range(request, 32 * MIB).after(8 * SECOND));
    let disk = MemoryDisk::default();
    let (end, took) = run(&server, &disk, task(8)).await;
    assert!(end.is_completed() && disk.has("/simulated/a", 32 * MIB), "{end:?}");
    assert!(took < 60 * SECOND && server.asked().len() < 24, "{took:?}, {} requests", server.asked().len());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_it_whatever_it_is_at() {
    let mut limits = Timeouts::default();
    limits.total = Some(10 * SECOND);
    let trickle = || (0..1000).flat_map(|_| [Step::Bytes(1), Step::Wait(SECOND)]);
    let cases: [Scripted; 3] = [
        Scripted::new(|_, _| Answer::never()),
        Scripted::new(|_, _| Answer::status(503, &[("retry-after", "200")])),
        Scripted::new(move |request, _| Answer::range(request, 1000).with_steps(trickle())),
    ];
    for server in cases {
        let (end, took) = fetch(&server, task(1).timeouts(limits)).await;
        let error = end.error.unwrap();
        assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Timeout, false));
        assert!((10 * SECOND..11 * SECOND).contains(&took), "{took:?}");
        assert!(server.asked().len() == 1 && error.advice().is_some(), "{error}");
    }
}

fn lowest(bytes_per_second: u64) -> Timeouts {
    let mut limits = Timeouts::default();
    let mut lowest = LowestSpeed::new(NonZeroU64::new(bytes_per_second).unwrap());
    lowest.window = 10 * SECOND;
    limits.lowest_speed = Some(lowest);
    limits
}

/// So many bytes each second.
fn drip(request: &ConnectRequest, total: u64, each: u64) -> Answer {
    let answer = Answer::range(request, total);
    let Some(Step::Bytes(length)) = answer.steps.first().cloned() else { return answer };
    let drops = (0..length.div_ceil(each))
        .flat_map(|n| [Step::Bytes(each.min(length - n * each)), Step::Wait(SECOND)]);
    let drops: Vec<_> = drops.collect();
    answer.with_steps(drops)
}

#[tokio::test(start_paused = true)]
async fn a_download_that_is_too_slow_is_tried_again_and_given_up() {
    let server = Scripted::new(|request, _| drip(request, 100_000, 10));
    let (end, took) = fetch(&server, task(1).retries(2).timeouts(lowest(100))).await;
    let error = end.error.unwrap();
    assert_eq!((error.kind(), server.asked().len()), (ErrorKind::Timeout, 3));
    assert!((30 * SECOND..35 * SECOND).contains(&took), "{took:?}");
    // One that is quick again is fetched from where the slow one was.
    let server = Scripted::new(|request, number| drip(request, 100_000, if number == 0 { 10 } else { 5000 }));
    let disk = MemoryDisk::default();
    let (end, _) = run(&server, &disk, task(1).retries(1).timeouts(lowest(100))).await;
    assert!(end.is_completed() && disk.has("/simulated/a", 100_000), "{end:?}");
    assert!(server.asked()[1].range.starts_with("bytes=1"), "{:?}", server.asked());
}

#[tokio::test(start_paused = true)]
async fn a_download_that_is_fast_enough_in_all_is_left_alone() {
    // Four connections bring together what one alone would have to.
    let server = Scripted::new(|request, _| drip(request, 64 * MIB, 30_000));
    let mut limits = lowest(100_000);
    limits.total = Some(60 * SECOND);
    let (end, took) = fetch(&server, task(4).retries(0).timeouts(limits)).await;
    assert!(took > 59 * SECOND, "{end:?}");
    // The first one asks on behind its first MiB.
    assert_eq!(server.asked().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn waiting_of_our_own_making_is_not_the_servers_slowness() {
    let server = Scripted::new(|request, _| Answer::range(request, 4 * MIB));
    let limited = task(1).retries(0).rate_limit(NonZeroU64::new(50_000)).timeouts(lowest(1_000_000));
    let (end, took) = fetch(&server, limited).await;
    assert!(end.is_completed() && took > 60 * SECOND, "{took:?}: {end:?}");
    let mut disk = MemoryDisk::default();
    disk.write_delay = 15 * SECOND;
    let (end, took) = run(&server, &disk, task(1).retries(0).timeouts(lowest(1_000_000))).await;
    assert!(end.is_completed() && took > 30 * SECOND, "{took:?}: {end:?}");
}

//! What tasks cost that wait. Alone in its process, because it looks at all of its memory.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Place, tagged};
use okdownload::TaskHandle;
use okdownload::prelude::*;
use okdownload_testkit::server::{Body, Gate, Reply};

/// Bytes of memory that this process has in use.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Counts the ends that it hears of.
#[derive(Debug, Clone, Default)]
struct Ends(Arc<AtomicUsize>);

impl DownloadListener for Ends {
    fn task_end(&self, _: &DownloadTask, _: &TaskEnd) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// An engine whose only turn is taken until the gate opens.
async fn busy(place: &Place, gate: &Gate) -> OkDownload {
    let ok = place.builder().max_parallel_running_count(NonZeroUsize::MIN).build().unwrap();
    place.server.serve("/held", tagged(Body::pattern(1, 1000)));
    place.server.script("/held", [Reply::resource().gate_after(500, gate)]);
    let held = ok.task(place.task("/held", "held").build().unwrap()).enqueue();
    gate.reached().await;
    assert!(!held.is_ended());
    ok
}

/// The time to enqueue so many tasks with a listener, and the bytes that each of them takes while it waits.
fn enqueue(place: &Place, ok: &OkDownload, tasks: usize, ends: &Ends) -> (Vec<TaskHandle>, Duration, usize) {
    let directory = place.path("");
    let (before, begin) = (resident(), Instant::now());
    let task = |number: usize| {
        let url = place.server.url(&format!("/file-{number}"));
        DownloadTask::to_file(url, directory.join(format!("file-{number}"))).unwrap()
    };
    let handles = ok.enqueue_all((0..tasks).map(task), ends.clone());
    (handles, begin.elapsed(), (resident() - before) / tasks)
}

#[tokio::test]
async fn tasks_that_wait_are_cheap() {
    const TASKS: usize = 20_000;
    let (place, gate, ends) = (Place::new().await, Gate::new(), Ends::default());
    let ok = busy(&place, &gate).await;
    let (handles, time, bytes) = enqueue(&place, &ok, TASKS, &ends);
    println!("{TASKS} tasks enqueued in {time:?}, {bytes} bytes each");
    assert!(bytes < 1024, "{bytes} bytes for each task");
    drop(handles);
    ok.cancel_all();
    ok.shutdown().await.unwrap();
    assert_eq!(ends.0.load(Ordering::Relaxed), TASKS);
}

/// `cargo test --release -p okdownload --test waiting -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes of work, for its figures"]
async fn figures_of_a_hundred_thousand_tasks() {
    for tasks in [100_000, 200_000] {
        let (place, gate, ends) = (Place::new().await, Gate::new(), Ends::default());
        let ok = busy(&place, &gate).await;
        for number in 0..tasks {
            place.server.serve(&format!("/file-{number}"), tagged(Body::pattern(1, 100)));
        }
        let (handles, time, bytes) = enqueue(&place, &ok, tasks, &ends);
        println!("{tasks} tasks enqueued in {time:?}, {bytes} bytes each");
        let begin = Instant::now();
        ok.set_max_parallel_running_count(NonZeroUsize::new(16).unwrap());
        gate.open();
        for handle in handles {
            assert!(handle.await.is_completed());
        }
        let requests = place.server.requests().len() - 1;
        println!("{tasks} tasks completed in {:?} with {requests} requests", begin.elapsed());
        ok.shutdown().await.unwrap();
        assert_eq!(ends.0.load(Ordering::Relaxed), tasks);
        // Now and then one is made again, as when the server closes a connection just then.
        assert!((tasks..tasks + tasks / 1000).contains(&requests), "{requests} requests");
    }
}

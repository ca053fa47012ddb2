//! Threads do not grow with tasks. Alone in its process, because it counts all that there are.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroUsize;

use common::{Place, tagged};
use okdownload::prelude::*;
use okdownload_testkit::server::{Body, Gate, Reply};

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[tokio::test]
async fn two_hundred_running_tasks_share_few_threads() {
    const TASKS: usize = 200;
    let (place, gate, before) = (Place::new().await, Gate::new(), threads());
    // Listeners are called on this thread as well: how many threads they keep busy is theirs.
    let ok = place.builder().runtime(tokio::runtime::Handle::current());
    let ok = ok.max_parallel_running_count(NonZeroUsize::new(TASKS).unwrap()).build().unwrap();
    let task = |number: usize| {
        let path = format!("/{number}");
        place.server.serve(&path, tagged(Body::pattern(1, 100_000)));
        place.server.script(&path, [Reply::resource().gate_after(50_000, &gate)]);
        place.task(&path, &number.to_string()).build().unwrap()
    };
    let handles = ok.enqueue_all((0..TASKS).map(task), NoListener);
    for handle in &handles {
        handle.progress().wait_for(|progress| progress.written == 50_000).await.unwrap();
    }
    // Those that work on files, and the store's.
    let more = threads() - before;
    println!("{more} threads for {TASKS} tasks");
    assert!(more < TASKS / 2, "{more} threads");
    gate.open();
    for handle in handles {
        assert!(handle.await.is_completed());
    }
    ok.shutdown().await.unwrap();
}

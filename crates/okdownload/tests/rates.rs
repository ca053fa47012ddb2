//! Rate limits over real HTTP, changed while bytes come.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::{NonZeroU32, NonZeroU64};
use std::time::{Duration, Instant};

use common::{MIB, Place, assert_content, tagged};
use okdownload::TaskHandle;
use okdownload::prelude::*;
use okdownload_testkit::server::Body;

const SIZE: u64 = 16 * MIB;
const CONNECTIONS: u64 = 3;

async fn start(place: &Place, ok: &OkDownload, name: &str, limit: Option<NonZeroU64>) -> TaskHandle {
    let path = format!("/{name}");
    place.server.serve(&path, tagged(Body::pattern(1, SIZE)));
    let task = place.task(&path, name).connection_count(NonZeroU32::new(CONNECTIONS as u32).unwrap());
    ok.task(task.rate_limit(limit).build().unwrap()).enqueue()
}

fn written(handles: &[TaskHandle]) -> u64 {
    handles.iter().map(|handle| handle.progress().borrow().written).sum()
}

/// For a while, no more bytes come than `limit` a second lets pass, and never many at once; but some do.
async fn keeps(handles: &[TaskHandle], limit: u64, before: u64) {
    let (begin, from) = (Instant::now(), written(handles));
    // What 50 ms bring is a piece. Two of them may pass at once, and each connection holds one, if not one of before;
    // and what was told at the beginning may be half a second old.
    let connections = CONNECTIONS * handles.len() as u64;
    let at_once = 2 * limit / 20 + (connections + 10) * limit.max(before) / 20;
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let came = written(handles) - from;
        let elapsed = begin.elapsed();
        let most = (limit as f64 * elapsed.as_secs_f64()) as u64 + at_once;
        assert!(
            came <= most,
            "{came} bytes came in {elapsed:?}, and {most} may have come at {limit} a second"
        );
        if elapsed >= Duration::from_secs(1) && came > limit / 2 {
            return;
        }
        assert!(
            elapsed < Duration::from_secs(20),
            "only {came} bytes came in {elapsed:?} at {limit} a second"
        );
    }
}

#[tokio::test]
async fn the_limit_of_all_tasks_can_be_changed_while_they_run() {
    let place = Place::new().await;
    let ok = place.builder().rate_limit(NonZeroU64::new(200_000)).build().unwrap();
    let handles = [start(&place, &ok, "a", None).await, start(&place, &ok, "b", None).await];
    keeps(&handles, 200_000, 0).await;
    for (limit, before) in [(20_000, 200_000), (500_000, 20_000)] {
        ok.set_rate_limit(NonZeroU64::new(limit));
        keeps(&handles, limit, before).await;
    }
    ok.set_rate_limit(None);
    for (handle, name) in handles.into_iter().zip(["a", "b"]) {
        assert!(handle.await.is_completed());
        assert_content(&place.path(name), &Body::pattern(1, SIZE));
    }
}

#[tokio::test]
async fn the_limit_of_one_task_can_be_changed_while_it_runs() {
    let place = Place::new().await;
    let ok = place.engine();
    let limited = [start(&place, &ok, "a", NonZeroU64::new(100_000)).await];
    let free = start(&place, &ok, "b", None).await;
    keeps(&limited, 100_000, 0).await;
    limited[0].set_rate_limit(NonZeroU64::new(10_000));
    keeps(&limited, 10_000, 100_000).await;
    // It is nobody else's.
    assert!(free.await.is_completed());
    limited[0].set_rate_limit(None);
    let [limited] = limited;
    assert!(limited.await.is_completed());
    assert_content(&place.path("a"), &Body::pattern(1, SIZE));
}

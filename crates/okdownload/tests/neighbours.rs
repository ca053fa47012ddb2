//! What happens to one task, or is done by another thread, is no other one's trouble.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use async_trait::async_trait;
use common::{MIB, Place, run_to, tagged};
use futures_util::StreamExt;
use okdownload::prelude::*;
use okdownload::store::{Change, CommitLevel, DownloadStore, StoreCapability};
use okdownload::{BreakpointInfo, CompletionRecord, Location, TaskId};
use okdownload_store_memory::MemoryStore;
use okdownload_testkit::server::{Body, Gate, Reply};
use url::Url;

/// A store that can't take the records of one URL.
#[derive(Debug)]
struct Picky {
    store: MemoryStore,
    refused: Url,
}

#[async_trait]
impl DownloadStore for Picky {
    fn capability(&self) -> StoreCapability {
        self.store.capability()
    }

    async fn breakpoint(&self, id: TaskId) -> Result<Option<BreakpointInfo>> {
        self.store.breakpoint(id).await
    }

    async fn completion(&self, id: TaskId) -> Result<Option<CompletionRecord>> {
        self.store.completion(id).await
    }

    async fn breakpoints_at(&self, location: &Location) -> Result<Vec<BreakpointInfo>> {
        self.store.breakpoints_at(location).await
    }

    async fn unfinished(&self) -> Result<Vec<BreakpointInfo>> {
        self.store.unfinished().await
    }

    async fn completed(&self) -> Result<Vec<CompletionRecord>> {
        self.store.completed().await
    }

    async fn response_filename(&self, url: &Url) -> Result<Option<String>> {
        self.store.response_filename(url).await
    }

    async fn commit(&self, changes: Vec<Change>, level: CommitLevel) -> Result<()> {
        let is_refused = |change: &Change| match change {
            Change::Put(info) => info.url == self.refused,
            Change::Complete(record) => record.url == self.refused,
            _ => false,
        };
        if changes.iter().any(is_refused) {
            return Err(Error::new(ErrorKind::Unsupported, "not this one"));
        }
        self.store.commit(changes, level).await
    }

    async fn close(&self) -> Result<()> {
        self.store.close().await
    }
}

#[tokio::test]
async fn what_the_store_refuses_of_one_task_is_recorded_of_the_others() {
    let place = Place::new().await;
    let store = Arc::new(Picky { store: MemoryStore::new(), refused: place.server.url("/refused") });
    let ok = place.builder().download_store(store.clone()).remit_delay(Duration::ZERO).build().unwrap();
    for path in ["/refused", "/half", "/whole"] {
        place.server.serve(path, tagged(Body::pattern(1, 4 * MIB)));
    }
    let gate = Gate::new();
    place.server.script("/refused", [Reply::resource().gate_after(2 * MIB, &gate)]);
    let one_connection = |path: &str| {
        let task = place.task(path, &path[1..]).connection_count(NonZeroU32::MIN);
        task.build().unwrap()
    };
    let refused = ok.task(one_connection("/refused")).enqueue();
    gate.reached().await;
    // Beside it one gets on and one completes.
    let half = one_connection("/half");
    let id = half.id();
    let half = run_to(&place, &ok, half, 2 * MIB).await;
    assert_eq!(store.breakpoint(id).await.unwrap().unwrap().written(), 2 * MIB);
    ok.download(place.task("/whole", "whole").build().unwrap()).await.unwrap();
    assert_eq!(store.completed().await.unwrap().len(), 1);
    gate.open();
    let end = refused.await;
    assert!(end.error.unwrap().to_string().contains("not this one"));
    half.cancel();
    half.await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_is_told_before_the_run_that_comes_after_it() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(1, MIB)));
    let gate = Gate::new();
    // Every run hangs, so it is the pause that ends it.
    place.server.handle("/a", {
        let gate = gate.clone();
        move |_, _| Reply::resource().gate_after(10, &gate)
    });
    let ok = place.engine();
    let request = ok.task(place.task("/a", "a").build().unwrap());
    let events = request.events();
    let handle = request.enqueue();
    let stop = Arc::new(AtomicBool::new(false));
    let resuming = std::thread::spawn({
        let (handle, stop) = (handle.clone(), stop.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                handle.resume();
            }
        }
    });
    for _ in 0..300 {
        handle.pause();
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
    stop.store(true, Ordering::Relaxed);
    resuming.join().unwrap();
    handle.cancel();
    handle.await;
    let (mut runs, mut running) = (0, false);
    for event in events.collect::<Vec<_>>().await {
        match event {
            Event::TaskStart => {
                assert!(!running, "run {runs} was told before the pause before it");
                (runs, running) = (runs + 1, true);
            }
            Event::Paused => running = false,
            _ => {}
        }
    }
    assert!(runs > 1, "nothing was tried");
}

/// Says that it heard the end.
#[derive(Debug)]
struct Ends(mpsc::Sender<()>);

impl DownloadListener for Ends {
    fn task_end(&self, _: &DownloadTask, _: &TaskEnd) {
        self.0.send(()).unwrap();
    }
}

#[tokio::test]
async fn who_joined_hears_the_end_though_nobody_holds_the_engine() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(1, 1000)));
    for number in 0..20 {
        let gate = Gate::new();
        place.server.script("/a", [Reply::resource().gate_after(500, &gate)]);
        let task = place.task("/a", &format!("a{number}")).build().unwrap();
        let ok = place.engine();
        let running = ok.task(task.clone()).enqueue();
        gate.reached().await;
        let (sender, heard) = mpsc::channel();
        let joined = ok.task(task).listener(Ends(sender)).join().enqueue();
        gate.open();
        assert!(joined.await.is_completed());
        drop((ok, running));
        tokio::task::spawn_blocking(move || heard.recv_timeout(Duration::from_secs(10)))
            .await
            .unwrap()
            .unwrap();
    }
}

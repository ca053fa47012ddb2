//! What the tests of listeners share: one that keeps everything, and a download that waits half-way.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use okdownload::TaskHandle;
use okdownload::prelude::*;
use okdownload_testkit::server::{Body, Gate, Reply};

use super::{MIB, Place, tagged};

const AN_HOUR: Duration = Duration::from_secs(3600);

/// Keeps every event, and notices calls that overlap.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    inside: AtomicBool,
    pub(crate) events: Mutex<Vec<Event>>,
}

impl Heard {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The events' names; those that come one after the other and are the same count once.
    pub(crate) fn names(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let mut names: Vec<String> = events.iter().map(name).collect();
        names.dedup();
        names
    }

    pub(crate) fn increases(&self) -> u64 {
        let events = self.events.lock().unwrap();
        let increase = |event: &Event| match event {
            Event::FetchProgress { increase, .. } => *increase,
            _ => 0,
        };
        events.iter().map(increase).sum()
    }
}

pub(crate) fn name(event: &Event) -> String {
    format!("{event:?}").split([' ', '(']).next().unwrap_or_default().to_owned()
}

impl DownloadListener for Heard {
    fn on_event(&self, _: &DownloadTask, event: &Event) {
        assert!(!self.inside.swap(true, Ordering::SeqCst), "calls overlap");
        self.events.lock().unwrap().push(event.clone());
        self.inside.store(false, Ordering::SeqCst);
    }
}

/// A task of 4 MiB over one connection whose response is held after 2 MiB.
pub(crate) fn half(place: &Place, gate: &Gate) -> DownloadTask {
    place.server.serve("/a", tagged(Body::pattern(1, 4 * MIB)));
    place.server.script("/a", [Reply::resource().gate_after(2 * MIB, gate)]);
    place.task("/a", "a").connection_count(NonZeroU32::MIN).progress_interval(AN_HOUR).build().unwrap()
}

pub(crate) async fn reached_half(handle: &TaskHandle, gate: &Gate) {
    gate.reached().await;
    handle.progress().wait_for(|progress| progress.written == 2 * MIB).await.unwrap();
}

/// Waits for what listeners, which nobody waits for, have to do.
pub(crate) async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}

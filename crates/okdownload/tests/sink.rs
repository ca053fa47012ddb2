//! Outputs that take bytes in order: slow ones, broken ones, and such that can't read back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::{MIB, Place, tagged};
use okdownload::output::{
    CommitOptions, Consumer, FreeSpace, OpenMode, OutputCapability, OutputStream, OutputStreamFactory, Stat,
};
use okdownload::prelude::*;
use okdownload::{FileIdentity, Location};
use okdownload_testkit::server::Body;
use tokio::sync::watch;

/// What happened to a sink.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Seen {
    opened: u32,
    writes: u32,
    aborted: bool,
    committed: bool,
}

/// A sink that fails or waits at a certain write.
#[derive(Debug, Clone)]
struct Sink {
    capability: OutputCapability,
    waits_at: Option<u32>,
    fails_at: Option<u32>,
    /// Whether `interrupt` ends a write that waits.
    can_be_interrupted: bool,
    seen: Arc<Mutex<Seen>>,
    go_on: Arc<watch::Sender<bool>>,
}

impl Sink {
    fn new(capability: OutputCapability) -> Self {
        Self {
            capability,
            waits_at: None,
            fails_at: None,
            can_be_interrupted: false,
            seen: Arc::default(),
            go_on: Arc::new(watch::Sender::new(false)),
        }
    }

    fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    fn see(&self, change: impl FnOnce(&mut Seen)) -> Seen {
        let mut seen = self.seen.lock().unwrap();
        change(&mut seen);
        seen.clone()
    }
}

fn refused() -> Error {
    Error::new(ErrorKind::Io, "the sink takes no more")
}

#[async_trait]
impl OutputStreamFactory for Sink {
    fn capability(&self, _: &Location) -> OutputCapability {
        self.capability
    }

    async fn boot_id(&self) -> Option<String> {
        None
    }

    async fn stat(&self, _: &Location) -> Result<Option<Stat>> {
        Ok(None)
    }

    async fn open_part(&self, _: &Location, mode: OpenMode) -> Result<Option<Arc<dyn OutputStream>>> {
        if mode == OpenMode::Existing {
            return Ok(None);
        }
        self.see(|seen| seen.opened += 1);
        Ok(Some(Arc::new(self.clone())))
    }

    async fn free_space(&self, _: &Location) -> Result<Option<FreeSpace>> {
        Ok(None)
    }

    async fn remove(&self, _: &Location) -> Result<bool> {
        Ok(false)
    }
}

#[async_trait]
impl OutputStream for Sink {
    fn identity(&self) -> Option<FileIdentity> {
        None
    }

    fn initial_length(&self) -> u64 {
        0
    }

    async fn write_at(&self, _: u64, _: Vec<Bytes>) -> Result<()> {
        let seen = self.see(|seen| seen.writes += 1);
        if self.waits_at == Some(seen.writes) {
            self.go_on.subscribe().wait_for(|go_on| *go_on).await.unwrap();
        }
        if self.fails_at == Some(seen.writes) { Err(refused()) } else { Ok(()) }
    }

    async fn read_at(&self, _: u64, _: usize) -> Result<Bytes> {
        Err(refused())
    }

    async fn scan(&self, _: std::ops::Range<u64>, _: Consumer) -> Result<()> {
        Err(refused())
    }

    async fn preallocate(&self, _: u64) -> Result<()> {
        Ok(())
    }

    async fn set_length(&self, _: u64) -> Result<()> {
        Ok(())
    }

    async fn flush_and_sync(&self) -> Result<()> {
        Ok(())
    }

    async fn commit(&self, _: &Location, _: CommitOptions) -> Result<()> {
        self.see(|seen| seen.committed = true);
        Ok(())
    }

    fn interrupt(&self) {
        if self.can_be_interrupted {
            self.go_on.send_replace(true);
        }
    }

    async fn abort(&self) -> Result<()> {
        self.see(|seen| seen.aborted = true);
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

fn task(place: &Place) -> okdownload::DownloadTaskBuilder {
    DownloadTask::builder(place.server.url("/a"), Target::uri("sink://x/a"))
        .connection_count(NonZeroU32::new(4).unwrap())
}

#[tokio::test]
async fn a_cancel_waits_for_one_write_at_most() {
    for can_be_interrupted in [true, false] {
        let place = Place::new().await;
        place.server.serve("/a", tagged(Body::pattern(1, 32 * MIB)));
        let mut sink = Sink::new(OutputCapability::STREAM);
        (sink.waits_at, sink.can_be_interrupted) = (Some(1), can_be_interrupted);
        let ok = place.builder().output_stream_factory(sink.clone()).build().unwrap();
        let handle = ok.task(task(&place).build().unwrap()).enqueue();
        // Several connections have brought bytes that wait for the first write.
        while place.server.requests().iter().filter(|request| request.bytes_sent > MIB / 2).count() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        handle.cancel();
        if !can_be_interrupted {
            sink.go_on.send_replace(true);
        }
        assert_eq!(handle.await.cause, EndCause::Canceled);
        let expected = Seen { opened: 1, writes: 1, aborted: true, committed: false };
        assert_eq!(sink.seen(), expected, "{can_be_interrupted}");
    }
}

#[tokio::test]
async fn nothing_is_written_behind_a_write_that_failed() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(2, 32 * MIB)));
    let mut sink = Sink::new(OutputCapability::STREAM);
    sink.fails_at = Some(3);
    let ok = place.builder().output_stream_factory(sink.clone()).build().unwrap();
    let end = ok.task(task(&place).build().unwrap()).enqueue().await;
    assert_eq!(end.error.unwrap().kind(), ErrorKind::Io);
    assert_eq!(sink.seen(), Seen { opened: 1, writes: 3, aborted: true, committed: false });
}

#[tokio::test]
async fn a_digest_wants_bytes_that_can_be_read_or_come_in_order() {
    let digest: okdownload::Digest = format!("sha-256={}", "0".repeat(64)).parse().unwrap();
    let mut seeks_only = OutputCapability::FULL;
    seeks_only.read = false;
    for (capability, kind, opened) in
        [(seeks_only, ErrorKind::Unsupported, 0), (OutputCapability::STREAM, ErrorKind::Checksum, 1)]
    {
        let place = Place::new().await;
        place.server.serve("/a", tagged(Body::pattern(3, 5 * MIB)));
        let sink = Sink::new(capability);
        let ok = place.builder().output_stream_factory(sink.clone()).build().unwrap();
        let end = ok.task(task(&place).digest(digest.clone()).build().unwrap()).enqueue().await;
        let error = end.error.unwrap();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.advice().is_some() && !sink.seen().committed);
        assert_eq!(sink.seen().opened, opened);
    }
}

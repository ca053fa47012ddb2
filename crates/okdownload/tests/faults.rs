//! Disks, stores and servers that fail in the middle, and what is believed afterwards.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use common::{MIB, Place, tagged};
use okdownload::output::*;
use okdownload::prelude::*;
use okdownload::store::{DownloadStore, SqliteStore};
use okdownload::*;
use okdownload_testkit::server::{Body, Gate, Reply, Resource};

const SIZE: u64 = 12 * MIB;

/// What an output does wrong, and when; counted from 1.
#[derive(Debug, Default)]
struct Plan {
    writes: AtomicUsize,
    fail_write: usize, // 1-based
    syncs: AtomicUsize,
    fail_sync: usize,
    fail_commit: bool,
    write_delay: Duration,
    sync_delay: Duration,
    scan_delay: Duration,
    scans: AtomicUsize,
}
/// An output that fails as planned.
#[derive(Debug)]
struct Layer(Arc<dyn OutputStreamFactory>, Arc<Plan>);
#[derive(Debug)]
struct Stream(Arc<dyn OutputStream>, Arc<Plan>);

#[async_trait]
impl OutputStreamFactory for Layer {
    fn capability(&self, location: &Location) -> OutputCapability {
        self.0.capability(location)
    }
    async fn boot_id(&self) -> Option<String> {
        self.0.boot_id().await
    }
    async fn stat(&self, l: &Location) -> Result<Option<Stat>> {
        self.0.stat(l).await
    }
    async fn open_part(&self, p: &Location, m: OpenMode) -> Result<Option<Arc<dyn OutputStream>>> {
        Ok(self
            .0
            .open_part(p, m)
            .await?
            .map(|s| Arc::new(Stream(s, self.1.clone())) as Arc<dyn OutputStream>))
    }
    async fn free_space(&self, l: &Location) -> Result<Option<FreeSpace>> {
        self.0.free_space(l).await
    }
    async fn remove(&self, l: &Location) -> Result<bool> {
        self.0.remove(l).await
    }
}
#[async_trait]
impl OutputStream for Stream {
    fn identity(&self) -> Option<FileIdentity> {
        self.0.identity()
    }
    fn initial_length(&self) -> u64 {
        self.0.initial_length()
    }
    async fn write_at(&self, offset: u64, data: Vec<Bytes>) -> Result<()> {
        let n = self.1.writes.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::time::sleep(self.1.write_delay).await;
        if n == self.1.fail_write {
            return Err(Error::new(ErrorKind::NoSpace, "full"));
        }
        self.0.write_at(offset, data).await
    }
    async fn read_at(&self, o: u64, l: usize) -> Result<Bytes> {
        self.0.read_at(o, l).await
    }
    async fn scan(&self, r: std::ops::Range<u64>, c: Consumer) -> Result<()> {
        self.1.scans.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.1.scan_delay).await;
        self.0.scan(r, c).await
    }
    async fn preallocate(&self, l: u64) -> Result<()> {
        self.0.preallocate(l).await
    }
    async fn set_length(&self, l: u64) -> Result<()> {
        self.0.set_length(l).await
    }
    async fn flush_and_sync(&self) -> Result<()> {
        let n = self.1.syncs.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::time::sleep(self.1.sync_delay).await;
        if n == self.1.fail_sync {
            return Err(Error::new(ErrorKind::Io, "fsync: EIO"));
        }
        self.0.flush_and_sync().await
    }
    async fn commit(&self, to: &Location, o: CommitOptions) -> Result<()> {
        if self.1.fail_commit {
            return Err(Error::new(ErrorKind::Io, "fsync in commit: EIO"));
        }
        self.0.commit(to, o).await
    }
    async fn abort(&self) -> Result<()> {
        self.0.abort().await
    }
    async fn close(&self) -> Result<()> {
        self.0.close().await
    }
}

fn one(place: &Place) -> DownloadTaskBuilder {
    place.task("/a", "a").connection_count(NonZeroU32::MIN)
}
fn four(place: &Place) -> DownloadTaskBuilder {
    place.task("/a", "a").connection_count(NonZeroU32::new(4).unwrap())
}
fn db(place: &Place) -> SqliteStore {
    SqliteStore::new(place.directory.path().join("state/test.db"))
}

async fn half_with(place: &Place, resource: Resource, task: DownloadTask) {
    place.server.serve("/a", resource);
    let gate = Gate::new();
    place.server.script("/a", [Reply::resource().gate_after(SIZE / 2, &gate)]);
    let ok = place.engine();
    let handle = ok.task(task).enqueue();
    gate.reached().await;
    handle.progress().wait_for(|p| p.written >= SIZE / 2).await.unwrap();
    handle.cancel();
    let _ = handle.await;
    ok.shutdown().await.unwrap();
    place.server.clear_log();
}

fn same(place: &Place, body: &Body) -> bool {
    let content = std::fs::read(place.path("a")).unwrap();
    content.len() as u64 == body.len() && body.matches(0, &content)
}

#[tokio::test]
async fn a_foreign_file_is_never_taken_for_the_download() {
    let place = Place::new().await;
    let body = Body::pattern(1, 1000);
    place
        .server
        .serve("/a", tagged(body.clone()).last_modified(SystemTime::now() - Duration::from_secs(86400)));
    std::fs::create_dir_all(place.path("")).unwrap();
    std::fs::write(place.path("a"), "mine, not yours").unwrap();
    let ok = place.engine();
    let end = ok.download(place.task("/a", "a").build().unwrap()).await;
    ok.shutdown().await.unwrap();
    assert!(end.is_err(), "a foreign file counts as complete");
}

#[tokio::test]
async fn what_a_server_sends_beyond_its_range_is_dropped() {
    let place = Place::new().await;
    let body = Body::pattern(2, 16 * MIB);
    place.server.serve("/a", tagged(body.clone()));
    let mut bad = body.slice(0..MIB);
    bad.extend(vec![0xEE; 1 << 20]);
    place.server.script("/a", [Reply::resource().body(Body::bytes(bad)).chunked().chunk_size(50_000)]);
    let ok = place.engine();
    ok.download(four(&place).build().unwrap()).await.unwrap();
    assert!(same(&place, &body), "WRONG FILE");
}

#[tokio::test]
async fn nothing_is_written_behind_a_failed_write() {
    let body = Body::pattern(3, SIZE);
    // Whether the length is known or not.
    for resource in [tagged(body.clone()), tagged(body.clone()).without_ranges().chunked()] {
        let place = Place::new().await;
        place.server.serve("/a", resource);
        let ok = place.engine();
        let plan =
            Arc::new(Plan { fail_write: 4, write_delay: Duration::from_millis(30), ..Plan::default() });
        let p = plan.clone();
        let end = ok.task(one(&place).build().unwrap()).output_layer(move |i| Layer(i, p)).enqueue().await;
        assert_eq!(end.cause, EndCause::PreAllocateFailed);
        assert!(!place.path("a").exists());
        ok.shutdown().await.unwrap();
        let ok = place.engine();
        ok.download(one(&place).build().unwrap()).await.unwrap();
        assert!(same(&place, &body), "WRONG FILE");
    }
}

#[tokio::test]
async fn a_failed_sync_voids_the_writes_that_were_under_way() {
    let place = Place::new().await;
    let body = Body::pattern(4, SIZE);
    place.server.serve("/a", tagged(body.clone()).rate(8 * MIB));
    let ok = place.builder().sync_interval(Duration::from_millis(200)).build().unwrap();
    let plan = Arc::new(Plan {
        fail_sync: 1,
        write_delay: Duration::from_millis(30),
        sync_delay: Duration::from_millis(100),
        ..Plan::default()
    });
    let p = plan.clone();
    let task = one(&place).build().unwrap();
    let end = ok.task(task.clone()).output_layer(move |i| Layer(i, p)).enqueue().await;
    assert_eq!(end.error.unwrap().kind(), ErrorKind::Io);
    ok.shutdown().await.unwrap();
    let info = db(&place).breakpoint(task.id()).await.unwrap();
    assert!(info.is_none_or(|i| i.written() == 0), "claims bytes after a failed sync");
}

#[tokio::test]
async fn a_part_that_another_store_took_over_is_not_believed() {
    let place = Place::new().await;
    let body = Body::pattern(5, SIZE);
    half_with(&place, tagged(body.clone()), one(&place).build().unwrap()).await;
    // Another program (another database) begins the same download, over four connections, and is stopped.
    let gate = Gate::new();
    place.server.script("/a", [Reply::resource().gate_after(65_536, &gate)]);
    let other =
        OkDownload::builder().download_store(okdownload_store_memory::MemoryStore::new()).build().unwrap();
    let handle = other.task(four(&place).build().unwrap()).enqueue();
    gate.reached().await;
    handle.progress().wait_for(|p| p.written > SIZE / 2).await.unwrap();
    handle.cancel();
    let _ = handle.await;
    other.shutdown().await.unwrap();
    let ok = place.engine();
    ok.download(one(&place).build().unwrap()).await.unwrap();
    assert!(same(&place, &body), "WRONG FILE");
}

#[tokio::test]
async fn an_interrupted_update_goes_on() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(8, 1000)));
    let task = || one(&place).on_exists(OnExists::Update).build().unwrap();
    let ok = place.engine();
    ok.download(task()).await.unwrap();
    ok.shutdown().await.unwrap();
    let v2 = Body::pattern(9, SIZE);
    half_with(&place, tagged(v2.clone()).etag("\"v2\""), task()).await;
    let ok = place.engine();
    let end = ok.download(task()).await.unwrap();
    assert!(same(&place, &v2));
    assert_eq!(end.resumed, SIZE / 2);
}

#[tokio::test]
async fn a_wrong_digest_after_a_resume_is_a_wrong_digest() {
    let place = Place::new().await;
    half_with(&place, tagged(Body::pattern(10, SIZE)), one(&place).build().unwrap()).await;
    let digest = Digest::new(DigestAlgorithm::Md5, vec![0; 16]).unwrap();
    let ok = place.engine();
    let error = ok.download(one(&place).digest(digest).build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Checksum);
}

/// The second time, the server would have to wait for it with its answer.
#[tokio::test]
async fn a_finished_file_of_another_digest_is_read_once() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(10, 1000)));
    let ok = place.engine();
    ok.download(one(&place).build().unwrap()).await.unwrap();
    let digest = Digest::new(DigestAlgorithm::Md5, vec![0; 16]).unwrap();
    let (plan, layered) = (Arc::new(Plan::default()), one(&place).digest(digest).build().unwrap());
    let seen = plan.clone();
    let end = ok.task(layered).output_layer(move |inner| Layer(inner, seen)).execute().await;
    assert_eq!(end.error.unwrap().kind(), ErrorKind::AlreadyExists);
    assert_eq!(plan.scans.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_length_may_come_to_be_known_later() {
    let place = Place::new().await;
    let body = Body::pattern(11, 8 * MIB);
    place.server.serve("/a", tagged(body.clone()));
    place.server.script("/a", [Reply::resource().as_if_without("Range").chunked().cut_after(3 * MIB)]);
    let ok = place.engine();
    let end = ok.task(one(&place).retries(2).build().unwrap()).enqueue().await;
    for r in place.server.requests() {
        println!("T09   {:?} sent {}", r.range(), r.bytes_sent);
    }
    assert_eq!(end.cause, EndCause::Completed);
}

#[tokio::test]
async fn a_completion_outlives_an_engine_that_is_dropped() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(12, 1000)));
    let ok = place.engine();
    ok.download(place.task("/a", "a").build().unwrap()).await.unwrap();
    drop(ok);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let ok = place.engine();
    let again = ok.download(place.task("/a", "a").build().unwrap()).await;
    assert!(again.is_ok());
}

#[tokio::test]
async fn overwriting_covers_a_file_that_appears_meanwhile() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(13, SIZE)));
    let gate = Gate::new();
    place.server.script("/a", [Reply::resource().gate_after(SIZE / 2, &gate)]);
    let ok = place.engine();
    let handle = ok.task(one(&place).on_exists(OnExists::Overwrite).build().unwrap()).enqueue();
    gate.reached().await;
    std::fs::write(place.path("a"), "other").unwrap();
    gate.open();
    let end = handle.await;
    assert_eq!(end.cause, EndCause::Completed);
}

#[tokio::test]
async fn renaming_is_repeatable() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(14, 1000)));
    std::fs::create_dir_all(place.path("")).unwrap();
    std::fs::write(place.path("a"), "mine").unwrap();
    for _ in 0..3 {
        let ok = place.engine();
        ok.download(place.task("/a", "a").on_exists(OnExists::Rename).build().unwrap()).await.unwrap();
        ok.shutdown().await.unwrap();
    }
    assert_eq!(place.files(), ["a", "a (1)"]);
}

#[tokio::test]
async fn a_new_name_that_is_taken_meanwhile_gives_way_to_the_next() {
    let place = Place::new().await;
    std::fs::create_dir_all(place.path("")).unwrap();
    std::fs::write(place.path("a"), "mine").unwrap();
    let task = || one(&place).on_exists(OnExists::Rename).build().unwrap();
    half_with(&place, tagged(Body::pattern(15, SIZE)), task()).await;
    std::fs::write(place.path("a (1)"), "mine too").unwrap();
    for _ in 0..2 {
        let ok = place.engine();
        assert!(ok.task(task()).enqueue().await.is_completed());
        ok.shutdown().await.unwrap();
    }
    assert!(place.files().contains(&"a (2)".into()), "{:?}", place.files());
}

#[tokio::test]
async fn events_of_a_dropped_request_end() {
    let place = Place::new().await;
    let ok = place.engine();
    let request = ok.task(place.task("/a", "a").build().unwrap());
    let mut events = request.events();
    drop(request);
    let next = tokio::time::timeout(Duration::from_secs(1), futures_util::StreamExt::next(&mut events)).await;
    assert!(next.is_ok(), "hangs");
}

#[tokio::test]
async fn a_limit_may_be_endless() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(16, 1000)));
    let mut timeouts = Timeouts::default();
    timeouts.stall = Duration::MAX;
    let ok = place.engine();
    let end = ok.task(place.task("/a", "a").timeouts(timeouts).build().unwrap()).enqueue().await;
    assert_eq!(end.cause, EndCause::Completed);
}

#[derive(Debug)]
struct Tell(std::sync::mpsc::SyncSender<EndCause>);
impl DownloadListener for Tell {
    fn task_end(&self, _: &DownloadTask, end: &TaskEnd) {
        let _ = self.0.send(end.cause);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_listener_hears_the_end_after_the_engine_was_dropped() {
    let mut heard = 0;
    for n in 0..20 {
        let place = Place::new().await;
        place.server.serve("/a", tagged(Body::pattern(17 + n, 200_000)));
        let (tell, told) = std::sync::mpsc::sync_channel(10);
        let ok = place.engine();
        let _ = ok.enqueue(place.task("/a", "a").build().unwrap(), Tell(tell));
        drop(ok);
        let end =
            tokio::task::spawn_blocking(move || told.recv_timeout(Duration::from_secs(3))).await.unwrap();
        heard += usize::from(end.is_ok());
        if end.is_err() {
            println!("T15 {n}: {end:?}, files {:?}", place.files());
        }
    }
    assert_eq!(heard, 20);
}

#[tokio::test]
async fn a_failed_sync_at_resume_is_never_taken_back() {
    let place = Place::new().await;
    let body = Body::pattern(18, SIZE);
    half_with(&place, tagged(body.clone()), one(&place).build().unwrap()).await;
    let ok = place.engine();
    let plan = Arc::new(Plan { fail_sync: 1, ..Plan::default() });
    let end = ok.task(one(&place).build().unwrap()).output_layer(move |i| Layer(i, plan)).enqueue().await;
    assert_eq!(end.error.unwrap().kind(), ErrorKind::Io);
    ok.shutdown().await.unwrap();
    let info = db(&place).breakpoint(end_id(&place)).await.unwrap();
    assert_eq!(info.unwrap().written(), 0);
    let ok = place.engine();
    let end = ok.download(one(&place).build().unwrap()).await.unwrap();
    assert_eq!(end.resumed, 0);
}
fn end_id(place: &Place) -> TaskId {
    one(place).build().unwrap().id()
}

#[tokio::test]
async fn a_failed_sync_at_the_end_is_never_taken_back() {
    let place = Place::new().await;
    let body = Body::pattern(19, SIZE);
    place.server.serve("/a", tagged(body.clone()));
    let ok = place.engine();
    let plan = Arc::new(Plan { fail_commit: true, ..Plan::default() });
    let end = ok.task(one(&place).build().unwrap()).output_layer(move |i| Layer(i, plan)).enqueue().await;
    assert_eq!(end.error.unwrap().kind(), ErrorKind::Io);
    ok.shutdown().await.unwrap();
    let ok = place.engine();
    let end = ok.download(one(&place).build().unwrap()).await.unwrap();
    assert_eq!(end.fetched, SIZE);
}

#[tokio::test]
async fn an_error_before_the_first_byte_leaves_no_part() {
    // The store fails at the start-over's commit: a resource whose part is fresh, and the database is unusable.
    let place = Place::new().await;
    let body = Body::pattern(22, SIZE);
    half_with(&place, tagged(body.clone()), one(&place).build().unwrap()).await;
    std::fs::remove_file(place.path("a.okdownload")).unwrap();
    // the database can be read and not written
    let store = FailingCommits(db(&place), || Error::new(ErrorKind::Store, "database or disk is full"));
    let ok = OkDownload::builder().download_store(store).build().unwrap();
    let end = ok.task(one(&place).build().unwrap()).enqueue().await;
    assert_eq!(end.error.unwrap().kind(), ErrorKind::Store);
    assert!(place.files().is_empty());
}
#[derive(Debug)]
struct FailingCommits(SqliteStore, fn() -> Error);
#[async_trait]
impl DownloadStore for FailingCommits {
    fn capability(&self) -> okdownload::store::StoreCapability {
        self.0.capability()
    }
    async fn breakpoint(&self, id: TaskId) -> Result<Option<BreakpointInfo>> {
        self.0.breakpoint(id).await
    }
    async fn completion(&self, id: TaskId) -> Result<Option<CompletionRecord>> {
        self.0.completion(id).await
    }
    async fn breakpoints_at(&self, l: &Location) -> Result<Vec<BreakpointInfo>> {
        self.0.breakpoints_at(l).await
    }
    async fn unfinished(&self) -> Result<Vec<BreakpointInfo>> {
        self.0.unfinished().await
    }
    async fn completed(&self) -> Result<Vec<CompletionRecord>> {
        self.0.completed().await
    }
    async fn response_filename(&self, _: &url::Url) -> Result<Option<String>> {
        Ok(None)
    }
    async fn commit(
        &self,
        _: Vec<okdownload::store::Change>,
        _: okdownload::store::CommitLevel,
    ) -> Result<()> {
        Err((self.1)())
    }
    async fn close(&self) -> Result<()> {
        self.0.close().await
    }
}

#[tokio::test]
async fn a_store_that_panics_at_the_end_of_one_task_ends_no_other() {
    let place = Place::new().await;
    let store = FailingCommits(db(&place), || panic!("a bug of the store"));
    let ok = OkDownload::builder().download_store(store).build().unwrap();
    for name in ["a", "b"] {
        place.server.serve(&format!("/{name}"), tagged(Body::pattern(23, 1000)));
        let task = place.task(&format!("/{name}"), name).build().unwrap();
        let end = tokio::time::timeout(Duration::from_secs(10), ok.task(task).enqueue().wait()).await;
        let end = end.expect("its end is told");
        assert!(end.is_completed(), "{name}: {end:?}");
    }
}

#[tokio::test]
async fn events_of_a_paused_task_end_with_its_engine() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(24, SIZE)));
    let gate = Gate::new();
    place.server.script("/a", [Reply::resource().gate_after(SIZE / 2, &gate)]);
    let ok = place.builder().runtime(tokio::runtime::Handle::current()).build().unwrap();
    let request = ok.task(one(&place).build().unwrap());
    let mut events = request.events();
    let handle = request.enqueue();
    gate.reached().await;
    handle.pause();
    while !matches!(futures_util::StreamExt::next(&mut events).await, Some(Event::Paused)) {}
    drop((ok, handle));
    let next = tokio::time::timeout(Duration::from_secs(1), futures_util::StreamExt::next(&mut events)).await;
    assert!(next.is_ok(), "hangs");
}

#[tokio::test]
async fn claims_that_are_not_believed_are_taken_back_before_anything_is_written() {
    let place = Place::new().await;
    half_with(&place, tagged(Body::pattern(30, SIZE)), one(&place).build().unwrap()).await;
    let part = std::fs::OpenOptions::new().write(true).open(place.path("a.okdownload")).unwrap();
    part.set_len(SIZE / 4).unwrap();
    // The next run opens the part and gets no answer.
    let gate = Gate::new();
    place.server.script("/a", [Reply::resource().gate_head(&gate)]);
    let ok = place.engine();
    let handle = ok.task(one(&place).build().unwrap()).enqueue();
    place.server.wait_for_requests(1).await;
    let info = db(&place).breakpoint(handle.id()).await.unwrap().unwrap();
    assert_eq!(info.written(), SIZE / 4);
    gate.open();
    assert!(handle.await.is_completed());
}

#[tokio::test]
async fn another_validator_is_another_version_whatever_time_and_length_say() {
    let place = Place::new().await;
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(315_532_800);
    place.server.serve("/a", tagged(Body::pattern(31, 3000)).last_modified(time));
    let task = || one(&place).on_exists(OnExists::Update).build().unwrap();
    let ok = place.engine();
    ok.download(task()).await.unwrap();
    let new = Body::pattern(32, 3000);
    place.server.replace("/a", tagged(new.clone()).etag("\"v2\"").last_modified(time));
    ok.download(task()).await.unwrap();
    assert!(same(&place, &new), "the old file passes for the new version");
}

#[tokio::test]
async fn a_clean_end_counts_only_as_far_as_it_reaches() {
    let place = Place::new().await;
    let body = Body::pattern(33, SIZE);
    place.server.serve("/a", tagged(body.clone()).without_ranges().chunked());
    place.server.script(
        "/a",
        [
            Reply::resource().chunked().reset_after(8 * MIB),
            Reply::resource().without_length().cut_after(4 * MIB),
        ],
    );
    let ok = place.engine();
    ok.download(one(&place).build().unwrap()).await.unwrap();
    assert!(same(&place, &body), "WRONG FILE");
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_that_leads_nowhere_has_the_name_before_any_request() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(34, 1000)));
    std::fs::create_dir_all(place.path("")).unwrap();
    std::os::unix::fs::symlink("nowhere", place.path("a")).unwrap();
    let error = place.engine().download(one(&place).build().unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), place.server.requests().len()), (ErrorKind::AlreadyExists, 0));
}

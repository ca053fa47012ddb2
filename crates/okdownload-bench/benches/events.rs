//! What the engine and its events cost where nothing else does: `cargo bench -p okdownload-bench --bench events`. The
//! bytes come out of memory, the store is in memory, and the files are in a temporary folder.
#![allow(clippy::expect_used, reason = "a benchmark that fails says nothing")]

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use http::{HeaderMap, HeaderValue, Version, header};
use okdownload::connection::{ConnectRequest, Connected, ConnectionCapability, ConnectionFactory};
use okdownload::monitor::{DownloadListener1, DownloadListenerBunch, Listener1};
use okdownload::prelude::*;
use okdownload::store::MemoryStore;
use okdownload::{Durability, ResponseHead};

fn main() {
    divan::main();
}

/// A server in memory, whose only resource has every address.
#[derive(Debug, Clone)]
struct Memory {
    body: Bytes,
    /// So large are the pieces in which it comes.
    piece: usize,
}

#[derive(Debug)]
struct Response {
    head: ResponseHead,
    rest: Bytes,
    piece: usize,
}

#[async_trait]
impl ConnectionFactory for Memory {
    fn capability(&self) -> ConnectionCapability {
        ConnectionCapability::FULL
    }

    async fn connect(&self, request: ConnectRequest) -> Result<Box<dyn Connected>> {
        let (range, total) = (range(&request.headers), self.body.len());
        let end = range.map_or(total, |(_, last)| last.saturating_add(1).min(total));
        let start = range.map_or(0, |(first, _)| first).min(end);
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, HeaderValue::from_static("\"v1\""));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - start));
        if range.is_some() {
            let part = format!("bytes {start}-{}/{total}", end - 1);
            headers.insert(header::CONTENT_RANGE, part.parse().expect("a header"));
        }
        let status = if range.is_some() { 206 } else { 200 };
        let head = ResponseHead::new(request.url, status, Version::HTTP_11, headers);
        Ok(Box::new(Response { head, rest: self.body.slice(start..end), piece: self.piece }))
    }
}

/// The first and the last byte that are asked for.
fn range(headers: &HeaderMap) -> Option<(usize, usize)> {
    let text = headers.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?;
    let (first, last) = text.split_once('-')?;
    Some((first.parse().ok()?, last.parse().unwrap_or(usize::MAX)))
}

#[async_trait]
impl Connected for Response {
    fn head(&self) -> &ResponseHead {
        &self.head
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let length = self.piece.min(self.rest.len());
        Ok((length > 0).then(|| self.rest.split_to(length)))
    }
}

/// Hears everything, and counts the bytes.
#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl DownloadListener for Counting {
    fn on_event(&self, _: &DownloadTask, event: &Event) {
        if let Event::FetchProgress { increase, .. } = event {
            self.0.fetch_add(*increase, Ordering::Relaxed);
        }
    }
}

impl Listener1 for Counting {
    fn progress(&self, _: &DownloadTask, current: u64, _: Option<u64>) {
        self.0.fetch_max(current, Ordering::Relaxed);
    }
}

fn engine(bytes: usize, piece: usize) -> OkDownload {
    let memory = Memory { body: Bytes::from(vec![7; bytes]), piece };
    let builder = OkDownload::builder().connection_factory(memory).download_store(MemoryStore::new());
    let parallel = NonZeroUsize::new(16).expect("not zero");
    builder.max_parallel_running_count(parallel).build().expect("an engine")
}

fn task(folder: &Path, name: &str, connections: u32) -> DownloadTask {
    let task = DownloadTask::builder(format!("http://host.invalid/{name}"), Target::file(folder.join(name)));
    let task = task.on_exists(OnExists::Overwrite).durability(Durability::Process);
    // A listener that wants to hear as often as it can.
    let task = task.progress_interval(Duration::ZERO);
    task.connection_count(NonZeroU32::new(connections).expect("not zero")).build().expect("a task")
}

/// 64 MiB over some connections, in pieces of 16 KiB and of 256 KiB.
#[divan::bench(args = [(1, 16), (1, 256), (4, 16), (4, 256)], sample_count = 10)]
fn one_large_file(bencher: Bencher<'_, '_>, (connections, kib): (u32, usize)) {
    const SIZE: usize = 64 << 20;
    let folder = tempfile::tempdir().expect("a folder");
    let ok = engine(SIZE, kib << 10);
    bencher.counter(BytesCount::new(SIZE)).bench_local(|| {
        let handle = ok.enqueue(task(folder.path(), "large", connections), Counting::default());
        handle.wait_blocking().and_then(TaskEnd::into_result).expect("a file")
    });
    ok.shutdown_blocking().expect("the end");
}

/// 256 files of 4 KiB, 16 at a time.
#[divan::bench(sample_count = 10)]
fn small_files(bencher: Bencher<'_, '_>) {
    const COUNT: usize = 256;
    let folder = tempfile::tempdir().expect("a folder");
    let ok = engine(4 << 10, 4 << 10);
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| {
        let tasks = (0..COUNT).map(|number| task(folder.path(), &number.to_string(), 1));
        for handle in ok.enqueue_all(tasks, Counting::default()) {
            handle.wait_blocking().and_then(TaskEnd::into_result).expect("a file");
        }
    });
    ok.shutdown_blocking().expect("the end");
}

/// A thousand progress events for so many listeners in one bunch, each of which keeps a model.
#[divan::bench(args = [1, 4])]
fn fan_out(bencher: Bencher<'_, '_>, listeners: usize) {
    let listener = || Arc::new(DownloadListener1::new(Counting::default())) as Arc<dyn DownloadListener>;
    let bunch = (0..listeners).fold(DownloadListenerBunch::new(), |bunch, _| bunch.append(listener()));
    let task = task(Path::new("/nowhere"), "file", 1);
    bunch.on_event(&task, &Event::TaskStart);
    let progress = Event::FetchProgress { block: 0, increase: 1 };
    bencher.counter(ItemsCount::new(1000 * listeners)).bench_local(|| {
        for _ in 0..1000 {
            bunch.on_event(&task, divan::black_box(&progress));
        }
    });
}

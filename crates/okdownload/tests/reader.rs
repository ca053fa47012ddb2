//! Bytes that go to whoever reads them, in order.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroU32;
use std::time::Duration;

use common::{MIB, Place, tagged};
use okdownload::prelude::*;
use okdownload::strategy::ProcessFileStrategy;
use okdownload::{DownloadReader, DownloadTaskBuilder};
use okdownload_testkit::server::{Body, Reply, Resource};
use tokio::io::AsyncReadExt;

const FOUR: NonZeroU32 = NonZeroU32::new(4).unwrap();

fn open(ok: &OkDownload, task: DownloadTaskBuilder) -> DownloadReader {
    ok.task(task.build().unwrap()).into_reader().unwrap()
}

async fn read(mut reader: DownloadReader) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).await.map(|_| bytes)
}

#[tokio::test]
async fn several_connections_fetch_ahead_and_every_byte_once() {
    let place = Place::new().await;
    let body = Body::pattern(1, 40 * MIB + 77);
    place.server.serve("/a", tagged(body.clone()));
    let ok = place.engine();
    let bytes = read(open(&ok, place.task("/a", "a").connection_count(FOUR))).await.unwrap();
    assert!(bytes.len() as u64 == body.len() && body.matches(0, &bytes));
    assert!(place.server.connections() >= 2 && place.server.max_concurrent() <= 4);
    let sent: u64 = place.server.requests().iter().map(|request| request.bytes_sent).sum();
    assert_eq!(sent, body.len());
    // Neither a file nor a record is left.
    assert!(place.files().is_empty());
    assert!(ok.store().unfinished().await.unwrap().is_empty());
    assert!(ok.store().completed().await.unwrap().is_empty());
}

#[tokio::test]
async fn servers_of_all_kinds_give_the_bytes() {
    let body = Body::pattern(2, 3 * MIB);
    for (name, resource) in [
        ("no ranges", tagged(body.clone()).without_ranges()),
        ("chunked", tagged(body.clone()).chunked()),
        ("no validator", Resource::new(body.clone())),
        ("empty", tagged(Body::bytes(""))),
    ] {
        let place = Place::new().await;
        place.server.serve("/a", resource);
        let bytes = read(open(&place.engine(), place.task("/a", "a"))).await.unwrap();
        let expected = if name == "empty" { 0 } else { body.len() };
        assert!(bytes.len() as u64 == expected && body.matches(0, &bytes), "{name}");
    }
}

#[tokio::test]
async fn a_break_is_continued_where_it_was() {
    let place = Place::new().await;
    let body = Body::pattern(3, 9 * MIB);
    place.server.serve("/a", tagged(body.clone()));
    place.server.script("/a", [Reply::resource().cut_after(700_000), Reply::resource().cut_after(10_000)]);
    let bytes = read(open(&place.engine(), place.task("/a", "a").connection_count(FOUR))).await.unwrap();
    assert!(bytes.len() as u64 == body.len() && body.matches(0, &bytes));
}

#[tokio::test]
async fn what_was_read_is_not_taken_back() {
    let place = Place::new().await;
    let (old, new) = (Body::pattern(4, 9 * MIB), Body::pattern(5, 9 * MIB));
    place.server.serve("/a", tagged(new));
    // The first answer breaks after some bytes, and the next is of another version.
    place.server.script("/a", [Reply::ok().header("ETag", "\"v0\"").body(old).cut_after(2_000_000)]);
    let error = read(open(&place.engine(), place.task("/a", "a"))).await.unwrap_err();
    let error = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(error.kind(), ErrorKind::ResumeFailed, "{error}");
}

#[tokio::test]
async fn a_wrong_digest_is_an_error_at_the_end() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::bytes("abc")));
    let digest = "crc32c=364b3fb7".parse().unwrap();
    let bytes = read(open(&place.engine(), place.task("/a", "a").digest(digest))).await.unwrap();
    assert_eq!(bytes, b"abc");
    let digest = "crc32c=364b3fb8".parse().unwrap();
    let mut reader = open(&place.engine(), place.task("/a", "a").digest(digest));
    assert_eq!(&reader.chunk().await.unwrap().unwrap()[..], b"abc");
    assert_eq!(reader.chunk().await.unwrap_err().kind(), ErrorKind::Checksum);
}

#[tokio::test]
async fn who_does_not_read_slows_it_down_and_can_cancel() {
    let place = Place::new().await;
    let body = Body::pattern(6, 400 * MIB);
    place.server.serve("/a", tagged(body.clone()));
    let ok = place.engine();
    let mut reader = open(&ok, place.task("/a", "a").connection_count(FOUR));
    reader.chunk().await.unwrap().unwrap();
    let mut progress = reader.handle().progress();
    // It stands still once the window is full, far from the end.
    while tokio::time::timeout(Duration::from_millis(300), progress.changed()).await.is_ok() {}
    assert!(progress.borrow().written < 30 * MIB, "{:?}", *progress.borrow());
    let handle = reader.handle().clone();
    handle.cancel();
    let end = tokio::time::timeout(Duration::from_secs(5), handle.wait()).await.unwrap();
    assert_eq!(end.cause, EndCause::Canceled);
    // The same by dropping the reader.
    let reader = open(&ok, place.task("/a", "a"));
    let handle = reader.handle().clone();
    drop(reader);
    let end = tokio::time::timeout(Duration::from_secs(5), handle.wait()).await.unwrap();
    assert_eq!(end.cause, EndCause::Canceled);
}

#[tokio::test]
async fn many_small_chunks_are_all_handed_out_after_the_end() {
    let place = Place::new().await;
    let body = Body::pattern(10, 900_000);
    place.server.serve("/a", tagged(body.clone()).chunked().chunk_size(2048));
    let mut reader = open(&place.engine(), place.task("/a", "a"));
    assert_eq!(reader.handle().wait().await.cause, EndCause::Completed);
    // More of them than a task may take before it has to let others run.
    let reading = tokio::spawn(async move {
        let (mut bytes, mut chunks) = (Vec::new(), 0);
        while let Some(chunk) = reader.chunk().await.unwrap() {
            bytes.extend_from_slice(&chunk);
            chunks += 1;
        }
        (bytes, chunks)
    });
    let (bytes, chunks) = reading.await.unwrap();
    assert!(chunks > 200, "{chunks}");
    assert!(bytes.len() as u64 == body.len() && body.matches(0, &bytes), "{}", bytes.len());
}

#[tokio::test]
async fn a_reader_needs_no_store_and_no_file() {
    /// Looks at files only.
    #[derive(Debug, Clone)]
    struct Looks;
    #[async_trait::async_trait]
    impl ProcessFileStrategy for Looks {
        async fn check(&mut self, _: &DownloadTask, part: &okdownload::Location) -> Result<()> {
            panic!("there is no file at {part}");
        }
    }
    let place = Place::new().await;
    let body = Body::pattern(11, 3 * MIB);
    place.server.serve("/a", tagged(body.clone()));
    // A directory stands where the database would be.
    let store = place.directory.path().join("store.db");
    std::fs::create_dir(&store).unwrap();
    let builder = place.builder().download_store(okdownload::store::SqliteStore::new(store));
    let ok = builder.process_file_strategy(Looks).build().unwrap();
    let bytes = read(open(&ok, place.task("/a", "a"))).await.unwrap();
    assert!(bytes.len() as u64 == body.len() && body.matches(0, &bytes));
}

//! Files beyond 32 bits: their records and their parts are there, and only their ends are fetched.

use okdownload::output::{FileOutput, OpenMode, OutputStreamFactory};
use okdownload::prelude::*;
use okdownload::store::{Change, CommitLevel, DownloadStore};
use okdownload::{BlockInfo, BreakpointInfo, EntityTag, Location, ResumeFailedCause, Validators};
use okdownload_testkit::server::{Body, Reply};

use super::stage::Stage;
use super::table::*;

pub(crate) fn rows() -> Vec<Case> {
    // They are sparse, so the disk need not have room for them.
    let sparse = |case: Case| case.options(|task| task.preallocate(false));
    [edges(), answers(), impossible()].into_iter().flatten().map(sparse).collect()
}

const GIB4: u64 = 1 << 32;

/// Zeros, with something else around 2^31, 2^32 and the end, so that it shows if bytes are where they don't belong.
fn body(length: u64) -> Body {
    let island = |at: u64| (at, Body::pattern(at, 4000).slice(..).into());
    Body::sparse(length, [island((1 << 31) - 2000), island(GIB4 - 2000), island(length.saturating_sub(3000))])
}

/// All but these blocks' missing ends is there: of each a start, a length, and how much of it is written.
fn there(stage: &Stage, length: u64, blocks: &[(u64, u64, u64)]) {
    let task = stage.task(stage.server.url("/a"), Target::file(stage.path("a"))).build().unwrap();
    let location = |name: &str| Location::Path(stage.path(name));
    let mut info =
        BreakpointInfo::new(task.id(), task.url().clone(), location("a"), location("a.okdownload"));
    info.total = Some(length);
    info.validators = Validators::new(EntityTag::parse("\"v1\""), None, None);
    let block = |&(start, length, written): &(u64, u64, u64)| {
        BlockInfo::new(start, Some(length)).with_progress(written, written)
    };
    info.blocks = blocks.iter().map(block).collect();
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(record(stage, info)));
}

async fn record(stage: &Stage, mut info: BreakpointInfo) {
    let files = FileOutput::new();
    let part = files.open_part(&info.part, OpenMode::Create).await.unwrap().unwrap();
    let total = info.total.unwrap();
    part.set_length(total).await.unwrap();
    // What is not zero is written where the record says that it is.
    for block in info.blocks.clone() {
        for around in [1 << 31, GIB4, total] {
            let from = around.saturating_sub(4000).max(block.start);
            let to = (around + 4000).min(block.start + block.written);
            if from < to {
                part.write_at(from, vec![body(total).slice(from..to).into()]).await.unwrap();
            }
        }
    }
    info.identity = part.identity();
    info.boot = files.boot_id().await;
    part.close().await.unwrap();
    stage.store.commit(vec![Change::Put(info)], CommitLevel::Process).await.unwrap();
}

/// A file of this length, of which this much of one block is there.
fn tail(name: &str, length: u64, written: u64) -> Case {
    case(name)
        .has(v1(body(length)))
        .with(move |stage| there(stage, length, &[(0, length, written)]))
        .then(whole(body(length)).goes_on().requests(1))
        .log(move |_, log| match log[0].range() {
            Some(range) if range == format!("bytes={written}-{}", length - 1) => Ok(()),
            other => Err(format!("{other:?} was asked for")),
        })
}

fn edges() -> Vec<Case> {
    vec![
        tail("across 2^31", (1 << 31) + 1000, (1 << 31) - 1000),
        tail("up to 2^32 - 1", GIB4 - 1, GIB4 - 1001),
        tail("up to 2^32", GIB4, GIB4 - 1000),
        tail("the byte before 2^32", GIB4, GIB4 - 1),
        tail("the byte at 2^32", GIB4 + 1, GIB4),
        tail("across 2^32", GIB4 + 1000, GIB4 - 1000),
        tail("from 2^32", GIB4 + 5000, GIB4),
        tail("beyond 2^32", 3 * GIB4 + 12_345, 3 * GIB4),
        case("two blocks that meet at 2^32")
            .has(v1(body(GIB4 + 5000)))
            .with(|stage| there(stage, GIB4 + 5000, &[(0, GIB4, GIB4 - 5000), (GIB4, 5000, 100)]))
            .connections(2)
            .then(whole(body(GIB4 + 5000)).goes_on().requests(2)),
        case("all is there but a hole below 2^32")
            .has(v1(body(GIB4 + 5000)))
            .with(|stage| there(stage, GIB4 + 5000, &[(0, GIB4 - 10, GIB4 - 20), (GIB4 - 10, 5010, 5010)]))
            .then(whole(body(GIB4 + 5000)).goes_on().requests(1)),
    ]
}

/// Answers that are wrong by multiples of 2^32.
fn answers() -> Vec<Case> {
    let near = GIB4 + 1000;
    let row = |name: &str, reply: Reply| {
        tail(name, near, GIB4)
            .answers([reply])
            .then(fails(ErrorKind::Status, "404").leaves_part().requests(2))
    };
    let with_range = |range: &str| Reply::resource().header_override("Content-Range", range);
    // The whole would be too much to send: who asks for it gets 404.
    let no_whole = |case: Case| {
        case.with(|stage| {
            stage.server.handle("/a", |request, _| match request.range() {
                Some(_) => Reply::resource(),
                None => Reply::status(404),
            });
        })
    };
    vec![
        no_whole(row("a start that is less by 2^32", with_range("bytes 0-999/4294968296"))),
        no_whole(row("a start that is more by 2^32", with_range("bytes 8589934592-8589935591/*"))),
        tail("a total that is less by 2^32", near, GIB4)
            .answers([with_range("bytes 4294967296-4294968295/1000")])
            .has(v1(body(near)))
            .with(|stage| stage.server.handle("/a", |_, _| Reply::status(404)))
            .then(fails(ErrorKind::Status, "404").leaves_part().requests(2)),
        tail("another file of 1000 bytes", near, GIB4)
            .with(|stage| stage.server.serve("/a", v1(Body::pattern(5, 1000))))
            .then(whole(Body::pattern(5, 1000)).anew(ResumeFailedCause::ContentLengthChanged)),
    ]
}

/// Lengths that no disk has.
fn impossible() -> Vec<Case> {
    let row = |name: &str, length: u64| {
        case(name)
            .has(v1(Body::pattern(1, length)))
            .then(fails(ErrorKind::NoSpace, "not enough space").requests(1))
    };
    let whole_answer = |name: &str, length: u64| {
        case(name)
            .has(v1(Body::pattern(1, length)).without_ranges())
            .then(fails(ErrorKind::NoSpace, "not enough space").requests(1))
    };
    vec![
        row("a petabyte", 1 << 50),
        row("2^62 bytes", 1 << 62),
        row("2^63 - 1 bytes", i64::MAX as u64),
        whole_answer("a petabyte in one answer", 1 << 50),
        whole_answer("2^63 - 1 bytes in one answer", i64::MAX as u64),
    ]
}

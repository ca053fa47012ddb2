//! How long a store with many records takes to give them back; for benchmarks.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use okdownload_store::{Change, CommitLevel, DownloadStore};

use super::sample::{breakpoint, id};

/// What a store took with so many breakpoints of three blocks each.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Load {
    /// How many breakpoints there are.
    pub records: u64,
    /// Putting them there, 1000 in a batch, and closing.
    pub fill: Duration,
    /// The first call on a store that is not open, a look-up.
    pub open: Duration,
    /// The list of all.
    pub unfinished: Duration,
    /// One look-up by id, on average over all.
    pub look_up: Duration,
    /// One look-up by place, on average over a hundredth of them.
    pub look_up_by_place: Duration,
}

/// Fills a new store in a directory of its own, and loads it again. `open` is what [`StoreFixture::new`] takes.
///
/// # Panics
/// If the store fails.
///
/// [`StoreFixture::new`]: super::StoreFixture::new
pub async fn measure(records: u64, open: impl Fn(&Path) -> Arc<dyn DownloadStore>) -> Load {
    let directory = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let store = open(directory.path());
    let all: Vec<u64> = (0..records).collect();
    for some in all.chunks(1000) {
        let puts = some.iter().map(|n| Change::Put(breakpoint(*n))).collect();
        store.commit(puts, CommitLevel::Process).await.unwrap();
    }
    store.close().await.unwrap();
    let fill = start.elapsed();
    let store = open(directory.path());
    let (open, _) = timed(store.breakpoint(id(0))).await;
    let (unfinished, found) = timed(store.unfinished()).await;
    assert_eq!(found.len() as u64, records);
    let start = Instant::now();
    for n in &all {
        assert!(store.breakpoint(id(*n)).await.unwrap().is_some());
    }
    let look_ups = start.elapsed();
    let places: Vec<_> = found.into_iter().step_by(100).map(|info| info.location).collect();
    let start = Instant::now();
    for place in &places {
        assert_eq!(store.breakpoints_at(place).await.unwrap().len(), 1);
    }
    let by_place = start.elapsed();
    let each = |time: Duration, many: usize| time.div_f64(many.max(1) as f64);
    Load {
        records,
        fill,
        open,
        unfinished,
        look_up: each(look_ups, all.len()),
        look_up_by_place: each(by_place, places.len()),
    }
}

async fn timed<T>(call: impl Future<Output = okdownload_types::Result<T>>) -> (Duration, T) {
    let start = Instant::now();
    let found = call.await.unwrap();
    (start.elapsed(), found)
}

/// A benchmark's `main`: measures with 100,000 breakpoints and prints a table. Run as a test, that is without the
/// `--bench` that `cargo bench` passes, it only tries itself out with a few.
///
/// # Panics
/// If the store fails.
#[allow(clippy::print_stdout, reason = "a benchmark prints what it has found")]
pub fn main(name: &str, open: impl Fn(&Path) -> Arc<dyn DownloadStore>) {
    let records = if std::env::args().any(|argument| argument == "--bench") { 100_000 } else { 1000 };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let load = runtime.block_on(measure(records, open));
    println!("{name}, {records} breakpoints");
    for (what, time) in [
        ("fill and close", load.fill),
        ("open", load.open),
        ("unfinished()", load.unfinished),
        ("breakpoint(), each", load.look_up),
        ("breakpoints_at(), each", load.look_up_by_place),
    ] {
        println!("  {what:24}{time:>12.1?}");
    }
}

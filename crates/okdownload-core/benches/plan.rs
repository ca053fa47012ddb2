//! What dividing a download into blocks costs: `cargo bench -p okdownload-core --features bench`. It is done once for
//! each download, before its further connections start.

use std::num::{NonZeroU32, NonZeroU64};

use divan::{Bencher, black_box};
use okdownload_core::bench as plan;
use okdownload_types::BlockInfo;

const GIB: u64 = 1 << 30;
const SMALLEST: NonZeroU64 = NonZeroU64::new(1 << 20).unwrap();

fn main() {
    divan::main();
}

/// A new download of a gibibyte.
#[divan::bench(args = [4, 16, 128])]
fn fresh(connections: u32) -> Vec<BlockInfo> {
    plan::fresh(GIB, black_box(100_000), count(connections), SMALLEST)
}

/// One of 16 connections that goes on after it was stopped for the first, or for the hundredth time: each block is
/// half full, or whole.
#[divan::bench(args = [16, 1_600])]
fn resume(bencher: Bencher<'_, '_>, blocks: u32) {
    let length = GIB / u64::from(blocks);
    let stopped: Vec<_> = (0..u64::from(blocks))
        .map(|index| {
            let written = if index % 100 < 16 { length / 2 } else { length };
            BlockInfo::new(index * length, Some(length)).with_progress(written, written)
        })
        .collect();
    bencher.bench(|| plan::resume(black_box(&stopped), count(16), SMALLEST));
}

fn count(connections: u32) -> NonZeroU32 {
    NonZeroU32::new(connections).unwrap_or(NonZeroU32::MIN)
}

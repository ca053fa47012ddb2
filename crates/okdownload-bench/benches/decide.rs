//! What decisions cost: `cargo bench -p okdownload-bench --bench decide`. They are made for each response, block or
//! idle connection, so a microsecond would be nothing.

use std::num::NonZeroU32;

use divan::black_box;
use okdownload::strategy::{BlockFacts, SplitFacts, default_block_count, default_split};

fn main() {
    divan::main();
}

/// How many blocks.
#[divan::bench]
fn block_count() -> NonZeroU32 {
    default_block_count(black_box(&BlockFacts::new(1 << 30)))
}

/// A thousand decisions: a rest of a gibibyte that is halved until it does not pay any more, again and again.
#[divan::bench]
fn a_thousand_splits() -> u64 {
    const MIB: u64 = 1 << 20;
    let mut remaining = 0;
    for _ in 0..1000 {
        let facts = black_box(SplitFacts::new(remaining, MIB));
        remaining = default_split(&facts).map_or(1 << 30, |taken| remaining - taken.get());
    }
    remaining
}

//! What the benchmark of the plan calls. Nothing is promised of it.

use std::num::{NonZeroU32, NonZeroU64};

use okdownload_types::BlockInfo;

use crate::plan;

/// The blocks of a new download.
#[must_use]
pub fn fresh(total: u64, probed: u64, count: NonZeroU32, smallest: NonZeroU64) -> Vec<BlockInfo> {
    plan::fresh(total, probed, count, smallest)
}

/// Those of one that goes on.
#[must_use]
pub fn resume(blocks: &[BlockInfo], count: NonZeroU32, smallest: NonZeroU64) -> Vec<BlockInfo> {
    plan::resume(blocks, count, smallest)
}

//! Replaces one decision of the engine: every file is fetched as one block, over one connection, however large it is.

use std::num::NonZeroU32;

use okdownload::strategy::{BlockFacts, DownloadStrategy};

/// Says only what it does differently; all other decisions stay the default's.
#[derive(Debug, Clone)]
pub struct OneBlock;

impl DownloadStrategy for OneBlock {
    fn block_count(&mut self, _facts: &BlockFacts) -> NonZeroU32 {
        NonZeroU32::MIN
    }
}

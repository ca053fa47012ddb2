//! The strategy seams of okdownload: two traits that decide, and the default of each.
//!
//! Depend on this crate (and on `okdownload-types`) to write a strategy that others use. Programs that only download
//! depend on `okdownload`.
//!
//! A strategy is given facts and gives back a decision: it does no I/O, asks no clock, and never sees the engine. The
//! engine holds one as a template; each run of a task works on its own clone, with `&mut self`, so a strategy may
//! learn while it runs. Every method has the default policy as its body, so that a strategy says only what it does
//! differently:
//!
//! ```
//! use std::num::NonZeroU32;
//! use okdownload_strategy::{BlockFacts, DownloadStrategy};
//!
//! #[derive(Debug, Clone)]
//! struct OneBlock;
//!
//! impl DownloadStrategy for OneBlock {
//!     fn block_count(&mut self, _facts: &BlockFacts) -> NonZeroU32 {
//!         NonZeroU32::MIN
//!     }
//! }
//! ```

mod download;
mod name;
mod process;
mod response;

pub use download::{
    BlockFacts, DefaultDownloadStrategy, DownloadStrategy, RetryFacts, RetryVerdict, SplitFacts,
    default_block_count, default_retry, default_split,
};
pub use name::{NameFacts, default_file_name, disposition_file_name, safe_file_name, url_file_name};
pub use process::{
    DefaultProcessFileStrategy, ProcessFileStrategy, default_numbered_name, default_part_name,
};
pub use response::{ResponseFacts, ResponseVerdict, judge_response};

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! okdownload's store in memory.

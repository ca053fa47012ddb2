//! okdownload's output to local files.

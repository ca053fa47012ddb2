//! A download engine for Rust programs: multi-connection, multi-task, resumable.

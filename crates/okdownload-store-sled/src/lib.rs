//! okdownload's store in a [sled](https://docs.rs/sled) database: pure Rust, for one process at a time.
//!
//! Depend on this crate to keep breakpoints where no C library may be, or to compare stores. Programs that only download
//! depend on `okdownload`, whose default store is SQLite: that one several processes may share, and it is the one to
//! choose where the loss of power matters.
//!
//! One thread of its own serves each [`SledStore`], from the first call to [`close`] or the drop of the store, so no
//! call blocks its caller. Commits that wait at the same time share one write and one flush.
//!
//! [`close`]: okdownload_store::DownloadStore::close

mod batch;
mod config;
mod database;
mod error;
mod guard;
mod keys;
mod place;
mod records;
mod store;

pub use config::SledStoreBuilder;
pub use okdownload_store::OnWarning;
pub use store::SledStore;

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

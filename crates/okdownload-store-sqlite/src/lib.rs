//! okdownload's store in an SQLite database: it survives the loss of power, and several processes may share it.
//!
//! Depend on this crate to say where the database is or to hear its warnings, or to use the store without the engine.
//! Programs that only download depend on `okdownload`, whose default store it is.
//!
//! One thread of its own serves each [`SqliteStore`], from the first call to [`close`] or the drop of the store, so no
//! call blocks its caller. Commits that wait at the same time share one transaction, and one sync.
//!
//! [`close`]: okdownload_store::DownloadStore::close

mod config;
mod database;
mod error;
mod place;
mod rows;
mod schema;
mod store;
mod write;

pub use config::SqliteStoreBuilder;
pub use okdownload_store::OnWarning;
pub use store::SqliteStore;

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! The SQLite store is a store.

use std::sync::Arc;

use okdownload_store_sqlite::SqliteStore;

okdownload_testkit::store_suite!(|directory| Arc::new(SqliteStore::new(directory.join("store.db"))));

//! The delayed write over the SQLite store is a store that survives as much.

use std::sync::Arc;
use std::time::Duration;

use okdownload_store::Remit;
use okdownload_store_sqlite::SqliteStore;

okdownload_testkit::store_suite!(|directory| {
    let store = Arc::new(SqliteStore::new(directory.join("store.db")));
    Arc::new(Remit::new(store, Remit::DELAY, Remit::THRESHOLD, Arc::new(|| Duration::ZERO)))
});

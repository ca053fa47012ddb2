//! How long 100,000 breakpoints take to come back: `cargo bench -p okdownload-store-sqlite`.

use std::sync::Arc;

use okdownload_store_sqlite::SqliteStore;

fn main() {
    okdownload_testkit::suite::store::load::main("SQLite", |directory| {
        Arc::new(SqliteStore::new(directory.join("store.db")))
    });
}

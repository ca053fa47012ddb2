//! How long 100,000 breakpoints take to come back: `cargo bench -p okdownload-store-sled`.

use std::sync::Arc;

use okdownload_store_sled::SledStore;

fn main() {
    okdownload_testkit::suite::store::load::main("sled", |directory| {
        Arc::new(SledStore::new(directory.join("store")))
    });
}

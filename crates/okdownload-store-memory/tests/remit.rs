//! The delayed write over the memory store is a store, as long as nothing is held.

use std::sync::Arc;
use std::time::Duration;

use okdownload_store::Remit;
use okdownload_store_memory::MemoryStore;

okdownload_testkit::store_suite!(|_| {
    let store = Arc::new(MemoryStore::new());
    Arc::new(Remit::new(store, Remit::DELAY, Remit::THRESHOLD, Arc::new(|| Duration::ZERO)))
});

//! The delayed write over the sled store is a store that survives as much.

use std::sync::Arc;
use std::time::Duration;

use okdownload_store::Remit;
use okdownload_store_sled::SledStore;

okdownload_testkit::store_suite!(|directory| {
    let store = Arc::new(SledStore::new(directory.join("store")));
    Arc::new(Remit::new(store, Remit::DELAY, Remit::THRESHOLD, Arc::new(|| Duration::ZERO)))
});

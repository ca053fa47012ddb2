//! The sled store is a store.

use std::sync::Arc;

use okdownload_store_sled::SledStore;

okdownload_testkit::store_suite!(|directory| Arc::new(SledStore::new(directory.join("store"))));

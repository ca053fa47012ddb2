//! The memory store is a store.

use std::sync::Arc;

use okdownload_store_memory::MemoryStore;

okdownload_testkit::store_suite!(|_| Arc::new(MemoryStore::new()));

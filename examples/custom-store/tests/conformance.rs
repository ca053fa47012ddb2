//! The JSON store is a store.

use std::sync::Arc;

okdownload_testkit::store_suite!(|directory| Arc::new(custom_store::json_store(directory.join("store"))));

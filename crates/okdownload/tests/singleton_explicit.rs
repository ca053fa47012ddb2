//! The singleton, set by its application. One story, one process.

use okdownload::prelude::*;
use okdownload::store::StoreCapability;
use okdownload_store_memory::MemoryStore;

#[test]
fn the_first_one_set_stays() {
    let mine = OkDownload::builder().download_store(MemoryStore::new()).build();
    OkDownload::set_singleton(mine.expect("an engine")).expect("nobody was first");
    let survives = |ok: &OkDownload| ok.store().capability();
    let memory: StoreCapability = survives(OkDownload::with().expect("the singleton"));
    assert!(!memory.many_processes);
    let other = OkDownload::builder().build().expect("an engine");
    let error = OkDownload::set_singleton(other).expect_err("a second one");
    assert!(!error.lazily);
    assert!(error.to_string().contains("singleton_explicit.rs"), "{error}");
    assert!(survives(&error.rejected).many_processes);
    assert_eq!(survives(OkDownload::with().expect("the singleton")), memory);
}

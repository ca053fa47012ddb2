//! The singleton, built by its first use. One story, one process.

use okdownload::prelude::*;

#[test]
fn who_uses_it_first_builds_it() {
    let first = OkDownload::with().expect("the defaults are compiled in");
    assert!(std::ptr::eq(first, OkDownload::with().expect("the same")));
    let error =
        OkDownload::set_singleton(first.to_builder().build().expect("an engine")).expect_err("too late");
    assert!(error.lazily);
    assert!(error.to_string().contains("singleton_lazy.rs"), "{error}");
}

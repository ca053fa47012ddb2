//! The example as a user runs it.

use okdownload_testkit::program::download_with;
use okdownload_testkit::server::Body;

#[tokio::test]
async fn it_downloads_one_after_the_other() {
    let (said, server) = download_with(env!("CARGO_BIN_EXE_serial-queue"), Body::pattern(1, 100_000)).await;
    assert!(said.starts_with("2 are waiting"), "{said}");
    assert!(said.contains("urgent.bin: completed"), "{said}");
    assert_eq!(server.max_concurrent(), 1);
}

//! The example as a user runs it.

use okdownload_testkit::program::download_with;
use okdownload_testkit::server::Body;

#[tokio::test]
async fn it_uses_one_block() {
    let (said, server) = download_with(env!("CARGO_BIN_EXE_one-block"), Body::pattern(1, 20 << 20)).await;
    assert!(said.contains("1 block(s)"), "{said}");
    assert_eq!(server.max_concurrent(), 1);
}

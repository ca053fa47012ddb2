//! The example as a user runs it.

use okdownload_testkit::program::download_with;
use okdownload_testkit::server::Body;

#[tokio::test]
async fn it_downloads_a_file() {
    let (said, _) = download_with(env!("CARGO_BIN_EXE_quickstart"), Body::pattern(1, 3 << 20)).await;
    assert!(said.contains("3145728 bytes"), "{said}");
}

//! The example as a user runs it.

use okdownload_testkit::program::download_with;
use okdownload_testkit::server::Body;

#[tokio::test]
async fn it_downloads_a_file() {
    let (said, _) = download_with(env!("CARGO_BIN_EXE_singleton"), Body::pattern(1, 100_000)).await;
    assert_eq!(said, "completed: 100000 bytes\n");
}

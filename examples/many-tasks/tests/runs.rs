//! The example as a user runs it.

use okdownload_testkit::program::download_with;
use okdownload_testkit::server::Body;

#[tokio::test]
async fn it_downloads_all_members_and_tells_the_end_once() {
    let (said, server) = download_with(env!("CARGO_BIN_EXE_many-tasks"), Body::pattern(1, 100_000)).await;
    let lines: Vec<_> = said.lines().collect();
    assert!(said.contains("copy.bin: completed"), "{said}");
    assert!(lines.contains(&"all have ended"), "{said}");
    assert!(server.requests().len() >= 2, "{said}");
}

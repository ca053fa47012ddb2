//! The example as a user runs it.

use okdownload_testkit::program::download_with;
use okdownload_testkit::server::Body;

#[tokio::test]
async fn it_shows_blocks_and_speed() {
    let (said, _) = download_with(env!("CARGO_BIN_EXE_listeners"), Body::pattern(1, 24 << 20)).await;
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].ends_with("block(s); begins with 0 B"), "{said}");
    assert!(said.contains("  block 0 is whole: ") && said.contains("  block 1 is whole: "), "{said}");
    assert!(lines[lines.len() - 1].starts_with("completed: 25.2 MB, on average "), "{said}");
}

//! The example as a user runs it.

use okdownload_testkit::program::download_with;
use okdownload_testkit::server::Body;

#[tokio::test]
async fn it_downloads_what_it_has_kept() {
    let program = env!("CARGO_BIN_EXE_resume-after-restart");
    let (said, _) = download_with(program, Body::pattern(1, 100_000)).await;
    assert!(said.starts_with("0 bytes are there") && said.contains("100000 bytes, 0 of them"), "{said}");
}

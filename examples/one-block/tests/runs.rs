//! The example as a user runs it.

use std::process::Command;

use okdownload_testkit::server::{Body, Resource, Server};

#[tokio::test(flavor = "multi_thread")]
async fn it_uses_one_block() {
    let body = Body::pattern(1, 20 << 20);
    let server = Server::start().await.unwrap();
    server.serve("/file.bin", Resource::new(body.clone()));
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_one-block"))
        .arg(server.url("/file.bin").as_str())
        .arg(directory.path())
        .env("XDG_STATE_HOME", directory.path().join("state"))
        .env_remove("http_proxy")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 block(s)"), "{said}");
    assert_eq!(server.max_concurrent(), 1);
    assert!(body.matches(0, &std::fs::read(directory.path().join("file.bin")).unwrap()));
}

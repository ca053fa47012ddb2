//! The example as a user runs it, and as README prints it.

use std::process::Command;

use okdownload_testkit::server::{Body, Resource, Server};

#[tokio::test(flavor = "multi_thread")]
async fn it_downloads_a_file() {
    let body = Body::pattern(1, 3 << 20);
    let server = Server::start().await.unwrap();
    server.serve("/file.bin", Resource::new(body.clone()));
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_quickstart"))
        .arg(server.url("/file.bin").as_str())
        .arg(directory.path())
        .env("XDG_STATE_HOME", directory.path().join("state"))
        .env_remove("http_proxy")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("3145728 bytes"));
    assert!(body.matches(0, &std::fs::read(directory.path().join("file.bin")).unwrap()));
}

#[test]
fn readme_prints_it_as_it_is() {
    let readme = include_str!("../../../README.md");
    let block = readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let main = include_str!("../src/main.rs").split_once("use okdownload").unwrap();
    assert_eq!(block, format!("use okdownload{}", main.1));
}

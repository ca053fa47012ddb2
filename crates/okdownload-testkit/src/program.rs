//! Programs as their users run them.

#![allow(clippy::expect_used, reason = "a panic here is a test that failed")]

use std::process::{Command, Output};

use tempfile::TempDir;

use crate::server::{Body, Resource, Server};

/// Lets a program download a file: it is given the URL and a directory, and must leave the whole file there, as
/// `file.bin`. Nothing of the user's is touched, and no proxy is used. Returns what the program said, and the server.
///
/// # Panics
/// If the program can't be run, fails, or leaves another file.
pub async fn download_with(program: &'static str, body: Body) -> (String, Server) {
    let server = Server::start().await.expect("a server");
    server.serve("/file.bin", Resource::new(body.clone()));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let url = server.url("/file.bin");
    let running = tokio::task::spawn_blocking(move || (run(program, url.as_str(), &directory), directory));
    let (output, directory) = running.await.expect("it was run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = std::fs::read(directory.path().join("file.bin")).expect("the file");
    assert!(file.len() as u64 == body.len() && body.matches(0, &file), "{} bytes", file.len());
    (String::from_utf8_lossy(&output.stdout).into_owned(), server)
}

fn run(program: &str, url: &str, directory: &TempDir) -> Output {
    let mut command = Command::new(program);
    command.arg(url).arg(directory.path());
    command.env("XDG_STATE_HOME", directory.path().join("state")).env_remove("http_proxy");
    command.output().expect("the program can be run")
}

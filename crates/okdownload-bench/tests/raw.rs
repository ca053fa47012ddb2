//! The raw-socket programs bring what a server has, against a server that is not ours to tune.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use okdownload_testkit::server::{Body, Reply, Resource, Server};

const PROGRAMS: [&str; 2] = ["raw-recv", "raw-splice"];

async fn run(arguments: Vec<String>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_okdownload-bench"));
    command.args(arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn one_file_comes_over_several_connections() {
    let body = Body::pattern(1, (3 << 20) + 17);
    for program in PROGRAMS {
        let server = Server::start().await.unwrap();
        server.serve("/file.bin", Resource::new(body.clone()));
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let url = server.url("/file.bin").to_string();
        let output = run([program, "-x", "4", "-o", &text(&out), &url].map(str::to_owned).into()).await;
        assert!(output.status.success(), "{output:?}");
        let came = std::fs::read(&out).unwrap();
        assert!(came.len() as u64 == body.len() && body.matches(0, &came), "{} bytes", came.len());
        assert_eq!((server.requests().len(), server.connections()), (5, 4), "{program}");
    }
}

#[tokio::test]
async fn a_list_of_files_comes_over_connections_that_are_kept() {
    for program in PROGRAMS {
        let server = Server::start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut list = String::new();
        for number in 0..10 {
            let path = format!("/{number}.bin");
            server.serve(&path, Resource::new(Body::pattern(number, 10_000 * number)));
            list += &format!("{}\n", server.url(&path));
        }
        std::fs::write(folder.path().join("list"), list).unwrap();
        let (dir, list) = (text(folder.path()), text(&folder.path().join("list")));
        let output = run([program, "-j", "2", "-d", &dir, "-i", &list].map(str::to_owned).into()).await;
        assert!(output.status.success(), "{output:?}");
        for number in 0..10 {
            let came = std::fs::read(folder.path().join(format!("{number}.bin"))).unwrap();
            let body = Body::pattern(number, 10_000 * number);
            assert!(came.len() as u64 == body.len() && body.matches(0, &came), "{program}: {number}");
        }
        assert_eq!(server.requests().len(), 10, "{program}");
        assert!(server.connections() <= 2, "{program}: {}", server.connections());
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_an_error() {
    for program in PROGRAMS {
        let server = Server::start().await.unwrap();
        server.serve("/file.bin", Resource::new(Body::pattern(1, 1 << 20)));
        server.script("/file.bin", [Reply::resource(), Reply::resource().reset_after(1000)]);
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let url = server.url("/file.bin").to_string();
        let output = run([program, "-o", &text(&out), &url].map(str::to_owned).into()).await;
        assert_eq!(output.status.code(), Some(1), "{program}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("cannot download"), "{output:?}");
    }
}

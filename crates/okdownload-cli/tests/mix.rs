//! Other parts than the usual ones: backends, stores, and places to write to.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use common::{MIB, Place, signal, tagged};
use http::Version;
use okdownload_testkit::s3::{ACCESS_KEY, S3Server, SECRET_KEY};
use okdownload_testkit::server::{Body, Server};
use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

const PARTS: [&[&str]; 3] =
    [&["--backend", "isahc"], &["--store", "sled"], &["--backend", "isahc", "--store", "sled"]];

#[tokio::test]
async fn other_backends_and_stores_bring_the_file() {
    for parts in PARTS {
        let place = Place::new().await;
        let body = Body::pattern(1, 9 * MIB);
        place.server.serve("/a", tagged(&body));
        let url = place.url("/a");
        let arguments = [parts, &["-q", "-x", "4", "-o", "a", &url]].concat();
        place.succeed(&arguments).await;
        place.assert_content("a", &body);
        assert_eq!(place.files(), ["a"]);
        let requests = place.server.requests().len();
        // The store knows that it is there.
        place.succeed(&arguments).await;
        assert_eq!(place.server.requests().len(), requests, "{parts:?}");
    }
}

#[tokio::test]
async fn they_go_on_after_a_kill() {
    for parts in PARTS {
        let place = Place::new().await;
        let body = Body::pattern(2, 24 * MIB);
        place.server.serve("/a", tagged(&body).rate(8 * MIB));
        let url = place.url("/a");
        let arguments = [parts, &["-q", "-x", "2", "-o", "a", &url]].concat();
        let mut child = place.command(&arguments).spawn().unwrap();
        // Until more is written than the first record needs, and that is recorded.
        while sent(&place) < 8 * MIB {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        signal(&child, Signal::KILL);
        child.wait().await.unwrap();
        let before = sent(&place);
        place.server.serve("/a", tagged(&body));
        place.succeed(&arguments).await;
        place.assert_content("a", &body);
        assert_eq!(place.files(), ["a"], "{parts:?}");
        let twice = sent(&place) - body.len();
        assert!(sent(&place) > before && twice < 6 * MIB, "{parts:?}: {twice} bytes twice");
    }
}

fn sent(place: &Place) -> u64 {
    place.server.requests().iter().map(|request| request.bytes_sent).sum()
}

#[tokio::test]
async fn standard_output_gets_the_bytes() {
    let place = Place::new().await;
    let body = Body::pattern(3, 11 * MIB + 5);
    place.server.serve("/a", tagged(&body));
    let output = place.command(["-x", "4", "-o", "-", &place.url("/a")]).output().await.unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(output.stdout.len() as u64 == body.len() && body.matches(0, &output.stdout));
    assert!(place.files().is_empty());
}

#[tokio::test]
async fn who_reads_only_the_beginning_hears_no_complaint() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(4, 64 * MIB)));
    let mut child = place.command(["-o", "-", &place.url("/a")]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 1000]).await.unwrap();
    drop(out);
    let output = child.wait_with_output().await.unwrap();
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(141), &b""[..]));
}

#[tokio::test]
async fn a_signal_ends_it_though_nobody_reads() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(5, 64 * MIB)));
    let mut child = place.command(["-o", "-", &place.url("/a")]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 1000]).await.unwrap();
    signal(&child, Signal::TERM);
    let ended = tokio::time::timeout(Duration::from_secs(10), child.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(143));
}

#[tokio::test]
async fn json_and_bytes_do_not_share_standard_output() {
    let place = Place::new().await;
    let ended = place.run(["--json", "-o", "-", &place.url("/a")]).await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.line().contains("--json"), "{ended:?}");
}

/// The command, which finds the server and its key where they are always found.
fn to_s3(place: &Place, s3: &S3Server, arguments: &[&str]) -> Command {
    let mut command = place.command(arguments);
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    command.env("AWS_ENDPOINT_URL", s3.endpoint()).env("AWS_REGION", "us-east-1");
    command
}

#[tokio::test]
async fn an_object_store_gets_the_file_also_after_a_kill() {
    for backend in ["reqwest", "isahc"] {
        let (place, s3) = (Place::new().await, S3Server::start());
        let body = Body::pattern(6, 40 * MIB + 7);
        place.server.serve("/a", tagged(&body).rate(16 * MIB));
        let url = place.url("/a");
        let arguments = ["-q", "--backend", backend, "-x", "4", "-o", "s3://bucket/some/key", &url];
        let mut child = to_s3(&place, &s3, &arguments).spawn().unwrap();
        while sent(&place) < 16 * MIB {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        signal(&child, Signal::KILL);
        child.wait().await.unwrap();
        assert!(s3.keys().is_empty(), "{backend}: half an object");
        place.server.serve("/a", tagged(&body));
        let output = to_s3(&place, &s3, &arguments).output().await.unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        assert_eq!(s3.keys(), ["some/key"]);
        let object = s3.object("some/key").unwrap();
        assert!(object.len() as u64 == body.len() && body.matches(0, &object), "{backend}");
        assert!(place.files().is_empty());
    }
}

#[tokio::test]
async fn an_object_store_that_refuses_is_named() {
    let (place, s3) = (Place::new().await, S3Server::start());
    place.server.serve("/a", tagged(&Body::pattern(7, 3 * MIB)));
    let arguments = ["-q", "-o", "s3://nobucket/a", &place.url("/a")];
    let output = to_s3(&place, &s3, &arguments).output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("s3://nobucket/a") && !said.contains(SECRET_KEY), "{said}");
}

#[tokio::test]
async fn a_file_uri_is_a_path() {
    let place = Place::new().await;
    let body = Body::pattern(8, 3 * MIB);
    place.server.serve("/a", tagged(&body));
    let uri = format!("file://{}", place.path("b").display());
    place.succeed(["-q", "-o", &uri, &place.url("/a")]).await;
    place.assert_content("b", &body);
}

#[tokio::test]
async fn http2_is_a_choice() {
    for backend in ["reqwest", "isahc"] {
        for options in [&[][..], &["--http2"]] {
            let place = Place::around(Server::start_http2().await.unwrap());
            let body = Body::pattern(9, 32 * MIB);
            place.server.serve("/a", tagged(&body).rate(16 * MIB));
            place.write("ca.pem", place.server.ca_pem());
            let url = place.url("/a");
            let usual = ["-q", "-x", "4", "--backend", backend, "--cacert", "ca.pem", "-o", "a", &url];
            place.succeed([&usual, options].concat()).await;
            place.assert_content("a", &body);
            let requests = place.server.requests();
            let used: BTreeSet<_> = requests.iter().map(|request| request.connection).collect();
            // Who is relieved of a part of his block loses his connection, so there may be many. libcurl shares none
            // while it is used.
            let (version, fits) = match (options, backend) {
                ([], _) => (Version::HTTP_11, used.len() >= 4),
                (_, "reqwest") => (Version::HTTP_2, used.len() == 1),
                _ => (Version::HTTP_2, true),
            };
            assert!(fits, "{backend} {options:?}: {}", used.len());
            assert!(requests.iter().all(|request| request.version == version), "{backend} {options:?}");
        }
    }
}

//! Being stopped in the middle, and going on.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

mod common;

use common::{Ended, HALF, Place, WHOLE, held, signal, tagged};
use okdownload_testkit::server::{Body, Gate, Reply};
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};

/// Runs the same command again: only the rest is fetched.
async fn goes_on(place: &Place) {
    assert_eq!(place.files(), ["a.okdownload"]);
    place.server.clear_log();
    place.succeed(["-x", "1", &place.url("/a")]).await;
    place.assert_content("a", &Body::pattern(1, WHOLE));
    assert_eq!(place.files(), ["a"]);
    let requests = place.server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].range(), Some(&*format!("bytes={HALF}-{}", WHOLE - 1)));
    assert_eq!(requests[0].header("if-range"), Some("\"v1\""));
    assert_eq!(place.server.bytes_sent(), WHOLE - HALF);
}

#[tokio::test]
async fn killed() {
    let place = Place::new().await;
    let (mut child, _gate) = held(&place, &[]).await;
    child.kill().await.unwrap();
    goes_on(&place).await;
}

#[tokio::test]
async fn told_to_stop() {
    for (number, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let place = Place::new().await;
        let (child, _gate) = held(&place, &[]).await;
        signal(&child, number);
        let ended: Ended = child.wait_with_output().await.unwrap().into();
        assert_eq!((ended.code, ended.err.as_str()), (Some(code), ""));
        goes_on(&place).await;
    }
}

#[tokio::test]
async fn stopped_with_files_waiting() {
    let place = Place::new().await;
    place.server.fallback(|_, _| Reply::hang());
    let list: String = (0..500).map(|number| place.url(&format!("/{number}")) + "\n").collect();
    place.write("list", list);
    let child = place.command(["-i", "list", "-j", "2"]).spawn().unwrap();
    place.server.wait_for_requests(2).await;
    signal(&child, Signal::INT);
    let ended: Ended = child.wait_with_output().await.unwrap().into();
    assert_eq!((ended.code, ended.err.as_str()), (Some(130), ""));
    assert_eq!(place.server.requests().len(), 2);
    assert_eq!(place.files(), ["list"]);
}

#[tokio::test]
async fn the_finished_files_of_a_killed_run_are_not_fetched_again() {
    let place = Place::new().await;
    let gate = Gate::new();
    for number in 0..40 {
        place.server.serve(&format!("/{number}"), tagged(&Body::pattern(number, 1000)));
    }
    let held = gate.clone();
    place.server.handle("/39", move |_, _| Reply::resource().gate(&held));
    let list: String = (0..40).map(|number| place.url(&format!("/{number}")) + "\n").collect();
    place.write("list", list);
    let mut child = place.command(["--json", "-i", "list", "-j", "4"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ends = 0;
    while ends < 39 {
        let line = lines.next_line().await.unwrap().unwrap();
        ends += usize::from(line.contains("\"event\":\"end\""));
    }
    gate.reached().await;
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().await.unwrap().code(), Some(143));
    gate.open();
    place.server.clear_log();
    place.succeed(["-i", "list"]).await;
    assert_eq!(place.server.requests().len(), 1);
    assert_eq!(place.files().len(), 41);
}

/// Signals that we were started to ignore stay ignored.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn nohup() {
    let place = Place::new().await;
    let body = Body::pattern(2, 1000);
    place.server.serve("/a", tagged(&body));
    let gate = Gate::new();
    place.server.script("/a", [Reply::resource().gate(&gate)]);
    let shell = place.command::<&str>([]);
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_okdl"), &place.url("/a")]);
    for (name, value) in shell.as_std().get_envs().filter_map(|(name, value)| Some((name, value?))) {
        command.env(name, value);
    }
    let child = command.env_remove("http_proxy").current_dir(place.path("")).spawn().unwrap();
    gate.reached().await;
    signal(&child, Signal::HUP);
    gate.open();
    assert_eq!(child.wait_with_output().await.unwrap().status.code(), Some(0));
    place.assert_content("a", &body);
}

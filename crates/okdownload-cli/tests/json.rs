//! Events for programs.

mod common;

use std::process::Stdio;

use common::{MIB, Place, tagged};
use okdownload_testkit::server::{Body, Gate, Reply};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

#[tokio::test]
async fn every_line_is_an_event() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(1, 1000)));
    place.server.fallback(|_, _| Reply::status(404));
    let good = place.url_with("me:s3cret", "/a?sig=s3cret") + "#s3cret";
    let ended = place.run(["--json", &good, &place.url("/missing")]).await;
    assert_eq!(ended.code, Some(1));
    let events = ended.json();
    let of = |index: u64| events.iter().filter(move |event| event["index"] == index).collect::<Vec<_>>();
    for event in &events {
        assert_eq!(event["v"], 1);
        assert_eq!(event["task"].as_str().unwrap().len(), 32);
        assert!(event["url"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    }
    let names = |events: &[&Value]| events.iter().map(|event| event["event"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&of(0)), ["start", "plan", "end"]);
    assert_eq!(names(&of(1)), ["start", "end"]);
    let end = of(0)[2];
    assert_eq!(
        (&end["cause"], &end["length"], &end["error"]),
        (&"completed".into(), &1000.into(), &Value::Null)
    );
    assert_eq!(end["path"], place.path("a").to_str().unwrap());
    assert!(of(1)[1]["error"].as_str().unwrap().contains("404"));
    assert!(!ended.out.contains("s3cret") && !ended.err.contains("s3cret"), "{ended:?}");
    // The reasons of failures are on standard error all the same.
    assert!(ended.err.contains("404") && ended.err.ends_with("okdl: 1 of 2 files failed\n"), "{ended:?}");
}

#[tokio::test]
async fn progress_is_told() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(2, 3 * MIB)));
    let gate = Gate::new();
    place.server.script("/a", [Reply::resource().gate_after(2 * MIB, &gate)]);
    let mut child = place.command(["--json", "-x", "1", &place.url("/a")]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    loop {
        let line = lines.next_line().await.unwrap().unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        if event["event"] == "progress" && event["written"].as_u64() == Some(2 * MIB) {
            assert_eq!(event["total"], 3 * MIB);
            break;
        }
    }
    gate.open();
    while lines.next_line().await.unwrap().is_some() {}
    assert!(child.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_reader_that_leaves_stops_nothing() {
    let place = Place::new().await;
    let body = Body::pattern(3, 1000);
    place.server.serve("/a", tagged(&body));
    let gate = Gate::new();
    place.server.script("/a", [Reply::resource().gate(&gate)]);
    let mut child = place.command(["--json", &place.url("/a")]).spawn().unwrap();
    drop(child.stdout.take());
    gate.reached().await;
    gate.open();
    let ended: common::Ended = child.wait_with_output().await.unwrap().into();
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    place.assert_content("a", &body);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_behind_standard_output_is_told() {
    let place = Place::new().await;
    let body = Body::pattern(4, 1000);
    place.server.serve("/a", tagged(&body));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = place.command(["--json", &place.url("/a")]);
    let child = command.stdout(Stdio::from(full)).spawn().unwrap();
    let ended: common::Ended = child.wait_with_output().await.unwrap().into();
    assert_eq!(ended.code, Some(1));
    assert!(ended.line().contains("standard output"), "{ended:?}");
    place.assert_content("a", &body);
}

//! Events for programs.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

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

/// The fields that `docs/json.md` gives each heading, in their order: of an event and of all events, or of a command.
fn documented() -> std::collections::BTreeMap<String, std::collections::BTreeSet<String>> {
    let text = include_str!("../../../docs/json.md");
    let (mut fields, mut heading) = (std::collections::BTreeMap::new(), String::new());
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ").or(line.strip_prefix("### ")) {
            let name = title.split('`').nth(1).unwrap();
            heading = if title.starts_with("Downloads") { "all events".into() } else { name.to_owned() };
            fields.insert(heading.clone(), std::collections::BTreeSet::new());
        } else if let Some(name) = line.strip_prefix("| `").and_then(|rest| rest.split('`').next()) {
            fields.get_mut(&heading).unwrap().insert(name.to_owned());
        }
    }
    fields
}

/// Whoever adds a field, or takes one away, has to say so.
#[tokio::test]
async fn every_object_is_as_documented() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(1, 3 * MIB)).rate(6 * MIB));
    place.server.script("/a", [Reply::status(503), Reply::resource().cut_after(2 * MIB)]);
    place.server.serve("/b", tagged(&Body::pattern(2, 1000)).header("Content-Encoding", "x-mine"));
    let ended = place.run(["--json", "-x1", &place.url("/a"), &place.url("/b")]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let documented = documented();
    let keys = |value: &Value| -> std::collections::BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let mut seen = std::collections::BTreeSet::new();
    for event in ended.json() {
        let name = event["event"].as_str().unwrap().to_owned();
        let expected = &documented["all events"] | &documented[&name];
        assert_eq!(keys(&event), expected, "{event}");
        seen.insert(name);
    }
    assert_eq!(Vec::from_iter(&seen), ["end", "plan", "progress", "retry", "start", "warning"]);
    let probe = place.run(["probe", "--json", &place.url("/b")]).await;
    let list = place.run(["list", "--json", "--completed"]).await;
    let forget = place.run(["forget", "--json", "--completed"]).await;
    for (heading, ended, count) in
        [("okdl list --json", list, 2), ("okdl forget --json", forget, 2), ("okdl probe --json", probe, 1)]
    {
        let objects = ended.json();
        assert_eq!(objects.len(), count, "{heading}: {ended:?}");
        for object in objects {
            assert_eq!((keys(&object), &object["v"]), (documented[heading].clone(), &1.into()), "{object}");
        }
    }
}

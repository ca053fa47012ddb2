//! What is unfinished: shown, gone on with, given up.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

mod common;

use common::{HALF, Place, WHOLE, held, leave_half, tagged};
use okdownload_testkit::server::{Body, Gate, Reply};
use serde_json::json;

/// What `okdl list --json` and the like say, without what differs from run to run.
async fn json(place: &Place, arguments: &[&str]) -> Vec<serde_json::Value> {
    let ended = place.run(arguments).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{arguments:?}: {ended:?}");
    ended.json()
}

#[tokio::test]
async fn what_is_unfinished_is_shown() {
    let place = Place::new().await;
    for arguments in [&["list"][..], &["list", "--completed"], &["list", "--json"]] {
        place.succeed(arguments).await;
    }
    leave_half(&place, &["-d", "d"]).await;
    let ended = place.run(["list"]).await;
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!((ended.code, ended.err.as_str(), lines.len()), (Some(0), "", 2), "{ended:?}");
    assert!(lines[0].starts_with("ID  ") && lines[1].contains(" 50%     8.0 MiB "), "{ended:?}");
    assert!(lines[1].contains(&format!("  d/a  <{}>", place.url("/a"))), "{ended:?}");
    let mut listed = json(&place, &["list", "--json"]).await;
    let age = listed[0]["age"].take();
    assert!(age.as_u64().is_some_and(|age| age < 600), "{age}");
    let id = listed[0]["id"].take();
    assert!(lines[1].starts_with(&id.as_str().unwrap()[..8]), "{id}: {ended:?}");
    let expected = json!({
        "v": 1, "state": "unfinished", "id": null, "url": place.url("/a"), "path": place.path("d/a").to_str(),
        "written": HALF, "total": WHOLE, "age": null, "needs_credentials": false, "there": true,
    });
    assert_eq!(listed, [expected]);
    assert_eq!(json(&place, &["list", "--completed", "--json"]).await, [json!(null); 0]);
    assert_eq!(place.server.requests().len(), 0);
}

#[tokio::test]
async fn what_is_complete_is_shown() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(1, 1000)));
    place.server.serve("/b", tagged(&Body::pattern(2, 1000)));
    place.succeed([place.url("/a"), place.url("/b")]).await;
    std::fs::remove_file(place.path("b")).unwrap();
    let mut there: Vec<_> = json(&place, &["list", "--completed", "--json"])
        .await
        .into_iter()
        .map(|row| {
            (row["path"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned(), row["there"].clone())
        })
        .collect();
    there.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(there, [("a".into(), json!(true)), ("b".into(), json!(false))]);
    let ended = place.run(["list", "--completed"]).await;
    assert!(ended.out.contains("100%      1000 B ") && ended.out.contains("(gone or changed)"), "{ended:?}");
}

#[tokio::test]
async fn the_only_one_goes_on() {
    let place = Place::new().await;
    place.succeed(["resume"]).await;
    place.succeed(["resume", "--all"]).await;
    leave_half(&place, &["--header", "X-Mine: 1", "-d", "d"]).await;
    // From anywhere.
    let mut command = place.command(["resume"]);
    let ended: common::Ended = command.current_dir(place.root()).output().await.unwrap().into();
    assert_eq!((ended.code, ended.err.as_str(), ended.out.as_str()), (Some(0), "", ""));
    place.assert_content("d/a", &Body::pattern(1, WHOLE));
    let requests = place.server.requests();
    assert_eq!(requests[0].range(), Some(&*format!("bytes={HALF}-{}", WHOLE - 1)));
    assert_eq!(requests[0].header("x-mine"), Some("1"));
    assert_eq!(place.server.bytes_sent(), WHOLE - HALF);
    place.succeed(["list"]).await;
}

#[tokio::test]
async fn several_have_to_be_named() {
    let place = Place::new().await;
    leave_half(&place, &["-d", "d"]).await;
    leave_half(&place, &["-o", "b"]).await;
    let ended = place.run(["resume"]).await;
    assert!(ended.code == Some(2) && ended.line().contains("2 downloads are unfinished"), "{ended:?}");
    let ended = place.run(["resume", "c"]).await;
    assert!(ended.code == Some(2) && ended.line().contains("nothing is known of c"), "{ended:?}");
    place.succeed(["resume", "b"]).await;
    place.assert_content("b", &Body::pattern(1, WHOLE));
    leave_half(&place, &["-o", "c"]).await;
    place.succeed(["resume", "--all", "--header", "X-Mine: 2"]).await;
    assert_eq!(place.files(), ["b", "c", "d"]);
    place.assert_content("d/a", &Body::pattern(1, WHOLE));
    let requests = place.server.requests();
    assert!(requests.len() >= 2 && requests.iter().all(|request| request.header("x-mine") == Some("2")));
}

#[tokio::test]
async fn a_new_url_for_one_that_expired() {
    let place = Place::new().await;
    leave_half(&place, &[]).await;
    place.server.handle("/a", |_, _| Reply::status(403));
    place.server.serve("/b", tagged(&Body::pattern(1, WHOLE)));
    let ended = place.run(["resume"]).await;
    assert!(ended.code == Some(1) && ended.line().contains("403"), "{ended:?}");
    for (url, word) in [("b", "--url"), ("http://u:s3cret@h:99999/", "a URL")] {
        let ended = place.run(["resume", "a", "--url", url]).await;
        assert!(ended.code != Some(0) && ended.line().contains(word), "{ended:?}");
        assert!(!ended.err.contains("s3cret"), "{ended:?}");
    }
    place.server.clear_log();
    place.succeed(["resume", "a", "--url", &place.url("/b")]).await;
    place.assert_content("a", &Body::pattern(1, WHOLE));
    assert_eq!(place.server.bytes_sent(), WHOLE - HALF);
    assert_eq!(place.files(), ["a"]);
}

#[tokio::test]
async fn credentials_have_to_be_given_again() {
    let place = Place::new().await;
    leave_half(&place, &["--user", "me:s3cret"]).await;
    let ended = place.run(["list"]).await;
    assert!(ended.out.contains("(needs credentials)"), "{ended:?}");
    let ended = place.run(["resume"]).await;
    assert!(ended.code == Some(1) && ended.line().contains("--user"), "{ended:?}");
    assert_eq!(place.server.requests().len(), 0);
    place.succeed(["resume", "--user", "me:s3cret"]).await;
    assert!(place.server.requests()[0].header("authorization").is_some());
    place.assert_content("a", &Body::pattern(1, WHOLE));
}

#[tokio::test]
async fn credentials_of_a_mirror_can_be_given_again() {
    let place = Place::new().await;
    place.server.serve("/m", tagged(&Body::pattern(1, WHOLE)));
    // All names lead to this server.
    let proxy = format!("--proxy=http://{}", place.server.address());
    leave_half(&place, &[&proxy, "--mirror", "http://me:s3cret@mirror.example/m"]).await;
    let netrc = place.root().join("home/.netrc");
    std::fs::write(&netrc, "machine other.example login me password p").unwrap();
    for options in [&[][..], &["--netrc"]] {
        let ended = place.run([&["resume", &proxy], options].concat()).await;
        assert!(ended.code == Some(1) && ended.line().contains("--netrc"), "{ended:?}");
    }
    assert_eq!(place.server.requests().len(), 0);
    std::fs::write(&netrc, "machine mirror.example login me password s3cret").unwrap();
    place.server.handle("/a", |_, _| Reply::status(404));
    let ended = place.run(["resume", "--netrc", &proxy]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    place.assert_content("a", &Body::pattern(1, WHOLE));
    assert_eq!(place.server.requests_for("/m")[0].header("authorization"), Some("Basic bWU6czNjcmV0"));
    assert_eq!(place.server.requests_for("/a")[0].header("authorization"), None);
}

#[tokio::test]
async fn what_is_forgotten_is_gone() {
    let place = Place::new().await;
    leave_half(&place, &[]).await;
    let ended = place.run(["forget", "a"]).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let part = place.path("a.okdownload");
    assert_eq!(ended.out, format!("a  <{}>  forgotten; removed {}\n", place.url("/a"), part.display()));
    assert_eq!(place.files(), Vec::<String>::new());
    place.succeed(["list"]).await;
    for arguments in [&["forget"][..], &["forget", "a"], &["forget", "--all", "a"]] {
        let ended = place.run(arguments).await;
        assert!(ended.code == Some(2) && !ended.line().is_empty(), "{arguments:?}: {ended:?}");
    }
    place.succeed(["forget", "--all"]).await;
}

#[tokio::test]
async fn what_is_known_twice_is_forgotten_by_its_one_id() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(1, WHOLE)));
    place.succeed([place.url("/a")]).await;
    std::fs::remove_file(place.path("a")).unwrap();
    leave_half(&place, &[]).await;
    let of = async |arguments: &[&str]| json(&place, arguments).await[0]["id"].as_str().unwrap().to_owned();
    let id = of(&["list", "--json"]).await;
    assert_eq!(of(&["list", "--completed", "--json"]).await, id);
    let said = json(&place, &["forget", "--json", &id]).await;
    let states: Vec<_> = said.iter().map(|record| record["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["unfinished", "completed"], "{said:?}");
    assert_eq!(place.files(), Vec::<String>::new());
}

#[tokio::test]
async fn a_password_is_for_one_server() {
    let place = Place::new().await;
    let other = Place::new().await;
    leave_half(&place, &["--user", "me:s3cret"]).await;
    other.server.serve("/b", tagged(&Body::pattern(1, WHOLE)));
    let gate = Gate::new();
    other.server.script("/b", [Reply::resource().gate_after(HALF, &gate)]);
    let mut child = place.command(["-x1", &other.url("/b")]).spawn().unwrap();
    gate.reached().await;
    while json(&place, &["list", "--json"]).await.len() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    child.kill().await.unwrap();
    other.server.clear_log();
    let ended = place.run(["resume", "--all", "--user", "me:s3cret"]).await;
    assert!(ended.code == Some(2) && ended.line().contains("--user would go to 2 servers"), "{ended:?}");
    assert!(place.server.requests().is_empty() && other.server.requests().is_empty());
    place.succeed(["resume", "a", "--user", "me:s3cret"]).await;
}

#[tokio::test]
async fn records_of_what_is_complete_go_and_files_stay() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(1, 1000)));
    place.succeed([place.url("/a")]).await;
    place.succeed(["forget", "-q", "--completed"]).await;
    place.succeed(["list", "--completed"]).await;
    assert_eq!(place.files(), ["a"]);
}

#[tokio::test]
async fn what_runs_elsewhere_is_not_forgotten() {
    let place = Place::new().await;
    let (mut child, gate) = held(&place, &[]).await;
    let ended = place.run(["forget", "a"]).await;
    assert!(ended.code == Some(1) && ended.line().starts_with("a: "), "{ended:?}");
    gate.open();
    assert!(child.wait().await.unwrap().success());
    place.assert_content("a", &Body::pattern(1, WHOLE));
}

#[tokio::test]
async fn a_command_stands_first() {
    let place = Place::new().await;
    let ended = place.run(["-q", "list"]).await;
    assert!(ended.code == Some(2) && ended.line().contains("name of a command"), "{ended:?}");
}

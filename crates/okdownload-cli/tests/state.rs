//! Where progress is kept, and what is never kept.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

mod common;

use base64::Engine;
use common::{MIB, Place, names, signal, tagged};
use okdownload_testkit::server::{Body, Gate, Reply, Server};
use rusqlite::Connection;
use rustix::process::Signal;

async fn place_with_a_file() -> (Place, Body) {
    let place = Place::new().await;
    let body = Body::pattern(1, 1000);
    place.server.serve("/a", tagged(&body));
    (place, body)
}

#[tokio::test]
async fn the_home_holds_the_state_where_nothing_else_is_said() {
    let (place, body) = place_with_a_file().await;
    let mut command = place.command([place.url("/a")]);
    let status = command.env_remove("XDG_STATE_HOME").status().await.unwrap();
    assert!(status.success());
    place.assert_content("a", &body);
    assert_eq!(place.elsewhere(), ["home/.local/state/okdownload/okdl.db"]);
}

#[tokio::test]
async fn a_state_that_cannot_be_made_is_warned_of() {
    let (place, body) = place_with_a_file().await;
    std::fs::write(place.root().join("state/file"), "").unwrap();
    let file = place.root().join("state/file/below");
    for (name, value) in [("file", Some(file.as_os_str())), ("none", None)] {
        let mut command = place.command(["-o", name, &place.url("/a")]);
        match value {
            Some(value) => command.env("XDG_STATE_HOME", value),
            None => command.env_remove("XDG_STATE_HOME").env_remove("HOME"),
        };
        let ended: common::Ended = command.output().await.unwrap().into();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.line().starts_with("warning: "), "{ended:?}");
        place.assert_content(name, &body);
    }
    assert_eq!(place.elsewhere(), ["state/file"]);
}

#[tokio::test]
async fn a_state_of_ones_own() {
    let (place, _) = place_with_a_file().await;
    let path = place.root().join("own/x.db");
    place.succeed([&format!("--store=sqlite:{}", path.display()), &place.url("/a")]).await;
    place.succeed(["--store=memory", "-o", "b", &place.url("/a")]).await;
    assert_eq!(names(&place.root().join("own")), ["x.db"]);
    assert_eq!(place.elsewhere(), Vec::<String>::new());
    // Who names a database wants that one.
    let below = format!("--store=sqlite:{}/below.db", path.display());
    let ended = place.run([&below, "-o", "c", &place.url("/a")]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.line().contains("below.db"), "{ended:?}");
    assert_eq!(place.files(), ["a", "b"]);
}

#[tokio::test]
async fn a_damaged_database_is_moved_aside() {
    let (place, body) = place_with_a_file().await;
    std::fs::create_dir(place.root().join("state/okdownload")).unwrap();
    for (number, content) in [(1, "this is no database".repeat(1000)), (2, "short".into())] {
        std::fs::write(place.database(), &content).unwrap();
        let name = format!("a{number}");
        let ended = place.run(["-o", &name, &place.url("/a")]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let aside = format!("okdl.db.damaged-{number}");
        assert!(ended.line().starts_with("warning: ") && ended.line().contains(&aside), "{ended:?}");
        place.assert_content(&name, &body);
        let kept = place.root().join("state/okdownload").join(aside);
        assert_eq!(std::fs::read_to_string(kept).unwrap(), content);
    }
    // The new one works.
    place.succeed(["-o", "a2", &place.url("/a")]).await;
    assert_eq!(place.server.requests().len(), 2);
}

#[tokio::test]
async fn a_database_of_another_program_is_moved_aside() {
    let (place, body) = place_with_a_file().await;
    std::fs::create_dir(place.root().join("state/okdownload")).unwrap();
    let foreign = Connection::open(place.database()).unwrap();
    foreign.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES ('precious')").unwrap();
    foreign.close().unwrap();
    let ended = place.run([place.url("/a")]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.line().starts_with("warning: "), "{ended:?}");
    place.assert_content("a", &body);
    let kept = Connection::open(place.root().join("state/okdownload/okdl.db.damaged-1")).unwrap();
    let value: String = kept.query_row("SELECT x FROM theirs", [], |row| row.get(0)).unwrap();
    assert_eq!(value, "precious");
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    let (place, _) = place_with_a_file().await;
    place.succeed([place.url("/a")]).await;
    let database = Connection::open(place.database()).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    database.close().unwrap();
    let before = std::fs::read(place.database()).unwrap();
    place.server.clear_log();
    let ended = place.run(["-o", "b", &place.url("/a")]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.line().contains("newer version"), "{ended:?}");
    assert_eq!(place.server.requests().len(), 0);
    assert_eq!(place.files(), ["a"]);
    assert_eq!(std::fs::read(place.database()).unwrap(), before);
    assert_eq!(names(&place.root().join("state/okdownload")), ["okdl.db"]);
}

/// A name and a password in a URL go to that origin, at once, and nowhere else.
#[tokio::test]
async fn secrets_stay_secret() {
    let place = Place::new().await;
    let other = Server::start().await.unwrap();
    let body = Body::pattern(2, 3 * MIB);
    other.serve("/there", tagged(&body));
    let gate = Gate::new();
    other.script("/there", [Reply::resource().gate_after(2 * MIB, &gate)]);
    let there = other.url("/there").to_string();
    place.server.handle("/here", move |_, _| Reply::redirect(302, &there));
    let url = place.url_with("me:s3cret%21", "/here") + "#s3cret";
    let arguments = ["--json", "-x1", "--header", "X-Token: s3cret", &url];
    let mut child = place.command(arguments).spawn().unwrap();
    tokio::select! {
        () = gate.reached() => {}
        _ = child.wait() => panic!("{:?}", common::Ended::from(child.wait_with_output().await.unwrap())),
    }
    signal(&child, Signal::INT);
    let ended: common::Ended = child.wait_with_output().await.unwrap().into();
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(!ended.out.contains("s3cret") && !ended.err.contains("s3cret"), "{ended:?}");

    let sent = base64::engine::general_purpose::STANDARD.encode("me:s3cret!");
    let here = &place.server.requests()[0];
    assert_eq!(here.header("authorization"), Some(&*format!("Basic {sent}")));
    assert_eq!((here.path.as_str(), here.header("x-token")), ("/here", Some("s3cret")));
    let elsewhere = &other.requests()[0];
    assert_eq!((elsewhere.header("authorization"), elsewhere.header("x-token")), (None, None));

    let kept = place.elsewhere();
    assert!(!kept.is_empty());
    for file in kept {
        let bytes = std::fs::read(place.root().join(&file)).unwrap();
        let holds = |secret: &str| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!holds("s3cret") && !holds(&sent), "{file}");
    }
}

#[tokio::test]
async fn a_user_for_urls_without_one() {
    let (place, _) = place_with_a_file().await;
    place.succeed(["--user", "n:p:q", &place.url("/a")]).await;
    place.succeed(["--user", "n:p:q", "-o", "b", &place.url_with("u:v", "/a")]).await;
    let basic = |text: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
    let requests = place.server.requests();
    let sent: Vec<_> = requests.iter().map(|request| request.header("authorization").unwrap()).collect();
    assert_eq!(sent, [basic("n:p:q"), basic("u:v")]);
}

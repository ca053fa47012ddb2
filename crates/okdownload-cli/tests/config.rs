//! The configuration file.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

mod common;

use std::os::unix::fs::PermissionsExt;

use common::{Place, leave_half, tagged};
use okdownload_testkit::server::{Body, Reply};

/// Writes the usual file, for its owner only.
fn configure(place: &Place, text: &str) -> std::path::PathBuf {
    let path = place.root().join("home/.config/okdl/config.toml");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[tokio::test]
async fn what_is_written_counts_and_what_is_typed_wins() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(1, 1000)));
    configure(
        &place,
        "user-agent = 'file/1'\nheader = ['X-One: 1', 'X-Two: 2']\ndir = 'd'\nstore = 'memory'\n",
    );
    let url = place.url("/a");
    place.succeed([&url]).await;
    place.succeed(["--user-agent", "me/1", "--header", "X-Three: 3", "-d", "e", &url]).await;
    place.succeed(["--no-config", "-d", "f", &url]).await;
    let requests = place.server.requests();
    let told: Vec<_> = requests
        .iter()
        .map(|request| {
            let of = |name| request.header(name).map(str::to_owned);
            (of("user-agent").unwrap(), of("x-one"), of("x-three"))
        })
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(told[0], ("file/1".into(), some("1"), None));
    assert_eq!(told[1], ("me/1".into(), some("1"), some("3")));
    assert!(told[2].0.starts_with("okdl/") && told[2].1.is_none(), "{told:?}");
    assert_eq!(place.files(), ["d", "e", "f"]);
    // Another file, and a command that has not all of the options.
    place.write("mine.toml", "user-agent = 'mine/1'\nparallel = 3\n");
    let ended = place.run(["probe", "--config", "mine.toml", &url]).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(place.server.requests()[3].header("user-agent"), Some("mine/1"));
}

/// The headers of the first request that `okdl resume` makes, which is answered 503.
async fn resumed(place: &Place, options: &[&str]) -> (Option<i32>, [Option<String>; 3]) {
    place.server.script("/a", [Reply::status(503).header("Retry-After", "0")]);
    let ended = place.run([&["resume", "-q"], options].concat()).await;
    let request = place.server.requests().remove(0);
    (ended.code, ["user-agent", "x-a", "x-b"].map(|name| request.header(name).map(str::to_owned)))
}

#[tokio::test]
async fn what_was_typed_at_first_counts_more_than_what_is_written_now() {
    const FILE: &str = "retries = 0\nuser-agent = 'file/1'\nheader = ['X-A: file', 'X-B: file']\n";
    let some = |texts: [&str; 3]| texts.map(|text| Some(text.to_owned()));
    let begun = ["--retries", "1", "--user-agent", "begun/1", "--header", "X-A: begun"];
    for (begun, now, ended) in [
        (&begun[..], &[][..], (Some(0), some(["begun/1", "begun", "file"]))),
        (&begun, &["--retries", "0", "--header", "X-A: now"], (Some(1), some(["begun/1", "now", "file"]))),
        (&[], &[], (Some(1), some(["file/1", "file", "file"]))),
        (&[], &["--retries", "1", "--user-agent", "now/1"], (Some(0), some(["now/1", "file", "file"]))),
    ] {
        let place = Place::new().await;
        leave_half(&place, begun).await;
        configure(&place, FILE);
        assert_eq!(resumed(&place, now).await, ended, "{begun:?} {now:?}");
    }
    // What is written at first stays too, and what is not kept is read again.
    let place = Place::new().await;
    configure(&place, "retries = 1\nheader = ['X-A: first', 'X-B-Token: first']\n");
    leave_half(&place, &[]).await;
    configure(&place, "header = ['X-A: now', 'X-B: now', 'X-B-Token: now']\n");
    let (code, headers) = resumed(&place, &["--no-http2"]).await;
    assert_eq!((code, &headers[1..]), (Some(0), &some(["", "first", "now"])[1..]));
    assert_eq!(place.server.requests()[0].header("x-b-token"), Some("now"));
}

#[tokio::test]
async fn what_is_switched_on_can_be_switched_off() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(1, 1000)));
    configure(&place, "json = true\nquiet = true\nverbose = true\nnetrc = true\nstore = 'memory'\n");
    let url = place.url("/a");
    let refused = place.run([&url]).await;
    assert!(refused.code == Some(2) && refused.line().contains(".netrc"), "{refused:?}");
    let ended = place.run(["--no-netrc", "-o", "a", &url]).await;
    assert!(ended.out.contains("\"end\"") && ended.err.contains("DEBUG"), "{ended:?}");
    place.succeed(["--no-netrc", "--no-json", "--no-verbose", "-o", "b", &url]).await;
    assert_eq!(place.files(), ["a", "b"]);
    // A command that has not all of the options.
    let ended = place.run(["list", "--no-json", "--no-verbose"]).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{ended:?}");
}

#[tokio::test]
async fn a_typed_header_takes_the_place_of_its_like() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(1, 1000)));
    configure(&place, "header = ['X-One: file', 'X-One: too', 'X-Two: file']\nuser-agent = 'file/1'\n");
    let url = place.url("/a");
    place.succeed(["--header", "x-one: typed", "--header", "User-Agent: typed/1", &url]).await;
    let request = place.server.requests().remove(0);
    let of = |wanted: &str| {
        let named = request.headers.iter().filter(|(name, _)| name.as_str().eq_ignore_ascii_case(wanted));
        named.map(|(_, value)| value.to_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((of("x-one"), of("x-two"), of("user-agent")), (vec!["typed"], vec!["file"], vec!["typed/1"]));
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_line() {
    let place = Place::new().await;
    let url = place.url("/a");
    for (text, told) in [
        ("parallel = 2\nconections = 4\n", "line 2: there is no option conections; connections is one"),
        ("out = 'a'\n", "line 1: out is for the command line only"),
        ("\nconnections = 0\n", "line 2: invalid value '0' for 'connections <N>'"),
        ("retries = 'x'\n", "line 1: invalid value 'x' for 'retries <N>'"),
        ("connections = true\n", "line 1: a value is required for 'connections <N>'"),
        ("http2 = 'no'\n", "line 1: unexpected value 'no' for 'http2'"),
        ("header = \n", "line 1: "),
    ] {
        let path = configure(&place, text);
        let ended = place.run([&url]).await;
        assert_eq!(ended.code, Some(2), "{text}: {ended:?}");
        assert!(ended.line().starts_with(&format!("{} {told}", path.display())), "{text}: {ended:?}");
    }
    let ended = place.run(["--config", "missing.toml", &url]).await;
    assert!(ended.code == Some(2) && ended.line().contains("missing.toml"), "{ended:?}");
    let ended = place.run(["--config", "missing.toml", "--no-config", &url]).await;
    assert!(ended.code == Some(2) && ended.line().contains("--no-config"), "{ended:?}");
    assert_eq!(place.server.requests().len(), 0);
}

#[tokio::test]
async fn a_secret_that_all_can_read_is_warned_of() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(1, 1000)));
    let path = configure(&place, "store = 'memory'\nheader = 'X-Key: s3cret'\n");
    place.succeed(["-o", "a", &place.url("/a")]).await;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ended = place.run(["-o", "b", &place.url("/a")]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.line().starts_with("warning: ") && ended.line().contains("line 2"), "{ended:?}");
    assert!(!ended.err.contains("s3cret"), "{ended:?}");
}

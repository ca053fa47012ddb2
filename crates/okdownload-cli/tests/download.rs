//! Downloads that go well.

mod common;

use common::{MIB, Place, tagged};
use okdownload_testkit::server::{Body, Gate, Reply, Resource, Server};

#[tokio::test]
async fn one_file() {
    let place = Place::new().await;
    let body = Body::pattern(1, 100_000);
    place.server.serve("/a.bin", tagged(&body));
    place.succeed([place.url("/a.bin")]).await;
    place.assert_content("a.bin", &body);
    assert_eq!(place.files(), ["a.bin"]);
    assert_eq!(place.server.requests().len(), 1);
    assert!(place.server.requests()[0].header("user-agent").unwrap().starts_with("okdl/"));
    // Nothing is written anywhere else.
    assert_eq!(place.elsewhere(), ["state/okdownload/okdl.db"]);
}

#[tokio::test]
async fn many_connections() {
    let place = Place::new().await;
    let body = Body::pattern(2, 20 * MIB);
    place.server.serve("/a", tagged(&body));
    place.succeed(["-x", "4", &place.url("/a")]).await;
    place.assert_content("a", &body);
    assert!(place.server.connections() >= 2 && place.server.max_concurrent() <= 4);
    assert_eq!(place.files(), ["a"]);
}

#[tokio::test]
async fn the_same_again_is_there_already() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(3, 1000)));
    for _ in 0..3 {
        place.succeed([place.url("/a")]).await;
    }
    assert_eq!(place.server.requests().len(), 1);
}

#[tokio::test]
async fn names_and_directories() {
    let place = Place::new().await;
    let body = Body::pattern(4, 1000);
    place.server.serve("/a", tagged(&body));
    let url = place.url("/a");
    place.succeed(["-o", "b", &url]).await;
    place.succeed(["-d", "x/y", "-o", "c", &url]).await;
    place.succeed(["--dir", "x", &url]).await;
    place.succeed(["-o", "x/z/d", &url]).await;
    let absolute = place.path("abs/e");
    place.succeed(["-d", "x", "-o", absolute.to_str().unwrap(), &url]).await;
    for name in ["b", "x/y/c", "x/a", "x/z/d", "abs/e"] {
        place.assert_content(name, &body);
    }
    assert_eq!(place.files(), ["abs", "b", "x"]);
}

#[tokio::test]
async fn a_list_of_files() {
    let place = Place::new().await;
    let mut list = "# all of them\n\n".to_owned();
    for number in 0..60 {
        place.server.serve(&format!("/{number}"), tagged(&Body::pattern(number, 1000 + number)));
        list += &format!("{}\n", place.url(&format!("/{number}")));
        if number % 2 == 0 {
            list += &format!("  out=even/{number}.bin\n");
        }
    }
    place.write("list", &list);
    place.succeed(["-i", "list", "-j", "4", "-d", "got"]).await;
    for number in 0..60 {
        let name = if number % 2 == 0 { format!("got/even/{number}.bin") } else { format!("got/{number}") };
        place.assert_content(&name, &Body::pattern(number, 1000 + number));
    }
    assert_eq!(place.server.requests().len(), 60);
    assert!(place.server.max_concurrent() <= 4, "{}", place.server.max_concurrent());
    // Again: nothing is fetched, whatever the number at a time.
    place.succeed(["-i", "list", "-j", "16", "-d", "got"]).await;
    assert_eq!(place.server.requests().len(), 60);
}

#[tokio::test]
async fn a_list_on_standard_input() {
    let place = Place::new().await;
    let (a, b) = (Body::pattern(5, 1000), Body::pattern(6, 2000));
    place.server.serve("/a", tagged(&a));
    place.server.serve("/b", tagged(&b));
    let input = format!("{}\n\tout=x\n", place.url("/a"));
    let ended = place.run_with_input(&["-i", "-", &place.url("/b")], &input).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    place.assert_content("x", &a);
    place.assert_content("b", &b);
}

#[tokio::test]
async fn what_is_listed_twice_is_fetched_once() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(7, 1000)));
    let url = place.url("/a");
    place.succeed([&url, &url, &format!("{url}#part")]).await;
    assert_eq!(place.server.requests().len(), 1);
}

#[tokio::test]
async fn on_exists() {
    let place = Place::new().await;
    let body = Body::pattern(8, 1000);
    place.server.serve("/a", tagged(&body));
    let url = place.url("/a");
    for (choice, code, mine, files) in [
        ("error", 1, true, vec!["a"]),
        ("skip", 0, true, vec!["a"]),
        ("rename", 0, true, vec!["a", "a (1)"]),
        ("overwrite", 0, false, vec!["a"]),
        ("update", 0, false, vec!["a"]),
    ] {
        // Each in a state of its own, so that none profits from what another has recorded.
        let database = format!("--store=sqlite:{}", place.root().join(choice).join("x.db").display());
        place.write("a", "mine");
        let ended = place.run(["--on-exists", choice, &database, "-o", "a", &url]).await;
        assert_eq!(ended.code, Some(code), "{choice}: {ended:?}");
        assert_eq!(std::fs::read(place.path("a")).unwrap() == b"mine", mine, "{choice}");
        assert_eq!(place.files(), files, "{choice}");
        files.iter().for_each(|name| std::fs::remove_file(place.path(name)).unwrap());
    }
}

#[tokio::test]
async fn update_fetches_what_changed() {
    let place = Place::new().await;
    let (old, new) = (Body::pattern(9, 1000), Body::pattern(10, 1000));
    place.server.serve("/a", Resource::new(old.clone()));
    let url = place.url("/a");
    place.succeed(["--on-exists", "update", &url]).await;
    place.succeed(["--on-exists", "update", &url]).await;
    place.assert_content("a", &old);
    assert_eq!(place.server.bytes_sent(), 1000);
    place.server.replace("/a", Resource::new(new.clone()));
    place.succeed(["--on-exists", "update", &url]).await;
    place.assert_content("a", &new);
    assert_eq!(place.files(), ["a"]);
}

#[tokio::test]
async fn digests() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::bytes("abc")));
    let url = place.url("/a");
    place.succeed(["--checksum", "sha-1=a9993e364706816aba3e25717850c26c9cd0d89d", &url]).await;
    std::fs::remove_file(place.path("a")).unwrap();
    let ended = place.run(["--checksum", "SHA1=a9993e364706816aba3e25717850c26c9cd0d89e", &url]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.line().contains("digest"), "{ended:?}");
    assert_eq!(place.files(), Vec::<String>::new());
}

#[tokio::test]
async fn headers_are_sent() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(11, 1000)));
    let headers = ["--header", "X-One: 1", "--header", "X-Two:2", "--user-agent", "me/1"];
    place.succeed([&headers[..], &[&place.url("/a")]].concat()).await;
    let request = &place.server.requests()[0];
    let header = |name| request.header(name);
    assert_eq!(
        (header("x-one"), header("x-two"), header("user-agent")),
        (Some("1"), Some("2"), Some("me/1"))
    );
}

#[tokio::test]
async fn failures_are_told_and_the_rest_goes_on() {
    let place = Place::new().await;
    let body = Body::pattern(12, 1000);
    place.server.serve("/good", tagged(&body));
    place.server.fallback(|_, _| Reply::status(404));
    let urls = [place.url("/bad"), place.url("/good"), place.url("/gone?token=s3cret")];
    let ended = place.run(&urls).await;
    assert_eq!(ended.code, Some(1));
    let lines: Vec<_> = ended.err.lines().collect();
    assert_eq!((lines.len(), lines.last()), (3, Some(&"okdl: 2 of 3 files failed")), "{ended:?}");
    for path in ["/bad", "/gone"] {
        assert!(lines.iter().any(|line| line.contains(path) && line.contains("404")), "{path}: {ended:?}");
    }
    assert!(!ended.err.contains("s3cret"), "{ended:?}");
    assert_eq!(place.files(), ["good"]);
    place.assert_content("good", &body);
}

#[tokio::test]
async fn retries_are_counted() {
    let place = Place::new().await;
    let body = Body::pattern(13, 1000);
    place.server.serve("/a", tagged(&body));
    place.server.script("/a", [Reply::status(503)]);
    let ended = place.run(["--retries", "0", &place.url("/a")]).await;
    assert_eq!((ended.code, place.server.requests().len()), (Some(1), 1));
    place.server.script("/a", [Reply::status(503).header("Retry-After", "0")]);
    place.succeed(["-q", "--retries", "1", &place.url("/a")]).await;
    place.assert_content("a", &body);
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left() {
    let place = Place::new().await;
    place.server.fallback(|_, _| Reply::hang());
    // Until the head comes, the time to connect counts with it.
    let limits = ["--timeout", "0.2", "--connect-timeout", "0.2", "--retries", "0"];
    let ended = place.run([&limits[..], &[&place.url("/a")]].concat()).await;
    assert_eq!(ended.code, Some(1));
    assert_eq!(place.files(), Vec::<String>::new());
    assert!(!ended.line().is_empty());
}

/// A server that lives and brings next to nothing.
#[tokio::test]
async fn a_server_that_takes_too_long_is_left_and_gone_on_with() {
    let place = Place::new().await;
    let body = Body::pattern(17, 3 * MIB);
    place.server.serve("/a", tagged(&body));
    place.server.script("/a", [Reply::resource().gate_after(2 * MIB, &Gate::new())]);
    let ended = place.run(["-x", "1", "--deadline", "4", &place.url("/a")]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.line().contains("took too long") && ended.line().contains("start it again"), "{ended:?}");
    assert_eq!(place.files(), ["a.okdownload"]);
    place.server.clear_log();
    place.succeed(["-x", "1", "--deadline", "60", "--lowest-speed", "1K", &place.url("/a")]).await;
    place.assert_content("a", &body);
    assert!((MIB..3 * MIB).contains(&place.server.bytes_sent()));
}

#[tokio::test]
async fn limits_do_no_harm() {
    let place = Place::new().await;
    let body = Body::pattern(14, 3 * MIB);
    place.server.serve("/a", tagged(&body));
    let limits = ["--limit-rate", "1T", "--connect-timeout", "9.5", "--durability", "process"];
    place.succeed([&limits[..], &["-q", &place.url("/a")]].concat()).await;
    place.assert_content("a", &body);
}

#[tokio::test]
async fn certificates_of_ones_own() {
    let place = Place::around(Server::start_tls().await.unwrap());
    let body = Body::pattern(15, 1000);
    place.server.serve("/a", tagged(&body));
    let ended = place.run(["--retries", "0", &place.url("/a")]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let pem = place.root().join("ca.pem");
    std::fs::write(&pem, place.server.ca_pem()).unwrap();
    place.succeed(["--cacert", pem.to_str().unwrap(), &place.url("/a")]).await;
    place.assert_content("a", &body);
}

#[tokio::test]
async fn proxies() {
    let place = Place::new().await;
    let body = Body::pattern(16, 1000);
    place.server.serve("/a", tagged(&body));
    let proxy = format!("http://{}", place.server.address());
    place.succeed(["--proxy", &proxy, "http://far.example/a"]).await;
    place.assert_content("a", &body);
    // The environment's holds where none is given.
    let mut command = place.command(["-o", "b", "http://far.example/a"]);
    let status = command.env("http_proxy", &proxy).status().await.unwrap();
    assert!(status.success());
    place.assert_content("b", &body);
}

#[tokio::test]
async fn help_and_version() {
    let place = Place::new().await;
    for (argument, word) in [("--help", "Usage: okdl"), ("-h", "--on-exists"), ("--version", "okdl 0.")] {
        let ended = place.run([argument]).await;
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
        assert!(ended.out.contains(word), "{argument}: {}", ended.out);
    }
    assert_eq!(place.elsewhere(), Vec::<String>::new());
}

#[tokio::test]
async fn a_wait_is_told_once() {
    for (options, told) in [(&[][..], true), (&["-q"], false), (&["--json"], false)] {
        let place = Place::new().await;
        place.server.serve("/a", tagged(&Body::pattern(1, 1000)));
        // Each costs a second or two; who is told of none needs but one.
        place.server.script("/a", vec![Reply::status(503); if told { 2 } else { 1 }]);
        let ended = place.run([options, &[&place.url("/a")]].concat()).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        if told {
            assert!(
                ended.line().starts_with("retry 1 in 1 s: ") && ended.line().contains("503"),
                "{ended:?}"
            );
        } else {
            assert_eq!(ended.err, "", "{options:?}");
        }
    }
}

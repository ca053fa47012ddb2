//! What can be said of each file, of all of them, and of requests.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

mod common;

use common::{Place, tagged};
use okdownload_testkit::server::{Body, Gate, Reply, Server};
use sha2::{Digest, Sha256};

fn sha256(body: &Body) -> String {
    Sha256::digest(body.slice(..)).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_line_has_options_of_its_own() {
    let place = Place::new().await;
    let body = Body::pattern(1, 1000);
    place.server.serve("/a", tagged(&body));
    place.server.serve("/b", tagged(&body));
    let mirror = Server::start().await.unwrap();
    mirror.serve("/b", tagged(&body));
    place.server.handle("/b", |_, _| Reply::status(404));
    let list = format!(
        "{}\n  dir=d\n  out=x\n  checksum=sha-256={}\n  header=X-Mine: 1\n  header=X-Key: 2\n{}\n mirror={}\n",
        place.url("/a"),
        sha256(&body),
        place.url("/b"),
        mirror.url("/b"),
    );
    place.write("list", list);
    let ended = place.run(["-i", "list", "--header", "X-Key: all"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(place.files(), ["b", "d", "list"]);
    place.assert_content("d/x", &body);
    let of = |path: &str, name: &str| place.server.requests_for(path)[0].header(name).map(str::to_owned);
    assert_eq!((of("/a", "x-mine").as_deref(), of("/a", "x-key").as_deref()), (Some("1"), Some("2")));
    assert_eq!((of("/b", "x-mine").as_deref(), of("/b", "x-key").as_deref()), (None, Some("all")));
}

#[tokio::test]
async fn bad_options_of_a_line_are_told() {
    let place = Place::new().await;
    let url = place.url("/a");
    for (option, word) in [
        ("checksum=md5=00", "digest"),
        ("header=s3cret", "header="),
        ("mirror=m/a", "no scheme"),
        ("dirr=s3cret", "the options are"),
    ] {
        let ended = place.run_with_input(&["-i", "-"], &format!("{url}\n {option}\n")).await;
        assert!(ended.code == Some(2) && ended.line().contains(word), "{option}: {ended:?}");
        assert!(!ended.err.contains("s3cret"), "{ended:?}");
    }
}

#[tokio::test]
async fn all_are_checked_by_a_list() {
    let place = Place::new().await;
    let (a, b) = (Body::pattern(1, 1000), Body::pattern(2, 2000));
    place.server.serve("/p/a.iso", tagged(&a));
    place.server.serve("/p/b%20c.iso", tagged(&b));
    let urls = [place.url("/p/a.iso"), place.url("/p/b%20c.iso")];
    let run = |list: String| {
        place.write("SUMS", list);
        place.run(
            [
                &["--store", "memory", "--on-exists", "overwrite", "--checksum-file", "SUMS"][..],
                &[&urls[0], &urls[1]],
            ]
            .concat(),
        )
    };
    let good = format!("{}  a.iso\nSHA256 (./b c.iso) = {}\n", sha256(&a), sha256(&b));
    let ended = run(good).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(place.files(), ["SUMS", "a.iso", "b c.iso"]);
    place.server.clear_log();
    let ended = run(format!("{}  a.iso\n", sha256(&a))).await;
    assert!(
        ended.code == Some(2) && ended.line().contains("URL 2: b c.iso is not listed in SUMS"),
        "{ended:?}"
    );
    let ended = run("nonsense\n".into()).await;
    assert!(ended.code == Some(2) && ended.line().contains("--checksum-file SUMS"), "{ended:?}");
    assert_eq!(place.server.requests().len(), 0);
    let ended = run(format!("{}  a.iso\n{} *b c.iso\n", sha256(&a), sha256(&a))).await;
    assert!(ended.code == Some(1) && ended.err.contains("digest"), "{ended:?}");
}

#[tokio::test]
async fn a_request_may_have_a_method_and_a_body() {
    let place = Place::new().await;
    let answer = |request: &okdownload_testkit::server::Request, _| {
        let text = format!("{} {}", request.method, String::from_utf8_lossy(&request.body));
        Reply::ok().body(Body::bytes(text))
    };
    place.server.handle("/a", answer);
    place.write("form", "from=file");
    let url = place.url("/a");
    for (options, answer, form) in [
        (&["--method", "PUT"][..], "PUT ", false),
        (&["--data", "a=b&c=d"], "POST a=b&c=d", true),
        (&["--data-file", "form"], "POST from=file", true),
        (&["--method", "PUT", "--data", "x", "--header", "Content-Type: text/plain"], "PUT x", false),
    ] {
        place.server.clear_log();
        let ended = place.run([&["--store", "memory", "-o", "-"], options, &[&url]].concat()).await;
        assert_eq!((ended.code, ended.out.as_str()), (Some(0), answer), "{options:?}: {ended:?}");
        let kind = place.server.requests()[0].header("content-type").map(str::to_owned);
        assert_eq!(
            kind.as_deref() == Some("application/x-www-form-urlencoded"),
            form,
            "{options:?}: {kind:?}"
        );
    }
    for (options, word) in [
        (&["--method", "A B"][..], "--method"),
        (&["--data", "a", "--data-file", "form"], "--data"),
        (&["--data-file", "missing"], "missing"),
        (&["--data-file", "-", "-i", "-"], "standard input"),
    ] {
        let ended = place.run([options, &[&url]].concat()).await;
        assert!(ended.code == Some(2) && ended.line().contains(word), "{options:?}: {ended:?}");
    }
}

#[tokio::test]
async fn a_server_is_spared() {
    let place = Place::new().await;
    let other = Server::start().await.unwrap();
    let mut list = String::new();
    for number in 0..12 {
        let path = format!("/{number}");
        for server in [&place.server, &other] {
            server.serve(&path, tagged(&Body::pattern(number, 1000)));
            server.handle(&path, |_, _| Reply::resource().delay_head(std::time::Duration::from_millis(20)));
        }
        list += &format!("{}\n out=a{number}\n{}\n out=b{number}\n", place.url(&path), other.url(&path));
    }
    place.write("list", list);
    place.succeed(["-i", "list", "-j", "8", "--per-host", "2"]).await;
    assert_eq!(place.files().len(), 25);
    assert!(place.server.max_concurrent() <= 2 && other.max_concurrent() <= 2);
    // It is spared because that was asked for.
    let gate = Gate::new();
    for number in 0..12 {
        let held = gate.clone();
        place.server.handle(&format!("/{number}"), move |_, _| Reply::resource().gate(&held));
    }
    place.server.clear_log();
    let child = place.command(["-i", "list", "-j", "8", "-d", "more"]).spawn().unwrap();
    place.server.wait_for_requests(3).await;
    gate.open();
    let ended = child.wait_with_output().await.unwrap();
    assert!(ended.status.success() && place.server.max_concurrent() > 2, "{ended:?}");
}

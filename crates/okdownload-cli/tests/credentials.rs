//! Who we are: client certificates, netrc files, and what none of it shows.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Ended, Place, tagged};
use okdownload_testkit::server::{Body, Reply, Server};

const BACKENDS: [&str; 2] = ["reqwest", "isahc"];

fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

#[tokio::test]
async fn a_client_certificate_opens_the_door() {
    for backend in BACKENDS {
        let (server, client) = Server::start_mutual_tls().await.unwrap();
        let place = Place::around(server);
        let body = Body::pattern(1, 1000);
        place.server.serve("/a", tagged(&body));
        let file = |name: &str, content: &str| {
            let path = place.root().join(name);
            std::fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let ca = file("ca.pem", place.server.ca_pem());
        let cert = file("cert.pem", &client.certificate_pem);
        let key = file("key.pem", &client.key_pem);
        let both = file("both.pem", &format!("{}{}", client.certificate_pem, client.key_pem));
        let url = place.url("/a");
        let common = ["--retries", "0", "--backend", backend, "--cacert", &ca];
        let with = |options: &[&str]| {
            [&common[..], options, &[&url]].concat().into_iter().map(str::to_owned).collect()
        };
        let run = async |options: &[&str]| {
            let arguments: Vec<String> = with(options);
            place.run(&arguments).await
        };
        let stranger = run(&[]).await;
        assert_eq!(stranger.code, Some(1), "{stranger:?}");
        if backend == "reqwest" {
            assert!(stranger.line().contains("client certificate"), "{stranger:?}");
        }
        assert_eq!(place.server.requests().len(), 0);
        // A literal text of TOML, which may be a path of any system.
        place.write("cert.toml", format!("cert = '{cert}'\n"));
        for options in [
            &["--cert", &cert, "--key", &key][..],
            &["--cert", &both],
            &["--config", "cert.toml", "--key", &key],
        ] {
            let ended = run(options).await;
            assert_eq!(ended.code, Some(0), "{ended:?}");
            place.assert_content("a", &body);
            std::fs::remove_file(place.path("a")).unwrap();
        }
        for (options, word) in [
            (&["--cert", &cert][..], "cert.pem"),
            (&["--cert", "missing.pem", "--key", &key], "missing.pem"),
            (&["--cert", &cert, "--key", "missing.pem"], "missing.pem"),
            (&["--key", &key], "--cert"),
        ] {
            let refused = run(options).await;
            assert_eq!(refused.code, Some(2), "{options:?}: {refused:?}");
            assert!(refused.line().contains(word), "{options:?}: {refused:?}");
            assert!(!refused.err.contains(client.key_pem.lines().nth(1).unwrap()), "{refused:?}");
        }
    }
}

/// The name and password that the server was given, if any.
async fn given(place: &Place, netrc: Option<&Path>, arguments: &[&str]) -> Option<String> {
    place.server.clear_log();
    let mut command = place.command(arguments.iter().copied().map(OsStr::new));
    if let Some(path) = netrc {
        command.env("NETRC", path);
    }
    let ended: Ended = command.output().await.unwrap().into();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let requests = place.server.requests();
    assert_eq!(requests.len(), 1, "{arguments:?}");
    requests[0].header("authorization").map(str::to_owned)
}

#[tokio::test]
async fn a_netrc_file_is_read_only_when_asked_for() {
    let place = Place::new().await;
    place.server.fallback(|_, _| Reply::ok().body(Body::bytes("a")));
    let write = |path: PathBuf, user: &str| {
        std::fs::write(
            &path,
            format!("machine 127.0.0.1 login {user} password p\ndefault login x password y\n"),
        )
        .unwrap();
        path
    };
    write(place.root().join("home/.netrc"), "home");
    let environment = write(place.root().join("environment"), "environment");
    let named = write(place.root().join("named"), "named");
    let option = format!("--netrc={}", named.display());
    let url = |path: &str| place.url(path);
    assert_eq!(given(&place, Some(&environment), &[&url("/1")]).await, None);
    assert_eq!(given(&place, None, &["--netrc", &url("/2")]).await, Some(basic("home:p")));
    assert_eq!(
        given(&place, Some(&environment), &["--netrc", &url("/3")]).await,
        Some(basic("environment:p"))
    );
    assert_eq!(given(&place, Some(&environment), &[&option, &url("/4")]).await, Some(basic("named:p")));
    // What is said more closely comes first.
    assert_eq!(given(&place, None, &["--netrc", "--user", "u:q", &url("/5")]).await, Some(basic("u:q")));
    assert_eq!(given(&place, None, &["--netrc", &place.url_with("v:r", "/6")]).await, Some(basic("v:r")));
    let mine = ["--netrc", "--header", "Authorization: mine", &url("/7")];
    assert_eq!(given(&place, None, &mine).await.as_deref(), Some("mine"));
}

#[tokio::test]
async fn what_a_netrc_file_says_goes_to_the_machine_that_it_names() {
    let (place, other) = (Place::new().await, Server::start().await.unwrap());
    other.fallback(|_, _| Reply::ok().body(Body::bytes("a")));
    // Another port is another origin, though the machine has the same name.
    let elsewhere = other.url("/b").to_string();
    place.server.handle("/a", move |_, _| Reply::redirect(302, &elsewhere));
    std::fs::write(place.root().join("home/.netrc"), "machine 127.0.0.1 login me password p").unwrap();
    place.succeed(["-q", "--netrc", "-o", "a", &place.url("/a")]).await;
    assert_eq!(place.server.requests()[0].header("authorization"), Some(basic("me:p").as_str()));
    assert_eq!(other.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_netrc_file_that_cannot_be_read_is_told_without_its_words() {
    let place = Place::new().await;
    let url = place.url("/a");
    for (content, word) in [(None, "/home/.netrc"), (Some("machine h\nlogin me s3cret"), "line 2")] {
        if let Some(content) = content {
            std::fs::write(place.root().join("home/.netrc"), content).unwrap();
        }
        let ended = place.run(["--netrc", &url]).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.line().contains(word) && !ended.err.contains("s3cret"), "{ended:?}");
    }
    assert_eq!(place.server.requests().len(), 0);
}

/// A run that goes well, with a redirect and a retry, and several that don't.
#[tokio::test]
async fn nothing_secret_is_shown_or_kept() {
    for (backend, store) in [("reqwest", "sqlite"), ("isahc", "sled")] {
        let place = Place::new().await;
        let cookie = |reply: Reply| reply.header("Set-Cookie", "id=s3cretsetcookie");
        place.server.serve("/file", tagged(&Body::pattern(1, 3 << 20)));
        place.server.script("/file", [Reply::resource().cut_after(300_000)]);
        place.server.handle("/moved", move |_, _| cookie(Reply::redirect(302, "/file?sig=s3cretredirect")));
        place.server.handle("/loop", move |_, _| cookie(Reply::redirect(302, "/loop?s3cretredirect")));
        place.server.handle("/missing", move |_, _| cookie(Reply::status(404)));
        place.server.handle("/bad", |_, _| Reply::ok().content_length("ten"));
        std::fs::write(place.root().join("home/.netrc"), "default login me password s3cretnetrc").unwrap();
        let proxy = format!("http://me:s3cretproxy@{}", place.server.address());
        let store_option = format!("{store}:{}", place.root().join("state").join("db").display());
        let mut run =
            vec!["--json", "--backend", backend, "--store", &store_option, "--proxy", &proxy, "--netrc"];
        run.extend([
            "--retries",
            "1",
            "--header",
            "Cookie: s3cretcookie",
            "--header",
            "X-Api-Key: s3cretkey",
        ]);
        let target = |path: &str, userinfo: &str| {
            format!("http://{userinfo}far.example{path}?s3cretquery&token=s3cretquery#s3cretx")
        };
        let urls: Vec<_> =
            [("/moved", ""), ("/loop", "me:s3creturl@"), ("/missing", ""), ("/bad", "s3creturl@")]
                .map(|(path, userinfo)| target(path, userinfo))
                .into();
        run.extend(urls.iter().map(String::as_str));
        let ended = place.run(&run).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        // All was there to be shown.
        assert_eq!(ended.err.lines().count(), 4, "{ended:?}");
        assert!(ended.out.contains("\"retry\"") && ended.err.contains("token=…"), "{ended:?}");
        let sent = format!("{:?}", place.server.requests());
        for secret in ["s3cretcookie", "s3cretkey", "s3cretquery", &STANDARD.encode("me:s3cretnetrc")] {
            assert!(sent.contains(secret), "{secret} was not sent: {sent}");
        }
        assert!(!ended.out.contains("s3cret") && !ended.err.contains("s3cret"), "{ended:?}");
        assert_state_hides(&place);
    }
}

/// The store keeps URLs with their query, to go on with them, and nothing else of this.
fn assert_state_hides(place: &Place) {
    let paths: Vec<_> = place.elsewhere().into_iter().filter(|path| path.starts_with("state/")).collect();
    assert!(!paths.is_empty());
    let encoded = ["netrc", "url", "proxy"].map(|what| STANDARD.encode(format!("me:s3cret{what}")));
    let words = ["netrc", "url", "proxy", "cookie", "setcookie", "key", "redirect", "x"];
    let secrets = words.map(|what| format!("s3cret{what}")).into_iter().chain(encoded);
    for secret in secrets {
        for path in &paths {
            let bytes = std::fs::read(place.root().join(path)).unwrap();
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {path}");
        }
    }
}

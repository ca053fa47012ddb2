//! Secrets everywhere, and whatever goes well or wrong: none is in a log line, an event, an error, a `Debug` or the
//! database.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::listening::Heard;
use common::{MIB, Place, backends, tagged};
use http::HeaderValue;
use okdownload::prelude::*;
use okdownload_testkit::server::{Body, Reply};

/// What a query has in it: the store must keep that, to go on with the download; nobody else may see it.
const QUERY: &str = "s3cretquery";
/// What nobody may see.
const HIDDEN: [&str; 9] = [
    "s3cretmirror",
    "s3cretpassword",
    "s3cretauthorization",
    "s3cretproxy",
    "s3cretcookie",
    "s3cretkey",
    "s3cretsetcookie",
    "s3cretredirect",
    "s3cretfragment",
];

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What the server does, and how it ends.
fn serve(place: &Place) -> Vec<(&'static str, EndCause)> {
    let server = &place.server;
    let body = Body::pattern(1, 3 * MIB);
    let cookie = |reply: Reply| reply.header("Set-Cookie", "id=s3cretsetcookie");
    let redirect = move |status, to: &str| cookie(Reply::redirect(status, to));
    server.serve("/file", tagged(body));
    let busy = cookie(Reply::status(503).header("Retry-After", "0"));
    server.script("/file", [busy, Reply::resource().cut_after(300_000)]);
    let paths: [(&str, Reply, EndCause); 9] = [
        ("/moved", redirect(302, "/file?sig=s3cretredirect#s3cretfragment"), EndCause::Completed),
        ("/loop", redirect(302, "/loop?sig=s3cretredirect&s3cretredirect"), EndCause::Error),
        (
            "/refused",
            redirect(302, "http://me:s3cretredirect@127.0.0.1:9/?sig=s3cretredirect"),
            EndCause::Error,
        ),
        ("/other", redirect(302, "ftp://me:s3cretredirect@h/?sig=s3cretredirect"), EndCause::Error),
        ("/nonsense", redirect(302, "http://[s3cretredirect"), EndCause::Error),
        ("/missing", cookie(Reply::status(404)), EndCause::Error),
        ("/malformed", Reply::raw("HTTP/1.1 200 OK\r\nno colon s3cretsetcookie\r\n\r\n"), EndCause::Error),
        ("/length", cookie(Reply::ok().content_length("ten")), EndCause::Error),
        ("/range", cookie(Reply::status(206).header("Content-Range", "bytes 7-8/9")), EndCause::Error),
    ];
    let ends = paths.iter().map(|(path, _, end)| (*path, *end)).collect();
    for (path, reply, _) in paths {
        server.handle(path, move |_, _| reply.clone());
    }
    ends
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_stay_where_they_are() {
    let log = Log::default();
    let writer = log.clone();
    // The clients' own logs are theirs; a program that switches on their traces sees the bytes of the wire.
    let filter = tracing_subscriber::EnvFilter::new("info,okdownload=trace");
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || writer.clone()).init();
    for backend in backends() {
        let place = Place::new().await;
        let mut shown = String::new();
        let ok = place.builder().connection_factory(backend.clone()).build().unwrap();
        writeln!(shown, "{backend:?} {ok:?}").unwrap();
        for (path, cause) in serve(&place) {
            let heard = Heard::new();
            let task = task(&place, path);
            let end = ok.task(task.clone()).listener(heard.clone()).enqueue().await;
            assert_eq!(end.cause, cause, "{path}: {end:?}");
            writeln!(shown, "{task:?} {task:#?} {end:?} {end:#?}").unwrap();
            if let Some(error) = &end.error {
                writeln!(shown, "{error} {error:?} {error:#?}").unwrap();
            }
            common::listening::until(|| heard.names().last().is_some_and(|name| name == "TaskEnd")).await;
            writeln!(shown, "{:?}", heard.events.lock().unwrap()).unwrap();
        }
        // A task that waits is recorded with its options.
        ok.keep(&task(&place, "/kept")).await.unwrap();
        writeln!(shown, "{:?}", ok.unfinished().await.unwrap()).unwrap();
        ok.shutdown().await.unwrap();
        let logged = String::from_utf8(std::mem::take(&mut *log.0.lock().unwrap())).unwrap();
        // They were there to be seen.
        assert!(logged.contains("request") && logged.contains("token=…"), "{logged}");
        assert!(shown.contains("sig=…") && shown.contains("Retry {"), "{shown}");
        assert_sent(&place);
        for (place, text) in [("the log", logged.as_bytes()), ("events and errors", shown.as_bytes())] {
            assert_hides(place, text, QUERY);
            hidden().iter().for_each(|secret| assert_hides(place, text, secret));
        }
        assert_database_hides(&place.directory.path().join("state"));
    }
}

fn task(place: &Place, path: &str) -> DownloadTask {
    let mut key = HeaderValue::from_static("s3cretkey");
    key.set_sensitive(true);
    let mut url = place.server.url(&format!("{path}?token={QUERY}&{QUERY}"));
    url.set_username("me").unwrap();
    url.set_password(Some("s3cretpassword")).unwrap();
    url.set_fragment(Some("s3cretfragment"));
    let builder = DownloadTask::builder(url, Target::file(place.path(&path[1..])))
        .header("x-api-key", key)
        .header("cookie", "id=s3cretcookie")
        .header("proxy-authorization", "Basic s3cretproxy")
        // Nobody is there.
        .mirror(format!("http://me:s3cretmirror@127.0.0.1:9/a?token={QUERY}"))
        .retries(1);
    let builder =
        if path == "/missing" { builder.header("authorization", "s3cretauthorization") } else { builder };
    builder.build().unwrap()
}

/// The secrets as such, and as they are sent.
fn hidden() -> Vec<String> {
    let basic = STANDARD.encode("me:s3cretpassword");
    HIDDEN.into_iter().map(str::to_owned).chain([basic]).collect()
}

/// All of them were sent to the server, or by it.
fn assert_sent(place: &Place) {
    let requests = place.server.requests();
    let sent = requests.iter().map(|request| format!("{request:?}")).collect::<String>();
    for secret in hidden()
        .iter()
        .filter(|secret| !["fragment", "password", "mirror"].iter().any(|end| secret.ends_with(end)))
    {
        let by_server = secret.ends_with("setcookie") || secret.ends_with("redirect");
        assert!(by_server || sent.contains(secret.as_str()), "{secret} was not sent: {sent}");
    }
}

fn assert_hides(place: &str, text: &[u8], secret: &str) {
    let at = text.windows(secret.len()).position(|window| window == secret.as_bytes());
    let around =
        |at: usize| String::from_utf8_lossy(&text[at.saturating_sub(200)..at + secret.len()]).into_owned();
    assert_eq!(at.map(around), None, "{secret} is in {place}");
}

fn assert_database_hides(directory: &Path) {
    let mut seen = false;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        seen |= bytes.windows(QUERY.len()).any(|window| window == QUERY.as_bytes());
        hidden().iter().for_each(|secret| assert_hides(&path.display().to_string(), &bytes, secret));
    }
    assert!(seen, "there are no records in {}", directory.display());
}

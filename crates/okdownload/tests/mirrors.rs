//! Several places that have the same file, or say so.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use common::{MIB, Place, assert_content, tagged};
use futures_util::StreamExt;
use http::HeaderValue;
use okdownload::prelude::*;
use okdownload::{Digest, DigestAlgorithm, DownloadTaskBuilder, ResumeFailedCause};
use okdownload_testkit::server::{Body, Reply, Request, Resource, Server};
use sha2::{Digest as _, Sha256};
use url::Url;

const SIZE: u64 = 5 * MIB;

/// The place of the tests, and another server that has its `/a` as well.
struct Two {
    place: Place,
    mirror: Server,
}

/// How a download went.
#[derive(Debug)]
struct Heard {
    end: TaskEnd,
    events: Vec<Event>,
}

impl Two {
    async fn new(ours: Resource, theirs: Resource) -> Self {
        let (place, mirror) = (Place::new().await, Server::start().await.unwrap());
        place.server.serve("/a", ours);
        mirror.serve("/a", theirs);
        Self { place, mirror }
    }

    /// Of one connection, and no second chance.
    fn task(&self) -> DownloadTaskBuilder {
        let task = self.place.task("/a", "a").connection_count(NonZeroU32::MIN).retries(0);
        task.mirror(self.mirror.url("/a"))
    }

    /// The task's own server brings so many bytes, and then nothing any more.
    fn main_dies_after(&self, bytes: u64) {
        self.place.server.script("/a", [Reply::resource().cut_after(bytes)]);
        self.place.server.handle("/a", |_, _| Reply::reset());
    }

    async fn run(&self, task: DownloadTaskBuilder) -> Heard {
        let ok = self.place.engine();
        let heard = heard(ok.task(task.build().unwrap())).await;
        ok.shutdown().await.unwrap();
        heard
    }

    fn assert_file(&self, heard: &Heard, body: &Body) {
        assert_eq!(heard.end.cause, EndCause::Completed, "{:?}", heard.end.error);
        assert_content(&self.place.path("a"), body);
        assert_eq!(self.place.files(), ["a"]);
    }
}

async fn heard(request: okdownload::TaskRequest) -> Heard {
    let events = request.events();
    let end = request.enqueue().await;
    Heard { end, events: events.collect().await }
}

impl Heard {
    fn warnings(&self) -> Vec<&str> {
        let messages = self.events.iter().filter_map(|event| match event {
            Event::Warning { message } => Some(message.as_str()),
            _ => None,
        });
        messages.collect()
    }

    /// Why it began at its first byte, each time.
    fn beginnings(&self) -> Vec<ResumeFailedCause> {
        let cause = |event: &Event| match event {
            Event::FromBeginning { cause, .. } => Some(*cause),
            _ => None,
        };
        self.events.iter().filter_map(cause).collect()
    }

    /// The waits before its retries.
    fn waits(&self) -> Vec<Duration> {
        let wait = |event: &Event| match event {
            Event::Retry { wait, .. } => Some(*wait),
            _ => None,
        };
        self.events.iter().filter_map(wait).collect()
    }
}

fn four() -> NonZeroU32 {
    NonZeroU32::new(4).unwrap()
}

fn digest(body: &Body) -> Digest {
    Digest::new(DigestAlgorithm::Sha256, Sha256::digest(body.slice(..)).to_vec()).unwrap()
}

/// A URL where nobody listens.
async fn nowhere() -> Url {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/a?token=s3cret", server.local_addr().unwrap()).parse().unwrap()
}

#[tokio::test]
async fn where_nobody_listens_the_next_one_is_asked_at_once() {
    let body = Body::pattern(1, SIZE);
    let two = Two::new(tagged(body.clone()), tagged(body.clone())).await;
    let heard = two.run(two.task().url(nowhere().await).connection_count(four())).await;
    two.assert_file(&heard, &body);
    assert_eq!(heard.waits(), [Duration::ZERO]);
    assert!(two.place.server.requests().is_empty());
    // Who watches can tell which one was asked.
    let port = |event: &Event| match event {
        Event::ConnectTrialStart { url, .. } | Event::ConnectStart { url, .. } => url.port(),
        _ => None,
    };
    let asked: Vec<_> = heard.events.iter().filter_map(port).collect();
    let mirrors = Some(two.mirror.address().port());
    assert!(asked.len() >= 4 && asked[1..].iter().all(|port| Some(*port) == mirrors), "{asked:?}");
}

#[tokio::test]
async fn what_will_not_get_better_is_left_out_and_told() {
    let body = Body::pattern(2, MIB);
    for reply in [Reply::status(404), Reply::status(403), Reply::raw("nonsense\r\n\r\n")] {
        let two = Two::new(tagged(body.clone()), tagged(body.clone())).await;
        two.place.server.handle("/a", move |_, _| reply.clone());
        let url = two.place.server.url("/a?token=s3cret");
        let heard = two.run(two.task().url(&url)).await;
        two.assert_file(&heard, &body);
        let [warning] = heard.warnings()[..] else { panic!("{:?}", heard.warnings()) };
        let named = warning.contains(&format!("{}/a?token=", two.place.server.address()));
        assert!(named && !warning.contains("s3cret"), "{warning}");
        assert_eq!(two.place.server.requests().len(), 1);
    }
}

#[tokio::test]
async fn what_may_get_better_is_asked_again_when_all_have_failed() {
    let body = Body::pattern(3, MIB);
    let two = Two::new(tagged(body.clone()), tagged(body.clone())).await;
    two.place.server.script("/a", [Reply::status(503)]);
    two.mirror.handle("/a", |_, _| Reply::status(500));
    let heard = two.run(two.task().retries(1)).await;
    two.assert_file(&heard, &body);
    // A round over both costs one retry.
    assert_eq!(heard.waits().iter().map(Duration::is_zero).collect::<Vec<_>>(), [true, false]);
    assert_eq!((two.place.server.requests().len(), two.mirror.requests().len()), (2, 1));
    assert!(heard.warnings().is_empty(), "{:?}", heard.warnings());
}

#[tokio::test]
async fn if_all_fail_the_error_says_of_how_many() {
    let two = Two::new(tagged(Body::empty()), tagged(Body::empty())).await;
    two.mirror.handle("/a", |_, _| Reply::status(404));
    let third = Server::start().await.unwrap();
    third.handle("/a", |_, _| Reply::status(410));
    let heard = two.run(two.task().url(nowhere().await).mirror(third.url("/a"))).await;
    // The one that might have got better had its retries; those that can't were told about.
    let error = heard.end.error.as_ref().unwrap();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains("sources: 3") && !error.to_string().contains("s3cret"), "{error}");
    let warnings = heard.warnings();
    assert!(
        warnings.len() == 2 && warnings[0].contains("404") && warnings[1].contains("410"),
        "{warnings:?}"
    );
    assert!(two.place.files().is_empty());
}

#[tokio::test]
async fn equal_strong_tags_let_connections_go_to_both() {
    let body = Body::pattern(4, SIZE);
    let two = Two::new(tagged(body.clone()), tagged(body.clone())).await;
    let heard = two.run(two.task().connection_count(four())).await;
    two.assert_file(&heard, &body);
    assert!(heard.warnings().is_empty(), "{:?}", heard.warnings());
    assert!(two.place.server.bytes_sent() > MIB && two.mirror.bytes_sent() > MIB);
    let conditional = |request: &Request| request.header("if-range").is_some();
    // A validator is sent only to whom it is from.
    assert!(two.mirror.requests().iter().all(|request| !conditional(request)));
    assert!(two.place.server.requests()[1..].iter().all(|request| conditional(request)));
}

#[tokio::test]
async fn one_that_dies_among_several_connections_leaves_its_blocks_to_the_other() {
    let body = Body::pattern(1, SIZE);
    for dies in [true, false] {
        let two = Two::new(tagged(body.clone()), tagged(body.clone())).await;
        let dying = if dies { &two.place.server } else { &two.mirror };
        dying.script("/a", [Reply::resource().cut_after(300_000)]);
        dying.handle("/a", |_, _| Reply::reset());
        let heard = two.run(two.task().connection_count(four())).await;
        two.assert_file(&heard, &body);
        let begun = heard.events.iter().filter(|event| matches!(event, Event::FromBeginning { .. })).count();
        assert_eq!(begun, 1);
    }
}

#[tokio::test]
async fn another_length_is_never_mixed_in() {
    let (body, other) = (Body::pattern(5, SIZE), Body::pattern(6, SIZE + 1));
    // Whatever its tag says, and even with a digest.
    for with_digest in [false, true] {
        let two = Two::new(tagged(body.clone()), tagged(other.clone())).await;
        let mut task = two.task().connection_count(four());
        if with_digest {
            task = task.digest(digest(&body));
        }
        let heard = two.run(task).await;
        two.assert_file(&heard, &body);
        let warnings = heard.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("length"), "{warnings:?}");
        assert!(heard.waits().iter().all(Duration::is_zero), "{:?}", heard.waits());
    }
}

#[tokio::test]
async fn other_tags_are_not_mixed_without_a_digest() {
    let (body, other) = (Body::pattern(7, SIZE), Body::pattern(8, SIZE));
    for theirs in [
        Resource::new(other.clone()).etag("\"v2\""),
        Resource::new(other.clone()).etag("W/\"v1\""),
        Resource::new(other.clone()).without_etag(),
    ] {
        let two = Two::new(tagged(body.clone()), theirs).await;
        let heard = two.run(two.task().connection_count(four())).await;
        two.assert_file(&heard, &body);
        assert_eq!(heard.beginnings().len(), 1);
        assert_eq!(heard.warnings().len(), 1, "{:?}", heard.warnings());
    }
}

#[tokio::test]
async fn if_the_only_one_of_its_version_dies_in_the_middle_another_one_begins_anew() {
    let day = Duration::from_secs(86_400);
    let (body, other) = (Body::pattern(9, SIZE), Body::pattern(10, SIZE));
    let date = SystemTime::UNIX_EPOCH + 12_345 * day;
    let dated = |body: &Body| Resource::new(body.clone()).without_etag().last_modified(date);
    for (ours, theirs, cause) in [
        (tagged(body.clone()), Resource::new(other.clone()), ResumeFailedCause::ResponseEtagChanged),
        // Equal dates of two servers prove nothing.
        (dated(&body), dated(&other), ResumeFailedCause::ValidatorMissing),
        (tagged(body.clone()), tagged(Body::pattern(10, SIZE - 1)), ResumeFailedCause::ContentLengthChanged),
    ] {
        let two = Two::new(ours, theirs).await;
        two.main_dies_after(SIZE / 2);
        let heard = two.run(two.task()).await;
        let expected = if cause == ResumeFailedCause::ContentLengthChanged {
            Body::pattern(10, SIZE - 1)
        } else {
            other.clone()
        };
        two.assert_file(&heard, &expected);
        assert_eq!(heard.beginnings(), [ResumeFailedCause::InfoDirty, cause]);
        assert_eq!(heard.end.fetched, SIZE / 2 + expected.len());
    }
}

#[tokio::test]
async fn what_dies_in_the_middle_has_its_retries_first() {
    let (body, other) = (Body::pattern(11, SIZE), Body::pattern(12, SIZE));
    let two = Two::new(tagged(body.clone()), Resource::new(other)).await;
    two.place.server.script("/a", [Reply::resource().cut_after(SIZE / 2), Reply::status(503)]);
    let heard = two.run(two.task().retries(2)).await;
    two.assert_file(&heard, &body);
    assert_eq!((heard.beginnings().len(), heard.end.fetched), (1, SIZE));
}

#[tokio::test]
async fn it_starts_over_only_once() {
    let (body, other) = (Body::pattern(13, SIZE), Body::pattern(14, SIZE));
    let two = Two::new(tagged(body), Resource::new(other.clone())).await;
    let third = Server::start().await.unwrap();
    third.serve("/a", Resource::new(Body::pattern(15, SIZE)));
    two.main_dies_after(SIZE / 2);
    two.mirror.script("/a", [Reply::resource(), Reply::resource().cut_after(SIZE / 2)]);
    two.mirror.handle("/a", |_, _| Reply::reset());
    let heard = two.run(two.task().mirror(third.url("/a"))).await;
    assert_eq!((heard.end.cause, heard.beginnings().len()), (EndCause::Error, 2));
    // What the second one brought is kept, and can be gone on with.
    assert_eq!(two.place.files(), ["a.okdownload"]);
}

#[tokio::test]
async fn equal_strong_tags_let_another_one_go_on_in_the_middle() {
    let body = Body::pattern(16, SIZE);
    let two = Two::new(tagged(body.clone()), tagged(body.clone())).await;
    two.main_dies_after(SIZE / 2);
    let heard = two.run(two.task()).await;
    two.assert_file(&heard, &body);
    assert_eq!((heard.beginnings().len(), heard.end.fetched), (1, SIZE));
    assert_eq!(two.mirror.requests()[0].range(), Some(format!("bytes={}-{}", SIZE / 2, SIZE - 1).as_str()));
    assert!(heard.waits().iter().all(Duration::is_zero), "{:?}", heard.waits());
}

#[tokio::test]
async fn with_a_digest_other_tags_may_be_mixed() {
    let body = Body::pattern(17, SIZE);
    let theirs = Resource::new(body.clone()).etag("\"of this server\"");
    let two = Two::new(tagged(body.clone()), theirs).await;
    let heard = two.run(two.task().connection_count(four()).digest(digest(&body))).await;
    two.assert_file(&heard, &body);
    assert!(two.place.server.bytes_sent() > MIB && two.mirror.bytes_sent() > MIB);
}

#[tokio::test]
async fn wrong_bytes_under_the_right_tag_are_found_by_the_digest() {
    let (body, wrong) = (Body::pattern(18, SIZE), Body::pattern(19, SIZE));
    for restart in [false, true] {
        let two = Two::new(tagged(body.clone()), tagged(wrong.clone())).await;
        let task = two.task().connection_count(four()).digest(digest(&body)).restart_on_mismatch(restart);
        let heard = two.run(task).await;
        if restart {
            // The second time it all comes from one place.
            two.assert_file(&heard, &body);
            assert_eq!(heard.beginnings(), [ResumeFailedCause::InfoDirty, ResumeFailedCause::DigestMismatch]);
        } else {
            let error = heard.end.error.as_ref().unwrap();
            assert_eq!(error.kind(), ErrorKind::Checksum);
            assert!(two.place.files().is_empty(), "{:?}", two.place.files());
        }
    }
}

#[tokio::test]
async fn a_place_that_is_wrong_all_by_itself_is_left_for_another() {
    let (body, wrong) = (Body::pattern(20, MIB), Body::pattern(21, MIB));
    let two = Two::new(tagged(wrong.clone()), tagged(body.clone())).await;
    let task = two.task().digest(digest(&body)).restart_on_mismatch(true);
    let heard = two.run(task).await;
    two.assert_file(&heard, &body);
    // Once is all: a second mismatch is the error that it is.
    let two = Two::new(tagged(wrong.clone()), tagged(wrong)).await;
    let heard = two.run(two.task().digest(digest(&body)).restart_on_mismatch(true)).await;
    assert_eq!(heard.end.error.as_ref().unwrap().kind(), ErrorKind::Checksum);
    assert_eq!((heard.beginnings().len(), two.place.files().len()), (2, 0));
}

#[tokio::test]
async fn secrets_are_told_to_nobody_else() {
    let body = Body::pattern(22, SIZE);
    let two = Two::new(tagged(body.clone()), tagged(body.clone())).await;
    let third = Server::start().await.unwrap();
    third.serve("/a", tagged(body.clone()));
    let with = |userinfo: &str, url: Url| url.as_str().replacen("://", &format!("://{userinfo}@"), 1);
    let mut key = HeaderValue::from_static("s3cret");
    key.set_sensitive(true);
    let task = two
        .task()
        .connection_count(four())
        .url(with("me:s3cret", two.place.server.url("/a")))
        .mirror(with("m:own", third.url("/a")))
        .header("cookie", "s3cret")
        .header("x-key", key)
        .header("x-plain", "1");
    let heard = two.run(task).await;
    two.assert_file(&heard, &body);
    let sent = |server: &Server, name: &str| {
        let requests = server.requests();
        assert!(!requests.is_empty());
        let value = |request: &Request| request.header(name).map(str::to_owned);
        let first = value(&requests[0]);
        assert!(requests.iter().all(|request| value(request) == first));
        first
    };
    for (server, authorization, others) in [
        (&two.place.server, Some("Basic bWU6czNjcmV0"), Some("s3cret")),
        (&two.mirror, None, None),
        (&third, Some("Basic bTpvd24="), None),
    ] {
        assert_eq!(sent(server, "authorization").as_deref(), authorization);
        assert_eq!(sent(server, "cookie").as_deref(), others);
        assert_eq!(sent(server, "x-key").as_deref(), others);
        assert_eq!(sent(server, "x-plain").as_deref(), Some("1"));
    }
}

/// Downloads the first half from the task's own server, and ends the engine.
async fn first_half(two: &Two, task: &DownloadTaskBuilder) {
    let ok = two.place.engine();
    let task = task.clone().build().unwrap();
    let handle = common::run_to(&two.place, &ok, task, SIZE / 2).await;
    handle.cancel();
    handle.wait().await;
    ok.shutdown().await.unwrap();
}

#[tokio::test]
async fn mirrors_are_kept_for_the_next_run_of_the_program() {
    let body = Body::pattern(23, SIZE);
    let two = Two::new(tagged(body.clone()), tagged(body.clone())).await;
    first_half(&two, &two.task()).await;
    two.place.server.handle("/a", |_, _| Reply::status(404));
    let ok = two.place.engine();
    let (_, request) = ok.restart().await.unwrap().pop().unwrap();
    let heard = heard(request.unwrap()).await;
    ok.shutdown().await.unwrap();
    two.assert_file(&heard, &body);
    assert_eq!((heard.end.resumed, heard.end.fetched), (SIZE / 2, SIZE / 2));
}

#[tokio::test]
async fn the_userinfo_of_a_mirror_is_not_kept() {
    let body = Body::pattern(24, SIZE);
    let two = Two::new(tagged(body.clone()), tagged(body.clone())).await;
    let secret = two.mirror.url("/a").as_str().replacen("://", "://me:s3cret@", 1);
    first_half(&two, &two.place.task("/a", "a").connection_count(NonZeroU32::MIN).mirror(secret)).await;
    let ok = two.place.engine();
    let (info, request) = ok.restart().await.unwrap().pop().unwrap();
    assert!(info.needs_credentials && request.is_err());
    assert!(!info.options.unwrap().contains("s3cret"));
    ok.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_new_url_keeps_the_mirrors() {
    let body = Body::pattern(25, SIZE);
    let two = Two::new(tagged(body.clone()), tagged(body.clone())).await;
    first_half(&two, &two.task()).await;
    let ok = two.place.engine();
    let info = ok.unfinished().await.unwrap().pop().unwrap();
    let task = info.task().unwrap().to_builder().url(nowhere().await).build().unwrap();
    let heard = heard(ok.retarget(info.id, task).await.unwrap()).await;
    ok.shutdown().await.unwrap();
    two.assert_file(&heard, &body);
    assert_eq!(heard.end.resumed, SIZE / 2);
}

#[tokio::test]
async fn what_a_mirror_began_is_gone_on_with_by_whoever_proves_it() {
    let (body, other) = (Body::pattern(26, SIZE), Body::pattern(27, SIZE));
    let day = Duration::from_secs(86_400);
    let date = SystemTime::UNIX_EPOCH + 12_345 * day;
    let dated = |body: &Body| Resource::new(body.clone()).without_etag().last_modified(date);
    for (ours, theirs, expected, resumed) in [
        // The task's own server has another version now, the mirror still has its own.
        (Resource::new(other.clone()), tagged(body.clone()), &body, SIZE / 2),
        (tagged(body.clone()), tagged(body.clone()), &body, SIZE / 2),
        // Which server's date it was is not recorded.
        (dated(&other), dated(&body), &other, 0),
    ] {
        let two = Two::new(ours, theirs).await;
        two.place.server.handle("/a", |_, _| Reply::status(503));
        two.mirror.script("/a", [Reply::resource().cut_after(SIZE / 2)]);
        two.mirror.handle("/a", |_, _| Reply::status(503));
        let begun = two.run(two.task()).await;
        assert_eq!((begun.end.cause, begun.end.fetched), (EndCause::Error, SIZE / 2));
        two.mirror.handle("/a", |_, _| Reply::resource());
        two.place.server.handle("/a", |_, _| Reply::resource());
        let heard = two.run(two.task().retries(2)).await;
        two.assert_file(&heard, expected);
        assert_eq!(heard.end.resumed, resumed);
    }
}

#[tokio::test]
async fn a_mirror_without_ranges_is_not_used_beside_others() {
    let body = Body::pattern(28, SIZE);
    let two = Two::new(tagged(body.clone()), tagged(body.clone()).without_ranges()).await;
    let heard = two.run(two.task().connection_count(four())).await;
    two.assert_file(&heard, &body);
    assert_eq!(heard.warnings().len(), 1, "{:?}", heard.warnings());
    // Alone it is as good as any.
    let two = Two::new(tagged(body.clone()), tagged(body.clone()).without_ranges()).await;
    two.main_dies_after(SIZE / 2);
    let heard = two.run(two.task()).await;
    two.assert_file(&heard, &body);
    assert_eq!(heard.beginnings().len(), 1);
}

#[tokio::test]
async fn where_a_mirror_redirects_to_is_its_own_affair() {
    let body = Body::pattern(29, SIZE);
    let two = Two::new(tagged(body.clone()), tagged(body.clone())).await;
    two.mirror.handle("/a", |_, _| Reply::redirect(302, "/signed"));
    two.mirror.serve("/signed", tagged(body.clone()));
    two.place.server.handle("/a", |_, _| Reply::status(404));
    // It expires after the first half; then the mirror is asked for the way again.
    two.mirror.script("/signed", [Reply::resource().cut_after(SIZE / 2), Reply::status(403)]);
    let heard = two.run(two.task().retries(1)).await;
    two.assert_file(&heard, &body);
    let paths: Vec<_> = two.mirror.requests().iter().map(|request| request.path.clone()).collect();
    assert_eq!(paths, ["/a", "/signed", "/signed", "/a", "/signed"]);
    assert_eq!(two.place.server.requests().len(), 1);
}

#[tokio::test]
async fn a_condition_is_only_for_the_tasks_own_server() {
    let body = Body::pattern(30, MIB);
    let two = Two::new(tagged(body.clone()), tagged(body.clone())).await;
    let heard = two.run(two.task()).await;
    two.assert_file(&heard, &body);
    two.place.server.handle("/a", |_, _| Reply::status(503));
    let heard = two.run(two.task().on_exists(OnExists::Update)).await;
    two.assert_file(&heard, &body);
    assert!(two.place.server.requests()[1].header("if-none-match").is_some());
    assert!(two.mirror.requests()[0].header("if-none-match").is_none());
}

#[tokio::test]
async fn a_servers_wrong_digest_can_be_ignored() {
    let body = Body::pattern(31, MIB);
    for ignore in [false, true] {
        let ours = tagged(body.clone()).header("repr-digest", "md5=:kAFQmDzST7DWlj99KOF/cg==:");
        let two = Two::new(ours, tagged(body.clone())).await;
        let task = two.place.task("/a", "a").ignore_server_digest(ignore);
        let heard = two.run(task).await;
        if ignore {
            two.assert_file(&heard, &body);
        } else {
            assert_eq!(heard.end.error.as_ref().unwrap().kind(), ErrorKind::Checksum);
        }
    }
}

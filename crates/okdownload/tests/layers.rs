//! Layers: which one is around which, and which of the engine's own steps are around all of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::{MIB, Place, assert_content, tagged};
use futures_util::StreamExt;
use http::HeaderValue;
use http::header::ETAG;
use okdownload::connection::{
    ConnectRequest, Connected, ConnectionCapability, ConnectionFactory, ReqwestConnectionFactory,
};
use okdownload::output::{
    FileOutput, FreeSpace, OpenMode, OutputCapability, OutputStream, OutputStreamFactory, Stat,
};
use okdownload::prelude::*;
use okdownload::strategy::{DownloadStrategy, RetryFacts, RetryVerdict, default_retry};
use okdownload::{Location, ResponseHead, ResumeFailedCause};
use okdownload_testkit::server::{Body, Gate, Reply};

type Log = Arc<Mutex<Vec<String>>>;

/// A layer that writes down what comes to it and what leaves it, and when.
#[derive(Debug)]
struct Trace<F> {
    name: &'static str,
    inner: F,
    log: Log,
}

impl<F> Trace<F> {
    fn new(name: &'static str, inner: F, log: &Log) -> Self {
        Self { name, inner, log: log.clone() }
    }

    fn say(&self, what: impl std::fmt::Display) {
        self.log.lock().unwrap().push(format!("{} {what}", self.name));
    }
}

#[async_trait]
impl<F: ConnectionFactory> ConnectionFactory for Trace<F> {
    fn capability(&self) -> ConnectionCapability {
        self.inner.capability()
    }

    async fn connect(&self, request: ConnectRequest) -> Result<Box<dyn Connected>> {
        self.say(format_args!("> {}", request.url.path()));
        let connected = self.inner.connect(request).await?;
        self.say(format_args!("< {}", connected.head().status));
        Ok(Box::new(Trace::new(self.name, connected, &self.log)))
    }
}

#[async_trait]
impl Connected for Trace<Box<dyn Connected>> {
    fn head(&self) -> &ResponseHead {
        self.inner.head()
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.say("chunk");
        self.inner.chunk().await
    }
}

#[async_trait]
impl<F: OutputStreamFactory> OutputStreamFactory for Trace<F> {
    fn capability(&self, location: &Location) -> OutputCapability {
        self.inner.capability(location)
    }

    async fn boot_id(&self) -> Option<String> {
        self.inner.boot_id().await
    }

    async fn stat(&self, location: &Location) -> Result<Option<Stat>> {
        self.inner.stat(location).await
    }

    async fn open_part(&self, part: &Location, mode: OpenMode) -> Result<Option<Arc<dyn OutputStream>>> {
        self.say("open");
        self.inner.open_part(part, mode).await
    }

    async fn free_space(&self, location: &Location) -> Result<Option<FreeSpace>> {
        self.inner.free_space(location).await
    }

    async fn remove(&self, location: &Location) -> Result<bool> {
        self.inner.remove(location).await
    }
}

/// Does not let tests wait.
#[derive(Debug, Clone)]
struct Soon;

impl DownloadStrategy for Soon {
    fn retry(&mut self, facts: &RetryFacts<'_>) -> RetryVerdict {
        match default_retry(facts) {
            RetryVerdict::After(_) => RetryVerdict::After(Duration::from_millis(1)),
            verdict @ RetryVerdict::GiveUp => verdict,
        }
    }
}

/// An engine with two layers around its connections.
fn layered(place: &Place, log: &Log) -> OkDownload {
    let inner = Trace::new("engine inner", ReqwestConnectionFactory::new(), log);
    let outer = Trace::new("engine outer", inner, log);
    place.builder().connection_factory(outer).download_strategy(Soon).build().unwrap()
}

/// What layers of these names, the outermost first, write down of these requests.
fn passes(names: &[&str], requests: &[(&str, u16)]) -> Vec<String> {
    let pass = |(path, status): &(&str, u16)| {
        let down = names.iter().map(|name| format!("{name} > {path}"));
        let up = names.iter().rev().map(|name| format!("{name} < {status}"));
        down.chain(up).collect::<Vec<_>>()
    };
    requests.iter().flat_map(pass).collect()
}

/// The log without chunks, and the chunks.
fn taken(log: &Log) -> (Vec<String>, Vec<String>) {
    std::mem::take(&mut *log.lock().unwrap()).into_iter().partition(|line| !line.ends_with("chunk"))
}

#[tokio::test]
async fn the_tasks_layers_are_around_the_engines_and_the_last_one_is_outermost() {
    let place = Place::new().await;
    let body = Body::pattern(1, 100_000);
    place.server.serve("/a", tagged(body.clone()));
    let log = Log::default();
    let ok = layered(&place, &log);
    let task = place.task("/a", "a").build().unwrap();
    let request = ok.task(task).layer(|inner| Trace::new("task inner", inner, &log));
    request.layer(|inner| Trace::new("task outer", inner, &log)).enqueue().await.into_result().unwrap();
    let names = ["task outer", "task inner", "engine outer", "engine inner"];
    let (requests, chunks) = taken(&log);
    assert_eq!(requests, passes(&names, &[("/a", 206)]));
    assert!(!chunks.is_empty());
    for call in chunks.chunks(names.len()) {
        assert_eq!(call, names.map(|name| format!("{name} chunk")));
    }
    assert_content(&place.path("a"), &body);
    // Another task of the engine has none of them.
    ok.download(place.task("/a", "b").build().unwrap()).await.unwrap();
    assert_eq!(taken(&log).0, passes(&names[2..], &[("/a", 206)]));
}

#[tokio::test]
async fn retries_and_redirects_are_around_the_layers() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(2, 1000)));
    place.server.script("/start", [Reply::status(503), Reply::redirect(302, "/a")]);
    let log = Log::default();
    let ok = layered(&place, &log);
    ok.download(place.task("/start", "a").build().unwrap()).await.unwrap();
    // Retry is around redirect: it begins again at the task's own URL, and each hop passes all layers.
    let requests = [("/start", 503), ("/start", 302), ("/a", 206)];
    assert_eq!(taken(&log).0, passes(&["engine outer", "engine inner"], &requests));
}

/// Refuses the network.
#[derive(Debug, Clone)]
struct Offline;

impl DownloadStrategy for Offline {
    fn inspect_network(&mut self, _task: &DownloadTask) -> Result<()> {
        Err(Error::new(ErrorKind::NetworkPolicy, "not now"))
    }
}

#[tokio::test]
async fn the_network_policy_is_asked_before_any_layer() {
    let place = Place::new().await;
    let log = Log::default();
    let ok = layered(&place, &log);
    let end = ok.task(place.task("/a", "a").build().unwrap()).strategy(Offline).execute().await;
    assert_eq!(end.error.unwrap().kind(), ErrorKind::NetworkPolicy);
    assert_eq!(taken(&log), (vec![], vec![]));
}

/// Adds a header to requests, and writes down which ones it found.
#[derive(Debug)]
struct Adds<F>(F, Log);

#[async_trait]
impl<F: ConnectionFactory> ConnectionFactory for Adds<F> {
    fn capability(&self) -> ConnectionCapability {
        self.0.capability()
    }

    async fn connect(&self, mut request: ConnectRequest) -> Result<Box<dyn Connected>> {
        self.1.lock().unwrap().extend(request.headers.keys().map(ToString::to_string));
        request.headers.insert("x-added", HeaderValue::from_static("1"));
        self.0.connect(request).await
    }
}

#[tokio::test]
async fn headers_are_made_before_the_layers_and_listeners_hear_of_the_engines_only() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(3, 1000)));
    let log = Log::default();
    let ok = place.engine();
    let task = place.task("/a", "a").header("x-mine", "1").build().unwrap();
    let request = ok.task(task).layer(|inner| Adds(inner, log.clone()));
    let events = request.events();
    request.enqueue().await.into_result().unwrap();
    for name in ["x-mine", "user-agent", "range", "accept-encoding"] {
        assert!(log.lock().unwrap().iter().any(|found| found == name), "{name}");
    }
    assert_eq!(place.server.requests()[0].header("x-added"), Some("1"));
    let events: Vec<Event> = events.collect().await;
    let told = events.iter().find_map(|event| match event {
        Event::ConnectTrialStart { headers, .. } => Some(headers),
        _ => None,
    });
    assert!(told.unwrap().contains_key("x-mine") && !told.unwrap().contains_key("x-added"));
}

/// Fails for a moment, once; after that, the resource is said to be of another version.
#[derive(Debug)]
struct Forges<F>(F, Arc<Mutex<bool>>);

#[derive(Debug)]
struct Forged(Box<dyn Connected>, ResponseHead);

#[async_trait]
impl<F: ConnectionFactory> ConnectionFactory for Forges<F> {
    fn capability(&self) -> ConnectionCapability {
        self.0.capability()
    }

    async fn connect(&self, request: ConnectRequest) -> Result<Box<dyn Connected>> {
        if !std::mem::replace(&mut *self.1.lock().unwrap(), true) {
            return Err(Error::new(ErrorKind::Network, "a layer's own trouble").temporary());
        }
        let connected = self.0.connect(request).await?;
        let mut head = connected.head().clone();
        head.headers.insert(ETAG, HeaderValue::from_static("\"forged\""));
        Ok(Box::new(Forged(connected, head)))
    }
}

#[async_trait]
impl Connected for Forged {
    fn head(&self) -> &ResponseHead {
        &self.1
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.0.chunk().await
    }
}

#[tokio::test]
async fn the_breakpoint_is_checked_against_what_the_layers_hand_up() {
    let place = Place::new().await;
    let body = Body::pattern(4, 4 * MIB);
    place.server.serve("/a", tagged(body.clone()));
    let gate = Gate::new();
    place.server.script("/a", [Reply::resource().gate_after(2 * MIB, &gate)]);
    let ok = place.builder().download_strategy(Soon).build().unwrap();
    let task = place.task("/a", "a").connection_count(NonZeroU32::MIN).build().unwrap();
    let handle = ok.task(task.clone()).enqueue();
    handle.progress().wait_for(|progress| progress.written == 2 * MIB).await.unwrap();
    handle.cancel();
    assert_eq!(handle.await.cause, EndCause::Canceled);
    let request = ok.task(task).layer(|inner| Forges(inner, Arc::default()));
    let events = request.events();
    request.enqueue().await.into_result().unwrap();
    let events: Vec<Event> = events.collect().await;
    // A layer's error is tried again like any other.
    assert!(events.iter().any(|event| matches!(event, Event::Retry { .. })), "{events:?}");
    let changed = |event: &Event| {
        matches!(event, Event::FromBeginning { cause: ResumeFailedCause::ResponseEtagChanged, .. })
    };
    assert!(events.iter().any(changed), "{events:?}");
    assert_content(&place.path("a"), &body);
}

#[tokio::test]
async fn outputs_have_layers_in_the_same_order() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(5, 1000)));
    let log = Log::default();
    let output = Trace::new("engine", FileOutput::new(), &log);
    let ok = place.builder().output_stream_factory(output).build().unwrap();
    let request = ok.task(place.task("/a", "a").build().unwrap());
    let request = request.output_layer(|inner| Trace::new("task inner", inner, &log));
    let request = request.output_layer(|inner| Trace::new("task outer", inner, &log));
    request.enqueue().await.into_result().unwrap();
    assert_eq!(taken(&log).0, ["task outer open", "task inner open", "engine open"]);
}

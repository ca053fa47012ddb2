//! Where a row is played: a server, a directory, an engine; and what is looked at when it is over.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use okdownload::connection::ConnectionFactory;
use okdownload::prelude::*;
use okdownload::store::DownloadStore;
use okdownload::strategy::{DownloadStrategy, RetryFacts, RetryVerdict, default_retry};
use okdownload::{DownloadTaskBuilder, Durability, ResumeFailedCause, Timeouts};
use okdownload_store_memory::MemoryStore;
use okdownload_testkit::server::{Body, Reply, Resource, Server};
use tempfile::TempDir;

use super::table::{Begins, Case, End, Outcome, Tls, Url, v1};

/// The connection backends that are compiled in.
pub(crate) const BACKENDS: &[&str] = &[
    #[cfg(feature = "reqwest")]
    "reqwest",
    #[cfg(feature = "isahc")]
    "isahc",
];

/// No row may take longer, on however busy a machine.
const LONGEST: Duration = Duration::from_secs(30);

/// What a row is played on.
pub(crate) struct Stage {
    pub(crate) server: Server,
    /// Another origin, without TLS.
    pub(crate) elsewhere: Server,
    pub(crate) directory: TempDir,
    pub(crate) store: Arc<dyn DownloadStore>,
    connection: Arc<dyn ConnectionFactory>,
}

/// The default policy with blocks that small files have several of, and with waits that nobody notices.
#[derive(Debug, Clone)]
struct Quick;

impl DownloadStrategy for Quick {
    fn smallest_block(&self) -> NonZeroU64 {
        NonZeroU64::MIN.saturating_add((128 << 10) - 1)
    }

    fn retry(&mut self, facts: &RetryFacts<'_>) -> RetryVerdict {
        match default_retry(facts) {
            RetryVerdict::After(wait) if facts.error.retry_after().is_none() => {
                RetryVerdict::After(wait / 50)
            }
            verdict => verdict,
        }
    }
}

impl Stage {
    async fn new(tls: Tls, backend: &str) -> Self {
        let server = match tls {
            Tls::Without => Server::start().await,
            Tls::Trusted | Tls::Untrusted => Server::start_tls().await,
            Tls::Misnamed => Server::start_tls_as("elsewhere.invalid").await,
        };
        let server = server.unwrap();
        let trusted = matches!(tls, Tls::Trusted | Tls::Misnamed).then(|| server.ca_pem().as_bytes());
        Self {
            connection: connection(backend, trusted),
            server,
            elsewhere: Server::start().await.unwrap(),
            directory: tempfile::tempdir().unwrap(),
            store: Arc::new(MemoryStore::new()),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("files").join(name)
    }

    pub(crate) fn files(&self) -> Vec<String> {
        crate::common::names(&self.path(""))
    }

    /// Puts a file there.
    pub(crate) fn put(&self, name: &str, content: &[u8]) {
        std::fs::create_dir_all(self.path("")).unwrap();
        std::fs::write(self.path(name), content).unwrap();
    }

    fn engine(&self) -> OkDownload {
        let builder = OkDownload::builder().connection_factory(self.connection.clone());
        let builder = builder.download_store(self.store.clone()).download_strategy(Quick);
        builder.runtime(tokio::runtime::Handle::current()).build().unwrap()
    }

    /// A task for the file `a`, with limits that are far longer than anything takes.
    pub(crate) fn task(&self, url: impl AsRef<str>, target: Target) -> DownloadTaskBuilder {
        let mut limits = Timeouts::default();
        (limits.connect, limits.head, limits.stall) = [10, 10, 10].map(Duration::from_secs).into();
        let task = DownloadTask::builder(url, target).timeouts(limits);
        task.retries(2).durability(Durability::Process)
    }

    async fn run(&self, task: DownloadTask) -> Ran {
        let ok = self.engine();
        let request = ok.task(task);
        let events = request.events();
        let end = request.enqueue().await;
        let events = events.collect().await;
        ok.shutdown().await.unwrap();
        Ran { end, events }
    }

    /// Lets a run break off after so many bytes of this.
    async fn leave(&self, resource: Resource, bytes: u64) {
        self.server.serve("/a", resource);
        self.server.script("/a", [Reply::resource().cut_after(bytes)]);
        let task = self.task(self.server.url("/a"), Target::file(self.path("a"))).retries(0);
        let played = self.run(task.connection_count(NonZeroU32::MIN).build().unwrap()).await;
        assert_eq!(played.end.fetched, bytes, "{:?}", played.end);
        assert_eq!(self.files(), ["a.okdownload"]);
        self.server.remove("/a");
        self.server.clear_log();
    }
}

fn connection(backend: &str, trusted: Option<&[u8]>) -> Arc<dyn ConnectionFactory> {
    match backend {
        #[cfg(feature = "reqwest")]
        "reqwest" => {
            let factory = okdownload::connection::ReqwestConnectionFactory::new().no_proxy().unwrap();
            Arc::new(match trusted {
                Some(pem) => factory.root_certificates_pem(pem).unwrap(),
                None => factory,
            })
        }
        #[cfg(feature = "isahc")]
        "isahc" => {
            let factory = okdownload::connection::IsahcConnectionFactory::new().no_proxy().unwrap();
            Arc::new(match trusted {
                Some(pem) => factory.root_certificates_pem(pem).unwrap(),
                None => factory,
            })
        }
        other => panic!("{other}, trusting {trusted:?}"),
    }
}

/// What came of a row.
pub(crate) struct Played {
    pub(crate) name: String,
    pub(crate) took: Duration,
    /// What was not as expected.
    pub(crate) problems: Vec<String>,
}

/// What came of a run.
struct Ran {
    end: TaskEnd,
    events: Vec<Event>,
}

impl Case {
    /// Plays it with this backend.
    pub(crate) async fn play(self, backend: &'static str) -> Played {
        let began = Instant::now();
        let name = format!("{} [{backend}]", self.name);
        let problems = match tokio::time::timeout(LONGEST, tokio::spawn(self.play_on(backend))).await {
            Ok(Ok(problems)) => problems,
            Ok(Err(panic)) => vec![panic.to_string()],
            Err(_) => vec!["it takes too long".to_owned()],
        };
        let problems = problems.into_iter().map(|problem| format!("{name}: {problem}")).collect();
        Played { took: began.elapsed(), problems, name }
    }

    async fn play_on(self, backend: &'static str) -> Vec<String> {
        let stage = Stage::new(self.tls, backend).await;
        let reachable = matches!(self.tls, Tls::Without | Tls::Trusted);
        if let Some((resource, bytes)) = self.left_before {
            stage.leave(resource, bytes).await;
        }
        if let Some(resource) = self.resource.clone() {
            stage.server.serve("/a", resource);
        }
        for setup in self.setup {
            setup(&stage);
        }
        let url = match self.url {
            Url::Path(path) => stage.server.url(&path).to_string(),
            Url::Made(make) => make(&stage),
        };
        let target = match self.into_directory {
            true => Target::directory(stage.path("")),
            false => Target::file(stage.path("a")),
        };
        let task = self.options.into_iter().fold(stage.task(url, target), |task, change| change(task));
        let played = stage.run(task.build().unwrap()).await;
        let expected = match self.isahc {
            Some((expected, _why)) if backend == "isahc" => expected,
            _ => self.expected,
        };
        let mut problems = check(&stage, &expected, &played);
        let log = stage.server.requests();
        if let Some(Err(problem)) = self.log.map(|check| check(&stage, &log)) {
            problems.push(problem);
        }
        if !problems.is_empty() {
            problems.push(describe(&stage, &played));
        } else if let (End::Fails(..), Some(resource), true) = (&expected.end, self.resource, reachable) {
            problems.extend(heal(&stage, resource).await);
        }
        problems
    }
}

/// Whether the run ended as it must, and left what it must.
fn check(stage: &Stage, expected: &Outcome, played: &Ran) -> Vec<String> {
    let mut problems = Vec::new();
    match (&expected.end, &played.end.error) {
        (End::Whole(name, body), None) if played.end.is_completed() => {
            problems.extend(compare(stage, name, body));
        }
        (End::Whole(..), _) => problems.push("it does not complete".to_owned()),
        (End::Fails(kind, words), Some(error)) => {
            if error.kind() != *kind || !error.to_string().contains(words) {
                problems.push(format!("not {kind:?} with {words:?}"));
            }
        }
        (End::Fails(..), None) => problems.push("it does not fail".to_owned()),
    }
    if stage.files() != expected.files {
        problems.push(format!("there is {:?}, not {:?}", stage.files(), expected.files));
    }
    let requests = stage.server.requests().len() + stage.elsewhere.requests().len();
    if !expected.requests.contains(&requests) {
        problems.push(format!("{requests} requests, not {:?}", expected.requests));
    }
    if let Some(words) = expected.warning
        && !played.warnings().any(|warning| warning.contains(words))
    {
        problems.push(format!("no warning says {words:?}"));
    }
    if !played.begins(expected.begins) {
        problems.push(format!("it does not begin so: {:?}", expected.begins));
    }
    problems
}

impl Ran {
    fn warnings(&self) -> impl Iterator<Item = &str> {
        self.events.iter().filter_map(|event| match event {
            Event::Warning { message } => Some(message.as_str()),
            _ => None,
        })
    }

    fn begins(&self, expected: Begins) -> bool {
        let causes = self.events.iter().filter_map(|event| match event {
            Event::FromBeginning { cause, .. } => Some(*cause),
            _ => None,
        });
        let causes: Vec<_> = causes.collect();
        match expected {
            Begins::Fresh => causes.iter().all(|cause| *cause == ResumeFailedCause::InfoDirty),
            Begins::GoesOn => causes.is_empty() && self.end.resumed > 0,
            Begins::Anew(cause) => causes.last() == Some(&cause),
            Begins::Anywhere => true,
        }
    }
}

/// The file's length, and as much of its content as can be read in no time: all, or in a huge one what is not a hole.
fn compare(stage: &Stage, name: &str, body: &Body) -> Option<String> {
    use std::os::unix::fs::FileExt;
    const END: u64 = 4 << 20;
    let file = std::fs::File::open(stage.path(name)).ok()?;
    let length = file.metadata().unwrap().len();
    if length != body.len() {
        return Some(format!("{name} has {length} bytes, not {}", body.len()));
    }
    let start = length.saturating_sub(END);
    let mut content = vec![0; (length - start) as usize];
    file.read_exact_at(&mut content, start).unwrap();
    (!body.matches(start, &content)).then(|| format!("{name} HAS A WRONG CONTENT"))
}

fn describe(stage: &Stage, played: &Ran) -> String {
    let mut text = format!("{:?}", played.end);
    for logged in stage.server.requests() {
        text += &format!(
            "\n      {} {} range {:?} if-range {:?} → {:?}, {} bytes",
            logged.method,
            logged.path,
            logged.range(),
            logged.header("if-range"),
            logged.status,
            logged.bytes_sent
        );
    }
    for event in &played.events {
        match event {
            Event::FromBeginning { cause, .. } => text += &format!("\n      from the beginning: {cause}"),
            Event::Warning { message } => text += &format!("\n      warning: {message}"),
            Event::Retry { error, .. } => text += &format!("\n      retry: {error:?}"),
            _ => {}
        }
    }
    text
}

/// What failed must not have spoiled anything: once the server is as it should be, the file becomes whole.
async fn heal(stage: &Stage, resource: Resource) -> Option<String> {
    let body = resource.body().clone();
    let foreign = stage.files().iter().any(|name| name != "a.okdownload");
    if foreign || body.len() > 16 << 20 {
        return None;
    }
    stage.server.remove("/a");
    stage.server.serve("/a", v1(body.clone()));
    let target = Target::file(stage.path("a"));
    let played = stage.run(stage.task(stage.server.url("/a"), target).build().unwrap()).await;
    let expected = Outcome { begins: Begins::Anywhere, ..super::table::whole(body) };
    let expected = expected.requests_within(0..=1000);
    let problems = check(stage, &expected, &played);
    (!problems.is_empty())
        .then(|| format!("later on, it is not well: {problems:?}\n      {}", describe(stage, &played)))
}

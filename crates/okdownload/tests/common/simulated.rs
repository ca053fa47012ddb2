//! A network and a disk without either: all that takes time is tokio's sleep, so a test may pause the clock.
#![allow(dead_code, reason = "each test file uses its own share")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use okdownload::connection::{ConnectRequest, Connected, ConnectionCapability, ConnectionFactory};
use okdownload::output::{
    CommitOptions, Consumer, FreeSpace, OpenMode, OutputCapability, OutputStream, OutputStreamFactory, Stat,
};
use okdownload::{Error, ErrorKind, FileIdentity, Location, ResponseHead, Result};
use tokio::time::Instant;

/// Every request takes a random time, and fails for good.
#[derive(Debug, Clone)]
pub(crate) struct Network(Arc<Mutex<Traffic>>);

#[derive(Debug)]
struct Traffic {
    random: fastrand::Rng,
    /// Requests at a time: of each host, and the most there ever were of one.
    now: BTreeMap<String, usize>,
    most: usize,
    most_of_a_host: usize,
    requests: usize,
}

/// A request that is on its way.
struct OnTheWay(Network, String);

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let now = BTreeMap::new();
        Self(Arc::new(Mutex::new(Traffic { random, now, most: 0, most_of_a_host: 0, requests: 0 })))
    }

    /// The most requests at a time: of all hosts, and of one.
    pub(crate) fn most(&self) -> (usize, usize) {
        let traffic = self.0.lock().unwrap();
        (traffic.most, traffic.most_of_a_host)
    }

    pub(crate) fn requests(&self) -> usize {
        self.0.lock().unwrap().requests
    }

    fn enter(&self, host: &str) -> (OnTheWay, Duration) {
        let mut traffic = self.0.lock().unwrap();
        traffic.requests += 1;
        *traffic.now.entry(host.to_owned()).or_default() += 1;
        let (all, of_host) = (traffic.now.values().sum(), traffic.now[host]);
        traffic.most = traffic.most.max(all);
        traffic.most_of_a_host = traffic.most_of_a_host.max(of_host);
        let time = Duration::from_millis(traffic.random.u64(0..50));
        (OnTheWay(self.clone(), host.to_owned()), time)
    }
}

impl Drop for OnTheWay {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap().now.get_mut(&self.1).unwrap() -= 1;
    }
}

#[async_trait]
impl ConnectionFactory for Network {
    fn capability(&self) -> ConnectionCapability {
        ConnectionCapability::FULL
    }

    async fn connect(&self, request: ConnectRequest) -> Result<Box<dyn Connected>> {
        let (_on_the_way, time) = self.enter(request.url.host_str().unwrap());
        tokio::time::sleep(time).await;
        Err(Error::new(ErrorKind::Tls, "there is no such server"))
    }
}

/// A disk with nothing on it, which nobody comes to write to.
#[derive(Debug)]
pub(crate) struct EmptyDisk;

#[async_trait]
impl OutputStreamFactory for EmptyDisk {
    fn capability(&self, _: &Location) -> OutputCapability {
        OutputCapability::FULL
    }

    async fn boot_id(&self) -> Option<String> {
        None
    }

    async fn stat(&self, _: &Location) -> Result<Option<Stat>> {
        Ok(None)
    }

    async fn open_part(&self, part: &Location, _: OpenMode) -> Result<Option<Arc<dyn OutputStream>>> {
        Err(Error::new(ErrorKind::Unexpected, "nothing is ever received").with_context("part", part))
    }

    async fn free_space(&self, _: &Location) -> Result<Option<FreeSpace>> {
        Ok(None)
    }

    async fn remove(&self, _: &Location) -> Result<bool> {
        Ok(false)
    }
}

/// What a simulated server does next with a body.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// So many bytes come.
    Bytes(u64),
    /// Nothing happens for so long.
    Wait(Duration),
    /// The connection is lost.
    Reset,
    /// Nothing happens any more.
    Silence,
}

/// How a simulated server answers one request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// How long it takes to the head.
    pub(crate) delay: Duration,
    /// The head; an error in its place is what the backend says of it.
    pub(crate) head: Result<(u16, Vec<(&'static str, String)>)>,
    /// Where the body begins in the resource, and what comes of it.
    pub(crate) start: u64,
    pub(crate) steps: Vec<Step>,
}

impl Answer {
    /// A status without a body.
    pub(crate) fn status(status: u16, headers: &[(&'static str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { delay: Duration::ZERO, head: Ok((status, headers)), start: 0, steps: Vec::new() }
    }

    /// The backend's error in place of an answer.
    pub(crate) fn error(error: Error) -> Self {
        Self { head: Err(error), ..Self::status(0, &[]) }
    }

    /// No answer, ever.
    pub(crate) fn never() -> Self {
        Self { delay: Duration::MAX, ..Self::status(0, &[]) }
    }

    /// The range that was asked for, of a resource of this length with a strong validator; the whole if none was.
    pub(crate) fn range(request: &ConnectRequest, total: u64) -> Self {
        let asked = request.headers.get("range").and_then(|value| value.to_str().ok());
        let Some(asked) = asked.and_then(|value| value.strip_prefix("bytes=")) else {
            return Self::whole(total);
        };
        let (start, last) = asked.split_once('-').unwrap();
        let start: u64 = start.parse().unwrap();
        let end = last.parse::<u64>().map_or(total, |last| (last + 1).min(total));
        let range = format!("bytes {start}-{}/{total}", end - 1);
        let length = (end - start).to_string();
        let headers = [("content-range", range.as_str()), ("content-length", &length), ("etag", "\"v1\"")];
        Self { start, steps: vec![Step::Bytes(end - start)], ..Self::status(206, &headers) }
    }

    /// All of a resource with a strong validator.
    pub(crate) fn whole(total: u64) -> Self {
        let headers = [("content-length", &*total.to_string()), ("etag", "\"v1\"")];
        Self { steps: vec![Step::Bytes(total)], ..Self::status(200, &headers) }
    }

    pub(crate) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Another course of the body.
    pub(crate) fn with_steps(self, steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), ..self }
    }
}

/// What a simulated server was asked, and when.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) at: Instant,
    pub(crate) range: String,
}

type Script = dyn Fn(&ConnectRequest, usize) -> Answer + Send + Sync;

/// A server that answers by a function of the request and its number.
#[derive(Clone)]
pub(crate) struct Scripted {
    script: Arc<Script>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

impl Scripted {
    pub(crate) fn new(script: impl Fn(&ConnectRequest, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self { script: Arc::new(script), asked: Arc::default() }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The times between one request and the next.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        self.asked().windows(2).map(|pair| pair[1].at - pair[0].at).collect()
    }
}

#[async_trait]
impl ConnectionFactory for Scripted {
    fn capability(&self) -> ConnectionCapability {
        ConnectionCapability::FULL
    }

    async fn connect(&self, request: ConnectRequest) -> Result<Box<dyn Connected>> {
        let number = {
            let mut asked = self.asked.lock().unwrap();
            let range = request.headers.get("range").map_or("", |value| value.to_str().unwrap()).to_owned();
            asked.push(Asked { at: Instant::now(), range });
            asked.len() - 1
        };
        let answer = (self.script)(&request, number);
        wait(answer.delay).await;
        let (status, headers) = answer.head?;
        let mut map = http::HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        let head = ResponseHead::new(request.url, status, http::Version::HTTP_11, map);
        Ok(Box::new(Response { head, position: answer.start, steps: answer.steps.into(), until: None }))
    }
}

/// Sleeps; `Duration::MAX` is for ever.
async fn wait(time: Duration) {
    if time == Duration::MAX {
        std::future::pending::<()>().await;
    }
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

#[derive(Debug)]
struct Response {
    head: ResponseHead,
    position: u64,
    steps: VecDeque<Step>,
    /// The end of the wait that is under way: a `chunk` future may be dropped.
    until: Option<Instant>,
}

#[async_trait]
impl Connected for Response {
    fn head(&self) -> &ResponseHead {
        &self.head
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        loop {
            match self.steps.front_mut() {
                None => return Ok(None),
                Some(Step::Bytes(0)) => {}
                Some(Step::Bytes(left)) => {
                    let length = PIECE.min(*left);
                    *left -= length;
                    self.position += length;
                    return Ok(Some(bytes_at(self.position - length, length)));
                }
                Some(Step::Wait(time)) => {
                    let until = *self.until.get_or_insert_with(|| Instant::now() + *time);
                    tokio::time::sleep_until(until).await;
                    self.until = None;
                }
                Some(Step::Silence) => wait(Duration::MAX).await,
                Some(Step::Reset) => {
                    return Err(Error::new(ErrorKind::Network, "the connection broke").temporary());
                }
            }
            self.steps.pop_front();
        }
    }
}

/// The longest piece of a body.
const PIECE: u64 = 64 << 10;

/// The content of each simulated resource repeats after so many bytes: a prime, so no two blocks are alike.
const PERIOD: u64 = 251;

/// The bytes of each simulated resource from this position on; at most a piece of them.
fn bytes_at(position: u64, length: u64) -> Bytes {
    static CONTENT: LazyLock<Bytes> =
        LazyLock::new(|| (0..PIECE + PERIOD).map(|n| (n % PERIOD) as u8).collect());
    let start = (position % PERIOD) as usize;
    CONTENT.slice(start..start + length as usize)
}

/// A disk in memory, on which nothing can be gone on with.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryDisk {
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    /// How long each write takes.
    pub(crate) write_delay: Duration,
}

impl MemoryDisk {
    /// Whether a file is there, with this many bytes of the simulated resource and nothing else.
    pub(crate) fn has(&self, path: &str, length: u64) -> bool {
        let files = self.files.lock().unwrap();
        let Some(file) = files.get(path) else { return false };
        let mut pieces = file.chunks(PIECE as usize).zip((0..).step_by(PIECE as usize));
        file.len() as u64 == length && pieces.all(|(piece, at)| *piece == bytes_at(at, piece.len() as u64))
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    bytes: Mutex<Vec<u8>>,
}

#[async_trait]
impl OutputStreamFactory for MemoryDisk {
    fn capability(&self, _: &Location) -> OutputCapability {
        let mut capability = OutputCapability::FULL;
        (capability.resume, capability.hides_parts) = (false, true);
        capability
    }

    async fn boot_id(&self) -> Option<String> {
        None
    }

    async fn stat(&self, _: &Location) -> Result<Option<Stat>> {
        Ok(None)
    }

    async fn open_part(&self, _: &Location, mode: OpenMode) -> Result<Option<Arc<dyn OutputStream>>> {
        let file = || Arc::new(MemoryFile { disk: self.clone(), bytes: Mutex::default() });
        Ok((mode == OpenMode::Create).then(file).map(|file| file as Arc<dyn OutputStream>))
    }

    async fn free_space(&self, _: &Location) -> Result<Option<FreeSpace>> {
        Ok(None)
    }

    async fn remove(&self, location: &Location) -> Result<bool> {
        Ok(self.files.lock().unwrap().remove(&location.to_string()).is_some())
    }
}

#[async_trait]
impl OutputStream for MemoryFile {
    fn identity(&self) -> Option<FileIdentity> {
        None
    }

    fn initial_length(&self) -> u64 {
        0
    }

    async fn write_at(&self, offset: u64, data: Vec<Bytes>) -> Result<()> {
        wait(self.disk.write_delay).await;
        let data = data.concat();
        let (start, mut bytes) = (offset as usize, self.bytes.lock().unwrap());
        let end = bytes.len().max(start + data.len());
        bytes.resize(end, 0xee);
        bytes[start..start + data.len()].copy_from_slice(&data);
        Ok(())
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        let bytes = self.bytes.lock().unwrap();
        let start = bytes.len().min(offset as usize);
        Ok(Bytes::copy_from_slice(&bytes[start..bytes.len().min(start + length)]))
    }

    async fn scan(&self, range: std::ops::Range<u64>, mut consumer: Consumer) -> Result<()> {
        consumer(&self.bytes.lock().unwrap()[range.start as usize..range.end as usize]);
        Ok(())
    }

    async fn preallocate(&self, _: u64) -> Result<()> {
        Ok(())
    }

    async fn set_length(&self, length: u64) -> Result<()> {
        self.bytes.lock().unwrap().resize(length as usize, 0);
        Ok(())
    }

    async fn flush_and_sync(&self) -> Result<()> {
        Ok(())
    }

    async fn commit(&self, to: &Location, _: CommitOptions) -> Result<()> {
        let bytes = self.bytes.lock().unwrap().clone();
        self.disk.files.lock().unwrap().insert(to.to_string(), bytes);
        Ok(())
    }

    async fn abort(&self) -> Result<()> {
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

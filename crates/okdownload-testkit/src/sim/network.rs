//! The simulated server, and the network to it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::header;
use okdownload_connection::{
    ConnectRequest, Connected, ConnectionCapability, ConnectionFactory, error as connection_error,
};
use okdownload_types::{ByteRange, Result, Validators};

use super::response::{Answer, SimConnected, answer};
use super::{Content, World};

/// What entity tags the server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tags {
    /// None.
    None,
    /// Weak ones, another for each version.
    Weak,
    /// Weak ones that stay the same while the bytes change.
    WeakAndStable,
    /// Strong ones.
    Strong,
}

/// What `Last-Modified` the server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dates {
    /// None.
    None,
    /// One long before `Date`, another for each version.
    Strong,
    /// One of the same second as `Date`: two versions may have it.
    SameSecond,
}

/// When a resource changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// Never.
    Never,
    /// At these times since the simulation began.
    At(Vec<Duration>),
    /// Before the request of this number is answered, counted from 0.
    AtRequest(u64),
    /// Before each request is answered.
    Always,
}

/// A resource, and how the server serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceSpec {
    /// Its length in bytes.
    pub length: u64,
    /// Whether the length may change with the version.
    pub length_changes: bool,
    /// Its entity tags.
    pub tags: Tags,
    /// Its dates.
    pub dates: Dates,
    /// When it changes.
    pub changes: Changes,
    /// Whether the server answers ranges.
    pub ranges: bool,
    /// Whether the server tells the length.
    pub tells_length: bool,
    /// Whether the server compares `If-Range`. One that does not answers a range of whatever version there is.
    pub heeds_if_range: bool,
    /// Whether a range that `If-Range` was good for comes without validators (RFC 9110 §15.3.7 allows less of them).
    pub is_terse: bool,
}

/// One version of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its bytes.
    pub content: Content,
    /// How many they are.
    pub length: u64,
    /// What the server says of it.
    pub validators: Validators,
    /// The `ETag` header.
    pub(super) etag: Option<String>,
    /// `Last-Modified` and `Date`, in seconds since 1970.
    pub(super) dates: Option<(u64, u64)>,
}

/// A server, and the network to it, as a [`ConnectionFactory`]. Cheap to clone: clones are the same server.
#[derive(Debug, Clone)]
pub struct SimNetwork {
    pub(super) world: World,
    resources: Arc<Mutex<BTreeMap<String, Resource>>>,
}

#[derive(Debug)]
pub(super) struct Resource {
    pub(super) spec: ResourceSpec,
    number: u64,
    versions: Vec<Version>,
    requests: u64,
    pub(super) open: u32,
    /// Byte ranges that nobody should ask for again, and the version that they are of.
    spared: Option<(Validators, Vec<Range<u64>>)>,
}

impl SimNetwork {
    /// A server without resources.
    pub fn new(world: &World) -> Self {
        Self { world: world.clone(), resources: Arc::default() }
    }

    fn resources(&self) -> MutexGuard<'_, BTreeMap<String, Resource>> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a resource at this path.
    pub fn serve(&self, path: &str, spec: ResourceSpec) {
        let mut resources = self.resources();
        let number = resources.len() as u64;
        let first = Version::new(&spec, number, 0, spec.length);
        let resource = Resource { spec, number, versions: vec![first], requests: 0, open: 0, spared: None };
        resources.insert(path.to_owned(), resource);
    }

    /// All versions that the resource ever had, the newest last.
    pub fn versions(&self, path: &str) -> Vec<Version> {
        self.resources().get(path).map(|resource| resource.versions.clone()).unwrap_or_default()
    }

    /// From now on nothing changes any more.
    pub fn rest(&self) {
        self.resources().values_mut().for_each(|resource| resource.spec.changes = Changes::Never);
    }

    /// All connections are gone.
    pub fn crash(&self) {
        self.resources().values_mut().for_each(|resource| {
            resource.open = 0;
            resource.spared = None;
        });
    }

    /// These ranges of this version need not be asked for again: whoever does so before the server has said anything that
    /// speaks against going on with them is wrong.
    pub fn spare(&self, path: &str, validators: &Validators, ranges: Vec<Range<u64>>) {
        if let Some(resource) = self.resources().get_mut(path) {
            resource.spared = Some((validators.clone(), ranges));
        }
    }

    /// There is a cause now to ask for anything.
    pub fn spare_nothing(&self, path: &str) {
        if let Some(resource) = self.resources().get_mut(path) {
            resource.spared = None;
        }
    }

    pub(super) fn closed(&self, path: &str) {
        if let Some(resource) = self.resources().get_mut(path) {
            resource.open = resource.open.saturating_sub(1);
        }
    }

    fn answer(&self, path: &str, request: &ConnectRequest) -> Option<Answer> {
        let mut resources = self.resources();
        let resource = resources.get_mut(path)?;
        resource.change(&self.world);
        resource.check_spared(request, &self.world);
        let version = resource.versions.last()?.clone();
        let answer = answer(resource, version, request, &self.world);
        if resource.spared.as_ref().is_some_and(|(validators, _)| !answer.goes_on_with(validators)) {
            resource.spared = None;
        }
        if answer.sends {
            resource.open += 1;
        }
        Some(answer)
    }
}

impl Version {
    fn new(spec: &ResourceSpec, resource: u64, number: u64, length: u64) -> Self {
        const EPOCH: u64 = 1_600_000_000;
        let stable = spec.tags == Tags::WeakAndStable;
        let etag = match spec.tags {
            Tags::None => None,
            Tags::Weak => Some(format!("W/\"w{number}\"")),
            Tags::WeakAndStable => Some("W/\"w\"".to_owned()),
            Tags::Strong => Some(format!("\"v{number}\"")),
        };
        let dates = match spec.dates {
            Dates::None => None,
            // A date that tells versions apart beside a tag that does not is what makes it strong.
            Dates::Strong => Some((EPOCH + 100 * number, EPOCH + 100 * number + 50)),
            Dates::SameSecond if stable => Some((EPOCH, EPOCH)),
            Dates::SameSecond => Some((EPOCH + number / 2, EPOCH + number / 2)),
        };
        let time = |seconds| std::time::SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let tag = etag.as_deref().and_then(okdownload_types::EntityTag::parse);
        let (modified, date) = (dates.and_then(|dates| time(dates.0)), dates.and_then(|dates| time(dates.1)));
        let validators = Validators::new(tag, modified, date);
        Self { content: Content::new(resource * 1000 + number), length, validators, etag, dates }
    }
}

impl Resource {
    /// Takes the next version, if it is time.
    fn change(&mut self, world: &World) {
        let now = world.now();
        let due = match &mut self.spec.changes {
            Changes::Never => 0,
            Changes::At(times) => {
                let before = times.len();
                times.retain(|time| *time > now);
                before - times.len()
            }
            Changes::AtRequest(number) => usize::from(*number == self.requests),
            Changes::Always => 1,
        };
        self.requests += 1;
        for _ in 0..due {
            let number = self.versions.len() as u64;
            let length = if self.spec.length_changes {
                self.spec.length + world.below(1000)
            } else {
                self.spec.length
            };
            self.versions.push(Version::new(&self.spec, self.number, number, length));
        }
    }

    fn check_spared(&mut self, request: &ConnectRequest, world: &World) {
        let Some((_, spared)) = &self.spared else { return };
        let Some(asked) = asked(request) else {
            self.spared = None;
            return;
        };
        let end = asked.end.unwrap_or(u64::MAX);
        if let Some(range) = spared.iter().find(|range| range.start < end && asked.start < range.end) {
            world.fail(|| format!("{asked} was asked for, and {range:?} of it had survived"));
        }
    }
}

/// The range that a request asks for.
pub(super) fn asked(request: &ConnectRequest) -> Option<ByteRange> {
    let value = request.headers.get(header::RANGE)?.to_str().ok()?;
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let end = if last.is_empty() { None } else { Some(last.parse::<u64>().ok()? + 1) };
    Some(ByteRange { start: first.parse().ok()?, end })
}

#[async_trait]
impl ConnectionFactory for SimNetwork {
    fn capability(&self) -> ConnectionCapability {
        ConnectionCapability::FULL
    }

    async fn connect(&self, request: ConnectRequest) -> Result<Box<dyn Connected>> {
        let path = request.url.path().to_owned();
        let text = |name| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
        let (range, condition) = (text(header::RANGE), text(header::IF_RANGE));
        let moment = self.world.happens(format_args!("GET {path} {range} if {condition}"));
        moment.await;
        let faults = self.world.faults();
        self.world.takes(faults.network_delay).await;
        if self.world.chance(faults.refusals) {
            return Err(connection_error::unconnected());
        }
        if self.world.chance(faults.stalls) {
            std::future::pending::<()>().await;
        }
        let Some(answer) = self.answer(&path, &request) else { return Err(connection_error::unconnected()) };
        let (status, headers) = (answer.head.status, &answer.head.headers);
        let content_range = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let moment = self.world.happens(format_args!(
            "answer {path} {status} {} {:?}",
            content_range.unwrap_or("-"),
            headers.get(header::ETAG)
        ));
        moment.await;
        Ok(Box::new(SimConnected::new(self, path, answer)))
    }
}

//! What the simulated server answers, truthfully or not.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use okdownload_connection::{ConnectRequest, Connected, error as connection_error};
use okdownload_types::{ByteRange, ResponseHead, Result, Validators, VersionMatch};
use tokio::time::Instant;

use super::network::{Resource, SimNetwork, Version, asked};
use super::{PERIOD, World};

/// A response that is to be sent.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: ResponseHead,
    /// Whether a body comes.
    pub(super) sends: bool,
    is_lie: bool,
    version: Version,
    /// Which bytes come.
    body: std::ops::Range<u64>,
    /// From where on they are noise: what lies beyond what was announced.
    noise_from: u64,
    /// Where it breaks, or comes to a standstill.
    breaks: Option<u64>,
    stalls: Option<u64>,
}

impl Answer {
    /// Whether it says nothing against going on with bytes of this version: it brings more of them, or it says that it
    /// can't answer just now.
    pub(super) fn goes_on_with(&self, validators: &Validators) -> bool {
        match self.head.status {
            206 if !self.is_lie => {
                let told = self.head.validators();
                told.etag.is_none() && told.last_modified.is_none()
                    || validators.compare(&told) == VersionMatch::Same
            }
            429 | 503 => true,
            _ => false,
        }
    }
}

/// How a response to a range may lie.
#[derive(Debug, Clone, Copy)]
enum Lie {
    OtherStart,
    Shorter,
    LongerRange,
    LongerBody,
    OtherTotal,
    WholeWithRange,
    NoRange,
    Whole,
}

const LIES: [Lie; 8] = [
    Lie::OtherStart,
    Lie::Shorter,
    Lie::LongerRange,
    Lie::LongerBody,
    Lie::OtherTotal,
    Lie::WholeWithRange,
    Lie::NoRange,
    Lie::Whole,
];

/// What the server says to this request.
pub(super) fn answer(
    resource: &Resource,
    version: Version,
    request: &ConnectRequest,
    world: &World,
) -> Answer {
    let faults = world.faults();
    let mut make = Maker { resource, headers: HeaderMap::new(), request, world };
    let crowded = faults.most_connections > 0 && resource.open >= faults.most_connections;
    if crowded || world.chance(faults.statuses) {
        let status = if crowded { 503 } else { [404, 429, 503, 503][world.below(4) as usize] };
        if status != 404 && world.chance(300) {
            make.set(header::RETRY_AFTER, "1");
        }
        return make.empty(version, status);
    }
    make.set_validators(&version);
    if make.is_not_modified(&version) {
        return make.empty(version, 304);
    }
    let asked = asked(request).filter(|_| resource.spec.ranges);
    let Some(asked) = asked.filter(|_| make.is_range_wanted(&version)) else { return make.whole(version) };
    if asked.start >= version.length {
        make.set(header::CONTENT_RANGE, &format!("bytes */{}", version.length));
        return make.empty(version, 416);
    }
    let lie = world.chance(faults.lies).then(|| LIES[world.below(LIES.len() as u64) as usize]);
    make.partial(version, asked, lie)
}

struct Maker<'a> {
    resource: &'a Resource,
    headers: HeaderMap,
    request: &'a ConnectRequest,
    world: &'a World,
}

impl Maker<'_> {
    fn set(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }

    fn asks(&self, name: HeaderName) -> Option<&str> {
        self.request.headers.get(name)?.to_str().ok()
    }

    fn set_validators(&mut self, version: &Version) {
        if let Some(etag) = &version.etag {
            self.set(header::ETAG, etag);
        }
        if let Some((modified, date)) = version.dates {
            self.set(header::LAST_MODIFIED, &http_date(modified));
            self.set(header::DATE, &http_date(date));
        }
    }

    fn is_not_modified(&self, version: &Version) -> bool {
        match (self.asks(header::IF_NONE_MATCH), &version.etag) {
            (Some(tag), Some(etag)) => tag.trim_start_matches("W/") == etag.trim_start_matches("W/"),
            (Some(_), None) => false,
            (None, _) => {
                let since = self.asks(header::IF_MODIFIED_SINCE);
                since.is_some() && since == version.dates.map(|dates| http_date(dates.0)).as_deref()
            }
        }
    }

    /// Whether `If-Range` lets the range be answered (RFC 9110 §13.1.5).
    fn is_range_wanted(&self, version: &Version) -> bool {
        let Some(condition) = self.asks(header::IF_RANGE) else { return true };
        let date = version.dates.map(|dates| http_date(dates.0));
        let strong = version.etag.as_deref().filter(|etag| !etag.starts_with("W/"));
        !self.resource.spec.heeds_if_range || strong == Some(condition) || date.as_deref() == Some(condition)
    }

    fn empty(self, version: Version, status: u16) -> Answer {
        let body = 0..0;
        let head = self.head(status);
        Answer { head, sends: false, is_lie: false, version, body, noise_from: 0, breaks: None, stalls: None }
    }

    fn whole(mut self, version: Version) -> Answer {
        if self.resource.spec.tells_length {
            self.set(header::CONTENT_LENGTH, &version.length.to_string());
        }
        let body = 0..version.length;
        self.send(version, 200, body, 0)
    }

    fn partial(mut self, version: Version, asked: ByteRange, lie: Option<Lie>) -> Answer {
        let (mut start, length) = (asked.start, version.length);
        let mut end = asked.end.map_or(length, |end| end.min(length));
        let mut total = length;
        let mut beyond = 0;
        match lie {
            Some(Lie::Whole) => return self.whole(version),
            Some(Lie::OtherStart) => start = self.world.below(end),
            Some(Lie::Shorter) => end = start + 1 + self.world.below(end - start),
            Some(Lie::LongerRange) => end = (end + self.world.below(100_000)).min(length),
            Some(Lie::LongerBody) => {
                beyond = 1 + self.world.below(100_000);
                if self.world.chance(500) {
                    end = start + 1 + self.world.below(end - start);
                }
            }
            Some(Lie::OtherTotal) => total += 1,
            Some(Lie::WholeWithRange | Lie::NoRange) | None => {}
        }
        if !matches!(lie, Some(Lie::NoRange)) {
            let total = if self.resource.spec.tells_length { total.to_string() } else { "*".to_owned() };
            self.set(header::CONTENT_RANGE, &format!("bytes {start}-{}/{total}", end - 1));
        }
        if beyond == 0 {
            self.set(header::CONTENT_LENGTH, &(end - start).to_string());
        }
        let is_good = self.resource.spec.heeds_if_range && self.asks(header::IF_RANGE).is_some();
        if is_good && self.resource.spec.is_terse {
            self.headers.remove(header::ETAG);
            self.headers.remove(header::LAST_MODIFIED);
        }
        let status = if matches!(lie, Some(Lie::WholeWithRange)) { 200 } else { 206 };
        let mut answer = self.send(version, status, start..end, beyond);
        answer.is_lie = lie.is_some();
        answer
    }

    /// Sends these bytes, and some noise behind them.
    fn send(self, version: Version, status: u16, body: std::ops::Range<u64>, noise: u64) -> Answer {
        let (noise_from, body) = (body.end, body.start..body.end + noise);
        let faults = self.world.faults();
        let somewhere = |often| {
            let happens = self.world.chance(often) && !body.is_empty();
            happens.then(|| body.start + self.world.below(body.end - body.start))
        };
        let (breaks, stalls) = (somewhere(faults.cuts), somewhere(faults.stalls));
        let head = self.head(status);
        Answer { head, sends: true, is_lie: false, version, body, noise_from, breaks, stalls }
    }

    fn head(self, status: u16) -> ResponseHead {
        ResponseHead::new(self.request.url.clone(), status, http::Version::HTTP_11, self.headers)
    }
}

fn http_date(seconds: u64) -> String {
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// A response on its way.
#[derive(Debug)]
pub(super) struct SimConnected {
    network: SimNetwork,
    path: String,
    answer: Answer,
    position: u64,
    /// When the next chunk comes; kept when a future of it is dropped.
    due: Option<Instant>,
}

impl SimConnected {
    pub(super) fn new(network: &SimNetwork, path: String, answer: Answer) -> Self {
        let position = answer.body.start;
        Self { network: network.clone(), path, answer, position, due: None }
    }

    fn next_due(&self) -> Instant {
        let world = &self.network.world;
        let longest = world.faults().network_delay.as_micros() as u64;
        let micros = if world.below(4) == 0 { 0 } else { world.below(longest + 1) };
        Instant::now() + Duration::from_micros(micros)
    }
}

#[async_trait]
impl Connected for SimConnected {
    fn head(&self) -> &ResponseHead {
        &self.answer.head
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let due = self.due.unwrap_or_else(|| self.next_due());
        self.due = Some(due);
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        let Answer { body, noise_from, breaks, stalls, version, .. } = &self.answer;
        if stalls.is_some_and(|at| self.position >= at) {
            std::future::pending::<()>().await;
        }
        let world = &self.network.world;
        if breaks.is_some_and(|at| self.position >= at) {
            let moment = world.happens(format_args!("cut {} {}", self.path, self.position));
            moment.await;
            self.due = None;
            return Err(connection_error::broken());
        }
        let next =
            [Some(body.end), *breaks, *stalls].into_iter().flatten().filter(|end| *end > self.position).min();
        let Some(next) = next else { return Ok(None) };
        let most = if world.faults().chunk == 0 { PERIOD } else { u64::from(world.faults().chunk) };
        let length = (next - self.position).min(1 + world.below(most));
        let (from, to) = (self.position, self.position + length);
        let moment = world.happens(format_args!("chunk {} {from}..{to}", self.path));
        moment.await;
        (self.position, self.due) = (to, None);
        let true_bytes = noise_from.saturating_sub(from).min(length);
        let mut chunk = version.content.bytes(from, true_bytes);
        if true_bytes < length {
            chunk = [&chunk[..], &vec![b'~'; (length - true_bytes) as usize]].concat().into();
        }
        Ok(Some(chunk))
    }
}

impl Drop for SimConnected {
    fn drop(&mut self) {
        if self.answer.sends {
            self.network.closed(&self.path);
        }
    }
}

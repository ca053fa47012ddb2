//! What the server saw and sent.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

use super::request::Request;

/// A request in the server's log, with what became of it. The request's own fields are reached through it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// The request.
    pub request: Request,
    /// When it had been read.
    pub started: Instant,
    /// When the last of the answer was handed to the system, or the connection ended. `None` = not yet.
    pub ended: Option<Instant>,
    /// The status sent. `None` = none yet, or bytes that are no answer.
    pub status: Option<u16>,
    /// Body bytes handed to the system. Never less than what the client has got; while a write waits for a slow client
    /// it can be one write (128 KiB) ahead.
    pub bytes_sent: u64,
}

impl Deref for LoggedRequest {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.request
    }
}

/// Counts over all connections.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) connections: usize,
    pub(super) open: usize,
    pub(super) refused: usize,
    pub(super) requests: usize,
    pub(super) in_flight: usize,
    pub(super) max_in_flight: usize,
}

#[derive(Debug, Default)]
pub(super) struct Log {
    entries: Mutex<Vec<Arc<Entry>>>,
    pub(super) tally: watch::Sender<Tally>,
}

#[derive(Debug)]
struct Entry {
    request: Request,
    started: Instant,
    outcome: Mutex<(Option<u16>, Option<Instant>)>,
    bytes_sent: AtomicU64,
}

impl Log {
    /// Notes a request that has been read.
    pub(super) fn begin(self: &Arc<Self>, request: Request) -> Record {
        let entry = Arc::new(Entry {
            request,
            started: Instant::now(),
            outcome: Mutex::default(),
            bytes_sent: AtomicU64::new(0),
        });
        lock(&self.entries).push(Arc::clone(&entry));
        self.tally.send_modify(|tally| {
            tally.requests += 1;
            tally.in_flight += 1;
            tally.max_in_flight = tally.max_in_flight.max(tally.in_flight);
        });
        Record { log: Arc::clone(self), entry, in_flight: true }
    }

    pub(super) fn requests(&self) -> Vec<LoggedRequest> {
        lock(&self.entries).iter().map(|entry| entry.snapshot()).collect()
    }

    /// The body bytes sent to the requests that `wanted` picks.
    pub(super) fn bytes_sent(&self, wanted: impl Fn(&Request) -> bool) -> u64 {
        let entries = lock(&self.entries);
        let picked = entries.iter().filter(|entry| wanted(&entry.request));
        picked.map(|entry| entry.bytes_sent.load(Ordering::Acquire)).sum()
    }

    pub(super) fn clear(&self) {
        lock(&self.entries).clear();
        self.tally.send_modify(|tally| {
            let (open, in_flight) = (tally.open, tally.in_flight);
            *tally = Tally { open, in_flight, max_in_flight: in_flight, ..Tally::default() };
        });
    }
}

impl Entry {
    fn snapshot(&self) -> LoggedRequest {
        let (status, ended) = *lock(&self.outcome);
        LoggedRequest {
            request: self.request.clone(),
            started: self.started,
            ended,
            status,
            bytes_sent: self.bytes_sent.load(Ordering::Acquire),
        }
    }
}

/// The log's entry for the request being answered. Dropping it ends the request.
#[derive(Debug)]
pub(super) struct Record {
    log: Arc<Log>,
    entry: Arc<Entry>,
    in_flight: bool,
}

impl Record {
    pub(super) fn status(&self, status: u16) {
        lock(&self.entry.outcome).0 = Some(status);
    }

    /// Body bytes about to be written. They are counted before, because a client may have them, and a test look at the
    /// count, before the write has returned here.
    pub(super) fn sending(&self, bytes: usize) {
        self.entry.bytes_sent.fetch_add(bytes as u64, Ordering::AcqRel);
    }

    /// Body bytes counted that were not written after all.
    pub(super) fn not_sent(&self, bytes: usize) {
        self.entry.bytes_sent.fetch_sub(bytes as u64, Ordering::AcqRel);
    }

    /// The request is over but for the write that follows: told before it, for the reason given at
    /// [`sending`](Self::sending). A client's next request must not seem to overlap with this one.
    pub(super) fn ending(&mut self) {
        lock(&self.entry.outcome).1 = Some(Instant::now());
        if std::mem::take(&mut self.in_flight) {
            self.log.tally.send_modify(|tally| tally.in_flight -= 1);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.ending();
    }
}

/// Locks even after a panic elsewhere: a test that failed must not hide behind a second panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Who waits: a line for each host, and whose turn it is among those at the head of a line.
//!
//! A host that has as many running tasks as it may have is passed over as a whole, so that finding the next task costs
//! the same however many wait for a busy host.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use okdownload_types::TaskId;
use url::Url;

/// The highest priority first; among equals, who came first.
pub(super) type Turn = (Reverse<i32>, u64);

/// A host and its port, as one name.
pub(super) type Host = Arc<str>;

#[derive(Debug, Default)]
pub(super) struct Lines {
    hosts: BTreeMap<Host, Line>,
    /// The first of each line whose host has room.
    heads: BTreeMap<Turn, Host>,
    per_host: Option<NonZeroUsize>,
}

#[derive(Debug, Default)]
struct Line {
    waiting: BTreeMap<Turn, TaskId>,
    running: usize,
    /// Its entry in `heads`.
    head: Option<Turn>,
}

impl Lines {
    pub(super) fn new(per_host: Option<NonZeroUsize>) -> Self {
        Self { per_host, ..Self::default() }
    }

    /// The name of a URL's host; one for all that wait for it.
    pub(super) fn host(&self, url: &Url) -> Host {
        let name =
            format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0));
        match self.hosts.get_key_value(name.as_str()) {
            Some((host, _)) => host.clone(),
            None => name.into(),
        }
    }

    pub(super) fn put(&mut self, host: &Host, turn: Turn, id: TaskId) {
        self.hosts.entry(host.clone()).or_default().waiting.insert(turn, id);
        self.refresh(host);
    }

    pub(super) fn remove(&mut self, host: &Host, turn: Turn) {
        if let Some(line) = self.hosts.get_mut(host) {
            line.waiting.remove(&turn);
            self.refresh(host);
        }
    }

    /// Takes out the next one, which runs from now on.
    pub(super) fn pop(&mut self) -> Option<TaskId> {
        let host = self.heads.first_key_value()?.1.clone();
        let line = self.hosts.get_mut(&host)?;
        let (_, id) = line.waiting.pop_first()?;
        line.running += 1;
        self.refresh(&host);
        Some(id)
    }

    /// One that was popped runs no more.
    pub(super) fn stopped(&mut self, host: &Host) {
        if let Some(line) = self.hosts.get_mut(host) {
            line.running -= 1;
            self.refresh(host);
        }
    }

    pub(super) fn set_per_host(&mut self, limit: Option<NonZeroUsize>) {
        self.per_host = limit;
        let hosts: Vec<_> = self.hosts.keys().cloned().collect();
        hosts.iter().for_each(|host| self.refresh(host));
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.heads.is_empty()
    }

    /// Puts right what `heads` says of a host, after any change of its line.
    fn refresh(&mut self, host: &Host) {
        let Some(line) = self.hosts.get_mut(host) else { return };
        let has_room = self.per_host.is_none_or(|limit| line.running < limit.get());
        let head = line.waiting.keys().next().copied().filter(|_| has_room);
        let old = std::mem::replace(&mut line.head, head);
        if line.waiting.is_empty() && line.running == 0 {
            self.hosts.remove(host);
        }
        if old != head {
            old.map(|turn| self.heads.remove(&turn));
            head.map(|turn| self.heads.insert(turn, host.clone()));
        }
    }
}

//! How many connections may be open at once.

use std::sync::{Arc, Mutex};

use super::log::{Log, lock};
use super::reply::Reply;

/// How a connection beyond the limit is turned away.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Refusal {
    /// Closed without an answer.
    #[default]
    Close,
    /// Reset without an answer.
    Reset,
    /// Kept open without an answer, until the client leaves.
    Hang,
    /// Answered with this, whatever is asked for, and then closed.
    Reply(Box<Reply>),
}

#[derive(Debug, Default)]
pub(super) struct Limit {
    settings: Mutex<(Option<usize>, Refusal)>,
}

impl Limit {
    pub(super) fn set(&self, most: usize) {
        lock(&self.settings).0 = Some(most);
    }

    pub(super) fn refuse_with(&self, refusal: Refusal) {
        lock(&self.settings).1 = refusal;
    }

    /// Counts a new connection, gives it its number, and a place or the way it is turned away.
    pub(super) fn admit(&self, log: &Arc<Log>) -> (usize, Result<Place, Refusal>) {
        let (most, refusal) = lock(&self.settings).clone();
        let (mut number, mut admitted) = (0, false);
        log.tally.send_modify(|tally| {
            number = tally.connections;
            tally.connections += 1;
            admitted = most.is_none_or(|most| tally.open < most);
            if admitted { tally.open += 1 } else { tally.refused += 1 }
        });
        (number, if admitted { Ok(Place { log: Some(Arc::clone(log)) }) } else { Err(refusal) })
    }
}

/// A place among the open connections, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    log: Option<Arc<Log>>,
}

impl Place {
    /// For a connection that was turned away.
    pub(super) fn none() -> Self {
        Self { log: None }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(log) = &self.log {
            log.tally.send_modify(|tally| tally.open -= 1);
        }
    }
}

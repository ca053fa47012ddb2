//! What becomes of tasks whose runtime is shut down under them.

use std::sync::Arc;

use crate::engine::Engine;
use crate::entry::Entry;

/// Goes with a run. A runtime that is shut down drops its runs wherever they are, and nobody else would tell their ends:
/// who waits for them would wait for ever.
#[derive(Debug)]
pub(crate) struct Running {
    engine: Arc<Engine>,
    entry: Arc<Entry>,
    /// Whether the dispatcher counts it among those that run.
    pub(crate) counts: bool,
    /// Whether the task goes on after this run, which has no end to tell then.
    pub(crate) goes_on: bool,
}

impl Running {
    pub(crate) fn new(engine: Arc<Engine>, entry: Arc<Entry>) -> Self {
        Self { engine, entry, counts: true, goes_on: false }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.counts || !(self.goes_on || self.entry.is_ended()) {
            self.engine.abandoned(&self.entry, self.counts);
        }
    }
}

//! What becomes of tasks whose runtime is shut down under them.

use std::sync::Arc;

use okdownload_types::TaskEnd;

use crate::engine::Engine;
use crate::entry::Entry;

/// Goes with a run, and tells its end when it is dropped. A runtime that is shut down drops its runs wherever they are:
/// who waits for them would wait for ever.
#[derive(Debug)]
pub(crate) struct Running {
    engine: Arc<Engine>,
    entry: Arc<Entry>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The dispatcher counts it among those that run.
    Runs,
    /// The task ends with it.
    Ends(TaskEnd),
    /// The task goes on after it.
    GoesOn,
}

impl Running {
    pub(crate) fn new(engine: Arc<Engine>, entry: Arc<Entry>) -> Self {
        Self { engine, entry, state: State::Runs }
    }

    /// The run is over, and the dispatcher knows. `end`: the task's, if it ends with it.
    pub(crate) fn over(&mut self, end: Option<TaskEnd>) {
        self.state = end.map_or(State::GoesOn, State::Ends);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.state, State::GoesOn) {
            State::Runs => self.engine.abandoned(&self.entry),
            State::Ends(end) => self.engine.end(&self.entry, end),
            State::GoesOn => {}
        }
    }
}

//! What becomes of tasks whose runtime is shut down under them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use okdownload_monitor::Event;
use okdownload_types::{Error, TaskEnd};

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

/// Goes with who hands the events of a running task on to one that has joined it, and tells the end if it is dropped
/// before that came.
#[derive(Debug)]
pub(crate) struct Following {
    /// A paused task must not keep its engine alive.
    engine: Weak<Engine>,
    entry: Arc<Entry>,
    /// The task that was there. Who is told of it must not keep it.
    there: Weak<Entry>,
    /// Whether nothing more is to be told.
    is_over: AtomicBool,
}

impl Following {
    /// `entry`: the one that has joined.
    pub(crate) fn new(engine: &Arc<Engine>, entry: Arc<Entry>, there: &Arc<Entry>) -> Self {
        let (engine, there) = (Arc::downgrade(engine), Arc::downgrade(there));
        Self { engine, entry, there, is_over: AtomicBool::new(false) }
    }

    /// Something has happened to the task that was there.
    pub(crate) fn hears(&self, event: Event) {
        match (event, self.engine.upgrade()) {
            (Event::TaskEnd(end), Some(engine)) => {
                self.over();
                engine.end(&self.entry, (*end).clone());
            }
            (event, _) => self.entry.hub().publish(event),
        }
    }

    /// Nothing more comes of the task that was there.
    pub(crate) fn over(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if let (false, Some(engine)) = (*self.is_over.get_mut(), self.engine.upgrade()) {
            // It may have ended before the runtime did.
            let end = self.there.upgrade().and_then(|there| there.hub().end());
            engine.end(&self.entry, end.map_or_else(runtime_is_gone, |end| (*end).clone()));
        }
    }
}

/// The end of a task whose runtime was shut down.
pub(crate) fn runtime_is_gone() -> TaskEnd {
    let advice = "give the builder a runtime that lives as long as the engine, or leave it its own";
    TaskEnd::failed(Error::misuse("the runtime that the engine was given has been shut down", advice))
}

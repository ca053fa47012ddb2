//! Who runs, who waits, who is in whose way: a state machine behind one lock.
//!
//! It starts nothing and tells nobody: every method says what is to be done, and the engine does it without the lock.
//! Whoever changes the state asks [`Dispatcher::next`] until it has nothing more, so no wake-up can be lost.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use okdownload_types::{EndCause, Error, ErrorKind, Location, Result, TaskEnd, TaskId};
use tokio_util::sync::CancellationToken;

use crate::entry::Entry;

#[derive(Debug)]
pub(crate) struct Dispatcher(Mutex<State>);

#[derive(Debug)]
struct State {
    slots: BTreeMap<TaskId, Slot>,
    /// The highest priority first; among equals, who came first.
    waiting: BTreeMap<Turn, TaskId>,
    /// Every place that a task has taken.
    places: BTreeMap<Location, TaskId>,
    running: usize,
    limit: NonZeroUsize,
    arrivals: u64,
    closed: bool,
}

type Turn = (Reverse<i32>, u64);

#[derive(Debug)]
struct Slot {
    entry: Arc<Entry>,
    phase: Phase,
    turn: Turn,
    places: Vec<Location>,
}

#[derive(Debug)]
enum Phase {
    Waiting,
    Running { stop: CancellationToken, after: After, counted: bool },
    Paused,
}

/// What becomes of a task when its run stops before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    End,
    Pause,
    Again,
}

/// Where a task is, for those who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// It waits for its turn.
    Waiting,
    /// It runs.
    Running,
    /// It was paused.
    Paused,
}

/// What is to be done about a task that is to end.
pub(crate) enum Cancel {
    /// It had not begun, or was paused: it ends now.
    Ends(Arc<Entry>),
    /// It runs, and was told to stop.
    Stops,
    /// There is no such task.
    Unknown,
}

impl Dispatcher {
    pub(crate) fn new(limit: NonZeroUsize) -> Self {
        Self(Mutex::new(State {
            slots: BTreeMap::new(),
            waiting: BTreeMap::new(),
            places: BTreeMap::new(),
            running: 0,
            limit,
            arrivals: 0,
            closed: false,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a task in, to wait for its turn; or says how it ends at once. With `at_once` it does not wait and does not
    /// count: then its stop signal comes back.
    pub(crate) fn admit(
        &self,
        entry: Arc<Entry>,
        at_once: bool,
    ) -> Result<Option<CancellationToken>, TaskEnd> {
        let mut state = self.state();
        let id = entry.task.id();
        if state.closed {
            let error = Error::misuse("the engine was shut down", "build another one");
            return Err(TaskEnd::failed(error));
        }
        if state.slots.contains_key(&id) {
            return Err(TaskEnd::new(EndCause::SameTaskBusy));
        }
        let mut places = Vec::new();
        if let Some(place) = entry.task.target().named() {
            if state.places.contains_key(place) {
                return Err(TaskEnd::failed(busy(place)));
            }
            state.places.insert(place.clone(), id);
            places.push(place.clone());
        }
        state.arrivals += 1;
        let turn = (Reverse(entry.task.priority()), state.arrivals);
        let stop = at_once.then(CancellationToken::new);
        let phase = match &stop {
            Some(stop) => Phase::Running { stop: stop.clone(), after: After::End, counted: false },
            None => {
                state.waiting.insert(turn, id);
                Phase::Waiting
            }
        };
        state.slots.insert(id, Slot { entry, phase, turn, places });
        Ok(stop)
    }

    /// The next task that may run, and its stop signal.
    pub(crate) fn next(&self) -> Option<(Arc<Entry>, CancellationToken)> {
        let mut state = self.state();
        if state.running >= state.limit.get() {
            return None;
        }
        let (_, id) = state.waiting.pop_first()?;
        let stop = CancellationToken::new();
        let slot = state.slots.get_mut(&id)?;
        slot.phase = Phase::Running { stop: stop.clone(), after: After::End, counted: true };
        let entry = slot.entry.clone();
        state.running += 1;
        Some((entry, stop))
    }

    /// A run is over. `stopped`: before its end, because it was told to. Returns whether the task ends with it; else it
    /// was paused, or waits again.
    pub(crate) fn finished(&self, id: TaskId, stopped: bool) -> bool {
        let mut state = self.state();
        let Some(slot) = state.slots.get_mut(&id) else { return true };
        let (after, counted) = match &slot.phase {
            Phase::Running { after, counted, .. } => (*after, *counted),
            _ => (After::End, false),
        };
        let turn = slot.turn;
        slot.phase = match after {
            After::Pause if stopped => Phase::Paused,
            After::Again if stopped => Phase::Waiting,
            _ => {
                state.remove(id);
                state.running -= usize::from(counted);
                return true;
            }
        };
        state.running -= usize::from(counted);
        if after == After::Again {
            state.waiting.insert(turn, id);
        }
        false
    }

    /// Makes a place this task's own.
    pub(crate) fn claim(&self, id: TaskId, place: &Location) -> Result<()> {
        let mut state = self.state();
        match state.places.get(place) {
            Some(owner) if *owner == id => return Ok(()),
            Some(_) => return Err(busy(place)),
            None => {}
        }
        if let Some(slot) = state.slots.get_mut(&id) {
            slot.places.push(place.clone());
            state.places.insert(place.clone(), id);
        }
        Ok(())
    }

    pub(crate) fn cancel(&self, id: TaskId) -> Cancel {
        let mut state = self.state();
        match state.slots.get_mut(&id).map(|slot| &mut slot.phase) {
            None => Cancel::Unknown,
            Some(Phase::Running { stop, after, .. }) => {
                *after = After::End;
                stop.cancel();
                Cancel::Stops
            }
            Some(Phase::Waiting | Phase::Paused) => state.remove(id).map_or(Cancel::Unknown, Cancel::Ends),
        }
    }

    /// Stops a task so that it can be resumed. Gives it back if it paused now; a running one does when its run is over.
    pub(crate) fn pause(&self, id: TaskId) -> Option<Arc<Entry>> {
        let mut state = self.state();
        let slot = state.slots.get_mut(&id)?;
        let (turn, entry) = (slot.turn, slot.entry.clone());
        match &mut slot.phase {
            Phase::Waiting => {
                slot.phase = Phase::Paused;
                state.waiting.remove(&turn);
                Some(entry)
            }
            Phase::Running { stop, after, .. } => {
                // Who was told to end does not pause.
                if *after != After::End || !stop.is_cancelled() {
                    *after = After::Pause;
                    stop.cancel();
                }
                None
            }
            Phase::Paused => None,
        }
    }

    /// Lets a paused task wait for its turn again; one that is about to pause starts again once it has.
    pub(crate) fn resume(&self, id: TaskId) {
        let mut state = self.state();
        let Some(slot) = state.slots.get_mut(&id) else { return };
        let turn = slot.turn;
        match &mut slot.phase {
            Phase::Paused => {
                slot.phase = Phase::Waiting;
                state.waiting.insert(turn, id);
            }
            Phase::Running { after: after @ After::Pause, .. } => *after = After::Again,
            _ => {}
        }
    }

    /// Gives a task another priority; a waiting one takes its new place in the queue.
    pub(crate) fn set_priority(&self, id: TaskId, priority: i32) {
        let mut state = self.state();
        let Some(slot) = state.slots.get_mut(&id) else { return };
        let old = slot.turn;
        slot.turn.0 = Reverse(priority);
        let new = slot.turn;
        if state.waiting.remove(&old).is_some() {
            state.waiting.insert(new, id);
        }
    }

    pub(crate) fn set_limit(&self, limit: NonZeroUsize) {
        self.state().limit = limit;
    }

    /// Where a task is.
    pub(crate) fn task_state(&self, id: TaskId) -> Option<TaskState> {
        self.state().slots.get(&id).map(|slot| match slot.phase {
            Phase::Waiting => TaskState::Waiting,
            Phase::Running { .. } => TaskState::Running,
            Phase::Paused => TaskState::Paused,
        })
    }

    /// Whether this very task is here, and not another one of its id that came later.
    pub(crate) fn holds(&self, entry: &Arc<Entry>) -> bool {
        self.state().slots.get(&entry.task.id()).is_some_and(|slot| Arc::ptr_eq(&slot.entry, entry))
    }

    /// All tasks.
    pub(crate) fn ids(&self) -> Vec<TaskId> {
        self.state().slots.keys().copied().collect()
    }

    /// Takes no more tasks in.
    pub(crate) fn close(&self) {
        self.state().closed = true;
    }
}

impl State {
    fn remove(&mut self, id: TaskId) -> Option<Arc<Entry>> {
        let slot = self.slots.remove(&id)?;
        self.waiting.remove(&slot.turn);
        for place in &slot.places {
            self.places.remove(place);
        }
        Some(slot.entry)
    }
}

fn busy(place: &Location) -> Error {
    Error::new(ErrorKind::FileBusy, "another task is writing this file")
        .with_context("path", place)
        .with_advice("wait for it, or choose another name")
}

#[cfg(test)]
mod tests;

//! Who runs, who waits, who is in whose way: a state machine behind one lock.
//!
//! It starts nothing and tells nobody: every method says what is to be done, and the engine does it without the lock.
//! Whoever changes the state asks [`Dispatcher::next`] until it has nothing more, so no wake-up can be lost.
//!
//! A running task that is told to end *leaves*: it is in nobody's way any more. Who comes for the same task or file is
//! taken in, and waits until its run is over. (A place that only a response names can't be waited for: as long as
//! somebody writes there, it is busy.)

mod line;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use okdownload_types::{DownloadTask, EndCause, Error, ErrorKind, Location, Result, TaskEnd, TaskId};
use tokio_util::sync::CancellationToken;

use crate::entry::Entry;
use crate::turns::{Turn as Telling, Turns};
use line::{Host, Lines, Turn};

#[derive(Debug)]
pub(crate) struct Dispatcher(Mutex<State>);

#[derive(Debug)]
struct State {
    slots: BTreeMap<TaskId, Slot>,
    /// Runs that were told to end and are not over yet. A task of the same id may be in a slot already.
    leaving: BTreeMap<TaskId, Leaving>,
    lines: Lines,
    /// Those that do not wait for a turn.
    at_once: BTreeMap<Turn, TaskId>,
    /// Every place that a task has taken.
    places: BTreeMap<Place, TaskId>,
    running: usize,
    limit: NonZeroUsize,
    arrivals: u64,
    /// Who tells listeners before whom, decided at the same moment as who comes before whom.
    tellings: Turns,
    closed: bool,
}

/// A place as its bytes: there may be very many, and paths are slow to compare.
type Place = Box<[u8]>;

fn place_at(location: &Location) -> Place {
    location.to_bytes().into()
}

#[derive(Debug)]
struct Slot {
    entry: Arc<Entry>,
    phase: Phase,
    turn: Turn,
    host: Host,
    counts: bool,
    /// What it has taken beside the place that its target names.
    claims: Vec<Place>,
    /// The run that has to be over first. Few have one, and there may be very many.
    behind: Option<Box<TaskId>>,
    /// Its turn to tell listeners, from when something is to be told.
    telling: Option<Box<Telling>>,
}

#[derive(Debug)]
struct Leaving {
    entry: Arc<Entry>,
    host: Host,
    counts: bool,
    /// What it had, less what those behind it have taken.
    places: Vec<Place>,
    behind: Vec<TaskId>,
}

#[derive(Debug)]
enum Phase {
    Waiting,
    Running { stop: CancellationToken, after: After },
    Paused,
}

/// What becomes of a task when its run stops before its end. (One that is to end has left its slot.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// It was not told to stop.
    End,
    Pause,
    Again,
}

/// How a task comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It waits for its turn.
    Waiting,
    /// It runs now and does not count.
    AtOnce,
    /// It waits until it is resumed.
    Paused,
}

/// Why a task is not taken in; in the order in which those of one batch are told.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// This one is here already.
    SameTask(Arc<Entry>),
    /// It ends like that, and tells so in this turn.
    Ends(TaskEnd, Telling),
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

/// What is to be done about tasks that are to end.
#[derive(Debug, Default)]
pub(crate) struct Canceled {
    /// These had not begun, or were paused: they end now, and tell so in this turn.
    pub(crate) end_now: Vec<(Arc<Entry>, Telling)>,
    /// How many run, and were told to stop.
    pub(crate) stopping: usize,
}

impl Canceled {
    pub(crate) fn count(&self) -> usize {
        self.end_now.len() + self.stopping
    }
}

impl Dispatcher {
    pub(crate) fn new(limit: NonZeroUsize, per_host: Option<NonZeroUsize>) -> Self {
        Self(Mutex::new(State {
            slots: BTreeMap::new(),
            leaving: BTreeMap::new(),
            lines: Lines::new(per_host),
            at_once: BTreeMap::new(),
            places: BTreeMap::new(),
            running: 0,
            limit,
            arrivals: 0,
            tellings: Turns::default(),
            closed: false,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes tasks in, all at one moment, and gives back those that it refuses.
    pub(crate) fn admit(&self, entries: &[Arc<Entry>], how: Admission) -> Vec<(Arc<Entry>, Refusal)> {
        let mut state = self.state();
        let refusal = |entry: &Arc<Entry>| Some((entry.clone(), state.admit(entry, how).err()?));
        entries.iter().filter_map(refusal).collect()
    }

    /// The next task that may run, its stop signal, and its turn to tell listeners.
    pub(crate) fn next(&self) -> Option<(Arc<Entry>, CancellationToken, Telling)> {
        let mut state = self.state();
        let id = match state.at_once.pop_first() {
            Some((_, id)) => id,
            None if state.running < state.limit.get() => {
                let id = state.lines.pop()?;
                state.running += 1;
                id
            }
            None => return None,
        };
        let stop = CancellationToken::new();
        let slot = state.slots.get_mut(&id)?;
        slot.phase = Phase::Running { stop: stop.clone(), after: After::End };
        let entry = slot.entry.clone();
        Some((entry, stop, state.telling(id)))
    }

    /// A run is over. `stopped`: before its end, because it was told to. Returns whether the task ends with it; else it
    /// was paused, or waits again.
    pub(crate) fn finished(&self, id: TaskId, stopped: bool) -> bool {
        let mut state = self.state();
        if let Some(leaving) = state.leaving.remove(&id) {
            state.stopped(&leaving.host, leaving.counts);
            for place in &leaving.places {
                state.places.remove(place);
            }
            for next in leaving.behind {
                state.come_forward(next, id);
            }
            return true;
        }
        let Some(slot) = state.slots.get_mut(&id) else { return true };
        let (host, counts) = (slot.host.clone(), slot.counts);
        let phase = match &slot.phase {
            Phase::Running { after: After::Pause, .. } if stopped => Some(Phase::Paused),
            Phase::Running { after: After::Again, .. } if stopped => Some(Phase::Waiting),
            _ => None,
        };
        let ends = phase.is_none();
        match phase {
            Some(phase) => slot.phase = phase,
            None => drop(state.remove(id)),
        }
        state.stopped(&host, counts);
        state.line_up(id);
        ends
    }

    /// Makes a place this task's own.
    pub(crate) fn claim(&self, id: TaskId, location: &Location) -> Result<()> {
        let mut state = self.state();
        let place = place_at(location);
        match state.places.get(&place) {
            Some(owner) if *owner == id => return Ok(()),
            Some(_) => return Err(busy(location)),
            None => {}
        }
        // If there are two of this id, the one that leaves is the one that runs.
        let State { leaving, slots, places, .. } = &mut *state;
        let leaving = leaving.get_mut(&id).map(|leaving| &mut leaving.places);
        if let Some(own) = leaving.or_else(|| slots.get_mut(&id).map(|slot| &mut slot.claims)) {
            own.push(place.clone());
            places.insert(place, id);
        }
        Ok(())
    }

    /// Lets the task of this id end.
    pub(crate) fn cancel(&self, id: TaskId) -> Canceled {
        self.state().cancel([id])
    }

    /// Lets these very tasks end, all at one moment: none of them starts because another one stops.
    pub(crate) fn cancel_each<'a>(&self, entries: impl IntoIterator<Item = &'a Arc<Entry>>) -> Canceled {
        let mut state = self.state();
        let ids: Vec<_> = entries.into_iter().filter(|e| state.has(e)).map(|e| e.task.id()).collect();
        state.cancel(ids)
    }

    /// Lets all tasks end, at one moment.
    pub(crate) fn cancel_all(&self) -> Canceled {
        let mut state = self.state();
        let ids: Vec<_> = state.slots.keys().copied().collect();
        state.cancel(ids)
    }

    /// Stops a task so that it can be resumed. Returns its turn to tell so if it paused now; a running one does when its
    /// run is over.
    pub(crate) fn pause(&self, entry: &Arc<Entry>) -> Option<Telling> {
        let mut state = self.state();
        let id = entry.task.id();
        let slot = state.own_slot(entry)?;
        match &mut slot.phase {
            Phase::Waiting => {
                slot.phase = Phase::Paused;
                state.step_out(id);
                Some(state.telling(id))
            }
            Phase::Running { stop, after } => {
                *after = After::Pause;
                stop.cancel();
                None
            }
            Phase::Paused => None,
        }
    }

    /// Lets a paused task wait for its turn again; one that is about to pause starts again once it has.
    pub(crate) fn resume(&self, entry: &Arc<Entry>) {
        let mut state = self.state();
        let Some(slot) = state.own_slot(entry) else { return };
        match &mut slot.phase {
            Phase::Paused => {
                slot.phase = Phase::Waiting;
                state.line_up(entry.task.id());
            }
            Phase::Running { after: after @ After::Pause, .. } => *after = After::Again,
            _ => {}
        }
    }

    /// Gives a task another priority; a waiting one takes its new place in the queue.
    pub(crate) fn set_priority(&self, entry: &Arc<Entry>, priority: i32) {
        let mut state = self.state();
        let id = entry.task.id();
        if state.own_slot(entry).is_some() {
            state.step_out(id);
            if let Some(slot) = state.own_slot(entry) {
                slot.turn.0 = Reverse(priority);
            }
            state.line_up(id);
        }
    }

    pub(crate) fn set_limit(&self, limit: NonZeroUsize) {
        self.state().limit = limit;
    }

    pub(crate) fn set_per_host(&self, limit: Option<NonZeroUsize>) {
        self.state().lines.set_per_host(limit);
    }

    /// Where a task is.
    pub(crate) fn task_state(&self, id: TaskId) -> Option<TaskState> {
        let state = self.state();
        let leaving = state.leaving.contains_key(&id).then_some(TaskState::Running);
        state.slots.get(&id).map(Slot::state).or(leaving)
    }

    /// Where this very task is, and not another one of its id that came later.
    pub(crate) fn entry_state(&self, entry: &Arc<Entry>) -> Option<TaskState> {
        let mut state = self.state();
        if let Some(slot) = state.own_slot(entry) {
            return Some(slot.state());
        }
        let leaving = state.leaving.get(&entry.task.id());
        leaving.filter(|leaving| Arc::ptr_eq(&leaving.entry, entry)).map(|_| TaskState::Running)
    }

    /// All listeners of a task of this id have heard its end.
    pub(crate) fn told(&self, id: TaskId) {
        self.state().tellings.tidy(id);
    }

    /// Takes no more tasks in.
    pub(crate) fn close(&self) {
        self.state().closed = true;
    }
}

impl Slot {
    /// All that it has taken.
    fn places(&self) -> impl Iterator<Item = Place> {
        self.entry.task.target().named().map(place_at).into_iter().chain(self.claims.iter().cloned())
    }

    fn state(&self) -> TaskState {
        match self.phase {
            Phase::Waiting => TaskState::Waiting,
            Phase::Running { .. } => TaskState::Running,
            Phase::Paused => TaskState::Paused,
        }
    }
}

impl State {
    fn admit(&mut self, entry: &Arc<Entry>, how: Admission) -> Result<(), Refusal> {
        let id = entry.task.id();
        if self.closed {
            let error = Error::misuse("the engine was shut down", "build another one");
            return Err(Refusal::Ends(TaskEnd::failed(error), self.tellings.take(id)));
        }
        if let Some(slot) = self.slots.get(&id) {
            return Err(Refusal::SameTask(slot.entry.clone()));
        }
        let named = entry.task.target().named();
        let place = named.map(place_at);
        let owner = place.as_ref().and_then(|place| self.places.get(place)).copied();
        if let (Some(named), true) = (named, owner.is_some_and(|owner| self.slots.contains_key(&owner))) {
            return Err(Refusal::Ends(TaskEnd::failed(busy(named)), self.tellings.take(id)));
        }
        let behind = owner.or(self.leaving.contains_key(&id).then_some(id));
        if let Some(leaving) = behind.and_then(|behind| self.leaving.get_mut(&behind)) {
            leaving.places.retain(|taken| Some(taken) != place.as_ref());
            leaving.behind.push(id);
        }
        if let Some(place) = place {
            self.places.insert(place, id);
        }
        self.arrivals += 1;
        let slot = Slot {
            entry: entry.clone(),
            phase: if how == Admission::Paused { Phase::Paused } else { Phase::Waiting },
            turn: (Reverse(entry.task.priority()), self.arrivals),
            host: self.lines.host(entry.task.url()),
            counts: how != Admission::AtOnce,
            claims: Vec::new(),
            behind: behind.map(Box::new),
            telling: None,
        };
        self.slots.insert(id, slot);
        self.line_up(id);
        Ok(())
    }

    fn has(&self, entry: &Arc<Entry>) -> bool {
        self.slots.get(&entry.task.id()).is_some_and(|slot| Arc::ptr_eq(&slot.entry, entry))
    }

    fn own_slot(&mut self, entry: &Arc<Entry>) -> Option<&mut Slot> {
        self.slots.get_mut(&entry.task.id()).filter(|slot| Arc::ptr_eq(&slot.entry, entry))
    }

    /// Lets a task that waits and has nobody before it take its place among those who may be next.
    fn line_up(&mut self, id: TaskId) {
        let Some(slot) = self.slots.get(&id) else { return };
        if matches!(slot.phase, Phase::Waiting) && slot.behind.is_none() {
            if slot.counts {
                self.lines.put(&slot.host, slot.turn, id);
            } else {
                self.at_once.insert(slot.turn, id);
            }
        }
    }

    /// Takes a task out of those who may be next, if it is among them.
    fn step_out(&mut self, id: TaskId) {
        if let Some(slot) = self.slots.get(&id) {
            self.at_once.remove(&slot.turn);
            self.lines.remove(&slot.host, slot.turn);
        }
    }

    /// The run that this task was behind is over.
    fn come_forward(&mut self, id: TaskId, over: TaskId) {
        if let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.behind.as_deref() == Some(&over)) {
            slot.behind = None;
            self.line_up(id);
        }
    }

    /// A run of this host is over.
    fn stopped(&mut self, host: &Host, counts: bool) {
        if counts {
            self.running -= 1;
            self.lines.stopped(host);
        }
    }

    fn cancel(&mut self, ids: impl IntoIterator<Item = TaskId>) -> Canceled {
        let mut canceled = Canceled::default();
        for id in ids {
            if self.leave(id) {
                canceled.stopping += 1;
            } else {
                let telling = self.telling(id);
                canceled.end_now.extend(self.remove(id).map(|slot| (slot.entry, telling)));
            }
        }
        canceled
    }

    /// A task's turn to tell listeners, taken when something of it is to be told for the first time. It comes behind all
    /// that is told of an equal one which was here before.
    fn telling(&mut self, id: TaskId) -> Telling {
        let Some(slot) = self.slots.get_mut(&id) else { return Telling::default() };
        let turn = slot.telling.get_or_insert_with(|| Box::new(self.tellings.take(id)));
        turn.as_ref().clone()
    }

    /// Tells a running task to end. Returns whether it was running.
    fn leave(&mut self, id: TaskId) -> bool {
        let Some(Slot { phase: Phase::Running { stop, .. }, .. }) = self.slots.get(&id) else { return false };
        stop.cancel();
        if let Some(slot) = self.slots.remove(&id) {
            let places = slot.places().collect();
            let Slot { entry, host, counts, .. } = slot;
            self.leaving.insert(id, Leaving { entry, host, counts, places, behind: Vec::new() });
        }
        true
    }

    fn remove(&mut self, id: TaskId) -> Option<Slot> {
        self.step_out(id);
        let slot = self.slots.remove(&id)?;
        // Whoever it was behind is still writing there.
        let mut owner = slot.behind.as_deref().and_then(|owner| Some((*owner, self.leaving.get_mut(owner)?)));
        for place in slot.places() {
            match &mut owner {
                Some((owner, leaving)) => {
                    leaving.places.push(place.clone());
                    self.places.insert(place, *owner);
                }
                None => drop(self.places.remove(&place)),
            }
        }
        Some(slot)
    }
}

/// The end of a task that is here already.
pub(crate) fn same_task_busy(task: &DownloadTask) -> TaskEnd {
    let error = Error::new(ErrorKind::FileBusy, "this very download is waiting, running or paused already")
        .with_context("target", task.target().location())
        .with_advice("wait for that one, or let the request join it");
    let mut end = TaskEnd::new(EndCause::SameTaskBusy);
    end.error = Some(error);
    end
}

fn busy(place: &Location) -> Error {
    Error::new(ErrorKind::FileBusy, "another task is writing this file")
        .with_context("path", place)
        .with_advice("wait for it, or choose another name")
}

#[cfg(test)]
mod tests;

//! Listeners that come to tasks and leave them while they run.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use okdownload_types::{DownloadTask, EndCause, TaskId};

use crate::bunch::{Panics, is_same};
use crate::model::lock;
use crate::{DownloadListener, Event, TaskModel};

/// Lets listeners come to tasks and leave them at any time, also while they run.
///
/// Give it, or a clone, to each task as its listener (once), and attach listeners by the task's id before or after
/// that. Clones share everything.
///
/// A listener that is attached to a running task hears [`Event::Recovered`] first. It hears each event once and in
/// order, also where it is attached on one thread while events come on another. A listener may attach and detach
/// listeners, itself included. One that panics keeps the event from none of the others.
///
/// If the same task is enqueued again while it runs, its refusal ([`EndCause::SameTaskBusy`]) is not told: the run that
/// these listeners hear goes on.
#[derive(Debug, Clone, Default)]
pub struct UnifiedListenerManager {
    tasks: Arc<Mutex<BTreeMap<TaskId, Slot>>>,
}

/// What is known of one task.
#[derive(Debug, Default)]
struct Slot {
    listeners: Vec<Arc<Mailbox>>,
    /// The run that is heard, if there is one.
    run: Option<(DownloadTask, TaskModel)>,
    auto_remove: bool,
}

impl UnifiedListenerManager {
    /// A manager without listeners.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a listener hear this task from now on. Returns whether it is new there. If the task runs, the listener
    /// hears first how far it is: on this thread, unless another one is just about to tell it something. What comes
    /// while this thread tells it is told here as well.
    ///
    /// # Panics
    /// If the listener does.
    pub fn attach_listener(&self, id: TaskId, listener: Arc<dyn DownloadListener>) -> bool {
        let mailbox = {
            let mut tasks = lock(&self.tasks);
            let slot = tasks.entry(id).or_default();
            if slot.listeners.iter().any(|mailbox| is_same(&mailbox.listener, &listener)) {
                return false;
            }
            let mailbox = Arc::new(Mailbox { listener, letters: Mutex::default() });
            if let Some((task, model)) = &slot.run {
                mailbox.push(task, &Event::Recovered { model: Arc::new(model.clone()) });
            }
            slot.listeners.push(mailbox.clone());
            mailbox
        };
        let mut panics = Panics::default();
        mailbox.deliver(&mut panics);
        panics.resume();
        true
    }

    /// Lets a listener hear this task no more. Returns whether it did.
    pub fn detach_listener<L: DownloadListener + ?Sized>(&self, id: TaskId, listener: &Arc<L>) -> bool {
        self.detach(id, |mailbox| is_same(&mailbox.listener, listener))
    }

    /// Lets nobody hear this task any more.
    pub fn detach_listeners(&self, id: TaskId) {
        self.detach(id, |_| true);
    }

    /// Lets a listener hear no task any more. Returns whether it heard any.
    pub fn detach_listener_everywhere<L: DownloadListener + ?Sized>(&self, listener: &Arc<L>) -> bool {
        let mut found = false;
        lock(&self.tasks).retain(|_, slot| {
            found |= slot.detach(|mailbox| is_same(&mailbox.listener, listener));
            !slot.is_empty()
        });
        found
    }

    /// Detaches the listeners of this task each time when it ends, after they heard of it.
    pub fn add_auto_remove_listeners_when_task_end(&self, id: TaskId) {
        lock(&self.tasks).entry(id).or_default().auto_remove = true;
    }

    /// Keeps the listeners of this task when it ends, as it is without
    /// [`add_auto_remove_listeners_when_task_end`](UnifiedListenerManager::add_auto_remove_listeners_when_task_end).
    pub fn remove_auto_remove_listeners_when_task_end(&self, id: TaskId) {
        self.change(id, |slot| slot.auto_remove = false);
    }

    /// How many listeners hear this task.
    pub fn listener_count(&self, id: TaskId) -> usize {
        lock(&self.tasks).get(&id).map_or(0, |slot| slot.listeners.len())
    }

    fn detach(&self, id: TaskId, which: impl Fn(&Mailbox) -> bool) -> bool {
        self.change(id, |slot| slot.detach(which)).unwrap_or_default()
    }

    /// Changes what is known of a task, if anything is, and drops it if that leaves nothing.
    fn change<R>(&self, id: TaskId, change: impl FnOnce(&mut Slot) -> R) -> Option<R> {
        let mut tasks = lock(&self.tasks);
        let slot = tasks.get_mut(&id)?;
        let changed = change(slot);
        if slot.is_empty() {
            tasks.remove(&id);
        }
        Some(changed)
    }

    /// Puts an event into the mailboxes of those who hear the task; gives these.
    fn post(&self, task: &DownloadTask, event: &Event) -> Vec<Arc<Mailbox>> {
        let mut tasks = lock(&self.tasks);
        let slot = tasks.entry(task.id()).or_default();
        let end = if let Event::TaskEnd(end) = event { Some(end) } else { None };
        let refused = end.is_some_and(|end| end.cause == EndCause::SameTaskBusy);
        if refused && slot.run.is_some() {
            return Vec::new();
        }
        let hearing = slot.listeners.clone();
        hearing.iter().for_each(|mailbox| mailbox.push(task, event));
        if end.is_none() {
            slot.run.get_or_insert_with(|| (task.clone(), TaskModel::default())).1.apply(event);
        } else if !refused {
            slot.run = None;
            if slot.auto_remove {
                slot.listeners.clear();
            }
        }
        if slot.is_empty() {
            tasks.remove(&task.id());
        }
        hearing
    }
}

impl DownloadListener for UnifiedListenerManager {
    fn on_event(&self, task: &DownloadTask, event: &Event) {
        let mut panics = Panics::default();
        for mailbox in self.post(task, event) {
            mailbox.deliver(&mut panics);
        }
        panics.resume();
    }
}

impl Slot {
    /// Returns whether there was any.
    fn detach(&mut self, which: impl Fn(&Mailbox) -> bool) -> bool {
        self.listeners.extract_if(.., |mailbox| which(mailbox)).inspect(|mailbox| mailbox.close()).count() > 0
    }

    fn is_empty(&self) -> bool {
        self.listeners.is_empty() && self.run.is_none() && !self.auto_remove
    }
}

/// A listener, and the events that it has not heard yet.
#[derive(Debug)]
struct Mailbox {
    listener: Arc<dyn DownloadListener>,
    letters: Mutex<Letters>,
}

#[derive(Debug, Default)]
struct Letters {
    waiting: VecDeque<(DownloadTask, Event)>,
    /// Whether somebody is calling the listener; he takes along what comes meanwhile, so that calls never overlap.
    busy: bool,
}

impl Mailbox {
    fn push(&self, task: &DownloadTask, event: &Event) {
        lock(&self.letters).waiting.push_back((task.clone(), event.clone()));
    }

    /// Drops what waits.
    fn close(&self) {
        lock(&self.letters).waiting.clear();
    }

    /// Calls the listener for all that waits, unless somebody is at it already.
    fn deliver(&self, panics: &mut Panics) {
        if std::mem::replace(&mut lock(&self.letters).busy, true) {
            return;
        }
        while let Some((task, event)) = self.next() {
            panics.catch(|| self.listener.on_event(&task, &event));
        }
    }

    /// The next letter; without one, nobody is busy any more.
    fn next(&self) -> Option<(DownloadTask, Event)> {
        let mut letters = lock(&self.letters);
        let next = letters.waiting.pop_front();
        letters.busy = next.is_some();
        next
    }
}

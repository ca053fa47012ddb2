//! One task after the other.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use okdownload_monitor::{DownloadListener, Event};
use okdownload_types::{DownloadTask, Error, TaskEnd, TaskId};

use crate::engine::OkDownload;
use crate::handle::TaskHandle;
use crate::request_builder::TaskRequest;
use crate::sync::lock;

/// Runs tasks one after the other: those of higher priority first, among equals who came first. Cheap to clone: clones
/// share everything.
///
/// All tasks are in the engine from the beginning, paused until it is their turn; so each has its handle, and nobody
/// else can take its file meanwhile. The one that runs counts against the engine's limits like any other. A task that is
/// cancelled while it waits ends at once; the queue passes it over when its turn comes.
///
/// Dropping the queue changes nothing: its tasks go on. [`shutdown`](DownloadSerialQueue::shutdown) ends it; one that was
/// dropped while its working task is paused keeps its engine until
/// [`OkDownload::shutdown`](crate::OkDownload::shutdown).
#[derive(Debug, Clone)]
pub struct DownloadSerialQueue {
    queue: Arc<Queue>,
}

#[derive(Debug)]
struct Queue {
    ok: OkDownload,
    listener: Arc<Replaceable>,
    /// Held while the engine is told what to do, so that what it is told last is what was wanted last. The engine calls
    /// no listener meanwhile.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<(Reverse<i32>, u64), TaskHandle>,
    /// The one whose turn it is, also while the queue is paused.
    working: Option<TaskHandle>,
    arrivals: u64,
    /// With how many waiting ones those that have ended are looked for again.
    sweep_at: usize,
    paused: bool,
    closed: bool,
}

impl State {
    /// Lets go of those that were cancelled while they waited, now and then: each is looked at a few times at most.
    fn sweep(&mut self) {
        if self.waiting.len() >= self.sweep_at {
            self.waiting.retain(|_, handle| !handle.is_ended());
            self.sweep_at = 2 * self.waiting.len() + 64;
        }
    }
}

impl DownloadSerialQueue {
    /// An empty queue over this engine, whose listener hears of all its tasks.
    pub fn new(ok: &OkDownload, listener: impl DownloadListener) -> Self {
        let listener = Arc::new(Replaceable(Mutex::new(Arc::new(listener))));
        Self { queue: Arc::new(Queue { ok: ok.clone(), listener, state: Mutex::default() }) }
    }

    /// Another listener, from the next event on.
    pub fn set_listener(&self, listener: impl DownloadListener) {
        let listener: Arc<dyn DownloadListener> = Arc::new(listener);
        // The old one is dropped when the lock is free again: that may run the program's code.
        let _old = std::mem::replace(&mut *lock(&self.queue.listener.0), listener);
    }

    /// Lets a task wait for its turn. If it can't even do that (the same task or file is busy, the queue or the engine
    /// was shut down), it ends at once, and the handle tells how. Cancel it through its handle; it may also be resumed
    /// by it, out of turn.
    pub fn enqueue(&self, task: DownloadTask) -> TaskHandle {
        self.enqueue_request(self.queue.ok.task(task))
    }

    /// [`enqueue`](DownloadSerialQueue::enqueue) for a task with parts of its own. A request that
    /// [joins](TaskRequest::join) is refused like any other.
    pub fn enqueue_request(&self, request: TaskRequest) -> TaskHandle {
        let request = request.listener(self.queue.listener.clone());
        let mut state = lock(&self.queue.state);
        if state.closed {
            let error = Error::misuse("the serial queue was shut down", "make another one");
            return request.refuse(TaskEnd::failed(error));
        }
        let handle = request.without_joining().enqueue_paused();
        if handle.is_ended() {
            return handle;
        }
        state.sweep();
        state.arrivals += 1;
        let turn = (Reverse(handle.task().priority()), state.arrivals);
        state.waiting.insert(turn, handle.clone());
        self.queue.advance(&mut state);
        handle
    }

    /// Enqueues all, and only then starts the first.
    pub(crate) fn enqueue_all(&self, requests: Vec<TaskRequest>) -> Vec<TaskHandle> {
        self.pause();
        let handles = requests.into_iter().map(|request| self.enqueue_request(request)).collect();
        self.resume();
        handles
    }

    /// Pauses the working task, which stays the next one, and starts no other.
    pub fn pause(&self) {
        let mut state = lock(&self.queue.state);
        state.paused = true;
        if let Some(working) = &state.working {
            working.pause();
        }
    }

    /// Goes on.
    pub fn resume(&self) {
        let mut state = lock(&self.queue.state);
        state.paused = false;
        match &state.working {
            Some(working) => working.resume(),
            None => self.queue.advance(&mut state),
        }
    }

    /// The task whose turn it is.
    pub fn working_task_id(&self) -> Option<TaskId> {
        lock(&self.queue.state).working.as_ref().map(TaskHandle::id)
    }

    /// How many tasks wait for their turn.
    pub fn waiting_task_count(&self) -> usize {
        lock(&self.queue.state).waiting.values().filter(|handle| !handle.is_ended()).count()
    }

    /// Ends the working task and those that wait, and takes no more. Returns the tasks that were not done, the working
    /// one first; enqueued again elsewhere, it goes on where it was.
    pub fn shutdown(&self) -> Vec<DownloadTask> {
        let mut state = lock(&self.queue.state);
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting).into_values();
        let mut undone: Vec<_> = state.working.take().into_iter().chain(waiting).collect();
        undone.retain(|handle| !handle.is_ended());
        self.queue.ok.cancel_each(&undone);
        undone.iter().map(|handle| handle.task().clone()).collect()
    }
}

impl Queue {
    /// Starts the next task if it is time. Called after every change, so that no turn is missed.
    fn advance(self: &Arc<Self>, state: &mut State) {
        while !state.paused && !state.closed && state.working.is_none() {
            let Some((_, next)) = state.waiting.pop_first() else { return };
            if next.is_ended() {
                continue;
            }
            next.resume();
            state.working = Some(next.clone());
            let queue = self.clone();
            self.ok.spawn(async move {
                next.wait().await;
                let mut state = lock(&queue.state);
                state.working = None;
                queue.advance(&mut state);
            });
        }
    }
}

/// A listener that hands everything to the one that was set last.
#[derive(Debug)]
struct Replaceable(Mutex<Arc<dyn DownloadListener>>);

impl DownloadListener for Replaceable {
    fn on_event(&self, task: &DownloadTask, event: &Event) {
        let listener = lock(&self.0).clone();
        listener.on_event(task, event);
    }
}

//! Tasks that belong together.
//!
//! A context decides nothing about who runs: its members wait in the engine like all tasks, or one after the other in a
//! [`DownloadSerialQueue`]. It counts those that have not ended, and tells its listener.

mod builder;
mod members;
mod tally;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use okdownload_monitor::{DownloadListener, Event, NoListener};
use okdownload_types::{DownloadTask, Error, Result, TaskEnd, TaskId};

use crate::callbacks::call;
use crate::engine::OkDownload;
use crate::handle::TaskHandle;
use crate::request_builder::TaskRequest;
use crate::serial_queue::DownloadSerialQueue;
use crate::sync::lock;
pub use builder::{DownloadContextBuilder, QueueSet};
use members::Members;
use tally::{Tally, Told};

/// Hears of a context's members. Every method does nothing by default.
///
/// # Contract
/// As for [`DownloadListener`]: one call after the other, in order; a panic is caught and logged.
pub trait DownloadContextListener: fmt::Debug + Send + Sync + 'static {
    /// A member has ended, and its own listener was told. `remaining` have not.
    fn task_end(&self, _context: &DownloadContext, _task: &DownloadTask, _end: &TaskEnd, _remaining: usize) {}
    /// All members have ended: once for each start, after the last [`task_end`](DownloadContextListener::task_end).
    fn queue_end(&self, _context: &DownloadContext) {}
}

/// Tasks that are started, stopped and waited for together. Cheap to clone: clones share everything.
///
/// Members may be added, replaced and removed at any time, also while it runs. It can be started again when it has
/// ended. Dropping it changes nothing: its members go on.
#[derive(Debug, Clone)]
pub struct DownloadContext {
    context: Arc<Context>,
}

#[derive(Debug)]
struct Context {
    ok: OkDownload,
    queue_set: QueueSet,
    listener: Option<Arc<dyn DownloadContextListener>>,
    /// Held while the engine is told what to do; it calls nobody meanwhile.
    state: Mutex<State>,
    tally: Tally,
}

#[derive(Debug, Default)]
struct State {
    members: Members,
    run: Option<Start>,
}

/// What was asked for by a start.
#[derive(Debug)]
struct Start {
    listener: Arc<dyn DownloadListener>,
    serial: Option<DownloadSerialQueue>,
    /// Of each member the one that was taken in last.
    handles: BTreeMap<TaskId, TaskHandle>,
}

impl DownloadContext {
    /// Starts the description of a context over this engine, with shared options.
    pub fn builder(ok: &OkDownload, queue_set: QueueSet) -> DownloadContextBuilder {
        DownloadContextBuilder::new(ok.clone(), queue_set)
    }

    /// The members, in the order in which they were bound.
    pub fn tasks(&self) -> Vec<DownloadTask> {
        lock(&self.context.state).members.iter().cloned().collect()
    }

    /// Lets all members wait for their turns in the engine. The listener hears of each of them; the handles are in the
    /// order of [`tasks`](DownloadContext::tasks).
    ///
    /// # Errors
    /// [`Misuse`](okdownload_types::ErrorKind::Misuse) if an earlier start has not ended: [`wait`](DownloadContext::wait)
    /// for it.
    pub fn start_on_parallel(&self, listener: impl DownloadListener) -> Result<Vec<TaskHandle>> {
        self.start(Arc::new(listener), false)
    }

    /// Runs the members one after the other, those of higher priority first. Else like
    /// [`start_on_parallel`](DownloadContext::start_on_parallel).
    ///
    /// # Errors
    /// The same.
    pub fn start_on_serial(&self, listener: impl DownloadListener) -> Result<Vec<TaskHandle>> {
        self.start(Arc::new(listener), true)
    }

    fn start(&self, listener: Arc<dyn DownloadListener>, serial: bool) -> Result<Vec<TaskHandle>> {
        let mut state = lock(&self.context.state);
        if !self.context.tally.is_over() {
            return Err(Error::misuse("the context has been started already", "wait for its end first"));
        }
        self.context.tally.begin(state.members.count());
        let requests: Vec<_> = state.members.iter().map(|task| self.request(task, &listener)).collect();
        let serial = serial.then(|| DownloadSerialQueue::new(&self.context.ok, NoListener));
        let handles = match &serial {
            Some(queue) => queue.enqueue_all(requests),
            None => self.context.ok.enqueue_requests(requests),
        };
        let by_id = handles.iter().map(|handle| (handle.id(), handle.clone())).collect();
        state.run = Some(Start { listener, serial, handles: by_id });
        drop(state);
        self.tell_elsewhere();
        Ok(handles)
    }

    /// Ends all members that have not ended. They are told as cancelled, and then the queue's end.
    pub fn stop(&self) {
        let mut state = lock(&self.context.state);
        if let Some(start) = state.run.take() {
            if let Some(queue) = &start.serial {
                queue.shutdown();
            }
            self.context.ok.cancel_each(start.handles.values());
        }
    }

    /// Whether it was started, and neither stopped nor have all members ended.
    pub fn is_started(&self) -> bool {
        lock(&self.context.state).run.is_some() && !self.context.tally.is_over()
    }

    /// How many members of the present start have not ended.
    pub fn remaining(&self) -> usize {
        self.context.tally.remaining()
    }

    /// Waits until all members have ended and their listeners were told. Returns at once if it was not started.
    pub async fn wait(&self) {
        self.context.tally.wait().await;
    }

    /// [`wait`](DownloadContext::wait) for synchronous programs: blocks this thread.
    ///
    /// # Errors
    /// Those of [`OkDownload::block_on`].
    pub fn wait_blocking(&self) -> Result<()> {
        self.context.ok.block_on(async {
            self.wait().await;
            Ok(())
        })
    }

    /// Adds a member, in place of an equal one. In a context that is started it is enqueued at once, and its handle comes
    /// back. If the equal one has not ended, that goes on, and the new one is refused
    /// ([`SameTaskBusy`](okdownload_types::EndCause::SameTaskBusy)) until the next start.
    pub fn add(&self, task: DownloadTask) -> Option<TaskHandle> {
        let mut state = lock(&self.context.state);
        state.members.bind(task.clone());
        let counts = state.run.is_some() && self.context.tally.add();
        if counts { self.enqueue(&mut state, &task) } else { None }
    }

    /// [`add`](DownloadContext::add) for a URL, with the shared options, into their directory.
    ///
    /// # Errors
    /// See [`QueueSet::task`].
    pub fn add_url(&self, url: impl AsRef<str>) -> Result<Option<TaskHandle>> {
        Ok(self.add(self.context.queue_set.task(url)?))
    }

    /// Removes a member. If it has not ended, it ends, and is told. Returns whether there was one.
    pub fn remove(&self, id: TaskId) -> bool {
        let mut state = lock(&self.context.state);
        self.cancel(&state, id);
        state.members.unbind(id)
    }

    /// Puts a task in a member's place. If the old one has not ended, it ends, and is told. Returns whether there was
    /// one.
    pub fn replace(&self, old: TaskId, new: DownloadTask) -> bool {
        let mut state = lock(&self.context.state);
        let replaced = state.members.replace(old, new.clone());
        if replaced {
            // It counts before the old one ends, so that the end of the only member is not the end of all.
            let counts = state.run.is_some() && self.context.tally.add();
            self.cancel(&state, old);
            if counts {
                self.enqueue(&mut state, &new);
            }
        }
        replaced
    }

    /// A builder with the members, options and listener of this context.
    pub fn to_builder(&self) -> DownloadContextBuilder {
        let Context { ok, queue_set, listener, .. } = &*self.context;
        let members = lock(&self.context.state).members.clone();
        DownloadContextBuilder::with(ok.clone(), queue_set.clone(), members, listener.clone())
    }

    /// Enqueues a member that comes later and has been counted.
    fn enqueue(&self, state: &mut State, task: &DownloadTask) -> Option<TaskHandle> {
        let start = state.run.as_mut()?;
        let request = self.request(task, &start.listener);
        let handle = match &start.serial {
            Some(queue) => queue.enqueue_request(request),
            None => request.enqueue(),
        };
        // One that was refused has ended already; stop() must still reach the equal one that runs.
        if !handle.is_ended() {
            start.handles.insert(handle.id(), handle.clone());
        }
        Some(handle)
    }

    fn cancel(&self, state: &State, id: TaskId) {
        self.context.ok.cancel_each(state.run.as_ref().and_then(|start| start.handles.get(&id)));
    }

    fn request(&self, task: &DownloadTask, listener: &Arc<dyn DownloadListener>) -> TaskRequest {
        let member = Member { context: self.clone(), user: listener.clone(), told: false.into() };
        self.context.ok.task(task.clone()).listener(member)
    }

    /// Tells what there is to tell.
    fn tell(&self) {
        self.context.tally.tell(|told| {
            let Some(listener) = &self.context.listener else { return };
            match told {
                Told::TaskEnd(task, end, remaining) => listener.task_end(self, &task, &end, remaining),
                Told::QueueEnd => listener.queue_end(self),
            }
        });
    }

    /// Tells it where callbacks are called.
    fn tell_elsewhere(&self) {
        if self.context.tally.has_news() {
            let context = self.clone();
            call(self.context.ok.executor(), Box::new(move || context.tell()));
        }
    }
}

/// Listens to one member: hands everything to the user's listener, and then counts.
struct Member {
    context: DownloadContext,
    user: Arc<dyn DownloadListener>,
    told: AtomicBool,
}

impl DownloadListener for Member {
    fn on_event(&self, task: &DownloadTask, event: &Event) {
        let heard = catch_unwind(AssertUnwindSafe(|| self.user.on_event(task, event)));
        if let Event::TaskEnd(end) = event {
            self.told.store(true, Ordering::Release);
            self.context.context.tally.ended(Some((task.clone(), end.clone())));
            self.context.tell();
        }
        if let Err(panic) = heard {
            resume_unwind(panic);
        }
    }
}

/// Nobody will call it any more. If its end was never delivered (an executor may drop callbacks), it counts all the same:
/// who waits for the rest must not wait for ever.
impl Drop for Member {
    fn drop(&mut self) {
        if !*self.told.get_mut() {
            self.context.context.tally.ended(None);
            self.context.tell_elsewhere();
        }
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("user", &self.user).finish_non_exhaustive()
    }
}

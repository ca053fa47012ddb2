//! Where listeners are called, and how they are kept from harming anybody.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use okdownload_monitor::{DownloadListener, Event, Monitor};
use okdownload_types::DownloadTask;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::hub::Events;

/// A call to a listener.
pub type Callback = Box<dyn FnOnce() + Send>;

/// Calls listeners, for instance on the thread of a user interface.
pub trait CallbackExecutor: Debug + Send + Sync + 'static {
    /// Runs the callback, now or soon, on any thread. The next one for the same listener comes only after it has run,
    /// or was dropped. A panic is caught and logged, and the callback counts as dropped.
    fn execute(&self, callback: Callback);
}

/// Calls listeners right where events are delivered.
#[derive(Debug, Clone, Copy, Default)]
pub struct InlineExecutor;

impl CallbackExecutor for InlineExecutor {
    fn execute(&self, callback: Callback) {
        callback();
    }
}

/// Calls listeners on a runtime of its own, which begins with the first of them; one that blocks delays only itself.
#[derive(Debug, Default)]
pub(crate) struct OwnExecutor(Mutex<Option<Runtime>>);

impl CallbackExecutor for OwnExecutor {
    fn execute(&self, callback: Callback) {
        let mut runtime = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if runtime.is_none() {
            match Builder::new_multi_thread().worker_threads(1).thread_name("okdownload-callbacks").build() {
                Ok(own) => *runtime = Some(own),
                Err(error) => return tracing::error!(%error, "listeners cannot be called"),
            }
        }
        if let Some(runtime) = runtime.as_ref() {
            runtime.spawn(async { tokio::task::block_in_place(callback) });
        }
    }
}

impl Drop for OwnExecutor {
    fn drop(&mut self) {
        let runtime = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // Dropping a runtime waits for it, which is not allowed where this may happen.
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}

/// Has a callback called. An executor that panics loses it, and harms nobody else.
pub(crate) fn call(executor: &dyn CallbackExecutor, callback: Callback) {
    if catch_unwind(AssertUnwindSafe(|| executor.execute(callback))).is_err() {
        tracing::error!("the callback executor panicked; a callback is lost");
    }
}

/// Delivers all events of one task to one listener, one after the other.
pub(crate) async fn deliver(
    executor: Arc<dyn CallbackExecutor>,
    task: DownloadTask,
    listener: Arc<dyn DownloadListener>,
    mut events: Events,
) {
    while let Some(event) = events.next().await {
        let (done, finished) = oneshot::channel();
        let (task, listener) = (task.clone(), listener.clone());
        call(
            executor.as_ref(),
            Box::new(move || {
                if catch_unwind(AssertUnwindSafe(|| listener.on_event(&task, &event))).is_err() {
                    tracing::error!(task = %task.id(), "a listener panicked");
                }
                // Nobody waits only if the engine is gone.
                let _ = done.send(());
            }),
        );
        if finished.await.is_err() {
            tracing::debug!("a callback was dropped by its executor");
        }
    }
}

/// A monitor as a listener of one task.
#[derive(Debug)]
pub(crate) struct MonitorListener(pub(crate) Arc<dyn Monitor>);

impl DownloadListener for MonitorListener {
    fn on_event(&self, task: &DownloadTask, event: &Event) {
        match event {
            Event::TaskStart => self.0.task_start(task),
            Event::FromBeginning { info, cause } => self.0.task_from_beginning(task, info, *cause),
            Event::FromBreakpoint { info } => self.0.task_from_breakpoint(task, info),
            Event::TaskEnd(end) => self.0.task_end(task, end),
            _ => {}
        }
    }
}

//! Several listeners as one.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use okdownload_types::DownloadTask;

use crate::{DownloadListener, Event};

/// Several listeners as one: each hears every event, in the order in which they were appended. One that panics keeps
/// the event from none of the others.
#[derive(Debug, Clone, Default)]
pub struct DownloadListenerBunch {
    listeners: Vec<Arc<dyn DownloadListener>>,
}

impl DownloadListenerBunch {
    /// A bunch of none.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a listener, unless it is in the bunch already.
    #[must_use]
    pub fn append(mut self, listener: Arc<dyn DownloadListener>) -> Self {
        if !self.contains(&listener) {
            self.listeners.push(listener);
        }
        self
    }

    /// Whether this very listener is in the bunch.
    pub fn contains<L: DownloadListener + ?Sized>(&self, listener: &Arc<L>) -> bool {
        self.index_of(listener).is_some()
    }

    /// The place of this very listener.
    pub fn index_of<L: DownloadListener + ?Sized>(&self, listener: &Arc<L>) -> Option<usize> {
        self.listeners.iter().position(|other| is_same(other, listener))
    }
}

impl DownloadListener for DownloadListenerBunch {
    fn on_event(&self, task: &DownloadTask, event: &Event) {
        let mut panics = Panics::default();
        for listener in &self.listeners {
            panics.catch(|| listener.on_event(task, event));
        }
        panics.resume();
    }
}

/// Whether two pointers are to one listener, whatever is known of its type.
pub(crate) fn is_same<A: ?Sized, B: ?Sized>(one: &Arc<A>, other: &Arc<B>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}

/// Lets the first panic of several calls go on after the last one, to whoever reports it.
#[derive(Default)]
pub(crate) struct Panics(Option<Box<dyn Any + Send>>);

impl Panics {
    pub(crate) fn catch(&mut self, call: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(call)) {
            self.0.get_or_insert(panic);
        }
    }

    pub(crate) fn resume(self) {
        if let Some(panic) = self.0 {
            resume_unwind(panic);
        }
    }
}

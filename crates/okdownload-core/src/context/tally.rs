//! Counts those that have not ended, and keeps what is to be told in order.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use okdownload_types::{DownloadTask, TaskEnd};
use tokio::sync::watch;

use crate::sync::lock;

/// What the context's listener is to hear.
#[derive(Debug)]
pub(super) enum Told {
    TaskEnd(DownloadTask, Arc<TaskEnd>, usize),
    QueueEnd,
}

#[derive(Debug)]
pub(super) struct Tally {
    counts: Mutex<Counts>,
    over: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Counts {
    remaining: usize,
    news: VecDeque<Told>,
    /// Somebody is at it.
    telling: bool,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { counts: Mutex::default(), over: watch::Sender::new(true) }
    }

    /// Waits until all have ended.
    pub(super) async fn wait(&self) {
        // It fails only without the sender, which is here.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }

    pub(super) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    pub(super) fn remaining(&self) -> usize {
        lock(&self.counts).remaining
    }

    /// So many begin; of none, the end has come.
    pub(super) fn begin(&self, members: usize) {
        let mut counts = lock(&self.counts);
        counts.remaining = members;
        self.over.send_replace(false);
        self.end_if_none(&mut counts);
    }

    /// One more, unless all have ended.
    pub(super) fn add(&self) -> bool {
        let mut counts = lock(&self.counts);
        let goes_on = counts.remaining > 0;
        counts.remaining += usize::from(goes_on);
        goes_on
    }

    /// One has ended; how, if that can be told.
    pub(super) fn ended(&self, how: Option<(DownloadTask, Arc<TaskEnd>)>) {
        let mut counts = lock(&self.counts);
        counts.remaining -= 1;
        let remaining = counts.remaining;
        counts.news.extend(how.map(|(task, end)| Told::TaskEnd(task, end, remaining)));
        self.end_if_none(&mut counts);
    }

    fn end_if_none(&self, counts: &mut Counts) {
        if counts.remaining == 0 {
            counts.news.push_back(Told::QueueEnd);
            self.over.send_replace(true);
        }
    }

    pub(super) fn has_news(&self) -> bool {
        !lock(&self.counts).news.is_empty()
    }

    /// Tells all news, one after the other: several threads may come with some at the same time, and one of them does it
    /// for all. No lock is held meanwhile.
    pub(super) fn tell(&self, tell: impl Fn(Told)) {
        if std::mem::replace(&mut lock(&self.counts).telling, true) {
            return;
        }
        while let Some(told) = self.next() {
            if catch_unwind(AssertUnwindSafe(|| tell(told))).is_err() {
                tracing::error!("a context's listener panicked");
            }
        }
    }

    /// The next news; who finds none has nothing more to tell.
    fn next(&self) -> Option<Told> {
        let mut counts = lock(&self.counts);
        let next = counts.news.pop_front();
        counts.telling = next.is_some();
        next
    }
}

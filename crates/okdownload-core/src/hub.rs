//! Where the events of one task come together, and from where they go to those who listen.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use okdownload_monitor::Event;
use okdownload_types::TaskEnd;
use tokio::sync::{SetOnce, watch};
use tokio::time::Instant;

use crate::ledger::Ledger;
use crate::progress::{Progress, SpeedMeter};
use crate::sync::lock;

/// The events of one task.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Who listens; a stream that was dropped listens no more.
    queues: Mutex<Vec<Weak<Queue>>>,
    progress: watch::Sender<Progress>,
    end: SetOnce<Arc<TaskEnd>>,
    interval: Duration,
    pace: Mutex<Pace>,
    /// Whether anybody listens; saves making events that nobody hears.
    heard: AtomicBool,
}

#[derive(Debug)]
struct Pace {
    meter: SpeedMeter,
    told: Option<Instant>,
}

impl Hub {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            queues: Mutex::default(),
            progress: watch::Sender::new(Progress::default()),
            end: SetOnce::new(),
            interval,
            pace: Mutex::new(Pace { meter: SpeedMeter::new(), told: None }),
            heard: AtomicBool::new(false),
        }
    }

    /// All events from now on. A task that is over already gives only its end.
    pub(crate) fn subscribe(&self) -> Events {
        let queue = Arc::new(Queue::default());
        let mut queues = lock(&self.queues);
        match self.end.get() {
            Some(end) => {
                queue.push(Event::TaskEnd(end.clone()));
                queue.close();
            }
            None => {
                queues.push(Arc::downgrade(&queue));
                self.heard.store(true, Ordering::Release);
            }
        }
        Events { queue }
    }

    /// Tells everybody.
    pub(crate) fn publish(&self, event: impl FnOnce() -> Event) {
        if self.heard.load(Ordering::Acquire) {
            let event = event();
            lock(&self.queues).retain(|queue| match queue.upgrade() {
                Some(queue) => {
                    queue.push(event.clone());
                    true
                }
                None => false,
            });
        }
    }

    /// Tells a warning to everybody, and to the log.
    pub(crate) fn warn(&self, message: String) {
        tracing::warn!("{message}");
        self.publish(|| Event::Warning { message });
    }

    /// Tells the run's end, last of all and once.
    pub(crate) fn finish(&self, end: TaskEnd) {
        let end = Arc::new(end);
        // Under the lock, so that who subscribes now hears the end either way.
        let mut queues = lock(&self.queues);
        if self.end.set(end.clone()).is_err() {
            tracing::error!("a task ended twice");
            return;
        }
        for queue in queues.drain(..).filter_map(|queue| queue.upgrade()) {
            queue.push(Event::TaskEnd(end.clone()));
            queue.close();
        }
    }

    /// Publishes counters: to the watch each time, as events at most once an interval.
    pub(crate) fn publish_progress(&self, ledger: &Ledger) {
        let now = Instant::now();
        let written = ledger.written();
        let due = {
            let mut pace = lock(&self.pace);
            let (speed, average) = pace.meter.measure(now, written);
            let connections = ledger.connections();
            self.progress.send_replace(Progress {
                written,
                total: ledger.total(),
                speed,
                average,
                connections,
            });
            let due = pace.told.is_none_or(|told| now.saturating_duration_since(told) >= self.interval);
            if due {
                pace.told = Some(now);
            }
            due
        };
        if due {
            self.publish_increases(ledger);
        }
    }

    /// Tells each block's progress since it was last told.
    pub(crate) fn publish_increases(&self, ledger: &Ledger) {
        if self.heard.load(Ordering::Acquire) {
            for (block, increase) in ledger.take_increases() {
                self.publish(|| Event::FetchProgress { block, increase });
            }
        }
    }

    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub(crate) fn end(&self) -> Option<Arc<TaskEnd>> {
        self.end.get().cloned()
    }

    pub(crate) async fn ended(&self) -> Arc<TaskEnd> {
        self.end.wait().await.clone()
    }
}

/// Streams end when nothing can come any more, also without a `TaskEnd`.
impl Drop for Hub {
    fn drop(&mut self) {
        let queues = lock(&self.queues);
        queues.iter().filter_map(Weak::upgrade).for_each(|queue| queue.close());
    }
}

/// Events that one listener has not taken yet.
#[derive(Debug, Default)]
struct Queue(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    closed: bool,
    waker: Option<Waker>,
}

impl Queue {
    fn push(&self, event: Event) {
        let mut waiting = lock(&self.0);
        if !waiting.merge(&event) {
            waiting.events.push_back(event);
        }
        waiting.wake();
    }

    fn close(&self) {
        let mut waiting = lock(&self.0);
        waiting.closed = true;
        waiting.wake();
    }
}

impl Waiting {
    /// Adds progress to progress of the same block, as long as only progress stands between. That bounds what a slow
    /// listener can make wait, and keeps the order.
    fn merge(&mut self, event: &Event) -> bool {
        let Event::FetchProgress { block: new, increase: more } = event else { return false };
        for old in self.events.iter_mut().rev() {
            match old {
                Event::FetchProgress { block, increase } if block == new => {
                    *increase += more;
                    return true;
                }
                Event::FetchProgress { .. } => {}
                _ => break,
            }
        }
        false
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The events of one task, as a stream that ends after its `TaskEnd`.
///
/// Nothing is lost if it is not polled for a while: progress adds up, everything else waits.
#[derive(Debug)]
pub struct Events {
    queue: Arc<Queue>,
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut waiting = lock(&self.queue.0);
        match waiting.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if waiting.closed => Poll::Ready(None),
            None => {
                waiting.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, StreamExt};
    use okdownload_types::EndCause;

    fn progress(block: usize, increase: u64) -> Event {
        Event::FetchProgress { block, increase }
    }

    fn taken(events: &mut Events) -> Vec<String> {
        std::iter::from_fn(|| events.next().now_or_never().flatten())
            .map(|event| format!("{event:?}"))
            .collect()
    }

    #[test]
    fn progress_adds_up_and_keeps_its_place() {
        let hub = Hub::new(Duration::ZERO);
        let mut events = hub.subscribe();
        for event in [progress(0, 1), progress(1, 2), progress(0, 3), Event::Paused, progress(0, 4)] {
            hub.publish(|| event);
        }
        let expected = [progress(0, 4), progress(1, 2), Event::Paused, progress(0, 4)];
        assert_eq!(taken(&mut events), expected.map(|event| format!("{event:?}")));
    }

    #[test]
    fn the_end_comes_last_once_and_to_late_listeners_too() {
        let hub = Hub::new(Duration::ZERO);
        let mut early = hub.subscribe();
        hub.publish(|| Event::TaskStart);
        hub.finish(TaskEnd::new(EndCause::Completed));
        hub.finish(TaskEnd::new(EndCause::Canceled));
        hub.publish(|| Event::Paused);
        let mut late = hub.subscribe();
        assert_eq!(taken(&mut early).len(), 2);
        assert_eq!(taken(&mut late).len(), 1);
        assert!(early.next().now_or_never().is_some_and(|next| next.is_none()));
        assert_eq!(hub.end().map(|end| end.cause), Some(EndCause::Completed));
    }

    #[tokio::test]
    async fn a_waiting_listener_is_woken() {
        let hub = Arc::new(Hub::new(Duration::ZERO));
        let mut events = hub.subscribe();
        let waiting = tokio::spawn(async move { events.next().await });
        tokio::task::yield_now().await;
        hub.publish(|| Event::Paused);
        assert!(waiting.await.unwrap().is_some());
    }
}

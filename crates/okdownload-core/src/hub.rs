//! Where the events of one task come together, and from where they go to those who listen.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use okdownload_monitor::{Event, SpeedCalculator, TaskModel};
use okdownload_types::TaskEnd;
use tokio::sync::{SetOnce, watch};
use tokio::time::Instant;

use crate::ledger::Ledger;
use crate::progress::Progress;
use crate::sync::lock;

/// The events of one task.
#[derive(Debug)]
pub(crate) struct Hub {
    telling: Mutex<Telling>,
    /// Nobody's from the end on, so that those who watch hear of it.
    progress: Mutex<Option<Arc<watch::Sender<Progress>>>>,
    shown: watch::Receiver<Progress>,
    /// Wakes who waits for the end; what it is stands in `telling`.
    over: SetOnce<Arc<TaskEnd>>,
    /// Whether no run fetches, so that no tick that comes late shows a speed.
    rests: AtomicBool,
    interval: Duration,
    pace: Mutex<Pace>,
}

#[derive(Debug, Default)]
struct Telling {
    /// Who listens; a stream that was dropped listens no more.
    queues: Vec<Weak<Queue>>,
    /// How far the task is as events told it, for those who come later; nothing has happened yet without.
    model: Option<TaskModel>,
    end: Option<Arc<TaskEnd>>,
}

/// Those who have something new in their queues. Wakers are the caller's code: they are called under no lock.
#[must_use]
pub(crate) struct Wakes(Vec<Arc<Queue>>);

impl Wakes {
    pub(crate) fn wake(self) {
        self.0.iter().for_each(|queue| queue.wake());
    }
}

#[derive(Debug)]
struct Pace {
    speed: SpeedCalculator,
    /// When progress was last told as events.
    told: Option<Instant>,
    /// When it was last told to the watch.
    shown: Option<Instant>,
}

/// What `Progress` calls its speed looks back this long: an estimate should not jump.
const WINDOW: Duration = Duration::from_secs(2);

/// Without news, the falling speed is told this often.
const STALL: Duration = Duration::from_millis(200);

fn has_passed(interval: Duration, since: Option<Instant>, now: Instant) -> bool {
    since.is_none_or(|since| now.saturating_duration_since(since) >= interval)
}

impl Hub {
    pub(crate) fn new(interval: Duration) -> Self {
        let (progress, shown) = watch::channel(Progress::default());
        Self {
            telling: Mutex::default(),
            progress: Mutex::new(Some(Arc::new(progress))),
            shown,
            over: SetOnce::new(),
            rests: AtomicBool::new(true),
            interval,
            pace: Mutex::new(Pace { speed: SpeedCalculator::with_window(WINDOW), told: None, shown: None }),
        }
    }

    /// All events from now on. A task that is over already gives only its end.
    pub(crate) fn subscribe(&self) -> Events {
        self.add(false)
    }

    /// The same; if the task has begun, it is told first how far it is.
    pub(crate) fn subscribe_midway(&self) -> Events {
        self.add(true)
    }

    fn add(&self, recovers: bool) -> Events {
        let queue = Arc::new(Queue::default());
        let mut telling = lock(&self.telling);
        if let Some(end) = &telling.end {
            queue.push(Event::TaskEnd(end.clone()));
            queue.close();
        } else {
            if let Some(model) = telling.model.as_ref().filter(|_| recovers) {
                queue.push(Event::Recovered { model: Arc::new(model.clone()) });
            }
            telling.queues.push(Arc::downgrade(&queue));
        }
        Events { queue }
    }

    /// Tells everybody.
    pub(crate) fn publish(&self, event: Event) {
        self.push(|| [event]).wake();
    }

    /// Puts events into everybody's queue. They are made under the lock, so that those of two threads stand in the order
    /// in which they were made.
    pub(crate) fn push<E: IntoIterator<Item = Event>>(&self, events: impl FnOnce() -> E) -> Wakes {
        let mut telling = lock(&self.telling);
        let Telling { queues, model, .. } = &mut *telling;
        queues.retain(|queue| queue.strong_count() > 0);
        let told: Vec<_> = queues.iter().filter_map(Weak::upgrade).collect();
        for event in events() {
            model.get_or_insert_default().apply(&event);
            told.iter().for_each(|queue| queue.push(event.clone()));
        }
        Wakes(told)
    }

    /// Tells a warning to everybody, and to the log.
    pub(crate) fn warn(&self, message: String) {
        tracing::warn!("{message}");
        self.publish(Event::Warning { message });
    }

    /// Tells the run's end, last of all and once.
    pub(crate) fn finish(&self, end: TaskEnd) {
        let end = Arc::new(end);
        // Under the lock, so that who subscribes now hears the end either way.
        let mut telling = lock(&self.telling);
        if telling.end.is_some() {
            tracing::error!("a task ended twice");
            return;
        }
        telling.end = Some(end.clone());
        let told: Vec<_> = telling.queues.drain(..).filter_map(|queue| queue.upgrade()).collect();
        for queue in &told {
            queue.push(Event::TaskEnd(end.clone()));
            queue.close();
        }
        drop(telling);
        Wakes(told).wake();
        // Nobody else sets it: there was no end before.
        let _ = self.over.set(end);
        // Dropped when the lock is free again.
        let _progress = lock(&self.progress).take();
    }

    /// Changes what those who watch see, and wakes them if that says so; under no lock.
    fn modify(&self, change: impl FnOnce(&mut Progress) -> bool) {
        let progress = lock(&self.progress).clone();
        if let Some(progress) = progress {
            progress.send_if_modified(change);
        }
    }

    /// A run begins to fetch what the ledger misses.
    pub(crate) fn begin(&self, ledger: &Ledger) {
        lock(&self.pace).speed.start(Instant::now().into_std(), ledger.written());
        let progress = Progress { written: ledger.written(), total: ledger.total(), ..Progress::default() };
        self.modify(|shown| {
            self.rests.store(false, Ordering::Relaxed);
            std::mem::replace(shown, progress) != progress
        });
    }

    /// Publishes counters: to the watch each time, as events at most once an interval. `written` is what the store was
    /// told: the ledger may be further by now.
    pub(crate) fn publish_progress(&self, ledger: &Ledger, written: u64) {
        let now = Instant::now();
        let (speed, average, due) = {
            let mut pace = lock(&self.pace);
            pace.speed.reach(now.into_std(), written);
            pace.shown = Some(now);
            let due = has_passed(self.interval, pace.told, now);
            if due {
                pace.told = Some(now);
            }
            (pace.speed.current(now.into_std()), pace.speed.average(now.into_std()), due)
        };
        let (total, connections) = (ledger.total(), ledger.connections());
        self.show(Progress { written, total, speed, average, connections });
        if due {
            self.publish_increases(ledger);
        }
    }

    /// Without news, the speed falls all the same. Once it has fallen to nothing, nobody is woken any more.
    pub(crate) fn publish_stall(&self, ledger: &Ledger) {
        let now = Instant::now();
        let (speed, average) = {
            let mut pace = lock(&self.pace);
            if !has_passed(STALL, pace.shown, now) {
                return;
            }
            pace.shown = Some(now);
            (pace.speed.current(now.into_std()), pace.speed.average(now.into_std()))
        };
        let (before, connections) = (*self.shown.borrow(), ledger.connections());
        if (speed, connections) != (before.speed, before.connections) {
            // Counters stay what they were: what moved meanwhile is not recorded yet.
            self.show(Progress { speed, average, connections, ..before });
        }
    }

    /// The run fetches no more. Its last progress is told, all of it if the file is `whole`; and its speed is none.
    pub(crate) fn rest(&self, ledger: &Ledger, whole: bool) {
        self.publish_increases(ledger);
        self.modify(|shown| {
            self.rests.store(true, Ordering::Relaxed);
            let written = if whole { ledger.written() } else { shown.written };
            let total = if whole { ledger.total() } else { shown.total };
            let rest = Progress { written, total, speed: 0, connections: 0, ..*shown };
            std::mem::replace(shown, rest) != rest
        });
    }

    /// Wakes those who watch only if there is something new.
    fn show(&self, progress: Progress) {
        self.modify(|shown| {
            !self.rests.load(Ordering::Relaxed) && std::mem::replace(shown, progress) != progress
        });
    }

    /// Tells each block's progress since it was last told.
    pub(crate) fn publish_increases(&self, ledger: &Ledger) {
        let event = |(block, increase)| Event::FetchProgress { block, increase };
        self.push(|| ledger.take_increases().into_iter().map(event)).wake();
    }

    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        let mut progress = self.shown.clone();
        progress.mark_unchanged();
        progress
    }

    pub(crate) fn end(&self) -> Option<Arc<TaskEnd>> {
        lock(&self.telling).end.clone()
    }

    pub(crate) async fn ended(&self) -> Arc<TaskEnd> {
        self.over.wait().await.clone()
    }
}

/// Streams end when nothing can come any more, also without a `TaskEnd`.
impl Drop for Hub {
    fn drop(&mut self) {
        let queues = std::mem::take(&mut lock(&self.telling).queues);
        for queue in queues.iter().filter_map(Weak::upgrade) {
            queue.close();
            queue.wake();
        }
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

/// Who changes something wakes the listener afterwards.
impl Queue {
    fn push(&self, event: Event) {
        let mut waiting = lock(&self.0);
        if !waiting.merge(&event) {
            waiting.events.push_back(event);
        }
    }

    fn close(&self) {
        lock(&self.0).closed = true;
    }

    fn wake(&self) {
        let waker = lock(&self.0).waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
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
                let before = waiting.waker.replace(cx.waker().clone());
                drop(waiting);
                drop(before);
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, StreamExt};
    use okdownload_types::{BlockInfo, BreakpointInfo, EndCause, Location, TaskId};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

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
            hub.publish(event);
        }
        let expected = [progress(0, 4), progress(1, 2), Event::Paused, progress(0, 4)];
        assert_eq!(taken(&mut events), expected.map(|event| format!("{event:?}")));
    }

    #[test]
    fn the_end_comes_last_once_and_to_late_listeners_too() {
        let hub = Hub::new(Duration::ZERO);
        let mut early = hub.subscribe();
        hub.publish(Event::TaskStart);
        hub.finish(TaskEnd::new(EndCause::Completed));
        hub.finish(TaskEnd::new(EndCause::Canceled));
        hub.publish(Event::Paused);
        let mut late = hub.subscribe();
        assert_eq!(taken(&mut early).len(), 2);
        assert_eq!(taken(&mut late).len(), 1);
        assert!(early.next().now_or_never().is_some_and(|next| next.is_none()));
        assert_eq!(hub.end().map(|end| end.cause), Some(EndCause::Completed));
    }

    #[tokio::test]
    async fn the_watch_ends_with_the_task_and_keeps_what_it_showed_last() {
        let (hub, ledger) = (Hub::new(Duration::ZERO), ledger());
        let mut early = hub.progress();
        hub.begin(&ledger);
        early.changed().await.unwrap();
        hub.finish(TaskEnd::new(EndCause::Canceled));
        assert!(early.changed().await.is_err());
        let mut late = hub.progress();
        assert!(late.changed().await.is_err());
        assert_eq!((early.borrow().written, late.borrow().written), (100_000, 100_000));
    }

    #[test]
    fn who_comes_midway_hears_first_what_was_told_before_and_misses_nothing() {
        let hub = Hub::new(Duration::ZERO);
        assert!(taken(&mut hub.subscribe_midway()).is_empty());
        // Nobody has listened so far.
        for event in [Event::TaskStart, progress(0, 3), progress(1, 4)] {
            hub.publish(event);
        }
        let (mut late, mut from_now_on) = (hub.subscribe_midway(), hub.subscribe());
        hub.publish(progress(0, 5));
        let Some(Some(Event::Recovered { model })) = late.next().now_or_never() else { panic!("not told") };
        assert_eq!((model.current_offset, model.blocks[1].current_offset), (7, 4));
        let expected = [format!("{:?}", progress(0, 5))];
        assert_eq!((taken(&mut late), taken(&mut from_now_on)), (expected.to_vec(), expected.to_vec()));
        hub.finish(TaskEnd::new(EndCause::Completed));
        assert!(matches!(hub.subscribe_midway().next().now_or_never(), Some(Some(Event::TaskEnd(_)))));
    }

    /// A ledger of a file of 1 MB, in one block.
    fn ledger() -> Ledger {
        let place = Location::Path("/a".into());
        let url = "http://h/".parse().unwrap();
        let mut info = BreakpointInfo::new(TaskId::from_u128(1), url, place.clone(), place);
        info.total = Some(1_000_000);
        info.blocks = vec![BlockInfo::new(0, Some(1_000_000)).with_progress(100_000, 0)];
        Ledger::new(info)
    }

    /// Bytes come evenly for two seconds: 100 kB/s.
    async fn flow(hub: &Hub, ledger: &Ledger) {
        for _ in 0..100 {
            tokio::time::advance(Duration::from_millis(20)).await;
            ledger.wrote(0, 2000);
            hub.publish_progress(ledger, ledger.written());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn progress_has_speed_average_and_estimate() {
        let (hub, ledger) = (Hub::new(Duration::ZERO), ledger());
        let watch = hub.progress();
        hub.begin(&ledger);
        assert_eq!((watch.borrow().written, watch.borrow().total), (100_000, Some(1_000_000)));
        flow(&hub, &ledger).await;
        let flowing = *watch.borrow();
        assert_eq!((flowing.written, flowing.speed, flowing.average), (300_000, 100_000, 100_000));
        assert_eq!(flowing.eta(), Some(Duration::from_secs(7)));
    }

    #[tokio::test(start_paused = true)]
    async fn progress_is_told_at_most_once_an_interval() {
        // Two seconds, with news every 20 ms.
        for (interval, expected) in [(0, 100), (20, 100), (200, 10), (1900, 2), (60_000, 1)] {
            let (hub, ledger) = (Hub::new(Duration::from_millis(interval)), ledger());
            hub.begin(&ledger);
            let mut told = 0;
            for _ in 0..100 {
                // Somebody who takes each event at once.
                let mut events = hub.subscribe();
                tokio::time::advance(Duration::from_millis(20)).await;
                ledger.wrote(0, 2000);
                hub.publish_progress(&ledger, ledger.written());
                told += taken(&mut events).len();
            }
            assert_eq!(told, expected, "interval of {interval} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_tick_that_comes_after_the_run_shows_no_speed() {
        let (hub, ledger) = (Hub::new(Duration::ZERO), ledger());
        hub.begin(&ledger);
        flow(&hub, &ledger).await;
        hub.rest(&ledger, false);
        tokio::time::advance(Duration::from_secs(1)).await;
        hub.publish_stall(&ledger);
        hub.publish_progress(&ledger, ledger.written());
        assert_eq!((hub.progress().borrow().written, hub.progress().borrow().speed), (300_000, 0));
        hub.begin(&ledger);
        flow(&hub, &ledger).await;
        assert_eq!(hub.progress().borrow().speed, 100_000);
    }

    #[tokio::test(start_paused = true)]
    async fn speed_falls_to_zero_in_a_stall_and_nobody_is_woken_for_long() {
        let (hub, ledger) = (Hub::new(Duration::ZERO), ledger());
        hub.begin(&ledger);
        flow(&hub, &ledger).await;
        let mut watch = hub.progress();
        let mut told = 0;
        for _ in 0..1000 {
            tokio::time::advance(Duration::from_millis(20)).await;
            hub.publish_stall(&ledger);
            told += usize::from(watch.has_changed().unwrap());
            watch.mark_unchanged();
        }
        let stalled = *watch.borrow();
        assert_eq!((stalled.speed, stalled.eta(), stalled.written), (0, None, 300_000));
        assert!((45_000..50_000).contains(&stalled.average), "{stalled:?}");
        assert!((8..=12).contains(&told), "told {told} times in twenty seconds");
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_rests_has_told_all_and_has_no_speed() {
        let (hub, ledger) = (Hub::new(Duration::from_secs(3600)), ledger());
        let mut events = hub.subscribe();
        hub.begin(&ledger);
        flow(&hub, &ledger).await;
        hub.rest(&ledger, false);
        assert_eq!(taken(&mut events), [format!("{:?}", progress(0, 200_000))]);
        let rests = *hub.progress().borrow();
        assert_eq!((rests.speed, rests.average, rests.connections), (0, 100_000, 0));
        // The next run counts for itself.
        tokio::time::advance(Duration::from_secs(60)).await;
        hub.begin(&ledger);
        flow(&hub, &ledger).await;
        assert_eq!((hub.progress().borrow().speed, hub.progress().borrow().average), (100_000, 100_000));
    }

    /// Looks, when it is woken, whether locks are held.
    struct Looking {
        hub: Arc<Hub>,
        queue: Arc<Queue>,
        looked: AtomicUsize,
    }

    impl Looking {
        fn look(&self) {
            assert!(self.hub.telling.try_lock().is_ok(), "the hub's lock is held");
            assert!(self.queue.0.try_lock().is_ok(), "the queue's lock is held");
            self.looked.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Wake for Looking {
        fn wake(self: Arc<Self>) {
            self.look();
        }
    }

    #[test]
    fn wakers_are_called_under_no_lock() {
        let hub = Arc::new(Hub::new(Duration::ZERO));
        let mut events = hub.subscribe();
        let (queue, looked) = (events.queue.clone(), AtomicUsize::new(0));
        let looking = Arc::new(Looking { hub: hub.clone(), queue, looked });
        let waker = Waker::from(looking.clone());
        let mut poll = || Pin::new(&mut events).poll_next(&mut Context::from_waker(&waker));
        assert!(poll().is_pending());
        hub.publish(Event::Paused);
        assert!(poll().is_ready() && poll().is_pending());
        hub.finish(TaskEnd::new(EndCause::Completed));
        assert_eq!(looking.looked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_waiting_listener_is_woken() {
        let hub = Arc::new(Hub::new(Duration::ZERO));
        let mut events = hub.subscribe();
        let waiting = tokio::spawn(async move { events.next().await });
        tokio::task::yield_now().await;
        hub.publish(Event::Paused);
        assert!(waiting.await.unwrap().is_some());
    }
}

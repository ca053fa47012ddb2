//! What listeners hear of real downloads, in which order, where, and how little harm they can do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::fs::File;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::ThreadId;
use std::time::Duration;

use common::listening::{Heard, half, name, reached_half, until};
use common::{MIB, Place, assert_content, tagged};
use futures_util::StreamExt;
use okdownload::monitor::DownloadListenerBunch;
use okdownload::prelude::*;
use okdownload::{BreakpointInfo, Callback, CallbackExecutor, ResumeFailedCause};
use okdownload_testkit::server::{Body, Gate};

/// The block that an event is about.
fn block_of(event: &Event) -> Option<usize> {
    match event {
        Event::ConnectStart { block, .. }
        | Event::ConnectEnd { block, .. }
        | Event::FetchStart { block, .. }
        | Event::FetchProgress { block, .. }
        | Event::FetchEnd { block, .. } => Some(*block),
        _ => None,
    }
}

#[tokio::test]
async fn a_fresh_download_is_told_in_order_each_block_too() {
    let place = Place::new().await;
    let body = Body::pattern(1, 24 * MIB);
    place.server.serve("/a", tagged(body.clone()));
    let (ok, heard) = (place.engine(), Heard::new());
    let task = place.task("/a", "a").progress_interval(Duration::ZERO).build().unwrap();
    assert!(ok.execute(task, heard.clone()).await.is_completed());
    ok.shutdown().await.unwrap();
    let events = heard.events.lock().unwrap();
    let head: Vec<_> = events[..4].iter().map(name).collect();
    assert_eq!(head, ["TaskStart", "ConnectTrialStart", "ConnectTrialEnd", "FromBeginning"]);
    assert!(matches!(&events[3], Event::FromBeginning { cause: ResumeFailedCause::InfoDirty, .. }));
    assert_eq!(events.iter().filter(|event| name(event) == "TaskEnd").count(), 1);
    assert_eq!(name(events.last().unwrap()), "TaskEnd");
    let mut blocks: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for event in &events[4..events.len() - 1] {
        blocks.entry(block_of(event).unwrap()).or_default().push(name(event));
    }
    assert!(blocks.len() >= 2, "{blocks:?}");
    for (block, mut names) in blocks {
        names.dedup();
        // The first request is that of block 0, which may ask on over the same connection.
        let ends = names.split_off(names.len() - 2);
        assert_eq!(ends, ["FetchProgress", "FetchEnd"], "block {block}");
        let begins = if block == 0 { "FetchStart" } else { "ConnectStart" };
        assert_eq!(names[0], begins, "block {block}: {names:?}");
    }
    drop(events);
    assert_eq!(heard.increases(), body.len());
}

#[tokio::test]
async fn a_cancelled_run_tells_all_its_progress_and_a_resumed_one_begins_there() {
    let place = Place::new().await;
    let (ok, gate, heard) = (place.engine(), Gate::new(), Heard::new());
    let task = half(&place, &gate);
    let handle = ok.enqueue(task.clone(), heard.clone());
    reached_half(&handle, &gate).await;
    handle.cancel();
    assert_eq!(handle.await.cause, EndCause::Canceled);
    let again = Heard::new();
    assert!(ok.execute(task, again.clone()).await.is_completed());
    ok.shutdown().await.unwrap();
    let first = ["TaskStart", "ConnectTrialStart", "ConnectTrialEnd", "FromBeginning", "FetchStart"];
    assert_eq!(heard.names(), [&first[..], &["FetchProgress", "TaskEnd"]].concat());
    assert_eq!(heard.increases(), 2 * MIB);
    let second = ["TaskStart", "ConnectTrialStart", "ConnectTrialEnd", "FromBreakpoint", "FetchStart"];
    assert_eq!(again.names(), [&second[..], &["FetchProgress", "FetchEnd", "TaskEnd"]].concat());
    assert_eq!(again.increases(), 2 * MIB);
}

#[tokio::test]
async fn a_run_that_fails_early_tells_how_far_it_came() {
    let place = Place::new().await;
    let (ok, heard) = (place.engine(), Heard::new());
    let end = ok.execute(place.task("/missing", "a").build().unwrap(), heard.clone()).await;
    assert_eq!(end.cause, EndCause::Error);
    ok.shutdown().await.unwrap();
    assert_eq!(heard.names(), ["TaskStart", "ConnectTrialStart", "ConnectTrialEnd", "TaskEnd"]);
}

#[tokio::test]
async fn tasks_that_never_run_tell_only_their_end() {
    let place = Place::new().await;
    let (monitor, gate) = (Arc::new(Runs::default()), Gate::new());
    let ok = place.builder().max_parallel_running_count(NonZeroUsize::MIN).monitor(monitor.clone());
    let ok = ok.build().unwrap();
    let running = ok.enqueue(half(&place, &gate), NoListener);
    reached_half(&running, &gate).await;
    let same = Heard::new();
    let _ = ok.enqueue(running.task().clone(), same.clone()).await;
    let file = Heard::new();
    let _ = ok.enqueue(place.task("/other", "a").build().unwrap(), file.clone()).await;
    let waiting = Heard::new();
    let handle = ok.enqueue(place.task("/b", "b").build().unwrap(), waiting.clone());
    handle.cancel();
    let _ = handle.await;
    gate.open();
    assert!(running.clone().await.is_completed());
    let complete = Heard::new();
    let _ = ok.enqueue(running.task().clone(), complete.clone()).await;
    ok.shutdown().await.unwrap();
    for (heard, cause) in [
        (same, EndCause::SameTaskBusy),
        (file, EndCause::FileBusy),
        (waiting, EndCause::Canceled),
        (complete, EndCause::Completed),
    ] {
        let events = heard.events.lock().unwrap();
        assert!(matches!(&events[..], [Event::TaskEnd(end)] if end.cause == cause), "{cause}: {events:?}");
    }
    // The monitor hears of each of them, and of the one that ran.
    let told = monitor.0.lock().unwrap();
    let mut ends: Vec<_> = told.iter().filter_map(|told| told.strip_prefix("end ")).collect();
    ends.sort_unstable();
    assert_eq!(ends, ["canceled", "completed", "completed", "file-busy", "same-task-busy"]);
}

/// Looks, when it hears of the end, whether the files are closed.
#[derive(Debug)]
struct LooksAtFiles {
    directory: std::path::PathBuf,
    seen: Mutex<Vec<(EndCause, Vec<String>)>>,
}

impl DownloadListener for LooksAtFiles {
    fn task_end(&self, _: &DownloadTask, end: &TaskEnd) {
        let names = common::names(&self.directory);
        for name in &names {
            // Whoever writes a part holds it locked as long as it is open.
            File::open(self.directory.join(name)).unwrap().try_lock().unwrap();
        }
        self.seen.lock().unwrap().push((end.cause, names));
    }
}

#[tokio::test]
async fn the_end_is_told_once_the_files_are_closed() {
    let place = Place::new().await;
    let (ok, gate) = (place.engine(), Gate::new());
    let listener = Arc::new(LooksAtFiles { directory: place.path(""), seen: Mutex::default() });
    let task = half(&place, &gate);
    let handle = ok.enqueue(task.clone(), listener.clone());
    reached_half(&handle, &gate).await;
    assert!(File::open(place.path("a.okdownload")).unwrap().try_lock().is_err(), "it is locked while open");
    handle.cancel();
    let _ = handle.await;
    assert!(ok.execute(task, listener.clone()).await.is_completed());
    ok.shutdown().await.unwrap();
    let cancelled = (EndCause::Canceled, vec!["a.okdownload".to_owned()]);
    assert_eq!(*listener.seen.lock().unwrap(), [cancelled, (EndCause::Completed, vec!["a".to_owned()])]);
    assert_content(&place.path("a"), &Body::pattern(1, 4 * MIB));
}

/// Waits in its first call until it may go on.
#[derive(Debug)]
struct Slow {
    entered: mpsc::Sender<()>,
    go_on: Mutex<mpsc::Receiver<()>>,
    heard: Arc<Heard>,
}

impl DownloadListener for Slow {
    fn on_event(&self, task: &DownloadTask, event: &Event) {
        if let Event::TaskStart = event {
            self.entered.send(()).unwrap();
            self.go_on.lock().unwrap().recv().unwrap();
        }
        self.heard.on_event(task, event);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_listener_delays_only_itself() {
    let place = Place::new().await;
    for path in ["/a", "/b"] {
        place.server.serve(path, tagged(Body::pattern(1, 8 * MIB)));
    }
    let (ok, heard, quick) = (place.engine(), Heard::new(), Heard::new());
    let (entered, has_entered) = mpsc::channel();
    let (may_go_on, go_on) = mpsc::channel();
    let slow = Slow { entered, go_on: Mutex::new(go_on), heard: heard.clone() };
    let task = |path: &str| place.task(path, &path[1..]).progress_interval(Duration::ZERO).build().unwrap();
    let held = ok.task(task("/a")).listener(slow).listener(quick.clone()).enqueue();
    tokio::task::spawn_blocking(move || has_entered.recv().unwrap()).await.unwrap();
    // The download, another listener of it, and another task go on meanwhile.
    let other = Heard::new();
    assert!(held.await.is_completed());
    assert!(ok.execute(task("/b"), other.clone()).await.is_completed());
    until(|| [&quick, &other].iter().all(|listener| listener.names().contains(&"TaskEnd".to_owned()))).await;
    assert!(heard.names().is_empty());
    may_go_on.send(()).unwrap();
    ok.shutdown().await.unwrap();
    // It missed nothing, and did not have to hear each step of the progress.
    assert_eq!((heard.increases(), quick.increases()), (8 * MIB, 8 * MIB));
    let names = heard.names();
    assert_eq!((names[0].as_str(), names.last().unwrap().as_str()), ("TaskStart", "TaskEnd"));
    let count = |heard: &Heard| heard.events.lock().unwrap().len();
    assert!(count(&heard) <= count(&quick), "{} {}", count(&heard), count(&quick));
}

/// Panics at everything.
#[derive(Debug, Default)]
struct Bad(AtomicUsize);

impl DownloadListener for Bad {
    fn on_event(&self, _: &DownloadTask, _: &Event) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("a bad listener");
    }
}

#[tokio::test]
async fn a_listener_that_panics_hinders_nobody_and_still_hears_everything() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(1, 1000)));
    let (ok, bad, good) = (place.engine(), Arc::new(Bad::default()), Heard::new());
    let bunched = Heard::new();
    let bunch = DownloadListenerBunch::new().append(bad.clone()).append(bunched.clone());
    let task = place.task("/a", "a").build().unwrap();
    assert!(ok.task(task).listener(bunch).listener(good.clone()).execute().await.is_completed());
    ok.shutdown().await.unwrap();
    let heard = good.events.lock().unwrap().len();
    assert_eq!((bad.0.load(Ordering::SeqCst), bunched.events.lock().unwrap().len()), (heard, heard));
    assert_eq!(good.names().last().unwrap(), "TaskEnd");
}

/// The thread of a user interface: runs what it is sent, one after the other.
#[derive(Debug)]
struct UiThread(mpsc::Sender<Callback>);

impl UiThread {
    fn start() -> (Self, ThreadId) {
        let (sender, callbacks) = mpsc::channel::<Callback>();
        let thread = std::thread::spawn(move || callbacks.into_iter().for_each(|callback| callback()));
        (Self(sender), thread.thread().id())
    }
}

impl CallbackExecutor for UiThread {
    fn execute(&self, callback: Callback) {
        self.0.send(callback).unwrap();
    }
}

/// Keeps on which threads it was called.
#[derive(Debug, Default)]
struct Threads(Mutex<Vec<ThreadId>>);

impl Threads {
    fn called(&self) {
        self.0.lock().unwrap().push(std::thread::current().id());
    }
}

impl DownloadListener for Threads {
    fn on_event(&self, _: &DownloadTask, _: &Event) {
        self.called();
    }
}

impl Monitor for Threads {
    fn task_end(&self, _: &DownloadTask, _: &TaskEnd) {
        self.called();
    }
}

#[tokio::test]
async fn listeners_and_monitor_are_called_where_the_program_wants_it() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(1, 3 * MIB)));
    let (ui, thread) = UiThread::start();
    let (listener, monitor) = (Arc::new(Threads::default()), Arc::new(Threads::default()));
    let ok = place.builder().callback_executor(ui).monitor(monitor.clone()).build().unwrap();
    assert!(ok.execute(place.task("/a", "a").build().unwrap(), listener.clone()).await.is_completed());
    ok.shutdown().await.unwrap();
    let calls = [&listener, &monitor].map(|threads| threads.0.lock().unwrap().clone());
    assert!(calls[0].len() >= 6 && calls[1].len() == 1, "{calls:?}");
    assert!(calls.iter().flatten().all(|id| *id == thread));
    assert_ne!(thread, std::thread::current().id());
}

/// Runs every second callback and drops the others, as a user interface that is being closed may do.
#[derive(Debug, Default)]
struct Dropping(AtomicUsize);

impl CallbackExecutor for Dropping {
    fn execute(&self, callback: Callback) {
        if self.0.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
            callback();
        }
    }
}

#[tokio::test]
async fn a_callback_that_is_dropped_delays_nothing() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(1, 1000)));
    let (ok, heard) = (place.builder().callback_executor(Dropping::default()).build().unwrap(), Heard::new());
    assert!(ok.execute(place.task("/a", "a").build().unwrap(), heard.clone()).await.is_completed());
    ok.shutdown().await.unwrap();
    let names = heard.names();
    assert_eq!(names[..2], ["TaskStart", "ConnectTrialEnd"], "{names:?}");
}

/// A monitor that keeps what it hears.
#[derive(Debug, Default)]
struct Runs(Mutex<Vec<String>>);

impl Runs {
    fn tell(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }
}

impl Monitor for Runs {
    fn task_start(&self, _: &DownloadTask) {
        self.tell("start");
    }

    fn task_from_beginning(&self, _: &DownloadTask, _: &Arc<BreakpointInfo>, cause: ResumeFailedCause) {
        self.tell(format!("from beginning {cause:?}"));
    }

    fn task_from_breakpoint(&self, _: &DownloadTask, info: &Arc<BreakpointInfo>) {
        self.tell(format!("from breakpoint {}", info.written()));
    }

    fn task_end(&self, _: &DownloadTask, end: &TaskEnd) {
        self.tell(format!("end {}", end.cause));
    }
}

#[tokio::test]
async fn the_monitor_hears_of_begin_and_end_of_each_run() {
    let place = Place::new().await;
    let (monitor, gate) = (Arc::new(Runs::default()), Gate::new());
    let ok = place.builder().monitor(monitor.clone()).build().unwrap();
    let task = half(&place, &gate);
    let handle = ok.enqueue(task.clone(), NoListener);
    reached_half(&handle, &gate).await;
    handle.cancel();
    let _ = handle.await;
    assert!(ok.execute(task, NoListener).await.is_completed());
    ok.shutdown().await.unwrap();
    let first = ["start", "from beginning InfoDirty", "end canceled"];
    let second = ["start", "from breakpoint 2097152", "end completed"];
    assert_eq!(*monitor.0.lock().unwrap(), [first, second].concat());
}

#[tokio::test]
async fn the_monitor_can_be_changed_while_tasks_run() {
    let place = Place::new().await;
    place.server.serve("/b", tagged(Body::pattern(2, 1000)));
    let [old, new] = [Arc::new(Runs::default()), Arc::new(Runs::default())];
    let (ok, gate) = (place.engine(), Gate::new());
    assert!(ok.monitor().is_none());
    ok.set_monitor(Some(old.clone()));
    let running = ok.enqueue(half(&place, &gate), NoListener);
    reached_half(&running, &gate).await;
    ok.set_monitor(Some(new.clone()));
    // Whoever heard of a beginning hears of its end.
    assert_eq!(ok.enqueue(running.task().clone(), NoListener).await.cause, EndCause::SameTaskBusy);
    until(|| new.0.lock().unwrap().len() == 1).await;
    let derived = ok.to_builder().build().unwrap();
    assert!(derived.execute(place.task("/b", "b").build().unwrap(), NoListener).await.is_completed());
    derived.shutdown().await.unwrap();
    ok.set_monitor(None);
    let silent = place.task("/b", "c").build().unwrap();
    assert!(ok.execute(silent, NoListener).await.is_completed());
    gate.open();
    assert!(running.await.is_completed());
    ok.shutdown().await.unwrap();
    assert_eq!(*old.0.lock().unwrap(), ["start", "from beginning InfoDirty", "end completed"]);
    let after = ["end same-task-busy", "start", "from beginning InfoDirty", "end completed"];
    assert_eq!(*new.0.lock().unwrap(), after);
}

/// Waits at the first progress it hears until it may go on.
#[derive(Debug)]
struct Held {
    heard: Heard,
    may_go_on: Mutex<mpsc::Receiver<()>>,
}

impl DownloadListener for Held {
    fn on_event(&self, task: &DownloadTask, event: &Event) {
        self.heard.on_event(task, event);
        if let Event::FetchProgress { .. } = event {
            // It fails for the later ones.
            let _ = self.may_go_on.lock().unwrap().recv();
        }
    }
}

#[tokio::test]
async fn a_run_is_told_whole_before_the_next_one_of_the_same_task() {
    let (place, gate) = (Place::new().await, Gate::new());
    let ok = place.engine();
    let (go_on, may_go_on) = mpsc::channel();
    let held = Arc::new(Held { heard: Heard::default(), may_go_on: Mutex::new(may_go_on) });
    let first = ok.enqueue(half(&place, &gate), held.clone());
    reached_half(&first, &gate).await;
    first.cancel();
    let task = first.task().clone();
    let second = ok.enqueue(task.clone(), held.clone());
    // It hears of nothing yet, and the download does not wait for it.
    assert!(second.await.is_completed());
    // Who is refused because of another one need not wait for that one's end.
    let refused = Heard::new();
    let running = ok.task(task.clone()).enqueue_paused();
    assert_eq!(ok.enqueue(task, refused.clone()).await.cause, EndCause::SameTaskBusy);
    until(|| refused.names() == ["TaskEnd"]).await;
    running.cancel();
    assert!(!held.heard.names().contains(&"TaskEnd".into()));
    drop(go_on);
    ok.shutdown().await.unwrap();
    let names = held.heard.names();
    let runs: Vec<_> = names.split(|name| name == "TaskEnd").collect();
    assert_eq!(runs.len(), 3, "{names:?}");
    assert!(runs[..2].iter().all(|run| run[0] == "TaskStart") && runs[2].is_empty(), "{names:?}");
    assert_eq!(names.iter().filter(|name| *name == "TaskStart").count(), 2, "{names:?}");
}

#[tokio::test]
async fn a_stream_and_a_watch_tell_the_same_as_a_listener() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(1, 8 * MIB)));
    let (ok, heard) = (place.engine(), Heard::new());
    let request = ok.task(place.task("/a", "a").build().unwrap()).listener(heard.clone());
    let events = request.events();
    let handle = request.enqueue();
    let mut progress = handle.progress();
    let names: Vec<_> = events.map(|event| name(&event)).collect().await;
    assert_eq!((names[0].as_str(), names.last().unwrap().as_str()), ("TaskStart", "TaskEnd"));
    let last = *progress.borrow_and_update();
    assert_eq!((last.written, last.total, last.fraction()), (8 * MIB, Some(8 * MIB), Some(1.0)));
    assert_eq!((last.speed, last.connections, last.eta()), (0, 0, None), "nothing runs any more");
    assert!(last.average > 0);
    ok.shutdown().await.unwrap();
    assert_eq!(heard.names()[..4], names[..4]);
}

#[tokio::test]
async fn speed_and_estimate_are_told_and_fall_to_nothing_in_a_stall() {
    let place = Place::new().await;
    let (ok, gate) = (place.engine(), Gate::new());
    let handle = ok.enqueue(half(&place, &gate), NoListener);
    reached_half(&handle, &gate).await;
    let mut progress = handle.progress();
    let flows = *progress.wait_for(|progress| progress.speed > 0).await.unwrap();
    assert!(flows.average > 0 && flows.eta().is_some(), "{flows:?}");
    let stalls = *progress.wait_for(|progress| progress.speed == 0).await.unwrap();
    assert_eq!((stalls.written, stalls.eta(), stalls.connections), (2 * MIB, None, 1));
    assert!(stalls.average < flows.average);
    handle.pause();
    let pauses = *progress.wait_for(|progress| progress.connections == 0).await.unwrap();
    assert_eq!((pauses.written, pauses.speed), (2 * MIB, 0));
    gate.open();
    handle.resume();
    assert!(handle.await.is_completed());
}

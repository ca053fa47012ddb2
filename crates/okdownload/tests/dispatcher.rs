//! Who runs, who waits, who shares.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "common/simulated.rs"]
mod simulated;

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use common::{MIB, Place, assert_content, tagged};
use futures_util::StreamExt;
use okdownload::prelude::*;
use okdownload::{OkDownloadBuilder, TaskHandle, TaskState};
use okdownload_store_memory::MemoryStore;
use okdownload_testkit::server::{Body, Gate, Reply};
use simulated::{EmptyDisk, Network};

fn count(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

/// A task that stops at half of its bytes until the gate opens.
fn gated(place: &Place, name: &str, gate: &Gate) -> DownloadTask {
    let path = format!("/{name}");
    place.server.serve(&path, tagged(Body::pattern(1, 4 * MIB)));
    place.server.script(&path, [Reply::resource().gate_after(2 * MIB, gate)]);
    place.task(&path, name).connection_count(NonZeroU32::MIN).build().unwrap()
}

/// The same, enqueued and at the gate.
async fn held(place: &Place, ok: &OkDownload, name: &str, gate: &Gate) -> TaskHandle {
    let handle = ok.task(gated(place, name, gate)).enqueue();
    gate.reached().await;
    handle.progress().wait_for(|progress| progress.written == 2 * MIB).await.unwrap();
    handle
}

fn small(place: &Place, name: &str) -> DownloadTask {
    let path = format!("/{name}");
    place.server.serve(&path, tagged(Body::pattern(1, 1000)));
    place.task(&path, name).build().unwrap()
}

/// Keeps starts and ends in the order in which it hears of them.
#[derive(Debug, Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl DownloadListener for Heard {
    fn task_start(&self, task: &DownloadTask) {
        self.0.lock().unwrap().push(format!("start {}", task.url().path()));
    }

    fn task_end(&self, task: &DownloadTask, end: &TaskEnd) {
        self.0.lock().unwrap().push(format!("{} {}", end.cause, task.url().path()));
    }
}

impl Monitor for Heard {
    fn task_start(&self, task: &DownloadTask) {
        DownloadListener::task_start(self, task);
    }

    fn task_end(&self, task: &DownloadTask, end: &TaskEnd) {
        DownloadListener::task_end(self, task, end);
    }
}

#[tokio::test]
async fn a_batch_comes_in_at_one_moment_and_its_refusals_are_told_by_kind() {
    let place = Place::new().await;
    // Callbacks come one after the other, so that their order can be seen.
    let ok = place.builder().max_parallel_running_count(count(1)).runtime(tokio::runtime::Handle::current());
    let (ok, heard) = (ok.build().unwrap(), Heard::default());
    let same_file = |path| place.task(path, "low").build().unwrap();
    let low = small(&place, "low");
    let high = small(&place, "high").to_builder().priority(1).build().unwrap();
    let tasks = [low.clone(), same_file("/b1"), low.clone(), same_file("/b2"), high.clone(), high.clone()];
    let handles = ok.enqueue_all(tasks.clone(), heard.clone());
    let mut ends = Vec::new();
    for (handle, task) in handles.into_iter().zip(tasks) {
        assert_eq!(handle.task(), &task);
        ends.push(handle.await.cause);
    }
    let (completed, same, busy) = (EndCause::Completed, EndCause::SameTaskBusy, EndCause::FileBusy);
    assert_eq!(ends, [completed, busy, same, busy, completed, same]);
    ok.shutdown().await.unwrap();
    let refusals: Vec<_> = heard.lines().into_iter().filter(|line| line.contains("busy")).collect();
    let expected = ["same-task-busy /low", "same-task-busy /high", "file-busy /b1", "file-busy /b2"];
    assert_eq!(refusals, expected);
    let starts: Vec<_> = heard.lines().into_iter().filter(|line| line.starts_with("start")).collect();
    assert_eq!(starts, ["start /high", "start /low"]);
}

#[tokio::test]
async fn a_waiting_task_can_be_moved_forward() {
    let (place, gate) = (Place::new().await, Gate::new());
    let ok = place.builder().max_parallel_running_count(count(1)).build().unwrap();
    let running = held(&place, &ok, "held", &gate).await;
    let handles = ["a", "b", "c"].map(|name| ok.task(small(&place, name)).enqueue());
    handles[2].set_priority(7);
    running.set_priority(-7);
    gate.open();
    for handle in handles.into_iter().chain([running]) {
        assert!(handle.await.is_completed());
    }
    let requests = place.server.requests();
    let paths: Vec<_> = requests.iter().map(|request| request.path.as_str()).collect();
    // Priority orders who waits, and stops nobody who runs.
    assert_eq!(paths, ["/held", "/c", "/a", "/b"]);
}

#[tokio::test]
async fn the_limit_can_be_raised_and_lowered_while_running() {
    let (place, gate) = (Place::new().await, Gate::new());
    let ok = place.builder().max_parallel_running_count(count(1)).build().unwrap();
    let names = ["a", "b", "c", "d"];
    let handles = names.map(|name| ok.task(gated(&place, name, &gate)).enqueue());
    let states = || handles.each_ref().map(|handle| handle.state() == Some(TaskState::Running));
    gate.reached().await;
    assert_eq!(states(), [true, false, false, false]);
    ok.set_max_parallel_running_count(count(3));
    gate.reached_by(3).await;
    assert_eq!(states(), [true, true, true, false]);
    // Those that run go on; the next one waits until the new limit has room.
    ok.set_max_parallel_running_count(count(1));
    handles[0].cancel();
    handles[0].wait().await;
    assert_eq!(states(), [false, true, true, false]);
    gate.open();
    for handle in &handles[1..] {
        assert!(handle.wait().await.is_completed());
    }
}

#[tokio::test]
async fn a_host_has_no_more_than_its_share() {
    let (one, other, gate) = (Place::new().await, Place::new().await, Gate::new());
    let ok = one.builder().max_parallel_running_count(count(4)).max_running_per_host(Some(count(1)));
    let ok = ok.build().unwrap();
    let first = held(&one, &ok, "a", &gate).await;
    let second = ok.task(gated(&one, "b", &gate)).enqueue();
    // Who waits for a busy host is in nobody's way.
    assert!(ok.download(small(&other, "c")).await.is_ok());
    assert_eq!(second.state(), Some(TaskState::Waiting));
    // Lifted, it runs at once.
    ok.set_max_running_per_host(None);
    gate.reached_by(2).await;
    assert_eq!(second.state(), Some(TaskState::Running));
    gate.open();
    assert!(first.await.is_completed() && second.await.is_completed());
}

#[tokio::test]
async fn a_task_that_joins_shares_the_one_that_runs() {
    let (place, gate) = (Place::new().await, Gate::new());
    let monitor = Heard::default();
    let ok = place.builder().monitor(monitor.clone()).build().unwrap();
    let (first, joined) = (Heard::default(), Heard::default());
    let task = gated(&place, "a", &gate);
    let running = ok.task(task.clone()).listener(first.clone()).enqueue();
    gate.reached().await;
    running.progress().wait_for(|progress| progress.written == 2 * MIB).await.unwrap();
    let request = ok.task(task.clone()).listener(joined.clone()).join();
    let mut events = request.events();
    let handle = request.enqueue();
    assert_eq!((handle.state(), handle.progress().borrow().written), (Some(TaskState::Running), 2 * MIB));
    gate.open();
    assert!(handle.await.is_completed() && running.await.is_completed());
    // It hears first how far the task was, and then all the rest.
    let Some(Event::Recovered { model }) = events.next().await else { panic!("it is not told") };
    assert_eq!((model.total_length, model.info.as_ref().unwrap().id), (Some(4 * MIB), task.id()));
    let mut bytes = model.current_offset;
    let end = loop {
        match events.next().await.unwrap() {
            Event::FetchProgress { increase, .. } => bytes += increase,
            Event::TaskEnd(end) => break end,
            _ => {}
        }
    };
    assert!(end.is_completed() && events.next().await.is_none());
    assert_eq!(bytes, 4 * MIB);
    ok.shutdown().await.unwrap();
    assert_eq!(first.lines(), ["start /a", "completed /a"]);
    assert_eq!(joined.lines(), ["completed /a"]);
    assert_eq!(monitor.lines(), ["start /a", "completed /a"]);
    assert_eq!(place.server.requests().len(), 1);
}

#[tokio::test]
async fn a_task_that_could_join_runs_if_nobody_is_there() {
    let place = Place::new().await;
    let (ok, heard) = (place.engine(), Heard::default());
    assert!(ok.task(small(&place, "a")).listener(heard.clone()).join().enqueue().await.is_completed());
    // A busy file can't be shared.
    let paused = ok.task(small(&place, "b")).enqueue_paused();
    let other = place.task("/other", "b").build().unwrap();
    assert_eq!(ok.task(other).join().enqueue().await.cause, EndCause::FileBusy);
    // Who shares may end it, for all.
    let joined = ok.task(paused.task().clone()).join().enqueue();
    joined.cancel();
    assert_eq!(paused.await.cause, EndCause::Canceled);
    ok.shutdown().await.unwrap();
    assert_eq!(heard.lines(), ["start /a", "completed /a"]);
}

#[tokio::test]
async fn cancel_and_enqueue_in_one_breath_goes_on() {
    let (place, gate) = (Place::new().await, Gate::new());
    let ok = place.engine();
    let first = held(&place, &ok, "a", &gate).await;
    assert!(ok.cancel(first.id()) && !ok.cancel(first.id()));
    let second = ok.task(first.task().clone()).enqueue();
    // And there is only one to come.
    let third = ok.task(first.task().clone()).enqueue().await;
    assert_eq!((first.await.cause, third.cause), (EndCause::Canceled, EndCause::SameTaskBusy));
    let end = second.await;
    assert_eq!((end.cause, end.resumed), (EndCause::Completed, 2 * MIB), "{:?}", end.error);
    assert_content(&place.path("a"), &Body::pattern(1, 4 * MIB));
}

#[tokio::test]
async fn who_comes_behind_a_canceled_task_can_be_canceled_too() {
    let (place, gate) = (Place::new().await, Gate::new());
    let ok = place.engine();
    let first = held(&place, &ok, "a", &gate).await;
    first.cancel();
    let second = ok.task(first.task().clone()).enqueue();
    assert_eq!(ok.cancel_each([&first, &second]), 1);
    assert_eq!((first.await.cause, second.await.cause), (EndCause::Canceled, EndCause::Canceled));
    assert_eq!(place.server.requests().len(), 1);
}

/// Enqueues its task again when it hears of its end, once.
#[derive(Debug, Default)]
struct Again {
    ok: OnceLock<OkDownload>,
    handle: OnceLock<TaskHandle>,
}

impl DownloadListener for Again {
    fn task_end(&self, task: &DownloadTask, _: &TaskEnd) {
        self.handle.set(self.ok.get().unwrap().task(task.clone()).enqueue()).unwrap();
    }
}

#[tokio::test]
async fn a_task_can_be_enqueued_again_from_its_own_end() {
    let place = Place::new().await;
    let (ok, again) = (place.engine(), Arc::new(Again::default()));
    again.ok.set(ok.clone()).unwrap();
    ok.enqueue(small(&place, "a"), again.clone()).await;
    while again.handle.get().is_none() {
        tokio::task::yield_now().await;
    }
    assert!(again.handle.get().unwrap().wait().await.is_completed());
}

#[tokio::test]
async fn executed_tasks_take_nobodys_turn() {
    let (place, gate) = (Place::new().await, Gate::new());
    let ok = place.builder().max_parallel_running_count(count(1)).max_running_per_host(Some(count(1)));
    let ok = ok.build().unwrap();
    let running = held(&place, &ok, "held", &gate).await;
    assert!(ok.execute(small(&place, "a"), NoListener).await.is_completed());
    assert_eq!(running.state(), Some(TaskState::Running));
    gate.open();
    assert!(running.await.is_completed());
}

/// What a restless user does to tasks; gives those that he enqueued again.
async fn play(handles: Vec<TaskHandle>, ok: OkDownload, mut random: fastrand::Rng) -> Vec<TaskHandle> {
    let mut again = Vec::new();
    // Few deeds at a time: whatever comes after one that should wake somebody up would make up for it.
    for _ in 0..random.usize(1..30) {
        let handle = &handles[random.usize(..handles.len())];
        match random.u8(..20) {
            0..5 => handle.pause(),
            5..9 => handle.resume(),
            9..11 => handle.set_priority(random.i32(-3..3)),
            11..14 => handle.cancel(),
            14 => ok.set_max_parallel_running_count(count(random.usize(1..5))),
            15 => ok.set_max_running_per_host(random.bool().then(|| count(random.usize(1..3)))),
            16 => again.push(ok.task(handle.task().clone()).enqueue()),
            _ => tokio::time::sleep(Duration::from_millis(random.u64(0..30))).await,
        }
    }
    again
}

/// Three users at a time; then nobody touches anything for a minute, which is more than all tasks together need.
async fn play_together(handles: &mut Vec<TaskHandle>, ok: &OkDownload, random: &mut fastrand::Rng) {
    let users: Vec<_> =
        (0..3).map(|_| tokio::spawn(play(handles.clone(), ok.clone(), random.fork()))).collect();
    for user in users {
        handles.extend(user.await.unwrap());
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn no_wake_up_is_lost_whatever_users_do_and_whenever() {
    for seed in 0..30 {
        println!("seed {seed}");
        let (mut random, network, heard) =
            (fastrand::Rng::with_seed(seed), Network::new(seed), Heard::default());
        let ok = simulated_engine(&network).monitor(heard.clone()).seed(seed).build().unwrap();
        ok.set_max_parallel_running_count(count(4));
        let mut handles = Vec::new();
        for round in 0..20 {
            handles.extend((0..10).map(|number| ok.task(nowhere(round * 10 + number)).enqueue()));
            play_together(&mut handles, &ok, &mut random).await;
            for handle in &handles {
                let state = handle.state();
                assert!(matches!(state, None | Some(TaskState::Paused)), "{state:?} though nothing happens");
                assert_eq!(state.is_none(), handle.is_ended());
            }
        }
        assert!(network.most().0 <= 4 && network.requests() > 0, "{:?}", network.most());
        handles.iter().for_each(TaskHandle::resume);
        // Nothing real is waited for, so an hour passes at once if there is nothing left to happen.
        let all = futures_util::future::join_all(handles.iter().map(TaskHandle::wait));
        let all = tokio::time::timeout(Duration::from_secs(3600), all).await;
        assert!(all.is_ok(), "somebody waits for ever");
        ok.shutdown().await.unwrap();
        let ends = heard.lines().iter().filter(|line| !line.starts_with("start")).count();
        assert_eq!(ends, handles.len(), "each ends once");
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_that_are_canceled_wake_up_the_next_ones() {
    for seed in 0..20 {
        let network = Network::new(seed);
        let ok = simulated_engine(&network).max_parallel_running_count(count(3)).build().unwrap();
        let handles = [0, 1, 2, 3, 4, 5].map(|number| ok.task(nowhere(number)).enqueue());
        let running: Vec<_> =
            handles.iter().filter(|handle| handle.state() == Some(TaskState::Running)).collect();
        // All that run, so that nobody else's end can wake up the others.
        assert_eq!(ok.cancel_each(running), 3);
        let all = futures_util::future::join_all(handles.iter().map(TaskHandle::wait));
        let all = tokio::time::timeout(Duration::from_secs(3600), all).await;
        assert!(all.is_ok(), "somebody waits for ever");
        ok.shutdown().await.unwrap();
    }
}

/// A task over the simulated network, of one of three hosts.
fn nowhere(number: usize) -> DownloadTask {
    let url = format!("http://host{}/{number}", number % 3);
    DownloadTask::to_file(url, format!("/nowhere/{number}")).unwrap()
}

fn simulated_engine(network: &Network) -> OkDownloadBuilder {
    OkDownload::builder()
        .connection_factory(network.clone())
        .output_stream_factory(EmptyDisk)
        .download_store(MemoryStore::new())
        .runtime(tokio::runtime::Handle::current())
}

#[tokio::test(start_paused = true)]
async fn many_hosts_share_fairly_within_both_limits() {
    for seed in 0..20 {
        println!("seed {seed}");
        let network = Network::new(seed);
        let ok = simulated_engine(&network).max_parallel_running_count(count(5));
        let ok = ok.max_running_per_host(Some(count(2))).build().unwrap();
        let task = |number: usize| {
            let url = format!("http://host{}/{number}", number % 4);
            DownloadTask::to_file(url, format!("/nowhere/{number}")).unwrap()
        };
        let handles = ok.enqueue_all((0..100).map(task), NoListener);
        let all = futures_util::future::join_all(handles.iter().map(TaskHandle::wait));
        assert!(
            tokio::time::timeout(Duration::from_secs(3600), all).await.is_ok(),
            "somebody waits for ever"
        );
        assert_eq!((network.most(), network.requests()), ((5, 2), 100));
        ok.shutdown().await.unwrap();
    }
}

/// On one thread nothing happens between these calls: the first task has its turn, and nobody has begun with it.
#[tokio::test]
async fn the_end_of_a_task_is_told_though_an_equal_one_is_paused_behind_it() {
    let place = Place::new().await;
    let ok = place.builder().runtime(tokio::runtime::Handle::current()).build().unwrap();
    let heard = Heard::default();
    let task = small(&place, "a");
    let first = ok.task(task.clone()).listener(heard.clone()).enqueue();
    first.cancel();
    let second = ok.task(task).listener(Heard::default()).enqueue();
    second.pause();
    assert_eq!(first.wait().await.cause, EndCause::Canceled);
    let told = async {
        while heard.lines().iter().all(|line| !line.starts_with("canceled")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), told).await.unwrap();
    second.resume();
    assert_eq!(second.await.cause, EndCause::Completed);
}

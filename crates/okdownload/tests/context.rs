//! `DownloadContext`: tasks that are started, stopped and waited for together.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::{Arc, Mutex};

use common::{MIB, Place, tagged};
use okdownload::prelude::*;
use okdownload::{
    Callback, CallbackExecutor, DownloadContext, DownloadContextBuilder, DownloadContextListener, QueueSet,
};
use okdownload_testkit::server::{Body, Gate, Reply};

/// What was heard, by members' listener and context's listener alike.
#[derive(Debug, Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn push(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl DownloadListener for Heard {
    fn task_end(&self, task: &DownloadTask, _: &TaskEnd) {
        self.push(format!("member {}", task.url().path()));
        panic!("a bad listener");
    }
}

impl DownloadContextListener for Heard {
    fn task_end(&self, _: &DownloadContext, task: &DownloadTask, end: &TaskEnd, remaining: usize) {
        self.push(format!("{} {} {remaining}", end.cause, task.url().path()));
    }

    fn queue_end(&self, _: &DownloadContext) {
        self.push("queue end".into());
        panic!("a bad listener");
    }
}

fn one(place: &Place) -> OkDownload {
    place.builder().max_parallel_running_count(NonZeroUsize::MIN).build().unwrap()
}

fn queue_set(place: &Place) -> QueueSet {
    QueueSet::new().directory(place.path(""))
}

/// A context over small files of these names.
fn context(place: &Place, ok: &OkDownload, names: &[&str]) -> DownloadContextBuilder {
    let bind = |builder: DownloadContextBuilder, name: &&str| builder.bind(url(place, name)).unwrap();
    names.iter().fold(DownloadContext::builder(ok, queue_set(place)), bind)
}

/// The URL of a small file.
fn url(place: &Place, name: &str) -> String {
    let path = format!("/{name}");
    place.server.serve(&path, tagged(Body::pattern(1, 1000)));
    place.server.url(&path).to_string()
}

/// A task that stops at half of its bytes until the gate opens.
fn held(place: &Place, gate: &Gate) -> DownloadTask {
    place.server.serve("/held", tagged(Body::pattern(1, 4 * MIB)));
    place.server.script("/held", [Reply::resource().gate_after(2 * MIB, gate)]);
    place.task("/held", "held").priority(1).connection_count(NonZeroU32::MIN).build().unwrap()
}

#[tokio::test]
async fn each_end_is_told_with_what_remains_and_the_queues_end_once() {
    let place = Place::new().await;
    for serial in [false, true] {
        let (ok, heard) = (one(&place), Heard::default());
        let context = context(&place, &ok, &["a", "b"]).listener(heard.clone()).build();
        assert!(!context.is_started());
        let started = if serial {
            context.start_on_serial(heard.clone())
        } else {
            context.start_on_parallel(heard.clone())
        };
        assert_eq!(started.unwrap().len(), 2);
        context.wait().await;
        assert_eq!((context.is_started(), context.remaining()), (false, 0));
        ok.shutdown().await.unwrap();
        let heard = heard.taken();
        let at = |line: &str| heard.iter().position(|heard| heard.starts_with(line)).unwrap();
        // Each member's own listener is told first; the two members come as they come.
        assert!(at("member /a") < at("completed /a") && at("member /b") < at("completed /b"), "{heard:?}");
        let remaining: Vec<_> = heard.iter().filter_map(|line| line.strip_prefix("completed")).collect();
        assert!(remaining[0].ends_with(" 1") && remaining[1].ends_with(" 0"), "{heard:?}");
        assert_eq!((heard.len(), at("queue end")), (5, 4), "serial: {serial}");
    }
    assert_eq!(place.files(), ["a", "b"]);
}

#[tokio::test]
async fn a_context_can_be_started_again_but_not_twice_at_a_time() {
    let (place, gate) = (Place::new().await, Gate::new());
    let (ok, heard) = (place.engine(), Heard::default());
    let context = DownloadContext::builder(&ok, QueueSet::new()).bind_task(held(&place, &gate));
    let context = context.listener(heard.clone()).build();
    context.start_on_parallel(NoListener).unwrap();
    let error = context.start_on_serial(NoListener).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(context.is_started());
    gate.open();
    context.wait().await;
    context.start_on_serial(NoListener).unwrap();
    context.wait().await;
    ok.shutdown().await.unwrap();
    assert_eq!(heard.taken(), ["completed /held 0", "queue end"].repeat(2));
}

#[tokio::test]
async fn an_empty_context_ends_at_once() {
    let place = Place::new().await;
    let (ok, heard) = (place.engine(), Heard::default());
    let context = context(&place, &ok, &[]).listener(heard.clone()).build();
    assert!(context.start_on_parallel(NoListener).unwrap().is_empty());
    context.wait().await;
    while heard.0.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(heard.taken(), ["queue end"]);
}

#[tokio::test]
async fn stop_ends_all_members_and_starts_none() {
    for serial in [false, true] {
        let (place, gate) = (Place::new().await, Gate::new());
        let (ok, heard) = (one(&place), Heard::default());
        let builder = context(&place, &ok, &["x", "y"]).bind_task(held(&place, &gate));
        let context = builder.listener(heard.clone()).build();
        if serial { context.start_on_serial(NoListener) } else { context.start_on_parallel(NoListener) }
            .unwrap();
        gate.reached().await;
        context.stop();
        assert!(!context.is_started());
        context.wait().await;
        ok.shutdown().await.unwrap();
        let heard = heard.taken();
        let canceled = heard.iter().filter(|line| line.starts_with("canceled")).count();
        assert_eq!((canceled, heard.last().map(String::as_str)), (3, Some("queue end")), "{heard:?}");
        assert_eq!(place.server.requests().len(), 1);
    }
}

#[tokio::test]
async fn members_come_and_go_while_it_runs() {
    for serial in [false, true] {
        let (place, gate) = (Place::new().await, Gate::new());
        let (ok, heard) = (one(&place), Heard::default());
        let members = context(&place, &ok, &["p", "q"]).bind_task(held(&place, &gate));
        let context = members.listener(heard.clone()).build();
        if serial { context.start_on_serial(NoListener) } else { context.start_on_parallel(NoListener) }
            .unwrap();
        gate.reached().await;
        let (p, q) = (context.tasks()[0].id(), context.tasks()[1].id());
        let added = context.add_url(url(&place, "added")).unwrap().unwrap();
        assert_eq!(context.remaining(), 4);
        assert!(context.remove(p) && !context.remove(p));
        let instead = QueueSet::new().directory(place.path("")).task(url(&place, "instead")).unwrap();
        assert!(context.replace(q, instead.clone()) && !context.replace(q, instead));
        gate.open();
        context.wait().await;
        assert!(added.await.is_completed());
        ok.shutdown().await.unwrap();
        let mut heard = heard.taken();
        assert_eq!(heard.pop().unwrap(), "queue end");
        let mut ends: Vec<_> = heard.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
        ends.sort_unstable();
        let expected =
            ["canceled /p", "canceled /q", "completed /added", "completed /held", "completed /instead"];
        assert_eq!(ends, expected, "serial: {serial}");
        let paths: Vec<_> = context.tasks().iter().map(|task| task.url().path().to_owned()).collect();
        assert_eq!(paths, ["/instead", "/held", "/added"]);
    }
}

/// Adds a running member again, which is refused, and then ends it with `end`.
async fn ended_after_it_was_added_again(serial: bool, end: impl FnOnce(&DownloadContext, &DownloadTask)) {
    let (place, gate) = (Place::new().await, Gate::new());
    let ok = one(&place);
    let task = held(&place, &gate);
    let context = context(&place, &ok, &["a"]).bind_task(task.clone()).build();
    let started =
        if serial { context.start_on_serial(NoListener) } else { context.start_on_parallel(NoListener) };
    gate.reached().await;
    assert_eq!(context.add(task.clone()).unwrap().await.cause, EndCause::SameTaskBusy);
    end(&context, &task);
    let running = started.unwrap().remove(1);
    assert_eq!((running.id(), ok.cancel(task.id())), (task.id(), false), "it was told to end already");
    assert_eq!(running.await.cause, EndCause::Canceled);
}

#[tokio::test]
async fn a_running_member_that_is_added_again_can_still_be_ended() {
    for serial in [false, true] {
        ended_after_it_was_added_again(serial, |context, _| context.stop()).await;
        ended_after_it_was_added_again(serial, |context, task| assert!(context.remove(task.id()))).await;
        let replace = |context: &DownloadContext, task: &DownloadTask| {
            let other = task.to_builder().url(format!("{}?other", task.url())).build().unwrap();
            assert!(context.replace(task.id(), other));
        };
        ended_after_it_was_added_again(serial, replace).await;
    }
}

#[tokio::test]
async fn the_only_member_may_be_replaced_and_added_to_after_the_end() {
    let (place, gate) = (Place::new().await, Gate::new());
    let (ok, heard) = (place.engine(), Heard::default());
    let task = held(&place, &gate);
    let context = DownloadContext::builder(&ok, queue_set(&place)).bind_task(task.clone());
    let context = context.listener(heard.clone()).build();
    context.start_on_parallel(NoListener).unwrap();
    gate.reached().await;
    // The new one is for the same file, which the old one has open still.
    let instead = task.to_builder().url(url(&place, "instead")).build().unwrap();
    assert!(context.replace(task.id(), instead));
    context.wait().await;
    // Who comes after the end waits for the next start.
    assert!(context.add_url(url(&place, "late")).unwrap().is_none());
    assert_eq!(context.tasks().len(), 2);
    ok.shutdown().await.unwrap();
    assert_eq!(heard.taken(), ["canceled /held 1", "completed /instead 0", "queue end"]);
    assert_eq!(std::fs::metadata(place.path("held")).unwrap().len(), 1000);
}

#[tokio::test]
async fn shared_options_reach_every_member() {
    let place = Place::new().await;
    let ok = place.engine();
    let shared = queue_set(&place)
        .option(|task| task.header("x-shared", "1").priority(3).tag(7_u8))
        .option(|task| task.priority(4));
    let own = place.task("/own", "own").priority(1).header("x-own", "1");
    let as_it_is = place.task("/plain", "plain").build().unwrap();
    let builder = DownloadContext::builder(&ok, shared).bind(url(&place, "a")).unwrap();
    let builder = builder.bind_builder(own).unwrap().bind_task(as_it_is);
    let tasks = builder.build().tasks();
    for task in &tasks[..2] {
        assert_eq!((task.priority(), task.tag::<u8>()), (4, Some(&7)));
        assert!(task.headers().contains_key("x-shared"));
    }
    assert!(tasks[1].headers().contains_key("x-own"));
    assert!(!tasks[2].headers().contains_key("x-shared"));
}

#[tokio::test]
async fn binding() {
    let place = Place::new().await;
    let ok = place.engine();
    let error = DownloadContext::builder(&ok, QueueSet::new()).bind(url(&place, "a")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(error.advice().is_some());
    // An equal task takes the place of the old one.
    let again = queue_set(&place).option(|task| task.priority(5)).task(url(&place, "a")).unwrap();
    let builder = context(&place, &ok, &["a", "b", "c"]).bind_task(again.clone());
    let context = builder.build();
    assert_eq!(context.tasks().iter().map(DownloadTask::priority).collect::<Vec<_>>(), [5, 0, 0]);
    // What is derived has its own members.
    let derived = context.to_builder().unbind(again.id()).unbind(again.id()).build();
    assert_eq!((derived.tasks().len(), context.tasks().len()), (2, 3));
}

#[tokio::test]
async fn a_directory_that_is_a_file_is_an_error_of_each_member() {
    let place = Place::new().await;
    std::fs::write(place.directory.path().join("files"), "not a directory").unwrap();
    let ok = place.engine();
    let context = context(&place, &ok, &["a"]).build();
    let end = context.start_on_parallel(NoListener).unwrap().remove(0).await;
    assert_eq!(end.cause, EndCause::Error);
    assert!(end.error.unwrap().to_string().contains("files"));
}

/// An executor whose thread is gone: it drops what it is given, or panics.
#[derive(Debug)]
struct Gone {
    panics: bool,
}

impl CallbackExecutor for Gone {
    fn execute(&self, _: Callback) {
        assert!(!self.panics, "nobody is there");
    }
}

#[tokio::test]
async fn callbacks_that_are_dropped_do_not_hold_up_the_end() {
    for panics in [false, true] {
        let place = Place::new().await;
        let ok = place.builder().callback_executor(Gone { panics }).build().unwrap();
        let context = context(&place, &ok, &["a", "b"]).listener(Heard::default()).build();
        context.start_on_serial(NoListener).unwrap();
        context.wait().await;
        assert_eq!(place.files(), ["a", "b"]);
    }
}

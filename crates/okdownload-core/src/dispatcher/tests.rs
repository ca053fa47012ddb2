use super::*;
use futures_util::FutureExt;
use okdownload_types::{DownloadTask, Target};

fn count(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn entry(name: &str, priority: i32) -> Arc<Entry> {
    let target = Target::file(format!("/tmp/{name}"));
    let task = DownloadTask::builder(format!("http://h/{name}"), target).priority(priority).build().unwrap();
    Arc::new(Entry::new(task))
}

fn dispatcher(limit: usize) -> Dispatcher {
    Dispatcher::new(count(limit), None)
}

fn admit(dispatcher: &Dispatcher, name: &str, priority: i32) -> Arc<Entry> {
    let entry = entry(name, priority);
    assert!(refusal(dispatcher, &entry, Admission::Waiting).is_none());
    entry
}

fn refusal(dispatcher: &Dispatcher, entry: &Arc<Entry>, how: Admission) -> Option<Refusal> {
    dispatcher.admit(std::slice::from_ref(entry), how).pop().map(|(_, refusal)| refusal)
}

/// Whether it is refused because its file is.
fn is_file_busy(refusal: Option<Refusal>) -> bool {
    matches!(refusal, Some(Refusal::Ends(end, _)) if end.cause == EndCause::FileBusy)
}

fn ids<const N: usize>(entries: [&Arc<Entry>; N]) -> Vec<TaskId> {
    entries.iter().map(|entry| entry.task.id()).collect()
}

fn started(dispatcher: &Dispatcher) -> Vec<TaskId> {
    std::iter::from_fn(|| dispatcher.next()).map(|(entry, ..)| entry.task.id()).collect()
}

#[test]
fn priority_then_arrival() {
    let dispatcher = dispatcher(9);
    let [a, b, c, d] =
        [("a", 0), ("b", 5), ("c", 0), ("d", -1)].map(|(name, priority)| admit(&dispatcher, name, priority));
    dispatcher.set_priority(&d, 9);
    assert_eq!(started(&dispatcher), ids([&d, &b, &a, &c]));
}

#[test]
fn never_more_than_the_limit() {
    let dispatcher = dispatcher(2);
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| admit(&dispatcher, name, 0));
    assert_eq!(started(&dispatcher), ids([&a, &b]));
    assert!(dispatcher.finished(a.task.id(), false));
    assert_eq!(started(&dispatcher), ids([&c]));
    dispatcher.set_limit(count(3));
    assert_eq!(started(&dispatcher), ids([&d]));
}

#[test]
fn the_same_task_and_the_same_file_are_busy() {
    let dispatcher = dispatcher(1);
    let a = admit(&dispatcher, "a", 0);
    let same = refusal(&dispatcher, &entry("a", 0), Admission::Waiting);
    assert!(matches!(same, Some(Refusal::SameTask(there)) if Arc::ptr_eq(&there, &a)));
    let same_file = Arc::new(Entry::new(DownloadTask::to_file("http://h/other", "/tmp/a").unwrap()));
    assert!(is_file_busy(refusal(&dispatcher, &same_file, Admission::Waiting)));
    started(&dispatcher);
    assert!(dispatcher.finished(a.task.id(), false));
    assert!(refusal(&dispatcher, &same_file, Admission::Waiting).is_none());
}

#[test]
fn named_later_conflicts_are_found() {
    let dispatcher = dispatcher(2);
    let (a, b) = (admit(&dispatcher, "a", 0).task.id(), admit(&dispatcher, "b", 0).task.id());
    let place = Location::Path("/tmp/named".into());
    started(&dispatcher);
    assert!(dispatcher.claim(a, &place).is_ok());
    assert!(dispatcher.claim(a, &place).is_ok());
    assert_eq!(dispatcher.claim(b, &place).unwrap_err().kind(), ErrorKind::FileBusy);
    dispatcher.finished(a, false);
    assert!(dispatcher.claim(b, &place).is_ok());
}

#[test]
fn pause_and_resume() {
    let dispatcher = dispatcher(1);
    let (a, b) = (admit(&dispatcher, "a", 0), admit(&dispatcher, "b", 0));
    let id = a.task.id();
    assert_eq!(started(&dispatcher), ids([&a]));
    // A waiting one pauses at once, a running one when its run is over.
    assert!(dispatcher.pause(&b).is_some());
    assert!(dispatcher.pause(&a).is_none());
    assert!(!dispatcher.finished(id, true));
    assert_eq!(dispatcher.task_state(id), Some(TaskState::Paused));
    assert_eq!(started(&dispatcher), []);
    dispatcher.resume(&b);
    dispatcher.resume(&a);
    assert_eq!(started(&dispatcher), ids([&a]));
    // Resumed while it stops: it starts again when it has stopped.
    dispatcher.pause(&a);
    dispatcher.resume(&a);
    assert!(!dispatcher.finished(id, true));
    assert_eq!(started(&dispatcher), ids([&a]));
    // A run that completes while it is told to pause has completed.
    dispatcher.pause(&a);
    assert!(dispatcher.finished(id, false));
    assert_eq!(started(&dispatcher), ids([&b]));
}

#[test]
fn a_task_may_come_in_paused() {
    let dispatcher = dispatcher(1);
    let a = entry("a", 0);
    assert!(refusal(&dispatcher, &a, Admission::Paused).is_none());
    assert_eq!(started(&dispatcher), []);
    dispatcher.resume(&a);
    assert_eq!(started(&dispatcher), ids([&a]));
}

#[test]
fn cancel_wins_over_pause() {
    let dispatcher = dispatcher(1);
    let (a, b) = (admit(&dispatcher, "a", 0), admit(&dispatcher, "b", 0));
    started(&dispatcher);
    assert_eq!(dispatcher.cancel(b.task.id()).end_now.len(), 1);
    assert_eq!(dispatcher.cancel(b.task.id()).count(), 0);
    assert_eq!(dispatcher.cancel(a.task.id()).stopping, 1);
    assert_eq!(dispatcher.cancel(a.task.id()).count(), 0);
    assert!(dispatcher.pause(&a).is_none());
    dispatcher.resume(&a);
    assert!(dispatcher.finished(a.task.id(), true));
}

#[test]
fn who_leaves_is_in_nobodys_way_but_is_waited_for() {
    let dispatcher = dispatcher(9);
    let (a, id) = (admit(&dispatcher, "a", 0), entry("a", 0).task.id());
    started(&dispatcher);
    dispatcher.cancel(id);
    // Another task for the same file first, then another one still: the file is taken by then.
    let other = |url: &str| Arc::new(Entry::new(DownloadTask::to_file(url, "/tmp/a").unwrap()));
    let (second, third) = (other("http://h/2"), other("http://h/3"));
    assert!(refusal(&dispatcher, &second, Admission::Waiting).is_none());
    assert!(is_file_busy(refusal(&dispatcher, &third, Admission::Waiting)));
    assert!(is_file_busy(refusal(&dispatcher, &entry("a", 0), Admission::AtOnce)));
    assert_eq!(started(&dispatcher), []);
    // It gives way, and the same task comes again.
    assert_eq!(dispatcher.cancel(second.task.id()).end_now.len(), 1);
    let again = admit(&dispatcher, "a", 0);
    assert_eq!(started(&dispatcher), []);
    assert_eq!(dispatcher.entry_state(&a), Some(TaskState::Running));
    assert_eq!(dispatcher.entry_state(&again), Some(TaskState::Waiting));
    assert!(dispatcher.finished(id, true));
    assert_eq!(started(&dispatcher), ids([&again]));
    assert_eq!(dispatcher.entry_state(&a), None);
    assert!(dispatcher.finished(id, false));
    assert!(refusal(&dispatcher, &third, Admission::Waiting).is_none());
}

/// Whether this turn has begun.
fn is_on(telling: &mut Telling) -> bool {
    telling.begins().now_or_never().is_some()
}

#[test]
fn who_comes_behind_an_equal_task_tells_behind_it_however_that_one_left() {
    let leave: [fn(&Dispatcher, &Arc<Entry>) -> Telling; 3] = [
        |dispatcher, a| dispatcher.cancel(a.task.id()).end_now.pop().unwrap().1,
        |dispatcher, _| dispatcher.cancel_all().end_now.pop().unwrap().1,
        |dispatcher, a| {
            let telling = dispatcher.pause(a).unwrap();
            assert!(is_on(&mut dispatcher.cancel(a.task.id()).end_now.pop().unwrap().1));
            telling
        },
    ];
    for leave in leave {
        let dispatcher = dispatcher(1);
        let first = admit(&dispatcher, "a", 0);
        let mut told_first = leave(&dispatcher, &first);
        // The next one is here and runs before anything of the first is told.
        admit(&dispatcher, "a", 0);
        let mut told_next = dispatcher.next().unwrap().2;
        assert!(is_on(&mut told_first) && !is_on(&mut told_next));
        drop(told_first);
        assert!(is_on(&mut told_next));
    }
}

#[test]
fn a_task_has_one_turn_to_tell_however_often_it_runs() {
    let dispatcher = dispatcher(1);
    let a = admit(&dispatcher, "a", 0);
    let first = dispatcher.next().unwrap().2;
    dispatcher.pause(&a);
    dispatcher.resume(&a);
    assert!(!dispatcher.finished(a.task.id(), true));
    assert!(is_on(&mut dispatcher.next().unwrap().2));
    // Who comes behind it waits for what began with the first run.
    dispatcher.cancel(a.task.id());
    admit(&dispatcher, "a", 0);
    assert!(dispatcher.finished(a.task.id(), true));
    let mut next = dispatcher.next().unwrap().2;
    assert!(!is_on(&mut next));
    drop(first);
    assert!(is_on(&mut next));
}

#[test]
fn executed_tasks_do_not_count() {
    let dispatcher = dispatcher(1);
    let a = entry("a", 0);
    assert!(refusal(&dispatcher, &a, Admission::AtOnce).is_none());
    let b = admit(&dispatcher, "b", 0);
    assert_eq!(started(&dispatcher), ids([&a, &b]));
    // Nor after a pause.
    dispatcher.pause(&a);
    assert!(!dispatcher.finished(a.task.id(), true));
    dispatcher.resume(&a);
    assert_eq!(started(&dispatcher), ids([&a]));
    assert!(dispatcher.finished(a.task.id(), false));
    assert!(dispatcher.finished(b.task.id(), false));
}

#[test]
fn closed_is_closed() {
    let dispatcher = dispatcher(1);
    dispatcher.close();
    assert!(matches!(
        refusal(&dispatcher, &entry("a", 0), Admission::Waiting),
        Some(Refusal::Ends(end, _)) if end.cause == EndCause::Error
    ));
}

mod model;

use super::*;
use okdownload_types::{DownloadTask, Target};

fn entry(name: &str, priority: i32) -> Arc<Entry> {
    let target = Target::file(format!("/tmp/{name}"));
    let task = DownloadTask::builder(format!("http://h/{name}"), target).priority(priority).build().unwrap();
    Arc::new(Entry::new(task))
}

fn dispatcher(limit: usize) -> Dispatcher {
    Dispatcher::new(NonZeroUsize::new(limit).unwrap())
}

fn admit(dispatcher: &Dispatcher, name: &str, priority: i32) -> TaskId {
    let entry = entry(name, priority);
    let id = entry.task.id();
    assert!(dispatcher.admit(entry, false).unwrap().is_none());
    id
}

fn started(dispatcher: &Dispatcher) -> Vec<TaskId> {
    std::iter::from_fn(|| dispatcher.next()).map(|(entry, _)| entry.task.id()).collect()
}

#[test]
fn priority_then_arrival() {
    let dispatcher = dispatcher(9);
    let ids =
        [("a", 0), ("b", 5), ("c", 0), ("d", -1)].map(|(name, priority)| admit(&dispatcher, name, priority));
    dispatcher.set_priority(ids[3], 9);
    assert_eq!(started(&dispatcher), [ids[3], ids[1], ids[0], ids[2]]);
}

#[test]
fn never_more_than_the_limit() {
    let dispatcher = dispatcher(2);
    let ids = ["a", "b", "c", "d"].map(|name| admit(&dispatcher, name, 0));
    assert_eq!(started(&dispatcher), ids[..2]);
    assert!(dispatcher.finished(ids[0], false));
    assert_eq!(started(&dispatcher), ids[2..3]);
    dispatcher.set_limit(NonZeroUsize::new(3).unwrap());
    assert_eq!(started(&dispatcher), ids[3..]);
}

#[test]
fn the_same_task_and_the_same_file_are_busy() {
    let dispatcher = dispatcher(1);
    let id = admit(&dispatcher, "a", 0);
    assert_eq!(dispatcher.admit(entry("a", 0), false).unwrap_err().cause, EndCause::SameTaskBusy);
    let same_file = DownloadTask::to_file("http://h/other", "/tmp/a").unwrap();
    let same_file = Arc::new(Entry::new(same_file));
    assert_eq!(dispatcher.admit(same_file.clone(), false).unwrap_err().cause, EndCause::FileBusy);
    started(&dispatcher);
    assert!(dispatcher.finished(id, false));
    assert!(dispatcher.admit(same_file, false).is_ok());
}

#[test]
fn named_later_conflicts_are_found() {
    let dispatcher = dispatcher(2);
    let (a, b) = (admit(&dispatcher, "a", 0), admit(&dispatcher, "b", 0));
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
    assert_eq!(started(&dispatcher), [a]);
    // A waiting one pauses at once, a running one when its run is over.
    assert!(dispatcher.pause(b).is_some());
    assert!(dispatcher.pause(a).is_none());
    assert!(!dispatcher.finished(a, true));
    assert_eq!(dispatcher.task_state(a), Some(TaskState::Paused));
    assert_eq!(started(&dispatcher), []);
    dispatcher.resume(b);
    dispatcher.resume(a);
    assert_eq!(started(&dispatcher), [a]);
    // Resumed while it stops: it starts again when it has stopped.
    dispatcher.pause(a);
    dispatcher.resume(a);
    assert!(!dispatcher.finished(a, true));
    assert_eq!(started(&dispatcher), [a]);
    // A run that completes while it is told to pause has completed.
    dispatcher.pause(a);
    assert!(dispatcher.finished(a, false));
    assert_eq!(started(&dispatcher), [b]);
}

#[test]
fn cancel_wins_over_pause() {
    let dispatcher = dispatcher(1);
    let (a, b) = (admit(&dispatcher, "a", 0), admit(&dispatcher, "b", 0));
    started(&dispatcher);
    assert!(matches!(dispatcher.cancel(b), Cancel::Ends(_)));
    assert!(matches!(dispatcher.cancel(b), Cancel::Unknown));
    assert!(matches!(dispatcher.cancel(a), Cancel::Stops));
    dispatcher.pause(a);
    assert!(dispatcher.finished(a, true));
}

#[test]
fn executed_tasks_do_not_count() {
    let dispatcher = dispatcher(1);
    let a = entry("a", 0);
    assert!(dispatcher.admit(a.clone(), true).unwrap().is_some());
    let b = admit(&dispatcher, "b", 0);
    assert_eq!(started(&dispatcher), [b]);
    assert!(dispatcher.finished(a.task.id(), false));
    assert!(dispatcher.finished(b, false));
}

#[test]
fn closed_is_closed() {
    let dispatcher = dispatcher(1);
    dispatcher.close();
    assert!(dispatcher.admit(entry("a", 0), false).is_err());
}

//! The unified listener manager, given events by hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};

use common::{Told, end, from_beginning, info, progress, task};
use okdownload_monitor::{DownloadListener, Event, UnifiedListenerManager};
use okdownload_types::{DownloadTask, EndCause};

fn play(manager: &UnifiedListenerManager, task: &DownloadTask, events: impl IntoIterator<Item = Event>) {
    events.into_iter().for_each(|event| manager.on_event(task, &event));
}

fn begun(manager: &UnifiedListenerManager, task: &DownloadTask) {
    play(manager, task, [Event::TaskStart, from_beginning(info(task, &[2, 0]))]);
}

#[test]
fn each_listener_hears_its_task_only_and_once() {
    let (manager, told) = (UnifiedListenerManager::new(), Told::new());
    let (mine, other) = (task("a"), task("b"));
    assert!(manager.attach_listener(mine.id(), told.clone()));
    assert!(!manager.attach_listener(mine.id(), told.clone()), "it is there already");
    assert_eq!(manager.listener_count(mine.id()), 1);
    for task in [&mine, &other] {
        begun(&manager, task);
        play(&manager, task, [progress(0, 1), end(EndCause::Completed)]);
    }
    let heard = ["TaskStart /a", "FromBeginning /a", "progress 0 1 /a", "end completed /a"];
    assert_eq!(told.taken(), heard);
    // It stays for the next run.
    play(&manager, &mine, [end(EndCause::Completed)]);
    assert_eq!(told.taken(), ["end completed /a"]);
}

#[test]
fn a_listener_that_comes_late_is_told_at_once_how_far_the_task_is() {
    let (manager, task, told) = (UnifiedListenerManager::new(), task("a"), Told::new());
    begun(&manager, &task);
    play(&manager, &task, [progress(1, 5), progress(4, 3)]);
    manager.attach_listener(task.id(), told.clone());
    assert_eq!(told.taken(), ["recovered 10 /a"]);
    play(&manager, &task, [progress(1, 1)]);
    assert_eq!(told.taken(), ["progress 1 1 /a"]);
}

#[test]
fn before_and_after_a_run_nothing_is_recovered() {
    let (manager, task, told) = (UnifiedListenerManager::new(), task("a"), Told::new());
    manager.attach_listener(task.id(), told.clone());
    manager.detach_listeners(task.id());
    begun(&manager, &task);
    play(&manager, &task, [end(EndCause::Canceled)]);
    manager.attach_listener(task.id(), told.clone());
    assert!(told.taken().is_empty());
}

#[test]
fn listeners_leave_one_by_one_by_task_and_everywhere() {
    let manager = UnifiedListenerManager::new();
    let (a, b) = (task("a"), task("b"));
    let (one, two) = (Told::new(), Told::new());
    for task in [&a, &b] {
        manager.attach_listener(task.id(), one.clone());
        manager.attach_listener(task.id(), two.clone());
    }
    let counts = || [&a, &b].map(|task| manager.listener_count(task.id()));
    assert!(manager.detach_listener(a.id(), &one));
    assert!(!manager.detach_listener(a.id(), &one));
    assert_eq!(counts(), [1, 2]);
    assert!(manager.detach_listener_everywhere(&two));
    assert!(!manager.detach_listener_everywhere(&two));
    assert_eq!(counts(), [0, 1]);
    manager.detach_listeners(b.id());
    assert_eq!(counts(), [0, 0]);
    begun(&manager, &b);
    assert!(one.taken().is_empty() && two.taken().is_empty());
    // Nothing is kept of tasks that are over and that nobody hears.
    play(&manager, &b, [end(EndCause::Completed)]);
    assert_eq!(format!("{manager:?}").matches("Slot").count(), 0, "{manager:?}");
}

#[test]
fn who_leaves_one_task_leaves_the_others_as_they_are() {
    let (manager, told) = (UnifiedListenerManager::new(), Told::new());
    let [idle, running, removing] = ["idle", "running", "removing"].map(task);
    let kept = || format!("{manager:?}").matches("Slot").count();
    for task in [&idle, &running, &removing] {
        manager.attach_listener(task.id(), told.clone());
    }
    begun(&manager, &running);
    manager.add_auto_remove_listeners_when_task_end(removing.id());
    for task in [&idle, &running, &removing] {
        assert!(manager.detach_listener(task.id(), &told));
        assert!(!manager.detach_listener(task.id(), &told));
        manager.detach_listeners(task.id());
    }
    // Kept are only the run that goes on, and what was asked for.
    assert_eq!(kept(), 2, "{manager:?}");
    manager.remove_auto_remove_listeners_when_task_end(idle.id());
    manager.remove_auto_remove_listeners_when_task_end(removing.id());
    assert_eq!(kept(), 1, "{manager:?}");
    told.taken();
    manager.attach_listener(running.id(), told.clone());
    assert_eq!(told.taken(), ["recovered 2 /running"]);
    assert!(manager.detach_listener_everywhere(&told));
    assert_eq!((kept(), manager.listener_count(running.id())), (1, 0), "{manager:?}");
}

#[test]
fn listeners_are_removed_at_the_end_of_their_task_where_that_was_asked_for() {
    let (manager, task, told) = (UnifiedListenerManager::new(), task("a"), Told::new());
    manager.attach_listener(task.id(), told.clone());
    manager.add_auto_remove_listeners_when_task_end(task.id());
    manager.add_auto_remove_listeners_when_task_end(task.id());
    // The refusal of a second one is no end of the first, whether it runs yet or not.
    play(&manager, &task, [end(EndCause::SameTaskBusy)]);
    begun(&manager, &task);
    told.taken();
    play(&manager, &task, [end(EndCause::SameTaskBusy)]);
    assert_eq!((told.taken(), manager.listener_count(task.id())), (vec![], 1));
    play(&manager, &task, [end(EndCause::Completed)]);
    assert_eq!((told.taken(), manager.listener_count(task.id())), (vec!["end completed /a".into()], 0));
    // It holds for later runs, until it is taken back.
    manager.attach_listener(task.id(), told.clone());
    manager.remove_auto_remove_listeners_when_task_end(task.id());
    play(&manager, &task, [end(EndCause::Canceled)]);
    assert_eq!(manager.listener_count(task.id()), 1);
}

/// Attaches another listener and detaches itself as soon as it hears of progress.
#[derive(Debug)]
struct Changing {
    manager: UnifiedListenerManager,
    own: Mutex<Option<Arc<Changing>>>,
    next: Arc<Told>,
}

impl DownloadListener for Changing {
    fn fetch_progress(&self, task: &DownloadTask, _: usize, _: u64) {
        self.manager.attach_listener(task.id(), self.next.clone());
        let own = self.own.lock().unwrap().take().unwrap();
        assert!(self.manager.detach_listener(task.id(), &own));
    }
}

#[test]
fn a_listener_may_change_the_listeners() {
    let (manager, task, next) = (UnifiedListenerManager::new(), task("a"), Told::new());
    let changing = Arc::new(Changing { manager: manager.clone(), own: Mutex::default(), next: next.clone() });
    *changing.own.lock().unwrap() = Some(changing.clone());
    manager.attach_listener(task.id(), changing);
    begun(&manager, &task);
    play(&manager, &task, [progress(0, 1), progress(0, 2)]);
    assert_eq!(next.taken(), ["recovered 3 /a", "progress 0 2 /a"]);
    assert_eq!(manager.listener_count(task.id()), 1);
}

#[test]
fn a_listener_that_panics_keeps_nothing_from_the_others() {
    let (manager, task, good) = (UnifiedListenerManager::new(), task("a"), Told::new());
    let bad = Arc::new(Told { panics_at: Some("TaskStart"), ..Told::default() });
    manager.attach_listener(task.id(), bad.clone());
    manager.attach_listener(task.id(), good.clone());
    let start = || play(&manager, &task, [Event::TaskStart]);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(start)).unwrap_err();
    play(&manager, &task, [end(EndCause::Completed)]);
    let heard = ["TaskStart /a", "end completed /a"];
    assert_eq!((bad.taken(), good.taken()), (heard.map(String::from).into(), heard.map(String::from).into()));
}

/// Adds up what it hears, and notices calls that overlap.
#[derive(Debug, Default)]
struct Sum {
    inside: AtomicBool,
    bytes: Mutex<Option<u64>>,
}

impl DownloadListener for Sum {
    fn on_event(&self, _: &DownloadTask, event: &Event) {
        assert!(!self.inside.swap(true, Ordering::SeqCst), "calls overlap");
        let mut bytes = self.bytes.lock().unwrap();
        match event {
            Event::Recovered { model } => assert!(bytes.replace(model.current_offset).is_none()),
            Event::FetchProgress { increase, .. } => *bytes = Some(bytes.unwrap() + increase),
            _ => {}
        }
        drop(bytes);
        self.inside.store(false, Ordering::SeqCst);
    }
}

#[test]
fn nothing_is_missed_or_heard_twice_by_who_comes_while_events_come() {
    const EVENTS: u64 = 2000;
    let (manager, task) = (UnifiedListenerManager::new(), task("a"));
    begun(&manager, &task);
    let sums: Vec<_> = (0..50).map(|_| Arc::new(Sum::default())).collect();
    let together = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            together.wait();
            play(&manager, &task, (0..EVENTS).map(|_| progress(0, 1)));
        });
        together.wait();
        sums.iter().for_each(|sum| assert!(manager.attach_listener(task.id(), sum.clone())));
    });
    for sum in &sums {
        assert_eq!(*sum.bytes.lock().unwrap(), Some(EVENTS + 2));
    }
}

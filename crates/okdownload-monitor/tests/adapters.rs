//! Listener1 to 4 and the bunch, given events by hand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use common::{Told, end, fetch, from_beginning, info, progress, task, whole};
use okdownload_monitor::{
    BlockModel, DownloadListener, DownloadListener1, DownloadListener2, DownloadListener3, DownloadListener4,
    DownloadListenerBunch, Event, Listener1, Listener2, Listener3, Listener4, TaskModel,
};
use okdownload_types::{BreakpointInfo, DownloadTask, EndCause, ResumeFailedCause, TaskEnd};

/// Gives a listener events of one task.
fn play(listener: &dyn DownloadListener, task: &DownloadTask, events: impl IntoIterator<Item = Event>) {
    events.into_iter().for_each(|event| listener.on_event(task, &event));
}

#[derive(Debug)]
struct Book(Arc<Told>);

impl Listener1 for Book {
    fn task_start(&self, _: &DownloadTask, model: &TaskModel) {
        self.0.tell(format!("start {}", model.current_offset));
    }
    fn retry(&self, _: &DownloadTask, cause: ResumeFailedCause) {
        self.0.tell(format!("retry {cause:?}"));
    }
    fn connected(&self, _: &DownloadTask, blocks: usize, offset: u64, total: Option<u64>) {
        self.0.tell(format!("connected {blocks} {offset}/{total:?}"));
    }
    fn progress(&self, _: &DownloadTask, offset: u64, total: Option<u64>) {
        self.0.tell(format!("progress {offset}/{total:?}"));
    }
    fn task_end(&self, _: &DownloadTask, end: &TaskEnd, model: &TaskModel) {
        self.0.tell(format!("end {} {}", end.cause, model.current_offset));
    }
}

impl Listener2 for Book {
    fn task_start(&self, _: &DownloadTask) {
        self.0.tell("start");
    }
    fn task_end(&self, _: &DownloadTask, end: &TaskEnd) {
        self.0.tell(format!("end {}", end.cause));
    }
}

impl Listener3 for Book {
    fn started(&self, _: &DownloadTask) {
        self.0.tell("started");
    }
    fn retry(&self, _: &DownloadTask, _: ResumeFailedCause) {
        self.0.tell("retry");
    }
    fn connected(&self, _: &DownloadTask, _: usize, offset: u64, _: Option<u64>) {
        self.0.tell(format!("connected {offset}"));
    }
    fn progress(&self, _: &DownloadTask, offset: u64, _: Option<u64>) {
        self.0.tell(format!("progress {offset}"));
    }
    fn completed(&self, _: &DownloadTask, _: &TaskEnd) {
        self.0.tell("completed");
    }
    fn canceled(&self, _: &DownloadTask, _: &TaskEnd) {
        self.0.tell("canceled");
    }
    fn error(&self, _: &DownloadTask, _: &TaskEnd) {
        self.0.tell("error");
    }
    fn warn(&self, _: &DownloadTask, _: &TaskEnd) {
        self.0.tell("warn");
    }
    fn terminal(&self, _: &DownloadTask, _: &TaskEnd) {
        self.0.tell("terminal");
    }
}

impl Listener4 for Book {
    fn task_start(&self, _: &DownloadTask) {
        self.0.tell("start");
    }
    fn info_ready(&self, _: &DownloadTask, info: &Arc<BreakpointInfo>, from: bool, model: &TaskModel) {
        self.0.tell(format!("ready {} {from} {}", info.blocks.len(), model.current_offset));
    }
    fn progress_block(&self, _: &DownloadTask, block: usize, offset: u64) {
        self.0.tell(format!("block {block} {offset}"));
    }
    fn progress(&self, _: &DownloadTask, offset: u64) {
        self.0.tell(format!("whole {offset}"));
    }
    fn block_end(&self, _: &DownloadTask, block: usize, model: &BlockModel) {
        self.0.tell(format!("block {block} end {}/{:?}", model.current_offset, model.length));
    }
    fn task_end(&self, _: &DownloadTask, end: &TaskEnd, model: &TaskModel) {
        self.0.tell(format!("end {} {:?}", end.cause, model.total_length));
    }
}

#[test]
fn listener1_hears_connections_and_adds_progress_up() {
    let (task, told) = (task("a"), Told::new());
    let listener = DownloadListener1::new(Book(told.clone()));
    let plan = from_beginning(info(&task, &[0, 0]));
    let events = [Event::TaskStart, plan, fetch(0, 10), progress(0, 4), fetch(1, 10), progress(1, 10)];
    play(&listener, &task, events);
    let heard = ["start 0", "connected 2 0/Some(20)", "progress 4/Some(20)"];
    assert_eq!(told.taken(), [&heard[..], &["connected 2 4/Some(20)", "progress 14/Some(20)"]].concat());
    play(&listener, &task, [end(EndCause::Canceled)]);
    assert_eq!(told.taken(), ["end canceled 14"]);
}

#[test]
fn listener1_hears_of_a_retry_only_if_the_run_had_begun() {
    let (task, told) = (task("a"), Told::new());
    let listener = DownloadListener1::new(Book(told.clone()));
    play(&listener, &task, [Event::TaskStart, from_beginning(info(&task, &[0]))]);
    assert_eq!(told.taken(), ["start 0"]);
    play(&listener, &task, [from_beginning(info(&task, &[0]))]);
    assert_eq!(told.taken(), ["retry InfoDirty"]);
    // The next run begins anew, and so does its count.
    play(&listener, &task, [Event::TaskStart, from_beginning(info(&task, &[0]))]);
    assert_eq!(told.taken(), ["start 0"]);
    play(&listener, &task, [Event::FromBreakpoint { info: info(&task, &[5]) }, fetch(0, 5), progress(0, 1)]);
    assert_eq!(told.taken(), ["connected 1 5/Some(10)", "progress 6/Some(10)"]);
}

#[test]
fn an_end_without_a_beginning_is_told() {
    let (task, told) = (task("a"), Told::new());
    play(&DownloadListener1::new(Book(told.clone())), &task, [end(EndCause::Canceled)]);
    play(&DownloadListener2::new(Book(told.clone())), &task, [end(EndCause::SameTaskBusy)]);
    play(&DownloadListener4::new(Book(told.clone())), &task, [end(EndCause::Error)]);
    assert_eq!(told.taken(), ["end canceled 0", "end same-task-busy", "end error None"]);
}

#[test]
fn the_refusal_of_an_equal_task_leaves_the_running_ones_model_alone() {
    let (task, told) = (task("a"), Told::new());
    let listener = DownloadListener1::new(Book(told.clone()));
    play(&listener, &task, [Event::TaskStart, from_beginning(info(&task, &[0, 0])), progress(0, 10)]);
    play(&listener, &task, [end(EndCause::SameTaskBusy), progress(1, 5)]);
    let heard = ["start 0", "progress 10/Some(20)", "end same-task-busy 0", "progress 15/Some(20)"];
    assert_eq!(told.taken(), heard);
    // And where no equal one runs, none is kept.
    play(&listener, &task, [end(EndCause::Canceled), end(EndCause::SameTaskBusy)]);
    assert!(!format!("{listener:?}").contains("TaskModel"), "{listener:?}");
}

#[test]
fn listener2_hears_beginning_and_end_only() {
    let (task, told) = (task("a"), Told::new());
    let listener = DownloadListener2::new(Book(told.clone()));
    let plan = from_beginning(info(&task, &[0]));
    play(&listener, &task, [Event::TaskStart, plan, progress(0, 1), end(EndCause::Completed)]);
    assert_eq!(told.taken(), ["start", "end completed"]);
}

#[test]
fn listener3_has_a_method_for_each_kind_of_end() {
    let (task, told) = (task("a"), Told::new());
    let listener = DownloadListener3::new(Book(told.clone()));
    for (cause, method) in [
        (EndCause::Completed, "completed"),
        (EndCause::Canceled, "canceled"),
        (EndCause::Error, "error"),
        (EndCause::PreAllocateFailed, "error"),
        (EndCause::FileBusy, "warn"),
        (EndCause::SameTaskBusy, "warn"),
    ] {
        play(&listener, &task, [end(cause)]);
        assert_eq!(told.taken(), [method, "terminal"], "{cause}");
    }
    let plan = from_beginning(info(&task, &[0]));
    play(&listener, &task, [Event::TaskStart, plan.clone(), fetch(0, 10), progress(0, 3), plan]);
    assert_eq!(told.taken(), ["started", "connected 0", "progress 3", "retry"]);
}

#[test]
fn listener4_hears_of_each_block_and_of_the_whole() {
    let (task, told) = (task("a"), Told::new());
    let listener = DownloadListener4::new(Book(told.clone()));
    let plan = Event::FromBreakpoint { info: info(&task, &[10, 2]) };
    play(&listener, &task, [Event::TaskStart, plan, fetch(1, 8), progress(1, 3), progress(1, 5), whole(1)]);
    let heard = ["start", "ready 2 true 12", "block 1 5", "whole 15", "block 1 10", "whole 20"];
    assert_eq!(told.taken(), [&heard[..], &["block 1 end 10/Some(10)"]].concat());
    play(&listener, &task, [end(EndCause::Canceled)]);
    assert_eq!(told.taken(), ["end canceled Some(20)"]);
}

/// Blocks are split while they run, and over outputs that take bytes in order numbers are given again.
#[test]
fn listener4_follows_blocks_that_come_to_be_while_it_listens() {
    let (task, told) = (task("a"), Told::new());
    let listener = DownloadListener4::new(Book(told.clone()));
    play(&listener, &task, [from_beginning(info(&task, &[0]))]);
    told.taken();
    play(&listener, &task, [fetch(2, 4), progress(2, 4), progress(0, 6), whole(2), whole(0)]);
    let heard = ["block 2 4", "whole 4", "block 0 6", "whole 10"];
    assert_eq!(told.taken(), [&heard[..], &["block 2 end 4/Some(4)", "block 0 end 6/Some(6)"]].concat());
    play(&listener, &task, [fetch(2, 3), progress(2, 1)]);
    assert_eq!(told.taken(), ["block 2 1", "whole 11"]);
}

#[test]
fn listener4_counts_from_zero_after_a_start_over() {
    let (task, told) = (task("a"), Told::new());
    let listener = DownloadListener4::new(Book(told.clone()));
    let plan = || from_beginning(info(&task, &[0, 0]));
    play(&listener, &task, [Event::TaskStart, plan(), progress(0, 7), plan(), progress(0, 2)]);
    let heard = told.taken();
    assert_eq!(heard[heard.len() - 3..], ["ready 2 false 0", "block 0 2", "whole 2"]);
}

#[test]
fn one_listener_keeps_many_tasks_apart() {
    let (a, b, told) = (task("a"), task("b"), Told::new());
    let listener = DownloadListener4::new(Book(told.clone()));
    for task in [&a, &b] {
        play(&listener, task, [from_beginning(info(task, &[0]))]);
    }
    told.taken();
    play(&listener, &a, [progress(0, 1)]);
    play(&listener, &b, [progress(0, 5), end(EndCause::Canceled)]);
    play(&listener, &a, [progress(0, 1)]);
    let heard = ["block 0 1", "whole 1", "block 0 5", "whole 5", "end canceled Some(10)"];
    assert_eq!(told.taken(), [&heard[..], &["block 0 2", "whole 2"]].concat());
}

#[test]
fn a_listener_that_panics_keeps_its_count() {
    let task = task("a");
    let told = Arc::new(Told { panics_at: Some("block"), ..Told::default() });
    let listener = DownloadListener4::new(Book(told.clone()));
    play(&listener, &task, [from_beginning(info(&task, &[0]))]);
    for _ in 0..2 {
        catch_unwind(AssertUnwindSafe(|| play(&listener, &task, [progress(0, 3)]))).unwrap_err();
    }
    assert_eq!(told.taken(), ["ready 1 false 0", "block 0 3", "block 0 6"]);
}

#[test]
fn a_listener_with_only_the_end_accepts_everything() {
    #[derive(Debug, Default)]
    struct OnlyEnd(Mutex<Vec<EndCause>>);
    impl DownloadListener for OnlyEnd {
        fn task_end(&self, _: &DownloadTask, end: &TaskEnd) {
            self.0.lock().unwrap().push(end.cause);
        }
    }
    let (task, only) = (task("a"), OnlyEnd::default());
    let plan = from_beginning(info(&task, &[0]));
    play(&only, &task, [Event::TaskStart, plan, fetch(0, 10), progress(0, 1), end(EndCause::Canceled)]);
    assert_eq!(*only.0.lock().unwrap(), [EndCause::Canceled]);
}

#[test]
fn a_bunch_tells_everybody_in_order() {
    let book = Arc::default();
    let member = |name| Arc::new(Told { name, book: Arc::clone(&book), ..Told::default() });
    let (first, second, stranger) = (member("1 "), member("2 "), member("3 "));
    let bunch =
        DownloadListenerBunch::new().append(first.clone()).append(second.clone()).append(first.clone());
    let places = [&first, &second, &stranger].map(|listener| bunch.index_of(listener));
    assert_eq!(places, [Some(0), Some(1), None]);
    assert!(bunch.contains(&second) && !bunch.contains(&stranger));
    play(&bunch, &task("a"), [Event::TaskStart, end(EndCause::Completed)]);
    let heard = ["1 TaskStart /a", "2 TaskStart /a", "1 end completed /a", "2 end completed /a"];
    assert_eq!(*book.lock().unwrap(), heard);
}

#[test]
fn a_member_that_panics_keeps_nothing_from_the_others() {
    let bad = Arc::new(Told { panics_at: Some("TaskStart"), ..Told::default() });
    let good = Told::new();
    let bunch = DownloadListenerBunch::new().append(bad).append(good.clone());
    let panicked = catch_unwind(AssertUnwindSafe(|| play(&bunch, &task("a"), [Event::TaskStart])));
    assert!(panicked.is_err(), "whoever calls is to log it");
    assert_eq!(good.taken(), ["TaskStart /a"]);
}

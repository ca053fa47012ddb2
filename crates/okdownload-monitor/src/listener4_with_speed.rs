//! Progress and speed of each block and of the whole.

use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use okdownload_types::{BreakpointInfo, DownloadTask, TaskEnd};

use crate::model::PerTask;
use crate::{
    BlockModel, DownloadListener, DownloadListener4, Event, Listener4, Speed, SpeedCalculator, TaskModel,
};

/// Hears as [`Listener4`], with the speed of each block and of the whole. Every method does nothing by default. Give it
/// to a task as a [`DownloadListener4WithSpeed`].
pub trait Listener4WithSpeed: std::fmt::Debug + Send + Sync + 'static {
    /// See [`Listener4::task_start`].
    fn task_start(&self, _task: &DownloadTask) {}
    /// See [`Listener4::info_ready`].
    fn info_ready(
        &self,
        _task: &DownloadTask,
        _info: &Arc<BreakpointInfo>,
        _from_breakpoint: bool,
        _model: &TaskModel,
    ) {
    }
    /// See [`Listener4::connect_start`].
    fn connect_start(&self, _task: &DownloadTask, _block: usize, _headers: &HeaderMap) {}
    /// See [`Listener4::connect_end`].
    fn connect_end(&self, _task: &DownloadTask, _block: usize, _status: u16, _headers: &HeaderMap) {}
    /// See [`Listener4::progress_block`]; the speed is the block's.
    fn progress_block(&self, _task: &DownloadTask, _block: usize, _current_offset: u64, _speed: &Speed) {}
    /// See [`Listener4::progress`]; the speed is that of the whole.
    fn progress(&self, _task: &DownloadTask, _current_offset: u64, _speed: &Speed) {}
    /// See [`Listener4::block_end`]; the speed is the block's.
    fn block_end(&self, _task: &DownloadTask, _block: usize, _model: &BlockModel, _speed: &Speed) {}
    /// See [`Listener4::task_end`]; the speed is that of the whole.
    fn task_end(&self, _task: &DownloadTask, _end: &TaskEnd, _model: &TaskModel, _speed: &Speed) {}
}

/// A [`Listener4WithSpeed`] as a listener of any number of tasks.
///
/// Bytes count when their event is heard, so a listener that is late sees them come in bursts; averages stay right.
#[derive(Debug)]
pub struct DownloadListener4WithSpeed<L> {
    inner: DownloadListener4<Measured<L>>,
}

impl<L: Listener4WithSpeed> DownloadListener4WithSpeed<L> {
    /// Wraps it.
    pub fn new(listener: L) -> Self {
        Self::with_clock(listener, Instant::now)
    }

    /// Wraps it, with another clock than the system's.
    fn with_clock(listener: L, now: fn() -> Instant) -> Self {
        Self { inner: DownloadListener4::new(Measured { listener, now, speeds: PerTask::default() }) }
    }

    /// What was wrapped.
    pub fn get_ref(&self) -> &L {
        &self.inner.get_ref().listener
    }
}

impl<L: Listener4WithSpeed> DownloadListener for DownloadListener4WithSpeed<L> {
    fn on_event(&self, task: &DownloadTask, event: &Event) {
        self.inner.on_event(task, event);
    }
}

#[derive(Debug)]
struct Measured<L> {
    listener: L,
    now: fn() -> Instant,
    speeds: PerTask<Speeds>,
}

/// The calculators of one task.
#[derive(Debug, Default)]
struct Speeds {
    task: SpeedCalculator,
    blocks: Vec<SpeedCalculator>,
}

impl Speeds {
    fn begin(&mut self, now: Instant, model: &TaskModel) {
        self.task.start(now, model.current_offset);
        self.blocks.clear();
        for (number, block) in model.blocks.iter().enumerate() {
            self.block(number).start(now, block.current_offset);
        }
    }

    fn block(&mut self, block: usize) -> &mut SpeedCalculator {
        if self.blocks.len() <= block {
            self.blocks.resize(block + 1, SpeedCalculator::new());
        }
        &mut self.blocks[block]
    }
}

impl<L> Measured<L> {
    /// Updates calculators at this moment, before the listener is called.
    fn measure<R>(&self, task: &DownloadTask, measure: impl FnOnce(&mut Speeds, Instant) -> R) -> R {
        let now = (self.now)();
        self.speeds.visit(task.id(), |speeds| measure(speeds, now))
    }
}

impl<L: Listener4WithSpeed> Listener4 for Measured<L> {
    fn task_start(&self, task: &DownloadTask) {
        self.listener.task_start(task);
    }

    fn info_ready(
        &self,
        task: &DownloadTask,
        info: &Arc<BreakpointInfo>,
        from_breakpoint: bool,
        model: &TaskModel,
    ) {
        self.measure(task, |speeds, now| speeds.begin(now, model));
        self.listener.info_ready(task, info, from_breakpoint, model);
    }

    fn connect_start(&self, task: &DownloadTask, block: usize, headers: &HeaderMap) {
        self.measure(task, |speeds, now| {
            // Numbers are given to further blocks while the task runs, and given again.
            if speeds.blocks.len() <= block || speeds.block(block).is_ended() {
                speeds.block(block).start(now, 0);
            }
        });
        self.listener.connect_start(task, block, headers);
    }

    fn connect_end(&self, task: &DownloadTask, block: usize, status: u16, headers: &HeaderMap) {
        self.listener.connect_end(task, block, status, headers);
    }

    fn progress_block(&self, task: &DownloadTask, block: usize, current_offset: u64) {
        let speed = self.measure(task, |speeds, now| {
            speeds.block(block).reach(now, current_offset);
            speeds.block(block).measure(now)
        });
        self.listener.progress_block(task, block, current_offset, &speed);
    }

    fn progress(&self, task: &DownloadTask, current_offset: u64) {
        let speed = self.measure(task, |speeds, now| {
            speeds.task.reach(now, current_offset);
            speeds.task.measure(now)
        });
        self.listener.progress(task, current_offset, &speed);
    }

    fn block_end(&self, task: &DownloadTask, block: usize, model: &BlockModel) {
        let speed = self.measure(task, |speeds, now| {
            speeds.block(block).end(now);
            speeds.block(block).measure(now)
        });
        self.listener.block_end(task, block, model, &speed);
    }

    fn task_end(&self, task: &DownloadTask, end: &TaskEnd, model: &TaskModel) {
        let now = (self.now)();
        let speed = self.speeds.end(task.id(), end, |speeds| {
            speeds.task.end(now);
            speeds.task.measure(now)
        });
        self.listener.task_end(task, end, model, &speed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use okdownload_types::{BlockInfo, EndCause, Location, Target};
    use std::cell::Cell;
    use std::sync::Mutex;
    use std::time::Duration;

    thread_local! {
        static NOW: Cell<Instant> = Cell::new(Instant::now());
    }

    fn pass(millis: u64) {
        NOW.set(NOW.get() + Duration::from_millis(millis));
    }

    #[derive(Debug, Default)]
    struct Speeds(Mutex<Vec<(String, Speed)>>);

    impl Speeds {
        fn tell(&self, what: String, speed: &Speed) {
            self.0.lock().unwrap().push((what, *speed));
        }
    }

    impl Listener4WithSpeed for Speeds {
        fn progress_block(&self, _: &DownloadTask, block: usize, offset: u64, speed: &Speed) {
            self.tell(format!("block {block} {offset}"), speed);
        }
        fn progress(&self, _: &DownloadTask, offset: u64, speed: &Speed) {
            self.tell(format!("whole {offset}"), speed);
        }
        fn block_end(&self, _: &DownloadTask, block: usize, model: &BlockModel, speed: &Speed) {
            self.tell(format!("block {block} end {}", model.current_offset), speed);
        }
        fn task_end(&self, _: &DownloadTask, end: &TaskEnd, _: &TaskModel, speed: &Speed) {
            self.tell(format!("end {}", end.cause), speed);
        }
    }

    fn task() -> DownloadTask {
        DownloadTask::builder("http://h/a", Target::file("/a")).build().unwrap()
    }

    fn ready(task: &DownloadTask) -> Event {
        let place = Location::Path("/a".into());
        let mut info = BreakpointInfo::new(task.id(), task.url().clone(), place.clone(), place);
        info.blocks = [(0, 1000), (5000, 0)]
            .map(|(start, there)| BlockInfo::new(start, Some(5000)).with_progress(there, 0))
            .into();
        Event::FromBreakpoint { info: Arc::new(info) }
    }

    fn heard(listener: &DownloadListener4WithSpeed<Speeds>) -> Vec<(String, [u64; 3])> {
        let heard = std::mem::take(&mut *listener.get_ref().0.lock().unwrap());
        let figures = |speed: Speed| [speed.instant, speed.current, speed.average];
        heard.into_iter().map(|(what, speed)| (what, figures(speed))).collect()
    }

    #[test]
    fn each_block_and_the_whole_have_a_speed_of_their_own() {
        let (task, listener) =
            (task(), DownloadListener4WithSpeed::with_clock(Speeds::default(), || NOW.get()));
        let tell = |event| listener.on_event(&task, &event);
        tell(Event::TaskStart);
        tell(ready(&task));
        pass(1000);
        tell(Event::FetchProgress { block: 0, increase: 2000 });
        // What was there before is no speed.
        let expected = [("block 0 3000".into(), [2000; 3]), ("whole 3000".into(), [2000; 3])];
        assert_eq!(heard(&listener), expected);
        pass(1500);
        tell(Event::FetchProgress { block: 1, increase: 1000 });
        let whole = ("whole 4000".into(), [666, 1000, 1200]);
        assert_eq!(heard(&listener), [("block 1 1000".into(), [400, 1000, 400]), whole]);
        pass(2000);
        tell(Event::FetchEnd { block: 1, fetched: 1000 });
        tell(Event::TaskEnd(Arc::new(TaskEnd::new(EndCause::Canceled))));
        let end = ("end canceled".into(), [0, 0, 666]);
        assert_eq!(heard(&listener), [("block 1 end 1000".into(), [0, 0, 222]), end]);
    }

    #[test]
    fn blocks_that_come_later_are_measured_from_their_connection_on() {
        let (task, listener) =
            (task(), DownloadListener4WithSpeed::with_clock(Speeds::default(), || NOW.get()));
        let tell = |event| listener.on_event(&task, &event);
        tell(ready(&task));
        for _ in 0..2 {
            pass(60_000);
            let url = "http://h/a".parse().unwrap();
            tell(Event::ConnectStart { block: 7, url, headers: HeaderMap::new() });
            tell(Event::FetchStart { block: 7, remaining: Some(500) });
            pass(500);
            tell(Event::FetchProgress { block: 7, increase: 500 });
            tell(Event::FetchEnd { block: 7, fetched: 500 });
            assert_eq!(heard(&listener)[0], ("block 7 500".into(), [1000; 3]));
        }
    }

    #[test]
    fn the_refusal_of_an_equal_task_takes_nothing_from_the_one_that_runs() {
        let (task, listener) =
            (task(), DownloadListener4WithSpeed::with_clock(Speeds::default(), || NOW.get()));
        let tell = |event| listener.on_event(&task, &event);
        let refused = || Event::TaskEnd(Arc::new(TaskEnd::new(EndCause::SameTaskBusy)));
        tell(Event::TaskStart);
        tell(ready(&task));
        tell(refused());
        assert_eq!(heard(&listener), [("end same-task-busy".into(), [0; 3])]);
        pass(1000);
        tell(Event::FetchProgress { block: 0, increase: 2000 });
        let expected = [("block 0 3000".into(), [2000; 3]), ("whole 3000".into(), [2000; 3])];
        assert_eq!(heard(&listener), expected);
        tell(Event::TaskEnd(Arc::new(TaskEnd::new(EndCause::Canceled))));
        tell(refused());
        let kept = format!("{listener:?}");
        assert!(!kept.contains("TaskModel") && !kept.contains("SpeedCalculator"), "{kept}");
    }

    #[test]
    fn an_end_without_a_beginning_has_no_speed() {
        let listener = DownloadListener4WithSpeed::new(Speeds::default());
        listener.on_event(&task(), &Event::TaskEnd(Arc::new(TaskEnd::new(EndCause::FileBusy))));
        assert_eq!(heard(&listener), [("end file-busy".into(), [0; 3])]);
    }
}

//! One life of a process: an engine, its tasks, and what their users do.

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use okdownload::monitor::{DownloadListener, Event};
use okdownload::strategy::DownloadStrategy;
use okdownload::{DownloadTask, EndCause, OkDownload, TaskEnd, TaskHandle};

use crate::checks;
use crate::play::{Stage, path};
use crate::scenario::Action;

/// Nothing of this size takes longer, whatever goes wrong.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);

/// The default strategy with smaller blocks.
#[derive(Debug, Clone)]
struct Small(NonZeroU64);

impl DownloadStrategy for Small {
    fn smallest_block(&self) -> NonZeroU64 {
        self.0
    }
}

/// Hears of one run, and checks what is told of it.
#[derive(Debug)]
struct Ears {
    stage: Stage,
    task: usize,
    ends: AtomicU32,
}

impl DownloadListener for Ears {
    fn on_event(&self, _: &DownloadTask, event: &Event) {
        let Stage { world, network, .. } = &self.stage;
        if world.is_dead() {
            return;
        }
        if self.ends.load(Ordering::Relaxed) > 0 {
            world.fail(|| format!("task {} was told {event:?} after its end", self.task));
        }
        match event {
            Event::FromBeginning { .. } => network.spare_nothing(&path(self.task)),
            Event::TaskEnd(end) => {
                self.ends.fetch_add(1, Ordering::Relaxed);
                self.end(end);
            }
            _ => {}
        }
    }
}

impl Ears {
    fn end(&self, end: &TaskEnd) {
        let Stage { world, network, told, .. } = &self.stage;
        let words = end.error.as_ref().map(ToString::to_string).unwrap_or_default();
        world.note(format_args!("end of {}: {} {words}", self.task, end.cause));
        if end.cause != EndCause::Completed {
            return;
        }
        network.spare_nothing(&path(self.task));
        told.lock().unwrap().insert(self.task);
        checks::completed(&self.stage, self.task);
    }
}

/// Lives until all tasks have ended and the engine is shut down. In the last life, all must be well at the end.
pub(crate) async fn live(stage: &Stage, is_last: bool) {
    let scenario = &stage.scenario;
    let ok = OkDownload::builder()
        .runtime(tokio::runtime::Handle::current())
        .connection_factory(stage.network.clone())
        .output_stream_factory(stage.disk.clone())
        .download_store(stage.store.clone())
        .seed(scenario.seed)
        .max_parallel_running_count(NonZeroUsize::new(scenario.parallel).unwrap())
        .record_interval(scenario.record_interval)
        .sync_interval(scenario.sync_interval)
        .remit_delay(scenario.remit_delay)
        .build()
        .unwrap();
    let tasks = (0..stage.tasks.len()).map(|task| use_task(stage, &ok, task, is_last));
    let ends = match tokio::time::timeout(LONGEST, join_all(tasks)).await {
        Ok(ends) => ends,
        Err(_) => return stage.world.fail(|| "a task has no end".to_owned()),
    };
    match tokio::time::timeout(LONGEST, ok.shutdown()).await {
        Ok(Err(error)) if is_last => stage.world.fail(|| format!("cannot be shut down: {error}")),
        Ok(Err(_)) => {}
        Ok(Ok(())) => checks::shut_down(stage, &ends),
        Err(_) => stage.world.fail(|| "the engine cannot be shut down".to_owned()),
    }
    if is_last {
        checks::in_the_end(stage, &ends);
    }
}

fn enqueue(stage: &Stage, ok: &OkDownload, task: usize) -> (TaskHandle, Arc<Ears>) {
    let ears = Arc::new(Ears { stage: stage.clone(), task, ends: AtomicU32::new(0) });
    let plan = &stage.scenario.tasks[task];
    let strategy = Small(NonZeroU64::new(plan.smallest_block).unwrap());
    let request = ok.task(stage.tasks[task].clone()).strategy(strategy).listener(ears.clone());
    (request.enqueue(), ears)
}

/// Does with a task what its user does, and returns its last end.
async fn use_task(stage: &Stage, ok: &OkDownload, task: usize, is_last: bool) -> TaskEnd {
    let begun = tokio::time::Instant::now();
    let mut runs = vec![enqueue(stage, ok, task)];
    let actions = if is_last { &[][..] } else { &stage.scenario.tasks[task].actions };
    for (moment, action) in actions {
        tokio::time::sleep_until(begun + *moment).await;
        stage.world.note(format_args!("user: {action:?} {task}"));
        let (handle, _) = runs.last().unwrap();
        match action {
            Action::Pause => handle.pause(),
            Action::Resume => handle.resume(),
            Action::Cancel => handle.cancel(),
            Action::EnqueueAgain => runs.push(enqueue(stage, ok, task)),
        }
    }
    runs.iter().for_each(|(handle, _)| handle.resume());
    let mut last = None;
    for (handle, ears) in &runs {
        last = Some(handle.wait().await);
        // Listeners hear of the end right after.
        for _ in 0..1000 {
            if ears.ends.load(Ordering::Relaxed) > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let ends = ears.ends.load(Ordering::Relaxed);
        if ends != 1 {
            stage.world.fail(|| format!("task {task} was told {ends} ends"));
        }
    }
    last.unwrap()
}

//! Runs a plan: keeps the engine busy, hears what becomes of each file, and counts.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::{Map, SelectAll};
use okdownload::monitor::{Event, SpeedCalculator};
use okdownload::{BlockInfo, Error, Events, OkDownload, Progress, TaskEnd, TaskHandle, TaskId, redacted};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Interval, MissedTickBehavior};
use unicode_width::UnicodeWidthStr;

use crate::bars::{AllFigures, FileFigures, WIDEST_NAME, file_line, total_line};
use crate::json::JsonLines;
use crate::plan::Plan;
use crate::pour::pour;
use crate::report::{self, Console, Failure};
use crate::retries::Retries;
use crate::{signals, terminal};

/// So many files wait within the engine, ready to start at once. The others wait as text, which needs little memory.
const AHEAD: usize = 32;

/// How often to look at what is new, and to draw it.
const TICK: Duration = Duration::from_millis(100);

/// How often to look which parts of a file are there.
const MAP: Duration = Duration::from_millis(500);

/// A file that takes no longer than this never gets a line of its own: lines that come and go are no use to anybody.
const CALM: Duration = Duration::from_millis(300);

/// Columns that are left free: many terminals fold a line that is as wide as they are, and they write `^C` behind it,
/// which may not fold it either.
const FREE: usize = 3;

/// So many lines at most, if the terminal is high enough.
const MOST: usize = 16;

/// One command at work.
#[derive(Debug)]
struct Run<'a> {
    plan: &'a Plan,
    engine: OkDownload,
    console: &'a Console,
    json: Option<&'a JsonLines>,
    begin: Instant,
    /// Files within the engine, by their index.
    active: BTreeMap<usize, File>,
    events: SelectAll<FileEvents>,
    most_active: usize,
    next: usize,
    ended: usize,
    failed: usize,
    /// Bytes of the files that have ended: that are there, and that came.
    there: u64,
    came: u64,
    /// How wide the widest name is. It never shrinks, so that what stands behind names stays where it is.
    names: usize,
    /// That of all together: files may come and go too quickly to have one of their own.
    speed: SpeedCalculator,
    /// What writes to standard output, if something does.
    pouring: Option<JoinHandle<io::Result<()>>>,
}

type FileEvents = Map<Events, Box<dyn FnMut(Event) -> (usize, Event) + Send + Sync>>;

#[derive(Debug)]
struct File {
    handle: TaskHandle,
    name: String,
    progress: watch::Receiver<Progress>,
    /// What of it was last written as JSON.
    written: Progress,
    /// Since when it runs.
    since: Option<Instant>,
    retries: Retries,
    /// Bytes that were there when it began.
    resumed: u64,
    /// Its blocks as they were then, until somebody looks at them.
    planned: Vec<BlockInfo>,
    blocks: Option<watch::Receiver<Vec<BlockInfo>>>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Complete,
    Failed,
    /// By a signal, with the exit code for it.
    Stopped(u8),
    /// Who read standard output has gone.
    PipeClosed,
}

impl Outcome {
    /// Tells that it was stopped, and how to go on if that can be.
    pub(crate) fn tell_stop(self, console: &Console, goes_on: bool) {
        let told = match (self, goes_on) {
            (Self::Stopped(_), true) => {
                "okdl: stopped; the same command goes on from here, and so does okdl resume"
            }
            (Self::Stopped(_), false) => "okdl: stopped; the same command begins anew",
            _ => return,
        };
        console.note(|| told.into());
    }
}

/// Runs all files of a plan to their ends, or until a signal says to stop; with `json`, tells on standard output.
///
/// It does so on the workers: to the thread that waits for it each event would be a call of the system and a switch of
/// threads, of which a small file has several.
pub(crate) async fn to_the_end(
    plan: Plan,
    engine: OkDownload,
    parallel: NonZeroUsize,
    console: &Console,
    json: bool,
) -> Result<Outcome, Failure> {
    let cannot = |what: &str, error: io::Error| Failure::Other(format!("cannot {what}: {error}"));
    let stop = signals::listen(console.clone()).map_err(|error| cannot("listen for signals", error))?;
    let json = json.then(JsonLines::new).transpose().map_err(|error| cannot("start", error))?;
    let console = console.clone();
    let run = tokio::spawn(async move {
        let outcome = Run::new(&plan, engine, parallel, &console, json.as_ref()).run(stop).await;
        (outcome, json)
    });
    let (outcome, json) = match run.await.map_err(JoinError::try_into_panic) {
        Ok(ended) => ended,
        // It ends this thread as it would have here.
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(error)) => return Err(cannot("go on", error.into())),
    };
    let written = json.map_or(Ok(()), JsonLines::finish);
    written.map_err(|error| cannot("write to standard output", error))?;
    Ok(outcome)
}

impl<'a> Run<'a> {
    fn new(
        plan: &'a Plan,
        engine: OkDownload,
        parallel: NonZeroUsize,
        console: &'a Console,
        json: Option<&'a JsonLines>,
    ) -> Self {
        Self {
            plan,
            engine,
            console,
            json,
            begin: Instant::now(),
            active: BTreeMap::new(),
            events: SelectAll::new(),
            most_active: parallel.get() + AHEAD,
            next: 0,
            ended: 0,
            failed: 0,
            there: 0,
            came: 0,
            names: 0,
            speed: SpeedCalculator::with_window(Duration::from_secs(2)),
            pouring: None,
        }
    }

    /// Runs all files to their ends, or until it is told to stop.
    async fn run(mut self, mut stop: watch::Receiver<Option<u8>>) -> Outcome {
        let mut ticks = (self.console.is_painted() || self.json.is_some()).then(ticks);
        let mut stopped = None;
        loop {
            if stopped.is_none() {
                self.feed();
            }
            tokio::select! {
                event = self.events.next() => match event {
                    Some((index, event)) => self.hear(index, &event),
                    None => break,
                },
                code = told(&mut stop), if stopped.is_none() => {
                    stopped = Some(code);
                    self.engine.cancel_all();
                }
                () = tick(&mut ticks) => self.draw(),
            }
        }
        self.console.paint(Vec::new());
        self.close().await;
        if self.failed > 0 && self.plan.len() > 1 && stopped.is_none() {
            self.console.error(&format!("{} of {} files failed", self.failed, self.plan.len()));
        }
        // Who was told to stop does not wait until somebody reads.
        let poured = match self.pouring.take() {
            Some(pouring) if stopped.is_none() => pouring.await.unwrap_or_else(|error| Err(error.into())),
            _ => Ok(()),
        };
        match (stopped, poured) {
            (Some(code), _) => Outcome::Stopped(code),
            (None, Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => Outcome::PipeClosed,
            (None, Err(error)) => {
                self.console.error(&format!("cannot write to standard output: {error}"));
                Outcome::Failed
            }
            (None, Ok(())) if self.failed > 0 => Outcome::Failed,
            (None, Ok(())) => Outcome::Complete,
        }
    }

    /// Gives the engine as many files as it should have.
    fn feed(&mut self) {
        while self.active.len() < self.most_active {
            let index = self.next;
            let Some(task) = self.plan.task(index) else { return };
            self.next += 1;
            match task {
                Ok(task) => self.enqueue(index, task),
                // The plan was judged before, so this is a change of the world: the current directory is gone.
                Err(error) => self.not_begun(&error),
            }
        }
    }

    fn not_begun(&mut self, error: &Error) {
        self.ended += 1;
        self.failed += 1;
        self.console.error(&report::describe(error));
    }

    fn enqueue(&mut self, index: usize, task: okdownload::DownloadTask) {
        let name = match task.target().named() {
            Some(location) => report::place(location),
            None => redacted(task.url()),
        };
        let name = report::printable(&name);
        let request = self.engine.task(task);
        let tag: Box<dyn FnMut(Event) -> (usize, Event) + Send + Sync> =
            Box::new(move |event| (index, event));
        self.events.push(request.events().map(tag));
        let handle = if self.plan.is_poured() {
            match request.into_reader() {
                Ok(reader) => {
                    let handle = reader.handle().clone();
                    self.pouring = Some(tokio::spawn(pour(reader)));
                    handle
                }
                Err(error) => return self.not_begun(&error),
            }
        } else {
            request.enqueue()
        };
        let progress = handle.progress();
        let written = *progress.borrow();
        self.active.insert(
            index,
            File {
                handle,
                name,
                progress,
                written,
                since: None,
                retries: Retries::default(),
                resumed: 0,
                planned: Vec::new(),
                blocks: None,
            },
        );
    }

    fn hear(&mut self, index: usize, event: &Event) {
        let Some(file) = self.active.get_mut(&index) else { return };
        if let Some(json) = self.json {
            json.event(index, file.handle.task(), event);
        }
        if let Some(first) = file.retries.hear(event, Instant::now()) {
            self.console.remark(|| report::about(&file.name, file.handle.task().url(), first));
        }
        match event {
            Event::TaskStart => file.since = Some(Instant::now()),
            Event::FromBeginning { info, .. } | Event::FromBreakpoint { info } => {
                file.name = report::printable(&report::place(&info.location));
                self.names = self.names.max(file.name.width());
                file.resumed = info.written();
                file.planned.clone_from(&info.blocks);
            }
            Event::Warning { message } => {
                self.console.error(&format!("{}: warning: {message}", file.name));
            }
            Event::TaskEnd(end) => self.end(index, end),
            _ => {}
        }
    }

    fn end(&mut self, index: usize, end: &TaskEnd) {
        let Some(file) = self.active.remove(&index) else { return };
        self.ended += 1;
        self.there += end.length.filter(|_| end.is_completed()).unwrap_or(end.resumed + end.fetched);
        self.came += end.fetched;
        let url = file.handle.task().url();
        if end.is_completed() {
            // It is known only now where one is that was there already.
            let name = end.location.as_ref().map(report::place).unwrap_or_default();
            self.names = self.names.max(report::printable(&name).width());
            let names = (self.plan.len() > 1).then_some(self.names.min(WIDEST_NAME));
            self.console.note(|| report::completed(end, file.handle.task(), names));
            return;
        }
        self.failed += 1;
        // Who was told to stop need not be told that each file was stopped.
        if end.cause != okdownload::EndCause::Canceled {
            self.console.error(&report::failed(end, url));
        }
    }

    fn draw(&mut self) {
        let mut all = AllFigures {
            files: self.plan.len(),
            ended: self.ended,
            failed: self.failed,
            there: self.there,
            total: (self.next == self.plan.len()).then_some(self.there),
            elapsed: self.begin.elapsed(),
            ..AllFigures::default()
        };
        let (width, height) = if self.console.is_painted() { terminal::size() } else { (0, 0) };
        let (width, looks, names) = (width.saturating_sub(FREE), self.console.looks(), self.names);
        let (mut lines, mut came) = (Vec::new(), self.came);
        for (index, file) in &mut self.active {
            let Some(since) = file.since else {
                all.total = None;
                continue;
            };
            let progress = *file.progress.borrow();
            all.there += progress.written;
            all.longest = all.longest.max(progress.eta().unwrap_or_default());
            all.total = all.total.zip(progress.total).and_then(|(all, its)| all.checked_add(its));
            came += progress.written.saturating_sub(file.resumed);
            let mut news = || std::mem::replace(&mut file.written, progress) != progress;
            if let Some(json) = self.json
                && news()
            {
                json.progress(*index, file.handle.task(), progress);
            }
            if since.elapsed() >= CALM && lines.len() < MOST.min(height.saturating_sub(2)) {
                lines.push(
                    file.line(&self.engine, &progress, |figures| file_line(figures, names, width, looks)),
                );
            } else {
                all.unseen += 1;
            }
        }
        let now = Instant::now();
        self.speed.reach(now, came);
        all.speed = self.speed.current(now);
        if all.files > 1 {
            lines.push(total_line(&all, width, looks));
        }
        self.console.paint(lines);
    }

    async fn close(&self) {
        if let Err(error) = self.engine.shutdown().await {
            self.console.error(&format!("warning: not all could be recorded: {}", report::describe(&error)));
        }
    }
}

impl File {
    /// What is drawn of its figures.
    fn line<L>(
        &mut self,
        engine: &OkDownload,
        now: &Progress,
        draw: impl FnOnce(&FileFigures<'_>) -> L,
    ) -> L {
        let planned = std::mem::take(&mut self.planned);
        let blocks =
            self.blocks.get_or_insert_with(|| watch_blocks(engine.clone(), self.handle.id(), planned));
        let blocks = blocks.borrow();
        let retry = self.retries.shown(now.connections, Instant::now());
        draw(&FileFigures {
            name: &self.name,
            written: now.written,
            total: now.total,
            speed: now.speed,
            eta: now.eta(),
            connections: now.connections,
            blocks: &blocks,
            retry: retry.as_deref(),
        })
    }
}

/// The blocks of a task, as the store has them, for as long as somebody looks.
fn watch_blocks(engine: OkDownload, id: TaskId, planned: Vec<BlockInfo>) -> watch::Receiver<Vec<BlockInfo>> {
    let (tell, blocks) = watch::channel(planned);
    tokio::spawn(async move {
        while !tell.is_closed() {
            // A map is no reason to tell of an error: whoever needs the store will.
            if let Ok(info) = engine.store().breakpoint(id).await {
                // What goes to standard output is not recorded, and comes from its beginning to its end.
                tell.send_replace(info.map(|info| info.blocks).unwrap_or_default());
            }
            tokio::select! {
                () = tell.closed() => {}
                () = tokio::time::sleep(MAP) => {}
            }
        }
    });
    blocks
}

fn ticks() -> Interval {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + TICK, TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// The next tick, if there are any.
async fn tick(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => std::future::pending().await,
    }
}

/// The exit code, once somebody wants an end.
async fn told(stop: &mut watch::Receiver<Option<u8>>) -> u8 {
    let code = stop.wait_for(Option::is_some).await.ok().and_then(|code| *code);
    match code {
        Some(code) => code,
        None => std::future::pending().await,
    }
}

//! Runs a plan: keeps the engine busy, hears what becomes of each file, and counts.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;

use futures_util::StreamExt;
use futures_util::stream::{Map, SelectAll};
use okdownload::monitor::Event;
use okdownload::{Error, Events, OkDownload, Progress, TaskEnd, TaskHandle, redacted};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

use crate::json::JsonLines;
use crate::plan::Plan;
use crate::pour::pour;
use crate::progress::{FileBar, Screen, TICK};
use crate::report::{self, Console};

/// So many files wait within the engine, ready to start at once. The others wait as text, which needs little memory.
const AHEAD: usize = 32;

/// One command at work.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    plan: &'a Plan,
    engine: OkDownload,
    console: &'a Console,
    json: Option<&'a JsonLines>,
    screen: Option<Screen>,
    /// Files within the engine, by their index.
    active: BTreeMap<usize, File>,
    events: SelectAll<FileEvents>,
    most_active: usize,
    next: usize,
    ended: usize,
    failed: usize,
    /// What writes to standard output, if something does.
    pouring: Option<JoinHandle<io::Result<()>>>,
}

type FileEvents = Map<Events, Box<dyn FnMut(Event) -> (usize, Event) + Send>>;

#[derive(Debug)]
struct File {
    handle: TaskHandle,
    name: String,
    progress: watch::Receiver<Progress>,
    running: bool,
    bar: FileBar,
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

impl<'a> Run<'a> {
    pub(crate) fn new(
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
            screen: console.bars().map(|bars| Screen::new(bars, plan.len())),
            active: BTreeMap::new(),
            events: SelectAll::new(),
            most_active: parallel.get() + AHEAD,
            next: 0,
            ended: 0,
            failed: 0,
            pouring: None,
        }
    }

    /// Runs all files to their ends, or until it is told to stop.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<Option<u8>>) -> Outcome {
        let mut ticks = (self.screen.is_some() || self.json.is_some()).then(ticks);
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
        if let Some(screen) = &self.screen {
            screen.clear();
        }
        self.close().await;
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
        let request = self.engine.task(task);
        let tag: Box<dyn FnMut(Event) -> (usize, Event) + Send> = Box::new(move |event| (index, event));
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
        self.active.insert(index, File { handle, name, progress, running: false, bar: FileBar::default() });
    }

    fn hear(&mut self, index: usize, event: &Event) {
        let Some(file) = self.active.get_mut(&index) else { return };
        if let Some(json) = self.json {
            json.event(index, file.handle.task(), event);
        }
        match event {
            Event::TaskStart => file.running = true,
            Event::FromBeginning { info, .. } | Event::FromBreakpoint { info } => {
                file.name = report::place(&info.location);
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
        if let Some(screen) = &mut self.screen {
            screen.remove(&file.bar);
        }
        self.ended += 1;
        let url = file.handle.task().url();
        if end.is_completed() {
            self.console.note(|| report::completed(end, url));
            return;
        }
        self.failed += 1;
        // Who was told to stop need not be told that each file was stopped.
        if end.cause != okdownload::EndCause::Canceled {
            self.console.error(&format!("{}: {}", report::label(end, url), report::reason(end)));
        }
    }

    fn draw(&mut self) {
        let mut speed = 0;
        for (index, file) in self.active.iter_mut().filter(|(_, file)| file.running) {
            let news = file.progress.has_changed().unwrap_or(false);
            let progress = *file.progress.borrow_and_update();
            speed += progress.speed;
            if let Some(screen) = &mut self.screen {
                screen.draw(&mut file.bar, &file.name, &file.progress);
            }
            if let Some(json) = self.json.filter(|_| news) {
                json.progress(*index, file.handle.task(), progress);
            }
        }
        if let Some(screen) = &self.screen {
            screen.draw_total(self.ended, speed);
        }
    }

    async fn close(&self) {
        if let Err(error) = self.engine.shutdown().await {
            self.console.error(&format!("warning: not all could be recorded: {}", report::describe(&error)));
        }
    }
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

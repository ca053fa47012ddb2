//! One task's life, from top to bottom.
//!
//! ```text
//! recall ─▶ settle ─▶ reopen ─▶ go on ─┐
//!                        │             ├─▶ fetch ─▶ finish
//!                        └──▶ begin ───┘
//! ```
//!
//! Nothing is decided here that a pure function could decide: see `resume`, `plan`, `existing`, and the strategies.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use okdownload_monitor::Event;
use okdownload_output::{OpenMode, OutputStream, OutputStreamFactory, Stat, StatKind};
use okdownload_store::{Change, CommitLevel, DownloadStore, Remit};
use okdownload_strategy::{BlockFacts, NameFacts, ProcessFileStrategy, ResponseVerdict};
use okdownload_types::{
    BlockInfo, BreakpointInfo, ByteRange, CompletionRecord, Durability, Error, ErrorKind, Location, OnExists,
    ResourceVersion, Result, ResumeFailedCause, Validators,
};

use crate::block::{Scope, Transfer};
use crate::connect::{Answer, Step, connect};
use crate::existing::{self, Existing, ExistingFacts};
use crate::finish;
use crate::ledger::Ledger;
use crate::order::Recorder;
use crate::plan;
use crate::request::Ask;
use crate::resume::{self, PartFacts};
use crate::run::Run;
use crate::transfer::{Outcome, transfer};

/// What the first request asks for; a smaller file needs no second one.
const PROBE: u64 = 1 << 20;

/// What a call uses of its engine.
#[derive(Debug)]
pub(crate) struct Env {
    pub(crate) output: Arc<dyn OutputStreamFactory>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) sync_interval: Duration,
}

/// One run of one task.
pub(crate) struct Call<'a> {
    pub(crate) env: &'a Env,
    pub(crate) run: &'a Run,
    pub(crate) process: Box<dyn ProcessFileStrategy>,
    /// Makes a place this task's own, against all other tasks of the engine.
    pub(crate) claim: &'a (dyn Fn(&Location) -> Result<()> + Sync),
    pub(crate) figures: Figures,
}

/// What is told of a run at its end.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) location: Option<Location>,
    pub(crate) length: Option<u64>,
    pub(crate) resumed: u64,
}

/// What is known of the task before its first request.
#[derive(Debug, Default)]
struct Known {
    location: Option<Location>,
    breakpoint: Option<BreakpointInfo>,
    completion: Option<CompletionRecord>,
    /// Whether something that has the final name may be replaced.
    replace: bool,
    /// The file that has the final name, if the server is to be asked whether it is the same.
    rival: Option<(Stat, Validators)>,
}

/// How an attempt ended that did not fail.
enum Attempt {
    Complete,
    StartOver(ResumeFailedCause),
}

/// A part that is open, and the breakpoint that it belongs to.
struct Opened {
    stream: Arc<dyn OutputStream>,
    info: BreakpointInfo,
}

impl Call<'_> {
    /// Does it all. What is left of a run that failed is recorded and closed when this returns.
    pub(crate) async fn live(&mut self) -> Result<()> {
        let mut known = self.recall().await?;
        if let Some(location) = known.location.clone()
            && self.settle(&mut known, location).await?
        {
            return Ok(());
        }
        self.run.hub.publish(|| Event::TaskStart);
        let mut cause = None;
        let mut changed = 0;
        loop {
            match self.attempt(&mut known, cause).await? {
                Attempt::Complete => return Ok(()),
                // A response that broke and can't be continued has paid for its retry already.
                Attempt::StartOver(again @ ResumeFailedCause::ValidatorMissing) => cause = Some(again),
                Attempt::StartOver(again) if changed == 0 => {
                    changed += 1;
                    self.run.hub.warn(format!("starting over: {again}"));
                    cause = Some(again);
                }
                Attempt::StartOver(again) => return Err(keeps_changing(again)),
            }
        }
    }

    /// What the store knows of this task.
    async fn recall(&mut self) -> Result<Known> {
        let id = self.run.task.id();
        self.env.recorder.settle(id).await?;
        let store = self.env.recorder.store();
        let breakpoint = store.breakpoint(id).await?;
        let completion = store.completion(id).await?;
        let named = self.run.task.target().named();
        // A file that the response named before is found again without asking.
        let location = named.or(breakpoint.as_ref().map(|info| &info.location));
        let location = location.or(completion.as_ref().map(|record| &record.location)).cloned();
        Ok(Known { location, breakpoint, completion, ..Known::default() })
    }

    /// Looks at what has the final name. Returns whether nothing is left to do.
    async fn settle(&mut self, known: &mut Known, location: Location) -> Result<bool> {
        self.figures.location = Some(location.clone());
        let Some(file) = self.env.output.stat(&location).await? else {
            known.location = Some(location);
            return Ok(false);
        };
        if file.kind != StatKind::File {
            let what = if file.kind == StatKind::Directory { "a directory" } else { "no regular file" };
            return Err(Error::new(ErrorKind::AlreadyExists, format!("the target is {what}"))
                .with_context("path", &location)
                .with_advice("choose another name"));
        }
        let on_exists = self.process.on_exists(&self.run.task);
        let decision = existing::decide(&ExistingFacts {
            location: &location,
            file: &file,
            record: known.completion.as_ref(),
            breakpoint: known.breakpoint.as_ref(),
            on_exists,
            pass: self.run.task.pass_if_already_completed(),
        });
        tracing::debug!(?decision, "something has the final name");
        known.location = Some(location.clone());
        match decision {
            Existing::Complete | Existing::Skip => {
                self.figures.length = Some(file.length);
                return Ok(true);
            }
            Existing::CompleteUnrecorded => {
                let validators =
                    known.breakpoint.as_ref().map(|info| info.validators.clone()).unwrap_or_default();
                self.record_completion(&location, &file, validators);
                return Ok(true);
            }
            Existing::Replace => known.replace = true,
            Existing::Rename => known.location = Some(self.free_name(&location).await?),
            // Who is in the middle of a download knows that the file is another one.
            Existing::Ask(_) if known.breakpoint.is_some() => self.may_replace(known, on_exists)?,
            Existing::Ask(validators) | Existing::AskForNews(validators) => {
                known.breakpoint = None;
                known.rival = Some((file, validators));
            }
        }
        self.figures.location.clone_from(&known.location);
        Ok(false)
    }

    fn may_replace(&self, known: &mut Known, on_exists: OnExists) -> Result<()> {
        if on_exists == OnExists::Update {
            known.replace = true;
            return Ok(());
        }
        Err(Error::new(ErrorKind::AlreadyExists, "a file of that name is there, and it is not this download")
            .with_context("path", known.location.as_ref().map_or(String::new(), ToString::to_string))
            .with_advice(
                "choose another name, or say that it may be overwritten, skipped, renamed or updated",
            ))
    }

    async fn free_name(&mut self, taken: &Location) -> Result<Location> {
        const MOST: u32 = 10_000;
        let name = taken.file_name().unwrap_or_default();
        for attempt in 1..=MOST {
            let other = taken.with_file_name(&self.process.numbered_name(&name, attempt));
            if self.env.output.stat(&other).await?.is_none() && (self.claim)(&other).is_ok() {
                return Ok(other);
            }
        }
        Err(Error::new(ErrorKind::AlreadyExists, "no free name was found").with_context("path", taken))
    }

    /// Makes a place this task's own, or another one if the user lets it be renamed.
    async fn own(&mut self, location: Location) -> Result<Location> {
        match (self.claim)(&location) {
            Ok(()) => Ok(location),
            Err(_) if self.process.on_exists(&self.run.task) == OnExists::Rename => {
                let other = self.free_name(&location).await?;
                self.figures.location = Some(other.clone());
                Ok(other)
            }
            Err(busy) => Err(busy),
        }
    }

    async fn attempt(&mut self, known: &mut Known, cause: Option<ResumeFailedCause>) -> Result<Attempt> {
        let resumed = match (known.breakpoint.take(), cause) {
            (Some(info), None) => self.reopen(info).await?,
            (_, cause) => Err(cause.unwrap_or(ResumeFailedCause::InfoDirty)),
        };
        match resumed {
            Ok(opened) => self.go_on(known, opened).await,
            Err(cause) => self.begin(known, cause).await,
        }
    }

    /// Opens the part of an earlier run, if its bytes can be trusted.
    async fn reopen(&mut self, mut info: BreakpointInfo) -> Result<Result<Opened, ResumeFailedCause>> {
        if !self.env.output.capability().resume {
            return Ok(Err(ResumeFailedCause::OutputStreamNotSupport));
        }
        (self.claim)(&info.location)?;
        let Some(stream) = self.env.output.open_part(&info.part, OpenMode::Existing).await? else {
            return Ok(Err(ResumeFailedCause::FileNotExist));
        };
        let boot = self.env.output.boot_id().await;
        let part = PartFacts {
            identity: stream.identity(),
            length: stream.initial_length(),
            boot: boot.clone(),
            trusting: self.run.is_trusting(),
        };
        match resume::resume(&info, &part) {
            Ok(blocks) => {
                info.blocks = blocks;
                info.boot = boot;
                self.settle_written(&mut info, stream.as_ref()).await?;
                Ok(Ok(Opened { stream, info }))
            }
            Err(cause) => {
                stream.close().await?;
                Ok(Err(cause))
            }
        }
    }

    /// What the last run wrote and could not sync becomes safe now, so that it need never be doubted again.
    async fn settle_written(&mut self, info: &mut BreakpointInfo, stream: &dyn OutputStream) -> Result<()> {
        let unsynced = info.blocks.iter().any(|block| block.synced < block.written);
        if unsynced && self.is_durable() {
            stream.flush_and_sync().await?;
            info.blocks.iter_mut().for_each(|block| block.synced = block.written);
        }
        Ok(())
    }

    /// Goes on with what an earlier run has left.
    async fn go_on(&mut self, known: &Known, opened: Opened) -> Result<Attempt> {
        let Opened { stream, mut info } = opened;
        self.figures.resumed = info.written();
        let version = info.version();
        let mut facts = BlockFacts::new(info.total.unwrap_or(u64::MAX));
        facts.remaining = info.blocks.iter().filter_map(BlockInfo::remaining).sum();
        let connections = self.connections(facts, &version);
        info.blocks = plan::resume(&info.blocks, connections, self.run.strategy().smallest_block());
        let ledger = Arc::new(Ledger::new(info));
        let mut transfer = self.transfer(ledger, stream, version.clone());
        let Some(block) = transfer.ledger.claim() else {
            return self.fetch(known, transfer, None, 0).await;
        };
        let (start, end) = transfer.ledger.missing(block);
        let ask = Ask { range: Some(ByteRange { start, end }), version: Some(version), condition: None };
        let answer = match self.probe(&ask).await {
            Ok(answer) => answer,
            Err(error) => return self.leave(&transfer, error).await,
        };
        let first = match &answer.verdict {
            ResponseVerdict::Changed(cause) => {
                let cause = *cause;
                transfer.stream.close().await?;
                return Ok(Attempt::StartOver(cause));
            }
            ResponseVerdict::AskWithoutRange(_) => (Scope::Whole, None),
            ResponseVerdict::Body { .. } if answer.connected.head().status != 206 => {
                (Scope::Whole, Some(answer))
            }
            _ => (Scope::Block(block), Some(answer)),
        };
        transfer.spliceable = true;
        self.run.hub.publish(|| Event::FromBreakpoint { info: Arc::new(transfer.ledger.info()) });
        self.env.recorder.store().start(self.run.task.id(), true);
        self.fetch(known, transfer, Some(first), connections.get() as usize).await
    }

    /// Begins at the first byte.
    async fn begin(&mut self, known: &mut Known, cause: ResumeFailedCause) -> Result<Attempt> {
        let Some((mut answer, mut version)) = self.first_answer(known).await? else {
            return Ok(Attempt::Complete);
        };
        let location = match known.location.clone() {
            Some(location) => location,
            None => match self.name(known, &answer, &version).await? {
                Some(location) => location,
                None => return Ok(Attempt::Complete),
            },
        };
        let location = self.own(location).await?;
        let covered = covered(&answer.verdict, &version);
        if !covered && !self.is_spliceable(&version) {
            // The rest could not be put behind this beginning, so one response must bring it all.
            (answer, version) = self.whole_answer().await?;
        }
        let partial = answer.connected.head().status == 206;
        let opened = self.open_fresh(&location, &answer, &version).await?;
        let mut facts = BlockFacts::new(version.total.unwrap_or(u64::MAX));
        facts.accepts_ranges = partial;
        let connections = self.connections(facts, &version);
        let mut info = opened.info;
        let probed = if partial { PROBE } else { version.total.unwrap_or(0) };
        info.blocks = match version.total {
            Some(total) => plan::fresh(total, probed, connections, self.run.strategy().smallest_block()),
            None => vec![BlockInfo::new(0, None)],
        };
        let ledger = Arc::new(Ledger::new(info));
        let transfer = self.transfer(ledger, opened.stream, version);
        if let Err(error) = self.make_room(&transfer, &location).await {
            return self.leave(&transfer, error).await;
        }
        self.run.hub.publish(|| Event::FromBeginning { info: Arc::new(transfer.ledger.info()), cause });
        let scope = if partial { Scope::Block(0) } else { Scope::Whole };
        // Of an empty resource nothing is missing.
        let first = (transfer.version.total != Some(0)).then_some((scope, Some(answer)));
        self.fetch(known, transfer, first, connections.get() as usize).await
    }

    /// The first request of a download that has no bytes yet, and the version that it is held to. `None`: the file
    /// that is there already is the same.
    async fn first_answer(&mut self, known: &mut Known) -> Result<Option<(Answer, ResourceVersion)>> {
        let one_connection = self.run.task.connection_count().is_some_and(|count| count.get() == 1);
        let range = match *self.run.task.method() {
            http::Method::GET if one_connection => Some(ByteRange::from(0)),
            http::Method::GET => Some(ByteRange::new(0, PROBE)),
            _ => None,
        };
        let rival = known.rival.take();
        let condition = rival.as_ref().map(|(_, validators)| validators.clone());
        let answer = self.probe(&Ask { range, version: None, condition }).await?;
        let (answer, version) = match version_of(&answer.verdict) {
            Some(version) => (answer, version),
            None if matches!(answer.verdict, ResponseVerdict::NotModified(_)) => {
                if let (Some((file, validators)), Some(location)) = (rival, &known.location) {
                    self.record_completion(location, &file, validators);
                }
                return Ok(None);
            }
            None => self.whole_answer().await?,
        };
        if let (Some((file, _)), Some(location)) = (rival, &known.location) {
            if existing::is_same(&file, &version.validators, version.total) {
                self.record_completion(location, &file, version.validators);
                return Ok(None);
            }
            let on_exists = self.process.on_exists(&self.run.task);
            self.may_replace(known, on_exists)?;
        }
        Ok(Some((answer, version)))
    }

    /// Asks for the whole resource, without a range.
    async fn whole_answer(&mut self) -> Result<(Answer, ResourceVersion)> {
        let answer = self.probe(&Ask::default()).await?;
        let version = version_of(&answer.verdict)
            .ok_or_else(|| Error::new(ErrorKind::Protocol, "the server's answer does not fit the request"))?;
        Ok((answer, version))
    }

    /// Names a file whose target leaves that open. `None`: it is there already, and whole.
    async fn name(
        &mut self,
        known: &mut Known,
        answer: &Answer,
        version: &ResourceVersion,
    ) -> Result<Option<Location>> {
        let name = {
            let facts = NameFacts::new(self.run.task.url(), answer.connected.head());
            self.run.strategy().file_name(&facts)
        };
        let location = self.run.task.target().resolve(&name);
        if self.settle(known, location).await? {
            return Ok(None);
        }
        if let (Some((file, _)), Some(location)) = (known.rival.take(), known.location.clone()) {
            if existing::is_same(&file, &version.validators, version.total) {
                self.record_completion(&location, &file, version.validators.clone());
                return Ok(None);
            }
            let on_exists = self.process.on_exists(&self.run.task);
            self.may_replace(known, on_exists)?;
        }
        Ok(known.location.clone())
    }

    /// Opens an empty part. Whatever the store claims of what was there is taken back, durably, before a byte of it is
    /// overwritten.
    async fn open_fresh(
        &mut self,
        location: &Location,
        answer: &Answer,
        version: &ResourceVersion,
    ) -> Result<Opened> {
        let id = self.run.task.id();
        let name = location.file_name().unwrap_or_default();
        let part = location.with_file_name(&self.process.part_name(&name));
        let stream = self.env.output.open_part(&part, OpenMode::Create).await?;
        let stream = stream.ok_or_else(|| Error::new(ErrorKind::Unexpected, "the output made no part"))?;
        let mut info = BreakpointInfo::new(id, self.run.task.url().clone(), location.clone(), part);
        info.identity = stream.identity();
        info.validators = version.validators.clone();
        info.total = version.total;
        info.boot = self.env.output.boot_id().await;
        info.needs_credentials = self.run.task.needs_credentials();
        tracing::debug!(url = %okdownload_types::redacted(&answer.connected.head().url), "beginning");
        let store = self.env.recorder.store();
        let claims = store.breakpoints_at(location).await?;
        // What is in the store already must not be held back: its old claims have to go first.
        store.start(id, claims.iter().any(|claim| claim.id == id));
        if !claims.is_empty() {
            let level = if self.is_durable() { CommitLevel::Power } else { CommitLevel::Process };
            let others =
                claims.iter().filter(|claim| claim.id != id).map(|claim| Change::RemoveBreakpoint(claim.id));
            let changes = others.chain([Change::Put(info.clone())]).collect();
            self.env.recorder.commit(changes, level).await?;
        }
        if stream.initial_length() > 0 {
            // A run that died young left no record; so little is not worth a word.
            let small = stream.initial_length() <= Remit::THRESHOLD;
            let ours = claims.iter().any(|claim| claim.id == id);
            if claims.iter().any(|claim| claim.id != id) || !(ours || small) {
                let part = &info.part;
                self.run.hub.warn(format!("taking over {part}, which belonged to another download"));
            }
            stream.set_length(0).await?;
        }
        Ok(Opened { stream, info })
    }

    /// Makes sure that there is space for what is missing.
    async fn make_room(&mut self, transfer: &Transfer, location: &Location) -> Result<()> {
        let Some(total) = transfer.version.total.filter(|total| *total > PROBE) else { return Ok(()) };
        let free = self.env.output.free_space(location).await?;
        if let Some(free) = free.filter(|free| *free < total) {
            return Err(Error::new(ErrorKind::NoSpace, "there is not enough space")
                .with_context("needed", total)
                .with_context("free", free)
                .with_context("path", location)
                .with_advice("make room, and start it again"));
        }
        if self.process.preallocate(&self.run.task, total) {
            transfer.stream.preallocate(total).await?;
        }
        Ok(())
    }

    /// Makes a request that begins a run, as often as the strategy allows.
    async fn probe(&self, ask: &Ask) -> Result<Answer> {
        loop {
            let error = match connect(self.run, ask, Step::Trial).await {
                Ok(Answer { verdict: ResponseVerdict::Refused(error), .. }) => error,
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            self.run.retry(0, error, 0).await?;
        }
    }

    /// Fetches what is missing, and finishes.
    async fn fetch(
        &mut self,
        known: &Known,
        mut transfer_: Transfer,
        first: Option<(Scope, Option<Answer>)>,
        connections: usize,
    ) -> Result<Attempt> {
        let id = self.run.task.id();
        self.env.recorder.watch(id, transfer_.ledger.clone(), self.run.hub.clone());
        let sync_every = self.is_durable().then_some(self.env.sync_interval);
        let mut next = first;
        let outcome = loop {
            let Some(begin) = next.take() else { break Ok(Outcome::Complete) };
            match transfer(self.run, &transfer_, begin, connections, sync_every).await {
                Ok(Outcome::Whole(answer)) => {
                    transfer_.halt = self.run.stop.child_token();
                    next = Some((Scope::Whole, answer));
                }
                outcome => break outcome,
            }
        };
        match outcome {
            Ok(Outcome::Complete) => self.finish(known, &transfer_).await,
            Ok(Outcome::StartOver(cause)) => {
                self.unwatch().await;
                transfer_.stream.close().await?;
                Ok(Attempt::StartOver(cause))
            }
            Ok(Outcome::Whole(_)) => {
                Err(Error::new(ErrorKind::Unexpected, "a transfer went round in circles"))
            }
            Err(error) => self.leave(&transfer_, error).await,
        }
    }

    /// Gives the whole part its final name.
    async fn finish(&mut self, known: &Known, transfer: &Transfer) -> Result<Attempt> {
        self.unwatch().await;
        let info = transfer.ledger.info();
        self.figures.length = info.total;
        let durable = self.is_durable();
        match finish::finish(self, transfer.stream.as_ref(), &info, known.replace, durable).await {
            Ok(record) => {
                self.env.recorder.defer(Change::Complete(record));
                Ok(Attempt::Complete)
            }
            Err(error) if error.kind() == ErrorKind::Checksum => {
                transfer.stream.abort().await?;
                self.env.recorder.defer(Change::RemoveBreakpoint(info.id));
                // Bytes of an earlier run may be to blame; those of one fresh response are what the server has.
                if self.figures.resumed > 0 {
                    Ok(Attempt::StartOver(ResumeFailedCause::DigestMismatch))
                } else {
                    Err(error)
                }
            }
            Err(error) => self.leave(transfer, error).await,
        }
    }

    /// Ends a run that failed: what is there is recorded and kept; an empty part is not.
    async fn leave<T>(&mut self, transfer: &Transfer, error: Error) -> Result<T> {
        self.unwatch().await;
        let id = self.run.task.id();
        let closed = if transfer.ledger.written() == 0 {
            self.env.recorder.defer(Change::RemoveBreakpoint(id));
            transfer.stream.abort().await
        } else {
            transfer.stream.close().await
        };
        let told = self.env.recorder.store().end(id).await;
        for failed in [closed, told].into_iter().filter_map(Result::err) {
            self.run.hub.warn(failed.to_string());
        }
        Err(error)
    }

    async fn unwatch(&self) {
        if let Err(error) = self.env.recorder.unwatch(self.run.task.id()).await {
            self.run.hub.warn(format!("progress could not be recorded: {error}"));
        }
    }

    /// Remembers that a file which is there is this download, whole.
    fn record_completion(&mut self, location: &Location, file: &Stat, validators: Validators) {
        self.figures.length = Some(file.length);
        let task = &self.run.task;
        let mut record = CompletionRecord::new(task.id(), task.url().clone(), location.clone(), file.length);
        record.modified = file.modified.and_then(existing::nanoseconds);
        record.validators = validators;
        self.env.recorder.defer(Change::Complete(record));
    }

    fn transfer(
        &self,
        ledger: Arc<Ledger>,
        stream: Arc<dyn OutputStream>,
        version: ResourceVersion,
    ) -> Transfer {
        Transfer {
            ledger,
            stream,
            spliceable: self.is_spliceable(&version),
            version,
            halt: self.run.stop.child_token(),
            flowing: AtomicUsize::new(0),
        }
    }

    /// How many connections to use.
    fn connections(&self, mut facts: BlockFacts, version: &ResourceVersion) -> std::num::NonZeroU32 {
        facts.wanted = self.run.task.connection_count();
        facts.seekable = self.env.output.capability().seek;
        facts.spliceable = self.is_spliceable(version);
        let mut strategy = self.run.strategy();
        if version.total.is_some() && strategy.multi_block(&facts) {
            strategy.block_count(&facts)
        } else {
            std::num::NonZeroU32::MIN
        }
    }

    /// Whether bytes of several responses may be put together.
    fn is_spliceable(&self, version: &ResourceVersion) -> bool {
        let repeatable = self.run.task.method() == http::Method::GET;
        repeatable && (version.validators.is_strong() || self.run.is_trusting())
    }

    pub(crate) fn is_durable(&mut self) -> bool {
        self.process.durability(&self.run.task) == Durability::Power
    }
}

/// The version that a usable first answer is of.
fn version_of(verdict: &ResponseVerdict) -> Option<ResourceVersion> {
    match verdict {
        ResponseVerdict::Body { start: 0, version, .. } | ResponseVerdict::Empty(version) => {
            Some(version.clone())
        }
        _ => None,
    }
}

/// Whether the answer brings everything there is.
fn covered(verdict: &ResponseVerdict, version: &ResourceVersion) -> bool {
    match verdict {
        ResponseVerdict::Body { end: Some(end), .. } => Some(*end) == version.total,
        _ => true,
    }
}

fn keeps_changing(cause: ResumeFailedCause) -> Error {
    Error::new(ErrorKind::ResumeFailed, "the file on the server keeps changing")
        .with_context("last change", cause)
        .with_advice("try again when it rests")
}

//! One task's life, from top to bottom.
//!
//! ```text
//! recall ─▶ settle ─▶ reopen ─▶ go on ─┐
//!                        │             ├─▶ fetch ─▶ finish
//!                        └──▶ begin ───┘
//! ```
//!
//! The steps around the final name are in `settle.rs`, those around the part in `open.rs`. Nothing is decided here that
//! a pure function could decide: see `resume`, `plan`, `existing`, and the strategies.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use okdownload_monitor::Event;
use okdownload_output::{CommitOptions, OutputCapability, OutputStream, OutputStreamFactory, Stat};
use okdownload_store::{Change, CommitLevel, DownloadStore, Recalled};
use okdownload_strategy::{BlockFacts, NameFacts, ProcessFileStrategy, ResponseVerdict, url_file_name};
use okdownload_types::{
    BlockInfo, BreakpointInfo, ByteRange, CompletionRecord, Digest, Durability, Error, ErrorKind, Location,
    OnExists, ResourceVersion, Result, ResumeFailedCause, Validators,
};

use crate::block::{Scope, Transfer};
use crate::budget::Tried;
use crate::connect::{Answer, Step, connect, unfit};
use crate::failover::Failure;
use crate::finish;
use crate::in_order::{Ahead, InOrder};
use crate::ledger::Ledger;
use crate::order::Recorder;
use crate::plan;
use crate::request::Ask;
use crate::run::Run;
use crate::space::Space;
use crate::transfer::{Outcome, transfer};

/// What the first request asks for; a smaller file needs no second one.
pub(crate) const PROBE: u64 = 1 << 20;

/// What a call uses of its engine.
#[derive(Debug)]
pub(crate) struct Env {
    pub(crate) output: Arc<dyn OutputStreamFactory>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) sync_interval: Duration,
    /// What of the free space is promised.
    pub(crate) space: Arc<Space>,
}

/// One run of one task.
pub(crate) struct Call<'a> {
    pub(crate) env: &'a Env,
    pub(crate) run: &'a Run,
    pub(crate) process: Box<dyn ProcessFileStrategy>,
    /// Makes a place this task's own, against all other tasks of the engine.
    pub(crate) claim: &'a (dyn Fn(&Location) -> Result<()> + Sync),
    pub(crate) figures: Figures,
    /// The record of this task as one that has not begun, if it was recorded: it is put back if nothing is left of it.
    pub(crate) kept: Option<BreakpointInfo>,
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
pub(crate) struct Known {
    pub(crate) location: Option<Location>,
    pub(crate) breakpoint: Option<BreakpointInfo>,
    pub(crate) completion: Option<CompletionRecord>,
    /// Whether the store has, or may have, a breakpoint of this task.
    pub(crate) recorded: bool,
    /// The place that the file will probably have, and the breakpoints that the store had there.
    pub(crate) claims: Option<(Location, Vec<BreakpointInfo>)>,
    /// Whether something that has the final name may be replaced.
    pub(crate) replace: bool,
    /// The file that has the final name, if it may be what the server has.
    pub(crate) rival: Option<Rival>,
}

/// A file that has the final name and may be what the server has.
#[derive(Debug)]
pub(crate) struct Rival {
    pub(crate) file: Stat,
    /// Its version, where we know it: it is ours then.
    pub(crate) validators: Option<Validators>,
    /// Whether it has the user's digest, if that was looked at.
    pub(crate) has_digest: Option<bool>,
}

/// How an attempt ended that did not fail.
enum Attempt {
    Complete,
    /// Begin anew: the response broke, and can't be continued by another.
    Again,
    /// Begin anew: it is not the version that the bytes are of.
    StartOver(ResumeFailedCause),
}

/// A part that is open, and the breakpoint that it belongs to.
pub(crate) struct Opened {
    pub(crate) stream: Arc<dyn OutputStream>,
    pub(crate) output: OutputCapability,
    pub(crate) info: BreakpointInfo,
}

impl Known {
    pub(crate) fn set_rival(&mut self, rival: Rival) {
        self.breakpoint = None;
        self.rival = Some(rival);
    }
}

impl Call<'_> {
    /// Does it all. What is left of a run that failed is recorded and closed when this returns.
    pub(crate) async fn live(&mut self) -> Result<()> {
        let lived = self.live_on().await;
        if lived.is_err()
            && let Err(error) = self.record_end().await
        {
            self.run.hub.warn(format!("progress could not be recorded: {error}"));
        }
        lived
    }

    /// Writes what the store holds back of this run. If its part was dropped, that is told first: what is held back claims
    /// bytes that are gone.
    async fn record_end(&self) -> Result<()> {
        let id = self.run.task.id();
        self.env.recorder.told(id).await?;
        self.env.recorder.store().end(id).await
    }

    async fn live_on(&mut self) -> Result<()> {
        let mut known = self.recall().await?;
        if let Some(location) = known.location.clone()
            && self.settle(&mut known, location).await?
        {
            return Ok(());
        }
        self.run.hub.publish(Event::TaskStart);
        let mut cause = None;
        loop {
            match self.attempt(&mut known, cause).await? {
                Attempt::Complete => return Ok(()),
                // A response that broke and can't be continued has paid for its retry already.
                Attempt::Again => cause = Some(ResumeFailedCause::ValidatorMissing),
                Attempt::StartOver(again) if !self.run.restarted.swap(true, Ordering::Relaxed) => {
                    self.run.hub.warn(format!("starting over: {again}"));
                    cause = Some(again);
                }
                Attempt::StartOver(again) => return Err(keeps_changing(again)),
            }
            self.run.sources().new_version();
        }
    }

    /// What the store knows of this task.
    async fn recall(&mut self) -> Result<Known> {
        let id = self.run.task.id();
        if !self.run.is_recorded() {
            let location = self.run.task.target().named().cloned();
            return Ok(Known { location, ..Known::default() });
        }
        self.env.recorder.told(id).await?;
        let store = self.env.recorder.store();
        let target = self.run.task.target();
        let named = target.named();
        // Where the response is to name the file, it will most likely name it like this.
        let guessed = || Some(target.resolve(&url_file_name(self.run.task.url())?));
        let place = named.cloned().or_else(guessed);
        let Recalled { breakpoint, completion, at_place } = store.recall(id, place.as_ref()).await?;
        let recorded = breakpoint.is_some();
        // What is listed as unfinished stays so until it completes, also if no byte of it is left.
        self.kept = recorded.then(|| BreakpointInfo::of(&self.run.task));
        // One that has not begun says nothing about files.
        let breakpoint = breakpoint.filter(|info| !info.blocks.is_empty());
        // A file that the response named before, or that took another name, is found again without asking.
        let renamed = self.process.on_exists(&self.run.task) == OnExists::Rename;
        let location = named.filter(|_| !renamed).or(breakpoint.as_ref().map(|info| &info.location));
        let location = location.or(completion.as_ref().map(|record| &record.location)).or(named).cloned();
        let claims = place.map(|place| (place, at_place));
        Ok(Known { location, breakpoint, completion, recorded, claims, ..Known::default() })
    }

    async fn attempt(&mut self, known: &mut Known, cause: Option<ResumeFailedCause>) -> Result<Attempt> {
        let resumed = match (known.breakpoint.take(), cause) {
            (Some(info), None) => self.reopen(info).await?,
            (_, cause) => Err(cause.unwrap_or(ResumeFailedCause::InfoDirty)),
        };
        let attempt = match resumed {
            Ok(opened) => self.go_on(known, opened).await,
            Err(cause) => self.begin(known, cause).await,
        };
        // Whatever comes next, this attempt may have been recorded.
        known.recorded = true;
        attempt
    }

    /// Goes on with what an earlier run has left.
    async fn go_on(&mut self, known: &mut Known, opened: Opened) -> Result<Attempt> {
        let Opened { stream, output, mut info } = opened;
        self.figures.resumed = info.written();
        self.run.resume(info.written());
        // Where its bytes came from is not recorded.
        self.run.sources().new_version();
        let version = info.version();
        let mut facts = BlockFacts::new(info.total.unwrap_or(u64::MAX));
        facts.remaining = info.blocks.iter().filter_map(BlockInfo::remaining).sum();
        facts.seekable = output.seek;
        let connections = self.connections(facts, &version);
        info.blocks = plan::resume(&info.blocks, connections, self.run.strategy().smallest_block());
        let ledger = Arc::new(Ledger::new(info));
        let digest = self.run.task.digest().cloned();
        let mut transfer = self.transfer(ledger, (stream, output), version.clone(), None, digest);
        let Some(block) = transfer.ledger.claim() else {
            return self.fetch(known, transfer, None, 0).await;
        };
        let (start, end) = transfer.ledger.missing(block);
        let range = Some(ByteRange { start, end });
        let answer = match self.probe(&Ask { range, version: Some(version), ..Ask::default() }).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(cause)) => {
                transfer.stream.close().await?;
                return Ok(Attempt::StartOver(cause));
            }
            Err(error) => return self.leave(&transfer, error).await,
        };
        if matches!(answer.verdict, ResponseVerdict::Body { .. }) {
            transfer.digest = self.digest(output, &answer);
        }
        let first = match &answer.verdict {
            ResponseVerdict::AskWithoutRange(_) => (Scope::Whole, None),
            ResponseVerdict::Body { .. } if answer.connected.head().status != 206 => {
                (Scope::Whole, Some(answer))
            }
            _ => (Scope::Block(block), Some(answer)),
        };
        let location = transfer.ledger.info().location;
        if let Err(error) = self.make_room(&mut transfer, &location).await {
            return self.leave(&transfer, error).await;
        }
        self.run.hub.publish(Event::FromBreakpoint { info: Arc::new(transfer.ledger.info()) });
        self.env.recorder.store().start(self.run.task.id(), true);
        self.fetch(known, transfer, Some(first), connections.get() as usize).await
    }

    /// Begins at the first byte.
    async fn begin(&mut self, known: &mut Known, mut cause: ResumeFailedCause) -> Result<Attempt> {
        self.figures.resumed = 0;
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
        // A small file is here sooner than another task's bytes are found.
        if version.total.is_none_or(|total| total > PROBE)
            && let Some(info) = self.inherit(known, &location).await?
        {
            match self.reopen(info).await? {
                Ok(opened) => {
                    // Its connection is given up: it brings what is there already.
                    drop(answer);
                    // In a box, as it is rare: every run would have to make room for it.
                    return Box::pin(self.go_on(known, opened)).await;
                }
                Err(unfit) => cause = unfit,
            }
        }
        if !covered(&answer.verdict, &version) && !self.is_spliceable(&version) {
            // The rest could not be put behind this beginning, so one response must bring it all.
            (answer, version) = self.whole_answer().await?;
        }
        let covered = covered(&answer.verdict, &version);
        let partial = answer.connected.head().status == 206;
        let Opened { stream, output, mut info } = self.open_fresh(known, &location, &version).await?;
        let mut facts = BlockFacts::new(version.total.unwrap_or(u64::MAX));
        facts.accepts_ranges = partial;
        facts.seekable = output.seek;
        // What the first response brings whole needs no other.
        let connections = if covered { NonZeroU32::MIN } else { self.connections(facts, &version) };
        let ahead = (!output.seek).then(|| Ahead::of(connections));
        let probed = if partial { PROBE } else { version.total.unwrap_or(0) };
        info.blocks = match (version.total, ahead) {
            (Some(total), Some(ahead)) => plan::in_order(total, ahead.piece),
            (Some(total), None) => {
                plan::fresh(total, probed, connections, self.run.strategy().smallest_block())
            }
            (None, _) => vec![BlockInfo::new(0, None)],
        };
        let ledger = Arc::new(Ledger::new(info));
        let digest = self.digest(output, &answer);
        let mut transfer = self.transfer(ledger, (stream, output), version, ahead, digest);
        if let Err(error) = self.make_room(&mut transfer, &location).await {
            return self.leave(&transfer, error).await;
        }
        self.run.hub.publish(Event::FromBeginning { info: Arc::new(transfer.ledger.info()), cause });
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
        let condition = known.rival.as_ref().and_then(|rival| rival.validators.clone());
        let ask = Ask { range, condition, ..Ask::default() };
        let answer = self.probe(&ask).await?.map_err(keeps_changing)?;
        let (answer, version) = match (version_of(&answer.verdict), &answer.verdict) {
            (Some(version), _) => (answer, version),
            (None, ResponseVerdict::NotModified(_)) => {
                // The condition named the version of our own record, which has no other than its file was shown to have.
                if let (Some(rival), Some(location)) = (known.rival.take(), &known.location) {
                    let validators = rival.validators.unwrap_or_default();
                    self.record_completion(location, &rival.file, validators).await?;
                }
                return Ok(None);
            }
            (None, _) => self.whole_answer().await?,
        };
        if self.is_there_already(known, &version).await? {
            return Ok(None);
        }
        Ok(Some((answer, version)))
    }

    /// Asks for the whole resource, without a range.
    async fn whole_answer(&mut self) -> Result<(Answer, ResourceVersion)> {
        let answer = self.probe(&Ask::default()).await?.map_err(keeps_changing)?;
        let version = version_of(&answer.verdict).ok_or_else(unfit)?;
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
        if self.settle(known, location).await? || self.is_there_already(known, version).await? {
            return Ok(None);
        }
        Ok(known.location.clone())
    }

    /// Makes a request that begins a run, at each source and as often as the strategy allows. Instead of an answer it may
    /// learn that nothing can be gone on with, and why.
    async fn probe(&self, ask: &Ask) -> Result<Result<Answer, ResumeFailedCause>> {
        let (run, version) = (self.run, ask.version.as_ref());
        loop {
            let (source, begun) = (run.pick(ask, false), run.begin());
            let error = match connect(run, ask, Step::Trial, source).await {
                Ok(Answer { verdict: ResponseVerdict::Refused(error), .. }) | Err(error) => error,
                Ok(Answer { verdict: ResponseVerdict::Changed(cause), .. }) if version.is_some() => {
                    match run.pass_over(source, cause) {
                        Some(error) => error,
                        None => return Ok(Err(cause)),
                    }
                }
                Ok(Answer { verdict: ResponseVerdict::AskWithoutRange(error), .. })
                    if version.is_some() && run.can_spare(source, version) =>
                {
                    error
                }
                Ok(answer) => return Ok(Ok(answer)),
            };
            let failure =
                Failure { source, block: 0, error: &error, version, progressed: false, crowded: false };
            if run.moves_on(&failure) {
                continue;
            }
            let tried = Tried { begun, reached: 0, slowly: false };
            if let Err(error) = run.retry(0, error, tried, version).await {
                return run.elsewhere(error, version).map(Err);
            }
        }
    }

    /// Fetches what is missing, and finishes.
    async fn fetch(
        &mut self,
        known: &mut Known,
        mut shared: Transfer,
        first: Option<(Scope, Option<Answer>)>,
        connections: usize,
    ) -> Result<Attempt> {
        let (ledger, hub) = (shared.ledger.clone(), self.run.hub.clone());
        // Nobody can go on with the bytes of what may not be asked for again, so they are not claimed.
        let claimed = self.run.is_recorded() && self.run.is_repeatable();
        self.env.recorder.watch(self.run.task.id(), ledger, hub, claimed);
        // Of what goes to an output in order, nothing is claimed before it is whole.
        let claims = shared.in_order.is_none() && self.is_durable();
        let sync_every = claims.then_some(self.env.sync_interval);
        let mut next = first;
        while let Some(begin) = next.take() {
            match transfer(self.run, &shared, begin, connections, sync_every).await {
                Ok(Outcome::Complete) => {}
                Ok(Outcome::Whole(answer)) => {
                    shared.halt = self.run.stop.child_token();
                    next = Some((Scope::Whole, answer));
                }
                Ok(Outcome::Again) => return self.begin_anew(&shared, Attempt::Again).await,
                Ok(Outcome::StartOver(cause)) => {
                    return self.begin_anew(&shared, Attempt::StartOver(cause)).await;
                }
                Err(error) => return self.leave(&shared, error).await,
            }
        }
        self.finish(known, &shared).await
    }

    async fn begin_anew(&mut self, transfer: &Transfer, how: Attempt) -> Result<Attempt> {
        self.unwatch().await;
        if self.is_resumable(transfer.output) { transfer.stream.close() } else { transfer.stream.abort() }
            .await?;
        Ok(how)
    }

    /// Gives the whole part its final name.
    ///
    /// The order is the promise: all counters told, digest, the user's check, data synced, renamed, name synced; only
    /// then may anybody say that it is complete.
    async fn finish(&mut self, known: &mut Known, transfer: &Transfer) -> Result<Attempt> {
        if self.run.is_recorded()
            && let Err(error) = self.env.recorder.record_whole(self.run.task.id()).await
        {
            return self.leave(transfer, error).await;
        }
        let info = transfer.ledger.info();
        self.figures.length = info.total;
        match finish::verify(self, transfer, &info).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Checksum => {
                return self.drop_part(transfer, error).await;
            }
            Err(error) => return self.leave(transfer, error).await,
        }
        let replace = known.replace || self.process.on_exists(&self.run.task) == OnExists::Overwrite;
        let options = CommitOptions::new(replace, self.is_durable(), info.validators.modified());
        if let Err(error) = transfer.stream.commit(&info.location, options).await {
            if error.kind() == ErrorKind::AlreadyExists && self.was_overtaken(known, transfer).await? {
                return Ok(Attempt::Complete);
            }
            if self.is_durable() && error.kind() != ErrorKind::AlreadyExists {
                // It may have been the sync that failed.
                transfer.ledger.void_unsynced();
            }
            return self.leave(transfer, error).await;
        }
        self.env.recorder.forget_whole(info.id);
        if self.run.is_recorded() {
            let record = finish::record(self, &info, transfer.stream.modified()).await;
            let change = record.map_or(Change::RemoveBreakpoint(info.id), Change::Complete);
            self.env.recorder.defer(change);
        }
        Ok(Attempt::Complete)
    }

    /// Ends a run whose part has the wrong digest: nothing of it can be used. Bytes of an earlier run may be to blame,
    /// so then it starts over; those of one fresh response are what the server has, unless the user thinks otherwise.
    async fn drop_part(&mut self, transfer: &Transfer, error: Error) -> Result<Attempt> {
        self.env.recorder.forget(self.run.task.id());
        self.drop_claims();
        transfer.stream.abort().await?;
        let again = self.figures.resumed > 0 || self.run.task.restart_on_mismatch();
        if again && !self.run.restarted.load(Ordering::Relaxed) {
            self.run.sources().distrust();
            Ok(Attempt::StartOver(ResumeFailedCause::DigestMismatch))
        } else {
            Err(error)
        }
    }

    /// Ends a run that failed: what is there is recorded and kept; an empty part is not, nor one of which a sync failed
    /// and the store could not be told: it claims more than is known to be there.
    async fn leave<T>(&mut self, transfer: &Transfer, error: Error) -> Result<T> {
        let told = self.unwatch().await;
        let error = self.with_shortage(error, transfer).await;
        let ledger = &transfer.ledger;
        let claims_too_much = !told && ledger.is_void();
        let closed = if claims_too_much || ledger.written() == 0 || !self.is_resumable(transfer.output) {
            self.drop_claims();
            transfer.stream.abort().await
        } else {
            transfer.stream.close().await
        };
        if let Err(failed) = closed {
            self.run.hub.warn(failed.to_string());
        }
        Err(error)
    }

    /// Tells the store, if it knows of this run, that no byte is left: the task has not begun, if it was kept.
    fn drop_claims(&self) {
        if self.run.is_recorded() {
            let id = self.run.task.id();
            self.env.recorder.store().withdraw(id);
            self.env.recorder.defer(self.kept.clone().map_or(Change::RemoveBreakpoint(id), Change::Put));
        }
    }

    /// Returns whether the last counters were told.
    async fn unwatch(&self) -> bool {
        let told = self.env.recorder.unwatch(self.run.task.id()).await;
        if let Err(error) = &told {
            self.run.hub.warn(format!("progress could not be recorded: {error}"));
        }
        told.is_ok()
    }

    fn transfer(
        &self,
        ledger: Arc<Ledger>,
        (stream, output): (Arc<dyn OutputStream>, OutputCapability),
        version: ResourceVersion,
        ahead: Option<Ahead>,
        digest: Option<Digest>,
    ) -> Transfer {
        let in_order = |ahead| {
            let in_order = InOrder::new(stream.clone(), digest.as_ref(), self.run.stop.clone());
            (Arc::new(in_order), ahead)
        };
        Transfer {
            ledger,
            in_order: ahead.map(in_order),
            stream,
            output,
            digest,
            spliceable: self.is_spliceable(&version),
            version,
            halt: self.run.stop.child_token(),
            flowing: AtomicUsize::new(0),
            space: None,
        }
    }

    /// What the whole will be compared with. A server's digest is of use only where there is a way to compare it.
    fn digest(&self, output: OutputCapability, answer: &Answer) -> Option<Digest> {
        let heeded = (output.read || !output.seek) && !self.run.task.ignore_server_digest();
        let servers = || answer.connected.head().digest().filter(|_| heeded);
        self.run.task.digest().cloned().or_else(servers)
    }

    /// How many connections to use.
    fn connections(&self, mut facts: BlockFacts, version: &ResourceVersion) -> NonZeroU32 {
        facts.wanted = self.run.task.connection_count();
        facts.spliceable = self.is_spliceable(version);
        let mut strategy = self.run.strategy();
        if version.total.is_none() || !strategy.multi_block(&facts) {
            return NonZeroU32::MIN;
        }
        let wanted = strategy.block_count(&facts);
        if facts.seekable { wanted } else { wanted.min(Ahead::MOST_CONNECTIONS) }
    }

    /// Whether bytes of several responses may be put together.
    pub(crate) fn is_spliceable(&self, version: &ResourceVersion) -> bool {
        self.run.is_repeatable() && (version.validators.is_strong() || self.run.is_trusting())
    }

    /// What a change that takes claims back must survive before bytes are overwritten.
    pub(crate) fn commit_level(&mut self) -> CommitLevel {
        if self.is_durable() { CommitLevel::Power } else { CommitLevel::Process }
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

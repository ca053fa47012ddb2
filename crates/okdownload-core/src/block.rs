//! One connection's work: ask for what a block misses, receive, write, and again until the block is whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use okdownload_connection::Connected;
use okdownload_monitor::Event;
use okdownload_output::{OutputCapability, OutputStream};
use okdownload_strategy::ResponseVerdict;
use okdownload_types::{ByteRange, Digest, Error, ErrorKind, ResourceVersion, ResumeFailedCause};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::budget::{Begun, Tried};
use crate::connect::{Answer, Step, connect, unfit};
use crate::failover::Failure;
use crate::in_order::{Ahead, InOrder};
use crate::ledger::Ledger;
use crate::pace::Pace;
use crate::request::Ask;
use crate::run::{Run, from_now};
use crate::sources::MAIN;
use crate::space::Reservation;
use crate::worker::Worker;
use crate::writer::{Write, Writer};

/// What the connections of one transfer share.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) stream: Arc<dyn OutputStream>,
    /// What the output can do at this place.
    pub(crate) output: OutputCapability,
    /// What the whole must have: the user's digest, else the server's.
    pub(crate) digest: Option<Digest>,
    /// For a stream that takes bytes in order: what puts them into it, and how far ahead of it is fetched.
    pub(crate) in_order: Option<(Arc<InOrder>, Ahead)>,
    /// The version that every response must be of.
    pub(crate) version: ResourceVersion,
    /// Whether a broken response can be continued by another one.
    pub(crate) spliceable: bool,
    /// Cancelled when these connections are to stop.
    pub(crate) halt: CancellationToken,
    /// How many connections get bytes, or have just got some and ask for more.
    pub(crate) flowing: AtomicUsize,
    /// The space that it is promised, as long as it is not allocated.
    pub(crate) space: Option<Reservation>,
}

impl Transfer {
    /// A write at this offset.
    pub(crate) fn write(&self, offset: u64, data: Vec<Bytes>) -> Write {
        let (stream, in_order) = (self.stream.clone(), self.in_order.clone());
        Box::pin(async move {
            match in_order {
                Some((in_order, _)) => in_order.write(offset, data).await,
                None => stream.write_at(offset, data).await,
            }
        })
    }
}

/// Which bytes a connection is after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those of one block, by range.
    Block(usize),
    /// All that are missing, out of a response that brings the whole resource.
    Whole,
}

impl Scope {
    /// The one block, if it is one.
    pub(crate) fn block(self) -> Option<usize> {
        match self {
            Self::Block(block) => Some(block),
            Self::Whole => None,
        }
    }

    /// The number that events carry.
    pub(crate) fn number(self) -> usize {
        self.block().unwrap_or(0)
    }
}

/// How a connection's work ended.
#[derive(Debug)]
pub(crate) enum WorkEnd {
    /// Its bytes are all there.
    Full,
    /// It was told to stop.
    Halted,
    /// The server refuses this further connection while it serves another.
    NotServed(Error),
    /// Another connection has taken its block over, because no answer came. The block is that one's.
    Relieved,
    /// The server sends the whole resource, of the right version, whatever range is asked for.
    Whole(Box<Answer>),
    /// The server can't do ranges; the whole must be asked for.
    AskWithoutRange(Error),
    /// The response broke, and no other can continue it; its retry is paid for.
    Again,
    /// Nothing of what is there can be kept.
    StartOver(ResumeFailedCause),
    /// It can't be done.
    Failed(Error),
}

/// Why a response stopped being received.
enum Fault {
    Halted,
    /// The network's, or the server's.
    Remote(Error),
    /// The server's, all the time: what it brought is no progress.
    Slow(Error),
    /// The output's.
    Local(Error),
}

/// Fetches what the worker's scope misses. The block must be claimed already; `first` is a response to begin with.
pub(crate) async fn work(run: &Run, transfer: &Transfer, worker: &Worker, first: Option<Answer>) -> WorkEnd {
    let mut next = first;
    let mut worked = Worked {
        run,
        transfer,
        worker,
        source: next.as_ref().map(|answer| answer.source),
        begun: run.begin(),
        flowing: None,
        refusals: 0,
        ever_received: false,
        progressed: false,
        slowly: false,
    };
    loop {
        worked.progressed = false;
        let answer = match next.take() {
            Some(answer) => Ok(answer),
            None => worked.ask().await,
        };
        let ended = match answer {
            Ok(answer) => worked.take(answer).await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(Some(end)) => return end,
            Ok(None) => {}
            Err(error) => {
                if let Some(end) = worked.after_failure(error).await {
                    return end;
                }
            }
        }
    }
}

struct Worked<'a> {
    run: &'a Run,
    transfer: &'a Transfer,
    worker: &'a Worker,
    /// Which source serves it; `None` if that is open.
    source: Option<usize>,
    /// When the try began that is under way.
    begun: Begun,
    ever_received: bool,
    /// How often in a row it was refused while others got bytes.
    refusals: u32,
    /// Whether the last response brought something.
    progressed: bool,
    /// Whether what the last response brought came too slowly.
    slowly: bool,
    flowing: Option<Flowing<'a>>,
}

/// A place among the connections that get bytes. It is kept between one response and the next, and lost by a failure: a
/// server that serves this one may have reasons to refuse others.
struct Flowing<'a>(&'a AtomicUsize);

impl<'a> Flowing<'a> {
    fn begin(flowing: &'a AtomicUsize) -> Self {
        flowing.fetch_add(1, Ordering::Relaxed);
        Self(flowing)
    }
}

impl Drop for Flowing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Worked<'_> {
    async fn ask(&mut self) -> Result<Answer, Error> {
        let range = match self.worker.scope {
            Scope::Block(block) => {
                let (start, end) = self.transfer.ledger.missing(block);
                Some(ByteRange { start, end })
            }
            Scope::Whole => None,
        };
        let mut version = self.transfer.version.clone();
        // A length that was learnt on the way holds for all answers after it.
        version.total = version.total.or(self.transfer.ledger.total());
        let version = Some(version);
        let ask = Ask { range, version, ..Ask::default() };
        // As long as it serves, its connection is used again.
        let spread = self.worker.scope.block().is_some();
        let source = *self.source.get_or_insert_with(|| self.run.pick(&ask, spread));
        (self.begun, self.slowly) = (self.run.begin(), false);
        self.worker.asks();
        let answer = tokio::select! {
            biased;
            () = self.transfer.halt.cancelled() => Err(crate::run::canceled()),
            () = self.worker.relieved.cancelled() => Err(crate::run::canceled()),
            answer = connect(self.run, &ask, Step::Block(self.worker.scope.number()), source) => answer,
        };
        self.worker.answered();
        answer
    }

    /// Takes what an answer brings. `None`: ask on.
    async fn take(&mut self, mut answer: Answer) -> Result<Option<WorkEnd>, Error> {
        let spare = self.run.can_spare(answer.source, Some(&self.transfer.version));
        match answer.verdict {
            ResponseVerdict::Body { end, .. } if self.is_unasked_whole(&answer, end) => {
                if spare {
                    Err(no_ranges())
                } else {
                    Ok(Some(WorkEnd::Whole(Box::new(answer))))
                }
            }
            ResponseVerdict::Body { start, end, version } => {
                if let Some(total) = version.total {
                    // The length may come to be known only now.
                    self.transfer.ledger.set_total(total);
                }
                self.warn_of_coding(answer.connected.as_ref());
                self.receive(answer.connected.as_mut(), start, end).await
            }
            ResponseVerdict::Changed(cause) => match self.run.pass_over(answer.source, cause) {
                Some(error) => Err(error),
                None => Ok(Some(WorkEnd::StartOver(cause))),
            },
            ResponseVerdict::AskWithoutRange(error) if spare => Err(error),
            ResponseVerdict::AskWithoutRange(error) => Ok(Some(WorkEnd::AskWithoutRange(error))),
            ResponseVerdict::Refused(error) => Err(error),
            _ => Err(unfit()),
        }
    }

    /// Whether the server sends the whole resource where one block of several was asked for.
    fn is_unasked_whole(&self, answer: &Answer, end: Option<u64>) -> bool {
        let Some(block) = self.worker.scope.block().filter(|_| answer.connected.head().status != 206) else {
            return false;
        };
        let (start, block_end) = self.transfer.ledger.missing(block);
        start > 0 || block_end != end
    }

    fn warn_of_coding(&self, connected: &dyn Connected) {
        if let Some(coding) = connected.head().content_encoding() {
            self.run.hub.warn(format!("the server sends the file encoded as {coding}; it is kept like that"));
        }
    }

    async fn receive(
        &mut self,
        connected: &mut dyn Connected,
        start: u64,
        end: Option<u64>,
    ) -> Result<Option<WorkEnd>, Error> {
        let number = self.worker.scope.number();
        let ledger = &self.transfer.ledger;
        let (missing, block_end) = ledger.missing(number);
        self.run
            .hub
            .publish(Event::FetchStart { block: number, remaining: block_end.map(|end| end - missing) });
        let before = self.reached();
        self.flowing.get_or_insert_with(|| Flowing::begin(&self.transfer.flowing));
        let received = receive_body(self.run, self.transfer, self.worker, connected, start, end).await;
        self.progressed = self.reached() > before;
        self.ever_received |= self.progressed;
        match received {
            Ok(()) if self.is_done() => Ok(Some(self.full())),
            Ok(()) if self.progressed && self.transfer.spliceable => Ok(None),
            Ok(()) => Err(ended_early()),
            Err(Fault::Halted) => Ok(Some(WorkEnd::Halted)),
            Err(Fault::Local(error)) => Ok(Some(WorkEnd::Failed(error))),
            Err(Fault::Remote(error)) => Err(error),
            Err(Fault::Slow(error)) => {
                self.slowly = true;
                Err(error)
            }
        }
    }

    /// How many bytes this connection's work has brought: what others bring meanwhile is not its own.
    fn reached(&self) -> u64 {
        let ledger = &self.transfer.ledger;
        self.worker.scope.block().map_or_else(|| ledger.written(), |block| ledger.fetched(block))
    }

    fn is_done(&self) -> bool {
        match self.worker.scope {
            Scope::Block(_) => is_satisfied(self.transfer, self.worker.scope),
            Scope::Whole => self.transfer.ledger.is_full(),
        }
    }

    fn full(&self) -> WorkEnd {
        let (hub, ledger, block) = (&self.run.hub, &self.transfer.ledger, self.worker.scope.number());
        hub.publish_increases(ledger);
        hub.publish(Event::FetchEnd { block, fetched: ledger.fetched(block) });
        WorkEnd::Full
    }

    /// Decides what a failure of the network or the server means. `None`: try again.
    async fn after_failure(&mut self, error: Error) -> Option<WorkEnd> {
        self.flowing = None;
        // First of all: the block's counters are another one's then.
        if self.worker.relieved.is_cancelled() {
            if let Some(source) = self.source {
                self.moves_on(source, &no_answer(), true);
            }
            return Some(WorkEnd::Relieved);
        }
        self.transfer.ledger.forget_unwritten(self.worker.scope.block());
        if self.transfer.halt.is_cancelled() {
            return Some(WorkEnd::Halted);
        }
        let others_flow = self.transfer.flowing.load(Ordering::Relaxed) > 0;
        let is_refusal = !self.progressed && others_flow && is_refusal_to_serve(&error);
        self.refusals = if is_refusal { self.refusals + 1 } else { 0 };
        let source = self.source.take().unwrap_or(MAIN);
        if self.moves_on(source, &error, is_refusal) {
            return self.again();
        }
        // One that was served before is worth a few tries.
        if is_refusal && (!self.ever_received || self.refusals > A_FEW) {
            return Some(WorkEnd::NotServed(error));
        }
        let (version, reached) = (Some(&self.transfer.version), self.transfer.ledger.written());
        let tried = Tried { begun: self.begun, reached, slowly: self.slowly };
        let waited = tokio::select! {
            biased;
            () = self.transfer.halt.cancelled() => return Some(WorkEnd::Halted),
            waited = self.run.retry(self.worker.scope.number(), error, tried, version) => waited,
        };
        match waited {
            Ok(()) => self.again(),
            Err(error) if error.kind() == ErrorKind::Canceled => Some(WorkEnd::Halted),
            // The others need neither end with it nor pay for its tries.
            Err(error) if is_refusal || (self.slowly && others_flow) => {
                self.run.forgive();
                Some(WorkEnd::NotServed(error))
            }
            Err(error) => {
                Some(self.run.elsewhere(error, version).map_or_else(WorkEnd::Failed, WorkEnd::StartOver))
            }
        }
    }

    /// Tells the sources of a failure of this one. Returns whether another one can be asked at once.
    fn moves_on(&self, source: usize, error: &Error, crowded: bool) -> bool {
        let (version, block) = (Some(&self.transfer.version), self.worker.scope.number());
        let progressed = self.progressed && !self.slowly;
        self.run.moves_on(&Failure { source, block, error, version, progressed, crowded })
    }

    /// Goes on with another request. `None`: for the same bytes.
    fn again(&self) -> Option<WorkEnd> {
        if self.transfer.spliceable { None } else { Some(WorkEnd::Again) }
    }
}

/// How often a connection that was served before may be refused in a row.
const A_FEW: u32 = 3;

/// Whether a server says by this, in one form or another, that it wants fewer connections.
fn is_refusal_to_serve(error: &Error) -> bool {
    error.is_temporary() || error.status() == Some(403)
}

/// Receives a body whose first byte belongs at `position`, and writes of it what the worker's scope misses.
async fn receive_body(
    run: &Run,
    transfer: &Transfer,
    worker: &Worker,
    connected: &mut dyn Connected,
    mut position: u64,
    end: Option<u64>,
) -> Result<(), Fault> {
    let scope = worker.scope;
    let mut writer = Writer::new(transfer);
    let limits = run.task.timeouts();
    let mut deadline = from_now(limits.stall);
    let mut pace = Pace::new(limits.lowest_speed);
    let received = loop {
        if end.is_some_and(|end| position >= end) || is_satisfied(transfer, scope) {
            break Ok(());
        }
        if pace.is_too_slow(transfer.flowing.load(Ordering::Relaxed)) {
            break Err(too_slow(&pace));
        }
        let full = writer.is_full();
        if full {
            deadline = from_now(limits.stall);
        }
        let since = Instant::now();
        let chunk = tokio::select! {
            biased;
            () = transfer.halt.cancelled() => break Err(Fault::Halted),
            written = writer.step(), if writer.is_busy() => match written {
                Ok(()) => None,
                Err(error) => break Err(Fault::Local(error)),
            },
            chunk = tokio::time::timeout_at(pace.until(deadline), connected.chunk()), if !full => Some(chunk),
        };
        // Waiting for our own disk is not the server's fault.
        let waited = if full { Duration::ZERO } else { since.elapsed() };
        match chunk {
            None => pace.add(waited, 0),
            Some(Err(_)) if Instant::now() >= deadline => break Err(Fault::Remote(stalled(limits.stall))),
            Some(Err(_)) => pace.add(waited, 0),
            Some(Ok(Err(error))) => break Err(Fault::Remote(error)),
            Some(Ok(Ok(None))) => break ended(transfer, scope, position, end),
            Some(Ok(Ok(Some(chunk)))) => {
                pace.add(waited, chunk.len());
                worker.received(chunk.len());
                if let Err(fault) =
                    take_in(run, transfer, scope, &mut writer, &mut position, end, chunk).await
                {
                    break Err(fault);
                }
                deadline = from_now(limits.stall);
            }
        }
    };
    let drained = writer.drain().await.map_err(Fault::Local);
    if received.is_ok() && end == Some(position) {
        // All bytes are here; seeing the end as well lets the connection be used again.
        let end_of_body = tokio::time::timeout(Duration::from_millis(10), connected.chunk()).await;
        tracing::trace!(?end_of_body);
    }
    drained.and(received)
}

/// Takes a chunk in as the limits let it pass: at a low rate in small pieces, each of which is written and told while
/// the next one waits.
async fn take_in(
    run: &Run,
    transfer: &Transfer,
    scope: Scope,
    writer: &mut Writer<'_>,
    position: &mut u64,
    end: Option<u64>,
    mut chunk: Bytes,
) -> Result<(), Fault> {
    while !chunk.is_empty() && !is_satisfied(transfer, scope) {
        let piece = chunk.split_to(chunk.len().min(run.piece()));
        let length = piece.len() as u64;
        distribute(transfer, scope, writer, *position, clip(piece, *position, end));
        *position = position.saturating_add(length);
        match writer.work_until(run.pass_limits(length, &transfer.halt)).await {
            Ok(true) => {}
            Ok(false) => return Err(Fault::Halted),
            Err(error) => return Err(Fault::Local(error)),
        }
    }
    Ok(())
}

/// The part of a chunk that lies before `end`: what a server sends beyond what it announced belongs nowhere.
fn clip(mut chunk: Bytes, position: u64, end: Option<u64>) -> Bytes {
    if let Some(end) = end {
        let wanted = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX);
        chunk.truncate(wanted);
    }
    chunk
}

/// Hands each missing piece of a chunk to the writer.
fn distribute(transfer: &Transfer, scope: Scope, writer: &mut Writer<'_>, position: u64, chunk: Bytes) {
    let end = position + chunk.len() as u64;
    let mut from = position;
    while let Some(piece) = transfer.ledger.reserve(scope.block(), from, end - from) {
        let begin = (piece.offset - position) as usize;
        from = piece.offset + piece.length;
        writer.push(piece, chunk.slice(begin..begin + piece.length as usize));
    }
}

/// Whether nothing that comes would be needed.
fn is_satisfied(transfer: &Transfer, scope: Scope) -> bool {
    match scope {
        Scope::Block(block) => {
            let (position, end) = transfer.ledger.missing(block);
            end == Some(position)
        }
        Scope::Whole => !transfer.ledger.has_rest() && transfer.ledger.total().is_some(),
    }
}

/// The body came to its clean end.
fn ended(transfer: &Transfer, scope: Scope, position: u64, end: Option<u64>) -> Result<(), Fault> {
    match end {
        Some(end) if position < end => Err(Fault::Remote(ended_early())),
        Some(_) => Ok(()),
        // Only now is the length known; and only if this body reached as far as an earlier one did.
        None if transfer.ledger.missing(scope.number()).0 == position => {
            transfer.ledger.end_here(scope.number());
            Ok(())
        }
        None => Err(Fault::Remote(ended_early())),
    }
}

fn no_ranges() -> Error {
    Error::new(ErrorKind::Protocol, "the server sends only the whole file")
}

fn no_answer() -> Error {
    Error::new(ErrorKind::Timeout, "no answer came while others were served").temporary()
}

fn ended_early() -> Error {
    Error::new(ErrorKind::Network, "the response ended early").temporary()
}

fn too_slow(pace: &Pace) -> Fault {
    let error = pace.error();
    if pace.was_kept() { Fault::Remote(error) } else { Fault::Slow(error) }
}

fn stalled(limit: Duration) -> Error {
    Error::new(ErrorKind::Timeout, "no byte came for too long")
        .with_context("limit", format!("{limit:?}"))
        .temporary()
}

//! All connections of one run: who works on what, until everything is there.

use std::cmp::Reverse;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use okdownload_strategy::SplitFacts;
use okdownload_types::{Result, ResumeFailedCause};
use tokio::time::Instant;
use tracing::Instrument;

use crate::block::{Scope, Transfer, WorkEnd, work};
use crate::connect::Answer;
use crate::order;
use crate::run::{Run, canceled, from_now, sleep_until};
use crate::worker::Worker;

/// How a transfer ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Every byte is written.
    Complete,
    /// The response broke, and without a strong validator no other can continue it. Its retry is paid for.
    Again,
    /// Nothing of what is there can be kept; a response says why.
    StartOver(ResumeFailedCause),
    /// The server sends only the whole resource: one connection must take what is missing out of it. Here is the
    /// response, where there is one already.
    Whole(Option<Answer>),
}

type Working<'a> = Pin<Box<dyn Future<Output = (Arc<Worker>, WorkEnd)> + Send + 'a>>;
type Syncing<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// Fetches all that is missing, over at most `connections` connections. `first` says who begins, with the response that
/// the probe brought if there is one; [`Scope::Whole`] there means that ranges are of no use. With `sync_every`, what is written is synced in the background that often.
///
/// When this returns, no connection works any more and no write is under way.
pub(crate) async fn transfer(
    run: &Run,
    transfer: &Transfer,
    (scope, first): (Scope, Option<Answer>),
    connections: usize,
    sync_every: Option<Duration>,
) -> Result<Outcome> {
    let ranged = scope != Scope::Whole;
    let mut crew = Crew {
        run,
        transfer,
        working: FuturesUnordered::new(),
        workers: Vec::new(),
        connections,
        idle: Vec::new(),
        patience: run.task.timeouts().head / PATIENCE,
        ranged,
    };
    crew.start(scope, first);
    let mut syncing: Option<Syncing<'_>> = None;
    let mut next_sync = sync_every.map(from_now);
    let outcome = loop {
        crew.fill();
        transfer.ledger.set_connections(crew.working.len());
        let relief = crew.relief();
        // Only one sync at a time: the next one is due some time after this one is done.
        let due = next_sync.filter(|_| syncing.is_none());
        tokio::select! {
            biased;
            ended = crew.working.next() => match ended {
                None => break if transfer.ledger.is_full() { Ok(Outcome::Complete) } else { Err(canceled()) },
                Some((worker, end)) => match crew.ended(&worker, end) {
                    Ok(None) => {}
                    Ok(Some(outcome)) => break Ok(outcome),
                    Err(error) => break Err(error),
                },
            },
            synced = wait_for(&mut syncing) => {
                syncing = None;
                next_sync = sync_every.map(from_now);
                if let Err(error) = synced {
                    break Err(error);
                }
            }
            () = sleep_until(relief) => {}
            () = sleep_until(due) => {
                if transfer.ledger.unsynced() > 0 {
                    syncing = Some(Box::pin(order::sync(&transfer.ledger, transfer.stream.as_ref())));
                } else {
                    next_sync = sync_every.map(from_now);
                }
            }
        }
    };
    crew.halt().await;
    let synced = match syncing {
        Some(syncing) => syncing.await,
        None => Ok(()),
    };
    outcome.and_then(|outcome| synced.map(|()| outcome))
}

async fn wait_for(syncing: &mut Option<Syncing<'_>>) -> Result<()> {
    match syncing {
        Some(syncing) => syncing.await,
        None => std::future::pending().await,
    }
}

struct Crew<'a> {
    run: &'a Run,
    transfer: &'a Transfer,
    working: FuturesUnordered<Working<'a>>,
    /// Those who work.
    workers: Vec<Arc<Worker>>,
    /// How many may work at a time; a server that refuses one lowers it.
    connections: usize,
    /// Those of them that were served to their end and have nothing to do.
    idle: Vec<Idle>,
    /// How long a request may be without an answer before an idle connection takes its block over.
    patience: Duration,
    /// Whether blocks are asked for by range; else one connection takes the whole.
    ranged: bool,
}

/// What is known of a connection that has nothing to do.
#[derive(Debug, Default)]
struct Idle {
    speed: Option<NonZeroU64>,
    answer_time: Duration,
}

/// The limit for a response's head, divided by this, is how long it may take while another connection is idle: one that
/// was served will be served again, and a server may refuse a further one by silence.
const PATIENCE: u32 = 10;

/// How soon an idle connection looks again: who was fast enough to be left alone may have become slow.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

impl<'a> Crew<'a> {
    /// Sets somebody to work on this.
    fn start(&mut self, scope: Scope, first: Option<Answer>) {
        if let Some(block) = scope.block() {
            self.transfer.ledger.assign(block);
        }
        self.idle.pop();
        let worker = Arc::new(Worker::new(scope));
        self.workers.push(worker.clone());
        let (run, transfer) = (self.run, self.transfer);
        let span = tracing::debug_span!("block", number = scope.number());
        let work = async move {
            let end = work(run, transfer, &worker, first).await;
            (worker, end)
        };
        self.working.push(Box::pin(work.instrument(span)));
    }

    /// Sets as many to work as may and as there is work for: blocks that nobody has, those for whose request no answer
    /// comes, then parts of those that are under way.
    fn fill(&mut self) {
        if self.transfer.halt.is_cancelled() {
            return;
        }
        while self.ranged && self.working.len() < self.connections {
            let ledger = &self.transfer.ledger;
            let block = match &self.transfer.in_order {
                Some((_, ahead)) => ledger.claim_ahead(*ahead).or_else(|| self.take_over()),
                None => ledger.claim().or_else(|| self.take_over()).or_else(|| self.split()),
            };
            let Some(block) = block else { return };
            self.start(Scope::Block(block), None);
        }
    }

    /// The request that has been without an answer for longest, with the moment from which on its block may be taken
    /// over.
    fn overdue(&self) -> Option<(Instant, &Worker)> {
        let waiting = self.workers.iter().filter(|worker| !worker.relieved.is_cancelled());
        let overdue = waiting.filter_map(|worker| Some((worker.overdue(self.patience)?, worker.as_ref())));
        overdue.min_by_key(|(moment, _)| *moment)
    }

    /// When an idle connection should look again whether a block is to be taken over or split.
    fn relief(&self) -> Option<Instant> {
        let may = self.ranged && !self.idle.is_empty() && !self.transfer.halt.is_cancelled();
        let later = from_now(LOOK_AGAIN);
        let moment = || self.overdue().map_or(later, |(moment, _)| moment.min(later));
        (may && self.working.len() < self.connections).then(moment)
    }

    /// Takes a block away from the connection whose request for it gets no answer. What that one hears later is dropped.
    fn take_over(&self) -> Option<usize> {
        let is_due = |moment| !self.idle.is_empty() && moment <= Instant::now();
        let (_, worker) = self.overdue().filter(|(moment, _)| is_due(*moment))?;
        tracing::debug!(block = worker.scope.number(), "taking over: there is no answer");
        worker.relieved.cancel();
        worker.scope.block()
    }

    /// Takes part of what would take longest away from the connection that works on it, if that pays.
    fn split(&self) -> Option<usize> {
        if !self.transfer.spliceable {
            return None;
        }
        // Nobody takes what another one has only begun with.
        let &Idle { speed: idle_speed, answer_time } = self.idle.last()?;
        // Who has only begun will be as fast as the others.
        let rests = self.workers.iter().filter_map(|worker| {
            let (position, end) = self.transfer.ledger.missing(worker.scope.block()?);
            let remaining = end?.checked_sub(position).filter(|rest| *rest > 0)?;
            Some((remaining, worker.speed().or(idle_speed), worker))
        });
        let mut rests: Vec<_> = rests.collect();
        let all = rests.iter().map(|(remaining, ..)| *remaining).sum();
        let speeds = rests.iter().map(|(_, speed, _)| *speed).chain(self.idle.iter().map(|idle| idle.speed));
        let speed_of_all = speeds.flatten().map(NonZeroU64::get).fold(0, u64::saturating_add);
        let time_left = NonZeroU64::new(speed_of_all).map(|speed| time(all, Some(speed)));
        let mut strategy = self.run.strategy();
        // One that stands still may have nothing worth taking, and others all the more.
        rests.sort_by_key(|(remaining, speed, _)| Reverse(time(*remaining, *speed)));
        rests.into_iter().find_map(|(remaining, speed, worker)| {
            let mut facts = SplitFacts::new(remaining, strategy.smallest_block().get());
            (facts.speed, facts.idle_speed, facts.time_left) = (speed, idle_speed, time_left);
            facts.answer_time = answer_time.max(worker.answer_time());
            let taken = strategy.split(&facts)?;
            self.transfer.ledger.split(worker.scope.block()?, taken.get())
        })
    }

    /// Goes on after a connection's end. `Some`: the transfer is over.
    fn ended(&mut self, worker: &Arc<Worker>, end: WorkEnd) -> Result<Option<Outcome>> {
        self.workers.retain(|other| !Arc::ptr_eq(other, worker));
        let scope = worker.scope;
        match end {
            WorkEnd::Full => {
                self.release(scope);
                self.idle.push(Idle { speed: worker.speed(), answer_time: worker.answer_time() });
            }
            WorkEnd::Halted => self.release(scope),
            WorkEnd::NotServed(error) => {
                tracing::debug!(%error, "the server wants fewer connections");
                self.release(scope);
                self.connections = self.working.len().max(1);
            }
            // Silence is a refusal as well. The block is no longer this one's to be released.
            WorkEnd::Relieved if self.run.sources().count() > 1 => self.idle.push(Idle::default()),
            WorkEnd::Relieved => self.connections = self.working.len().max(1),
            WorkEnd::Whole(answer) => {
                self.release(scope);
                return Ok(Some(Outcome::Whole(Some(*answer))));
            }
            WorkEnd::AskWithoutRange(error) => {
                tracing::debug!(%error, "asking for the whole");
                self.release(scope);
                return Ok(Some(Outcome::Whole(None)));
            }
            WorkEnd::Again => return Ok(Some(Outcome::Again)),
            WorkEnd::StartOver(cause) => return Ok(Some(Outcome::StartOver(cause))),
            WorkEnd::Failed(error) => return Err(error),
        }
        Ok(None)
    }

    fn release(&self, scope: Scope) {
        if let Some(block) = scope.block() {
            self.transfer.ledger.release(block);
        }
    }

    /// Stops everybody and waits for their last writes.
    async fn halt(&mut self) {
        self.transfer.halt.cancel();
        while let Some((worker, _)) = self.working.next().await {
            self.release(worker.scope);
        }
    }
}

/// How long so many bytes take at this speed; for ever, nearly, where it is not known.
fn time(bytes: u64, speed: Option<NonZeroU64>) -> Duration {
    let micros = u128::from(bytes) * 1_000_000 / speed.map_or(1, |speed| speed.get().into());
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

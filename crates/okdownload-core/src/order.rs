//! The order kernel: the one place that decides when bytes may be claimed.
//!
//! Three things happen to a byte, always in this order:
//!
//! 1. it is **durable**: the output has taken it (it survives this process), or has synced it (it survives a loss of
//!    power);
//! 2. the **store is told**, by absolute counters that were read *after* step 1, in one atomic batch;
//! 3. the counters are **published** to those who watch.
//!
//! Whatever dies between two steps leaves bytes without a claim, which costs fetching them again, and never a claim
//! without bytes. Counters are absolute, so telling the store twice, or late, does no harm.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use okdownload_output::OutputStream;
use okdownload_store::{Change, CommitLevel, DownloadStore, Remit};
use okdownload_types::{Error, ErrorKind, Result, TaskId};
use tokio::sync::Notify;

use crate::hub::Hub;
use crate::ledger::{Ledger, Snapshot};
use crate::sync::lock;

/// How long an end may wait for others to share its batch.
const SHARED_WAIT: Duration = Duration::from_millis(2);

/// Tells the store, once a tick for all running tasks together.
#[derive(Debug)]
pub(crate) struct Recorder {
    store: Remit,
    tick: Duration,
    running: Mutex<BTreeMap<TaskId, Watched>>,
    /// Changes that may wait for the next tick: completions of small files share one transaction that way.
    queue: Mutex<Queue>,
    /// Only one batch is on its way at a time; a later one must not overtake it. Holds the number of the last tick that
    /// told all.
    telling: tokio::sync::Mutex<u64>,
    /// How many ticks have begun.
    ticks: AtomicU64,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    changes: Vec<Change>,
    /// About whom the changes are that were taken out to be told, until they are.
    under_way: Vec<TaskId>,
}

impl Queue {
    fn has(&self, id: TaskId) -> bool {
        self.changes.iter().any(|change| change.id() == Some(id))
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Watched {
    ledger: Arc<Ledger>,
    hub: Arc<Hub>,
    /// Whether the store is told. Of what can't be found again it is not.
    kept: bool,
}

impl Recorder {
    pub(crate) fn new(store: Remit, tick: Duration) -> Self {
        Self {
            store,
            tick,
            running: Mutex::default(),
            queue: Mutex::default(),
            telling: tokio::sync::Mutex::default(),
            ticks: AtomicU64::new(0),
            wake: Notify::new(),
        }
    }

    /// The store as readers should see it.
    pub(crate) fn store(&self) -> &Remit {
        &self.store
    }

    /// Ticks as long as the engine lives. A tick with no news costs no commit.
    pub(crate) async fn run(&self) {
        loop {
            if self.is_idle() {
                self.wake.notified().await;
            }
            tokio::time::sleep(self.tick).await;
            if let Err(error) = self.record().await {
                tracing::warn!(%error, "progress could not be recorded; it will be tried again");
            }
        }
    }

    /// Watches the counters of a run from now on.
    pub(crate) fn watch(&self, id: TaskId, ledger: Arc<Ledger>, hub: Arc<Hub>, kept: bool) {
        hub.begin(&ledger);
        lock(&self.running).insert(id, Watched { ledger, hub, kept });
        self.wake.notify_one();
    }

    /// The run is over. Its last counters are told and published before this returns.
    pub(crate) async fn unwatch(&self, id: TaskId) -> Result<()> {
        let told = self.record().await;
        let run = self.forget(id);
        told.and(run.map_or(Ok(()), |run| run.ledger.recorded()))
    }

    /// Makes a change at the next tick, or when [`told`](Recorder::told) is asked for.
    pub(crate) fn defer(&self, change: Change) {
        lock(&self.queue).changes.push(change);
    }

    /// The run is over, and its counters need not be told any more.
    pub(crate) fn forget(&self, id: TaskId) -> Option<Watched> {
        self.take_off(id, false)
    }

    /// The run is over, and its file has its name. To be called before its completion is [deferred](Self::defer): who takes
    /// that out of the queue must not tell the store of the part afterwards.
    pub(crate) fn forget_whole(&self, id: TaskId) {
        self.take_off(id, true);
    }

    fn take_off(&self, id: TaskId, whole: bool) -> Option<Watched> {
        let run = lock(&self.running).remove(&id);
        if let Some(run) = &run {
            run.hub.rest(&run.ledger, whole);
        }
        run
    }

    /// Waits until what was deferred about this task is told. Those that end at about the same time share one batch.
    pub(crate) async fn told(&self, id: TaskId) -> Result<()> {
        let waits = || lock(&self.queue).has(id);
        if waits() {
            tokio::time::sleep(SHARED_WAIT.min(self.tick)).await;
        }
        // It may have been taken out of the queue, and still be on its way.
        {
            let queue = lock(&self.queue);
            if !queue.has(id) && !queue.under_way.contains(&id) {
                return Ok(());
            }
        }
        let _telling = self.telling.lock().await;
        let told = if waits() { self.tell_queue().await } else { Ok(()) };
        // What was refused of another task is not this one's.
        if waits() { told } else { Ok(()) }
    }

    /// Makes changes now, after all that was deferred before. Only for tasks whose counters nobody watches yet; so
    /// several may wait for the disk together, and ticks need not wait for them.
    pub(crate) async fn commit(&self, changes: Vec<Change>, level: CommitLevel) -> Result<()> {
        {
            let _telling = self.telling.lock().await;
            others_aside(self.tell_queue().await)?;
        }
        self.store.commit(changes, level).await
    }

    /// Does this while no batch is on its way: what was taken out of the queue would be lost with who tells it.
    pub(crate) async fn between_batches(&self, work: impl FnOnce()) {
        let _telling = self.telling.lock().await;
        work();
    }

    /// All counters of a run whose part is whole are told, so that whoever finds the part under its final name, and no
    /// completion record, knows it again. Of what the store need not know yet, nothing is told: the completion record will
    /// be the first of it.
    pub(crate) async fn record_whole(&self, id: TaskId) -> Result<()> {
        let Some(run) = lock(&self.running).get(&id).cloned() else { return Ok(()) };
        if run.kept && run.ledger.recorded().is_ok() && self.store.may_wait(id, run.ledger.written()) {
            return Ok(());
        }
        self.record().await.and_then(|()| run.ledger.recorded())
    }

    /// One tick; shared by all who ask for one while another is on its way. What the store refuses of one task is no
    /// error here: that task's [ledger](Ledger::recorded) says so.
    pub(crate) async fn record(&self) -> Result<()> {
        let begun = self.ticks.load(Ordering::Acquire);
        let mut told = self.telling.lock().await;
        if *told > begun {
            return Ok(());
        }
        let tick = self.ticks.fetch_add(1, Ordering::AcqRel) + 1;
        self.record_news().await?;
        *told = tick;
        Ok(())
    }

    async fn record_news(&self) -> Result<()> {
        // Before it is asked who runs: whose completion is told here does not run any more.
        let told = others_aside(self.tell_queue().await);
        let runs: Vec<Watched> = lock(&self.running).values().cloned().collect();
        if let Err(error) = told {
            runs.iter().for_each(|run| run.ledger.not_stored(error.clone()));
            return Err(error);
        }
        // 1. What the counters say has been taken by the output already.
        let mut news: Vec<(&Watched, Snapshot)> = Vec::new();
        for run in &runs {
            match run.ledger.news() {
                Some(snapshot) => news.push((run, snapshot)),
                None => run.hub.publish_stall(&run.ledger),
            }
        }
        // 2. The store is told.
        let kept: Vec<&Snapshot> =
            news.iter().filter(|(run, _)| run.kept).map(|(_, snapshot)| snapshot).collect();
        let told = self.tell(&kept).await;
        let refused = told.as_ref().is_err_and(is_refusal);
        for (run, snapshot) in &news {
            let told = match &told {
                Err(_) if refused && run.kept => self.tell_whole(snapshot).await,
                Err(error) if !refused => Err(error.clone()),
                _ => Ok(()),
            };
            match told {
                // 3. The counters are published.
                Ok(()) => {
                    run.ledger.stored(snapshot);
                    run.hub.publish_progress(&run.ledger, snapshot.info.written());
                }
                Err(error) => run.ledger.not_stored(error),
            }
        }
        if refused { Ok(()) } else { told }
    }

    /// One task's breakpoint, whole and by itself: somebody may have removed it under its running task, and what is
    /// refused of one must not harm the others.
    async fn tell_whole(&self, snapshot: &Snapshot) -> Result<()> {
        self.store.commit(vec![Change::Put(snapshot.info.clone())], level(&[snapshot])).await
    }

    /// All in one batch, at once: a sync that fails meanwhile would make old claims of what is not told yet.
    async fn tell(&self, snapshots: &[&Snapshot]) -> Result<()> {
        if !snapshots.is_empty() {
            let changes = snapshots.iter().map(|snapshot| change(snapshot)).collect();
            self.store.commit(changes, level(snapshots)).await?;
        }
        others_aside(self.store.commit_due().await)
    }

    async fn tell_queue(&self) -> Result<()> {
        let queue = {
            let mut queue = lock(&self.queue);
            queue.under_way = queue.changes.iter().filter_map(Change::id).collect();
            std::mem::take(&mut queue.changes)
        };
        if queue.is_empty() {
            return Ok(());
        }
        let mut told = self.store.commit(queue.clone(), CommitLevel::Process).await;
        let mut left = if told.is_err() { queue } else { Vec::new() };
        if told.as_ref().is_err_and(is_refusal) {
            for change in std::mem::take(&mut left) {
                if let Err(error) = self.store.commit(vec![change.clone()], CommitLevel::Process).await {
                    left.push(change);
                    if told.as_ref().is_err_and(is_refusal) {
                        told = Err(error);
                    }
                }
            }
            if left.is_empty() {
                told = Ok(());
            }
        }
        let mut queue = lock(&self.queue);
        queue.changes.splice(0..0, left);
        queue.under_way.clear();
        told
    }

    fn is_idle(&self) -> bool {
        lock(&self.running).is_empty()
    }
}

/// Whether the store says that it can't take this very change, not that it can't be written.
fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unsupported)
}

/// What was refused of some task keeps nobody else from being told.
fn others_aside(told: Result<()>) -> Result<()> {
    told.or_else(|error| if is_refusal(&error) { Ok(()) } else { Err(error) })
}

/// Bytes that survive a loss of power are of use only if their record does too. Syncs are rare, so it costs little.
fn level(snapshots: &[&Snapshot]) -> CommitLevel {
    let newly_synced = snapshots.iter().any(|snapshot| snapshot.newly_synced);
    if newly_synced { CommitLevel::Power } else { CommitLevel::Process }
}

/// A list of blocks that the store does not have replaces the old one, whole; else only counters are told.
fn change(snapshot: &Snapshot) -> Change {
    if snapshot.same_layout {
        Change::Progress(snapshot.info.id, snapshot.info.blocks.clone())
    } else {
        Change::Put(snapshot.info.clone())
    }
}

/// Makes what is written safe from a loss of power, and only then counts it as synced.
///
/// A sync that fails takes back every *written* mark since the last good one: the system may have dropped those bytes,
/// and a second sync that succeeds would say nothing about them.
pub(crate) async fn sync(ledger: &Ledger, stream: &dyn OutputStream) -> Result<()> {
    let mark = ledger.mark();
    match stream.flush_and_sync().await {
        Ok(()) => {
            ledger.synced(&mark);
            Ok(())
        }
        Err(error) => {
            ledger.void_unsynced();
            Err(error)
        }
    }
}

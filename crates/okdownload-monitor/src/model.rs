//! How far a task is, as its events tell it, and where listeners keep that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use okdownload_types::{BreakpointInfo, DownloadTask, EndCause, TaskEnd, TaskId};

use crate::Event;

/// How far a task is, as the events of its run tell it.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct TaskModel {
    /// The plan; there is none before the first answer of the server.
    pub info: Option<Arc<BreakpointInfo>>,
    /// Whether the run goes on from bytes of an earlier one.
    pub from_breakpoint: bool,
    /// The blocks, by number. A block that is split while it runs gives some of its bytes to one with a new number.
    pub blocks: Vec<BlockModel>,
    /// Bytes that are there.
    pub current_offset: u64,
    /// The length of the resource, where it is known.
    pub total_length: Option<u64>,
    /// How often the run has begun to fetch.
    beginnings: u32,
}

/// How far a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BlockModel {
    /// Bytes of it that are there.
    pub current_offset: u64,
    /// Its length, where it is known. A block that is being split is told its new length only when it ends.
    pub length: Option<u64>,
    /// Whether it is whole.
    pub ended: bool,
}

impl TaskModel {
    /// Takes in what an event tells. For listeners of one's own: give it every event of a task, and it is always what
    /// Listener1 to 4 would say.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::TaskStart => *self = Self::default(),
            Event::FromBeginning { info, .. } => self.begin(info, false),
            Event::FromBreakpoint { info } => self.begin(info, true),
            Event::Recovered { model } => *self = (**model).clone(),
            Event::FetchStart { block, remaining } => {
                let block = self.block_mut(*block);
                // The number of a block that is whole may be given again; a new one comes from a split.
                if block.ended || *block == BlockModel::default() {
                    *block = BlockModel { length: *remaining, ..BlockModel::default() };
                }
            }
            Event::FetchProgress { block, increase } => {
                self.block_mut(*block).current_offset += increase;
                self.current_offset += increase;
            }
            Event::FetchEnd { block, .. } => {
                let block = self.block_mut(*block);
                block.length = Some(block.current_offset);
                block.ended = true;
            }
            Event::TaskEnd(end) if end.is_completed() => {
                self.total_length = end.length.or(self.total_length);
                self.current_offset = self.total_length.unwrap_or(self.current_offset);
            }
            _ => {}
        }
    }

    /// Whether this run had begun to fetch before, and began anew.
    pub fn is_started_over(&self) -> bool {
        self.beginnings > 1
    }

    fn begin(&mut self, info: &Arc<BreakpointInfo>, from_breakpoint: bool) {
        let blocks = info.blocks.iter().map(|block| BlockModel {
            current_offset: block.written,
            length: block.length,
            ended: block.is_full(),
        });
        *self = Self {
            from_breakpoint,
            blocks: blocks.collect(),
            current_offset: info.written(),
            total_length: info.total,
            beginnings: self.beginnings + 1,
            info: Some(info.clone()),
        };
    }

    fn block_mut(&mut self, block: usize) -> &mut BlockModel {
        if self.blocks.len() <= block {
            self.blocks.resize(block + 1, BlockModel::default());
        }
        &mut self.blocks[block]
    }
}

/// What a listener keeps for each task that runs.
#[derive(Debug)]
pub(crate) struct PerTask<S>(Mutex<BTreeMap<TaskId, S>>);

impl<S> Default for PerTask<S> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<S: Default> PerTask<S> {
    /// Lends a task's state out: no lock is held meanwhile, so that a callback may take its time. It is kept also if the
    /// callback panics.
    pub(crate) fn visit<R>(&self, id: TaskId, visit: impl FnOnce(&mut S) -> R) -> R {
        let mut lent = Lent { home: self, id, state: self.take(id) };
        visit(&mut lent.state)
    }

    /// Lends a task's state out for the last time. A task that was refused because an equal one is here already has
    /// none: what is kept under its id is the other one's, who goes on.
    pub(crate) fn end<R>(&self, id: TaskId, end: &TaskEnd, visit: impl FnOnce(&mut S) -> R) -> R {
        let refused = end.cause == EndCause::SameTaskBusy;
        visit(&mut if refused { S::default() } else { self.take(id) })
    }

    fn take(&self, id: TaskId) -> S {
        lock(&self.0).remove(&id).unwrap_or_default()
    }
}

impl PerTask<TaskModel> {
    /// Takes an event into the task's model, and tells of it with the model as it is then.
    pub(crate) fn follow(&self, task: &DownloadTask, event: &Event, tell: impl FnOnce(&TaskModel)) {
        let follow = |model: &mut TaskModel| {
            model.apply(event);
            tell(model);
        };
        match event {
            Event::TaskEnd(end) => self.end(task.id(), end, follow),
            _ => self.visit(task.id(), follow),
        }
    }
}

struct Lent<'a, S: Default> {
    home: &'a PerTask<S>,
    id: TaskId,
    state: S,
}

impl<S: Default> Drop for Lent<'_, S> {
    fn drop(&mut self) {
        lock(&self.home.0).insert(self.id, std::mem::take(&mut self.state));
    }
}

/// What is behind a lock here is never left half done by a panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The live counters of one run: who fetches what, how far each block is, and what of it is safe.

use std::sync::{Mutex, MutexGuard};

use okdownload_types::{BlockInfo, BreakpointInfo, Error, Result};

use crate::in_order::Ahead;
use crate::sync::lock;

/// The blocks of one run. Blocks keep their numbers: a split shortens one and appends another.
#[derive(Debug)]
pub(crate) struct Ledger {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Everything of the breakpoint but its blocks.
    info: BreakpointInfo,
    blocks: Vec<Live>,
    connections: usize,
    /// Counts changes of the list of blocks.
    layout: u64,
    /// The layout that the store has.
    stored_layout: Option<u64>,
    /// Whether a sync failed. Writes that were under way then may lie behind bytes that are lost, so nothing counts
    /// any more in this run.
    void: bool,
    /// Whether counters moved since the store was last told.
    moved: bool,
    /// Counts syncs that succeeded.
    syncs: u64,
    /// Of how many of them the store was told.
    stored_syncs: u64,
    /// Why the store could not be told the last time.
    untold: Option<Error>,
}

#[derive(Debug, Clone, Copy)]
struct Live {
    block: BlockInfo,
    /// Bytes from the start on that were received, whether written yet or not.
    reserved: u64,
    /// `written` when the run began.
    initial: u64,
    /// `written` when progress was last published.
    published: u64,
    /// Whether a connection works on it.
    assigned: bool,
}

impl Live {
    fn new(block: BlockInfo) -> Self {
        let written = block.written;
        Self { block, reserved: written, initial: written, published: written, assigned: false }
    }

    /// The first byte that nobody has received.
    fn position(&self) -> u64 {
        self.block.start + self.reserved
    }

    /// Whether all of it is there, and nobody works on it.
    fn is_done(&self) -> bool {
        !self.assigned && self.block.is_full()
    }

    /// Whether its number is free.
    fn is_empty(&self) -> bool {
        self.block.length == Some(0)
    }

    /// How many bytes nobody has received; all that there is if the length is not known.
    fn open(&self) -> u64 {
        self.block.length.map_or(u64::MAX, |length| length - self.reserved)
    }
}

/// Bytes of a chunk that a block still needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The block's number.
    pub(crate) block: usize,
    /// Where the bytes belong in the resource.
    pub(crate) offset: u64,
    /// How many there are.
    pub(crate) length: u64,
}

/// Blocks and counters at one moment, for the store and for those who watch.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// The breakpoint, blocks by start.
    pub(crate) info: BreakpointInfo,
    /// Whether the store has this list of blocks, so that only its counters need be told.
    pub(crate) same_layout: bool,
    /// Whether there was a sync that the store was not told of.
    pub(crate) newly_synced: bool,
    layout: u64,
    syncs: u64,
}

/// The *written* counter of each block, by number.
pub(crate) type Mark = Vec<u64>;

impl Ledger {
    /// The ledger of a run that begins with the blocks of `info`.
    pub(crate) fn new(mut info: BreakpointInfo) -> Self {
        let blocks: Vec<_> = std::mem::take(&mut info.blocks).into_iter().map(Live::new).collect();
        // What is synced may be so since just now: what a run finds written, it syncs first of all.
        let synced = blocks.iter().any(|live| live.block.synced > 0);
        Self {
            state: Mutex::new(State {
                info,
                blocks,
                connections: 0,
                layout: 1,
                stored_layout: None,
                void: false,
                moved: true,
                syncs: u64::from(synced),
                stored_syncs: 0,
                untold: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// A block that is not full and that nobody works on; it is the caller's now.
    pub(crate) fn claim(&self) -> Option<usize> {
        let mut state = self.state();
        let block = state.blocks.iter().position(|live| !live.assigned && live.open() > 0)?;
        state.blocks[block].assigned = true;
        Some(block)
    }

    /// For an output that takes bytes in order: the foremost bytes that nobody works on, at most a piece of them; they
    /// are the caller's now. `None` if there are none, or if they lie too far ahead.
    ///
    /// What is whole at the front becomes one block, and numbers that this frees are given again, so that the list
    /// does not grow with the file.
    pub(crate) fn claim_ahead(&self, ahead: Ahead) -> Option<usize> {
        let mut state = self.state();
        state.join_front();
        let front =
            state.blocks.iter().filter(|live| !live.block.is_full()).map(|live| live.block.position());
        let limit = front.min()?.saturating_add(ahead.window);
        let idle = state.blocks.iter().enumerate().filter(|(_, live)| !live.assigned && live.open() > 0);
        let (block, live) = idle.min_by_key(|(_, live)| live.position())?;
        if live.position().saturating_add(ahead.piece.min(live.open())) > limit {
            return None;
        }
        state.blocks[block].assigned = true;
        state.cut(block, ahead.piece);
        Some(block)
    }

    /// Makes this very block the caller's.
    pub(crate) fn assign(&self, block: usize) {
        self.state().blocks[block].assigned = true;
    }

    /// Gives a block back.
    pub(crate) fn release(&self, block: usize) {
        self.forget_unwritten(Some(block));
        self.state().blocks[block].assigned = false;
    }

    /// What was received of a block, or of all of them, and not written counts as missing again.
    pub(crate) fn forget_unwritten(&self, block: Option<usize>) {
        let mut state = self.state();
        for (number, live) in state.blocks.iter_mut().enumerate() {
            if block.is_none_or(|block| block == number) {
                live.reserved = live.block.written;
            }
        }
    }

    /// From where to where a block's missing bytes go.
    pub(crate) fn missing(&self, block: usize) -> (u64, Option<u64>) {
        let state = self.state();
        let live = &state.blocks[block];
        (live.position(), live.block.end())
    }

    /// Which of the `length` bytes at `offset` are missing; they count as received from now on. Without a block, the
    /// first missing ones of any block; ask again for what comes after them. `None` if there are none.
    pub(crate) fn reserve(&self, block: Option<usize>, offset: u64, length: u64) -> Option<Piece> {
        let mut state = self.state();
        let end = offset.saturating_add(length);
        let wanted = |(number, live): &(usize, &mut Live)| {
            block.is_none_or(|block| block == *number) && live.open() > 0 && {
                let position = live.position();
                offset <= position && position < end
            }
        };
        let (block, live) =
            state.blocks.iter_mut().enumerate().filter(wanted).min_by_key(|(_, live)| live.position())?;
        let position = live.position();
        let length = live.open().min(end - position);
        live.reserved += length;
        Some(Piece { block, offset: position, length })
    }

    /// A piece was written.
    pub(crate) fn wrote(&self, block: usize, length: u64) {
        let mut state = self.state();
        if state.void {
            return;
        }
        state.blocks[block].block.written += length;
        state.moved = true;
    }

    /// The length of the resource, learnt on the way: the block of unknown length reaches to its end. What is known
    /// already stays.
    pub(crate) fn set_total(&self, total: u64) {
        let mut state = self.state();
        if state.info.total.is_some() {
            return;
        }
        state.info.total = Some(total);
        if let Some(live) = state.blocks.iter_mut().find(|live| live.block.length.is_none()) {
            live.block.length = Some(total.saturating_sub(live.block.start).max(live.reserved));
        }
        state.layout += 1;
    }

    /// A block of unknown length came to its clean end.
    pub(crate) fn end_here(&self, block: usize) {
        let mut state = self.state();
        let live = &mut state.blocks[block];
        if live.block.length.is_none() {
            live.block.length = Some(live.reserved);
            state.info.total = Some(live.block.start + live.reserved);
            state.layout += 1;
        }
    }

    /// Whether there are bytes, of blocks whose length is known, that nobody has received.
    pub(crate) fn has_rest(&self) -> bool {
        self.state().blocks.iter().any(|live| live.block.length.is_some() && live.open() > 0)
    }

    /// Takes `taken` bytes off the end of a block and makes them a block of their own, which is the caller's.
    pub(crate) fn split(&self, block: usize, taken: u64) -> Option<usize> {
        let mut state = self.state();
        let live = &mut state.blocks[block];
        let kept = live.block.length?.checked_sub(taken)?;
        if kept < live.reserved || taken == 0 {
            return None;
        }
        live.block.length = Some(kept);
        let mut new = Live::new(BlockInfo::new(live.block.start + kept, Some(taken)));
        new.assigned = true;
        state.blocks.push(new);
        state.layout += 1;
        Some(state.blocks.len() - 1)
    }

    /// How far each block is written, to be given to [`synced`](Ledger::synced) once that is safe.
    pub(crate) fn mark(&self) -> Mark {
        self.state().blocks.iter().map(|live| live.block.written).collect()
    }

    /// What `mark` saw written is safe now.
    pub(crate) fn synced(&self, mark: &Mark) {
        let mut state = self.state();
        if state.void {
            return;
        }
        for (live, written) in state.blocks.iter_mut().zip(mark) {
            live.block.synced = *written;
        }
        state.syncs += 1;
        state.moved = true;
    }

    /// A sync failed: nothing is known of what was written since the last one that succeeded.
    pub(crate) fn void_unsynced(&self) {
        let mut state = self.state();
        state.void = true;
        for live in &mut state.blocks {
            live.block.written = live.block.synced;
            live.reserved = live.block.synced;
            live.published = live.published.min(live.block.written);
        }
        state.moved = true;
    }

    /// Whether a sync failed.
    pub(crate) fn is_void(&self) -> bool {
        self.state().void
    }

    /// How many bytes are written and not synced.
    pub(crate) fn unsynced(&self) -> u64 {
        self.state().blocks.iter().map(|live| live.block.written - live.block.synced).sum()
    }

    /// How many bytes are there.
    pub(crate) fn written(&self) -> u64 {
        self.state().blocks.iter().map(|live| live.block.written).sum()
    }

    /// How many bytes of a block this run has brought.
    pub(crate) fn fetched(&self, block: usize) -> u64 {
        let state = self.state();
        let live = &state.blocks[block];
        live.block.written.saturating_sub(live.initial)
    }

    /// The length of the resource, where it is known.
    pub(crate) fn total(&self) -> Option<u64> {
        self.state().info.total
    }

    /// Whether every byte is there.
    pub(crate) fn is_full(&self) -> bool {
        self.state().blocks.iter().all(|live| live.block.is_full())
    }

    /// How many connections are at work.
    pub(crate) fn connections(&self) -> usize {
        self.state().connections
    }

    /// So many connections are at work now.
    pub(crate) fn set_connections(&self, connections: usize) {
        self.state().connections = connections;
    }

    /// Blocks and counters as they are now; `None` if the store knows them already.
    pub(crate) fn news(&self) -> Option<Snapshot> {
        let mut state = self.state();
        let same_layout = state.stored_layout == Some(state.layout);
        if same_layout && !state.moved {
            return None;
        }
        state.moved = false;
        let State { layout, syncs, .. } = *state;
        let newly_synced = syncs > state.stored_syncs;
        Some(Snapshot { info: state.info_with_blocks(), same_layout, newly_synced, layout, syncs })
    }

    /// The store was told of this.
    pub(crate) fn stored(&self, snapshot: &Snapshot) {
        let mut state = self.state();
        state.stored_layout = state.stored_layout.max(Some(snapshot.layout));
        state.stored_syncs = state.stored_syncs.max(snapshot.syncs);
        state.untold = None;
    }

    /// The store could not be told; it must be told again, and all of it: it may have lost the breakpoint.
    pub(crate) fn not_stored(&self, error: Error) {
        let mut state = self.state();
        state.stored_layout = None;
        state.moved = true;
        state.untold = Some(error);
    }

    /// An error if the store could not be told the last time.
    pub(crate) fn recorded(&self) -> Result<()> {
        self.state().untold.clone().map_or(Ok(()), Err)
    }

    /// The breakpoint as it is now.
    pub(crate) fn info(&self) -> BreakpointInfo {
        self.state().info_with_blocks()
    }

    /// What each block has more than when this was last asked.
    pub(crate) fn take_increases(&self) -> Vec<(usize, u64)> {
        let mut state = self.state();
        let mut increases = Vec::new();
        for (block, live) in state.blocks.iter_mut().enumerate() {
            let increase = live.block.written.saturating_sub(live.published);
            if increase > 0 {
                live.published = live.block.written;
                increases.push((block, increase));
            }
        }
        increases
    }
}

impl State {
    /// Leaves a block only `piece` bytes to receive; the others become a block of their own, which is nobody's.
    fn cut(&mut self, block: usize, piece: u64) {
        let live = &mut self.blocks[block];
        let Some(length) = live.block.length.filter(|_| live.open() > piece) else { return };
        let kept = live.reserved + piece;
        live.block.length = Some(kept);
        let rest = Live::new(BlockInfo::new(live.block.start + kept, Some(length - kept)));
        match self.blocks.iter_mut().find(|live| live.is_empty()) {
            Some(free) => *free = rest,
            None => self.blocks.push(rest),
        }
        self.layout += 1;
    }

    /// Joins the first block, if it is whole, with the whole ones that follow it.
    fn join_front(&mut self) {
        let Some((first, others)) = self.blocks.split_first_mut() else { return };
        while first.is_done()
            && let Some(next) = others.iter_mut().find(|live| {
                live.is_done() && !live.is_empty() && Some(live.block.start) == first.block.end()
            })
        {
            let joined = next.block.written;
            first.block.length = Some(first.block.written + joined);
            first.block.written += joined;
            first.block.synced += next.block.synced;
            first.reserved += next.reserved;
            first.initial += next.initial;
            first.published += next.published;
            *next = Live::new(BlockInfo::new(next.block.start, Some(0)));
            self.layout += 1;
        }
    }

    fn info_with_blocks(&self) -> BreakpointInfo {
        let mut info = self.info.clone();
        info.blocks = self.blocks.iter().map(|live| live.block).collect();
        if info.blocks.len() > 1 {
            info.blocks.retain(|block| block.length != Some(0));
        }
        info.blocks.sort_by_key(|block| block.start);
        info
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use okdownload_types::{Location, TaskId};

    /// Of a run that goes on behind bytes that are safe.
    fn synced_info() -> BreakpointInfo {
        let mut info = ledger(&[]).info();
        info.blocks = vec![BlockInfo::new(0, Some(10)).with_progress(4, 4)];
        info
    }

    fn ledger(blocks: &[(u64, u64, u64)]) -> Ledger {
        let place = Location::Path("/a".into());
        let mut info =
            BreakpointInfo::new(TaskId::from_u128(1), "http://h/".parse().unwrap(), place.clone(), place);
        let block = |&(start, length, written)| BlockInfo::new(start, Some(length)).with_progress(written, 0);
        info.blocks = blocks.iter().map(block).collect();
        Ledger::new(info)
    }

    #[test]
    fn chunks_are_cut_to_what_is_missing() {
        let ledger = ledger(&[(0, 10, 4), (10, 10, 0)]);
        let piece = |block, offset, length| Some(Piece { block, offset, length });
        assert_eq!(ledger.reserve(Some(0), 4, 20), piece(0, 4, 6));
        assert_eq!(ledger.reserve(Some(0), 10, 14), None);
        assert_eq!(ledger.reserve(None, 0, 15), piece(1, 10, 5));
        assert_eq!(ledger.reserve(None, 0, 15), None);
        assert_eq!(ledger.reserve(None, 15, 5), piece(1, 15, 5));
        assert_eq!(ledger.claim(), None);
    }

    #[test]
    fn gaps_are_never_jumped_over() {
        let ledger = ledger(&[(0, 10, 0)]);
        assert_eq!(ledger.reserve(Some(0), 5, 5), None);
    }

    #[test]
    fn splits_leave_received_bytes_alone() {
        let ledger = ledger(&[(0, 100, 0)]);
        assert_eq!(ledger.claim(), Some(0));
        ledger.reserve(Some(0), 0, 40);
        assert!(ledger.has_rest());
        assert_eq!(ledger.split(0, 61), None);
        assert_eq!(ledger.split(0, 30), Some(1));
        assert_eq!(ledger.missing(0), (40, Some(70)));
        assert_eq!(ledger.missing(1), (70, Some(100)));
        assert_eq!(ledger.claim(), None);
    }

    #[test]
    fn pieces_come_in_order_within_the_window() {
        let ahead = Ahead { piece: 10, window: 30 };
        let ledger = ledger(&[(0, 10, 0), (10, 1000, 0)]);
        let mut claimed = vec![ledger.claim_ahead(ahead).unwrap()];
        claimed.extend(std::iter::from_fn(|| ledger.claim_ahead(ahead)));
        let starts =
            |blocks: &[usize]| blocks.iter().map(|block| ledger.missing(*block).0).collect::<Vec<_>>();
        assert_eq!(starts(&claimed), [0, 10, 20]);
        let receive = |block: usize| {
            let (start, end) = ledger.missing(block);
            ledger.reserve(Some(block), start, end.unwrap() - start);
            ledger.wrote(block, end.unwrap() - start);
            ledger.release(block);
        };
        // One in the middle is whole: the front has not moved.
        receive(claimed[1]);
        assert_eq!(ledger.claim_ahead(ahead), None);
        receive(claimed[0]);
        let (more, again) = (ledger.claim_ahead(ahead).unwrap(), ledger.claim_ahead(ahead).unwrap());
        assert_eq!((ledger.missing(more), ledger.missing(again)), ((30, Some(40)), (40, Some(50))));
        // A piece that is given back is the next.
        ledger.release(again);
        ledger.release(claimed[2]);
        assert_eq!(ledger.claim_ahead(ahead), Some(claimed[2]));
        let spans: Vec<_> = ledger.info().blocks.iter().map(|block| (block.start, block.length)).collect();
        assert_eq!(spans, [(0, Some(20)), (20, Some(10)), (30, Some(10)), (40, Some(10)), (50, Some(960))]);
        assert_eq!(ledger.written(), 20);
    }

    #[test]
    fn the_list_does_not_grow_with_the_file() {
        let ahead = Ahead { piece: 10, window: 30 };
        let ledger = ledger(&[(0, 10, 0), (10, 99_990, 0)]);
        let (mut most, mut published) = (0, 0);
        while let Some(block) = ledger.claim_ahead(ahead) {
            most = most.max(block);
            let (start, end) = ledger.missing(block);
            ledger.reserve(Some(block), start, end.unwrap() - start);
            ledger.wrote(block, end.unwrap() - start);
            if start % 70 == 0 {
                published += ledger.take_increases().iter().map(|(_, increase)| increase).sum::<u64>();
            }
            ledger.release(block);
        }
        published += ledger.take_increases().iter().map(|(_, increase)| increase).sum::<u64>();
        assert!(ledger.is_full() && most < 4, "{most}");
        assert_eq!((ledger.written(), published), (100_000, 100_000));
    }

    #[test]
    fn a_failed_sync_takes_back_what_it_did_not_cover() {
        let ledger = ledger(&[(0, 10, 0)]);
        let receive = |offset, length| {
            ledger.reserve(Some(0), offset, length);
            ledger.wrote(0, length);
        };
        receive(0, 3);
        let mark = ledger.mark();
        receive(3, 2);
        ledger.synced(&mark);
        assert_eq!((ledger.written(), ledger.unsynced()), (5, 2));
        ledger.void_unsynced();
        assert_eq!((ledger.written(), ledger.unsynced(), ledger.missing(0)), (3, 0, (3, Some(10))));
        // A write that was under way ends: it lies behind what is lost.
        ledger.wrote(0, 4);
        assert_eq!(ledger.written(), 3);
    }

    #[test]
    fn the_store_is_told_once() {
        let ledger = ledger(&[(0, 10, 0)]);
        let first = ledger.news().unwrap();
        assert!(!first.same_layout);
        ledger.stored(&first);
        assert!(ledger.news().is_none());
        ledger.reserve(Some(0), 0, 4);
        ledger.wrote(0, 4);
        assert!(ledger.news().unwrap().same_layout);
        ledger.not_stored(Error::new(okdownload_types::ErrorKind::Store, "no"));
        assert!(ledger.recorded().is_err());
        let again = ledger.news().unwrap();
        assert!(!again.same_layout);
        ledger.stored(&again);
        ledger.split(0, 3);
        assert!(!ledger.news().unwrap().same_layout);
    }

    #[test]
    fn a_sync_is_news_until_the_store_was_told_of_it() {
        let ledger = ledger(&[(0, 10, 4)]);
        assert!(!ledger.news().unwrap().newly_synced);
        assert!(Ledger::new(synced_info()).news().unwrap().newly_synced);
        ledger.synced(&ledger.mark());
        let first = ledger.news().unwrap();
        // One more while the store is being told.
        ledger.synced(&ledger.mark());
        ledger.stored(&first);
        let second = ledger.news().unwrap();
        assert!(first.newly_synced && second.newly_synced);
        ledger.not_stored(Error::new(okdownload_types::ErrorKind::Store, "no"));
        let third = ledger.news().unwrap();
        assert!(third.newly_synced);
        ledger.stored(&third);
        ledger.wrote(0, 0);
        assert!(!ledger.news().unwrap().newly_synced);
    }
}

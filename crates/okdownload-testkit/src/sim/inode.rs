//! One file of the simulated disk: what the system has of it, and what the disk has.

use std::ops::Range;
use std::time::Duration;

use okdownload_types::FileIdentity;

use super::World;
use crate::disk::{Edit, Image, Side};

#[derive(Debug)]
pub(super) struct Inode {
    pub(super) identity: FileIdentity,
    /// What programs see: it survives them.
    pub(super) now: Image,
    /// What is on the disk: it survives the loss of power.
    pub(super) safe: Image,
    /// What has to be done to `safe` to make it `now`, by number.
    unsynced: Vec<(u64, Edit)>,
    next: u64,
    /// A sync failed, and the process that knows it has not closed the file yet.
    pub(super) has_failed: bool,
    /// The next sync fails: the last one did, and who was told of it is dead.
    pub(super) will_fail: bool,
    /// What this process wrote, and when.
    pub(super) written: Vec<(Duration, Range<u64>)>,
}

impl Inode {
    pub(super) fn new(identity: FileIdentity) -> Self {
        Self {
            identity,
            now: Image::default(),
            safe: Image::default(),
            unsynced: Vec::new(),
            next: 0,
            has_failed: false,
            will_fail: false,
            written: Vec::new(),
        }
    }

    pub(super) fn edit(&mut self, edit: Edit) {
        self.now.apply(&edit);
        self.unsynced.push((self.next, edit));
        self.next += 1;
    }

    /// A mark for [`sync`](Inode::sync): it brings what was written before the mark.
    pub(super) fn mark(&self) -> u64 {
        self.next
    }

    pub(super) fn sync(&mut self, mark: u64) {
        let safe = &mut self.safe;
        self.unsynced.retain(|(number, edit)| {
            if *number < mark {
                safe.apply(edit);
            }
            *number >= mark
        });
    }

    /// A sync fails: each write since the last one may be on the disk, or only look as if it were, or be lost at once.
    /// None of them will be brought to the disk by another sync.
    pub(super) fn fail_to_sync(&mut self, world: &World) {
        let edits = std::mem::take(&mut self.unsynced);
        for (_, edit) in edits {
            match (world.below(3), &edit) {
                (0, _) | (_, Edit::Modified(_) | Edit::Length(_)) => self.safe.apply(&edit),
                (1, _) => {}
                (_, Edit::Data(offset, data)) => {
                    let range = *offset..*offset + data.len() as u64;
                    let mut old = self.safe.range(range).to_vec();
                    old.resize(data.len(), 0);
                    self.now.apply(&Edit::Data(*offset, old.into()));
                }
            }
        }
        self.has_failed = true;
    }

    /// The process dies.
    pub(super) fn process_died(&mut self) {
        self.will_fail |= std::mem::take(&mut self.has_failed);
        self.written.clear();
    }

    /// The power is lost: of what was not synced, any part may be there.
    pub(super) fn power_lost(&mut self, world: &World) {
        // Sometimes nearly all of it is there, sometimes nearly nothing.
        let kept = [0, 100, 500, 900, 1000][world.below(5) as usize];
        for (_, edit) in std::mem::take(&mut self.unsynced) {
            if world.chance(kept) {
                let torn = world.chance(200);
                self.safe.apply(&if torn { tear(world, &edit) } else { edit });
            }
        }
        self.now = self.safe.clone();
        (self.has_failed, self.will_fail) = (false, false);
        self.written.clear();
    }
}

/// What is left of a change if it is torn.
fn tear(world: &World, edit: &Edit) -> Edit {
    match edit {
        Edit::Data(_, data) if !data.is_empty() => {
            let cut = world.below(data.len() as u64 + 1) as usize;
            edit.torn(cut, if world.chance(500) { Side::Head } else { Side::Tail })
        }
        edit => edit.clone(),
    }
}

/// What a write leaves that did not come to its end.
pub(super) fn torn(world: &World, edits: Vec<Edit>) -> Vec<Edit> {
    let whole = world.below(edits.len() as u64 + 1) as usize;
    let mut left: Vec<Edit> = edits[..whole].to_vec();
    if let Some(edit) = edits.get(whole) {
        left.push(tear(world, edit));
    }
    left
}

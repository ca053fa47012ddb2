//! The simulated disk: its files and their names, and what a crash leaves of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use okdownload_types::{FileIdentity, Location};

use super::World;
use super::inode::{Inode, torn};
use crate::disk::{Edit, NameChange, left_of_names};

/// How a process ends that is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// It is killed: what the system has taken stays.
    Process,
    /// The power is lost: what was not synced may be gone, whole or in part.
    Power,
}

/// What others may do to a file while no process of ours runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accident {
    /// It is cut to a part of its length.
    Cut,
    /// It is replaced by another one, of the same length.
    Replaced,
    /// It is removed.
    Removed,
}

/// A disk with one directory, as an [`OutputStreamFactory`](okdownload_output::OutputStreamFactory). Cheap to clone: clones
/// are the same disk.
#[derive(Debug, Clone)]
pub struct SimDisk {
    pub(super) world: World,
    state: Arc<Mutex<Disk>>,
}

#[derive(Debug, Default)]
pub(super) struct Disk {
    pub(super) inodes: BTreeMap<u64, Inode>,
    /// Which file has this name, for programs.
    pub(super) names: BTreeMap<Location, u64>,
    safe_names: BTreeMap<Location, u64>,
    /// Changes of names that are not synced.
    renames: Vec<NameChange<Location>>,
    pub(super) locked: BTreeSet<u64>,
    /// Writes that have begun.
    under_way: BTreeMap<u64, (u64, Vec<Edit>)>,
    next: u64,
    boot: u64,
    births: bool,
}

impl SimDisk {
    /// An empty disk. With `births`, files have a time of birth; without, one that is made anew may look like one that
    /// was removed.
    pub fn new(world: &World, births: bool) -> Self {
        let disk = Disk { births, ..Disk::default() };
        Self { world: world.clone(), state: Arc::new(Mutex::new(disk)) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, Disk> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is left when the process is gone.
    pub fn crash(&self, crash: Crash) {
        self.state().crash(crash, &self.world);
    }

    /// Something happens to a file that no process has open. Returns whether there is one of that name.
    pub fn suffer(&self, name: &Location, accident: Accident) -> bool {
        let mut disk = self.state();
        let Some(&old) = disk.names.get(name) else { return false };
        let length = disk.inodes[&old].now.bytes.len() as u64;
        match accident {
            Accident::Cut => {
                let cut = self.world.below(length + 1);
                disk.edit(old, Edit::Length(cut));
            }
            Accident::Replaced => {
                disk.unlink(name);
                let new = disk.create(name, self.world.now());
                disk.edit(new, Edit::Data(0, vec![b'#'; length as usize].into()));
            }
            Accident::Removed => disk.unlink(name),
        }
        // Whatever happens to it later, what others did was long ago.
        disk.sync_all();
        true
    }

    /// Which file has this name, and how long it is.
    pub fn look(&self, name: &Location) -> Option<(FileIdentity, u64)> {
        let disk = self.state();
        let inode = &disk.inodes[disk.names.get(name)?];
        Some((inode.identity, inode.now.bytes.len() as u64))
    }

    /// Whether somebody has the file of this name open, or had when he died.
    pub fn is_open(&self, name: &Location) -> bool {
        let disk = self.state();
        disk.names.get(name).is_some_and(|inode| disk.locked.contains(inode))
    }

    /// Whether the next sync of the file of this name fails: the last one did, and who was told of it died before he could
    /// tell the store.
    pub fn will_fail(&self, name: &Location) -> bool {
        let disk = self.state();
        disk.names.get(name).is_some_and(|inode| disk.inodes[inode].will_fail)
    }

    /// Whether the next sync of any file fails.
    pub fn any_will_fail(&self) -> bool {
        self.state().inodes.values().any(|inode| inode.will_fail)
    }

    /// The value that stays the same until the power is lost.
    pub fn boot(&self) -> String {
        format!("boot {}", self.state().boot)
    }

    /// All names there are, for programs.
    pub fn names(&self) -> Vec<Location> {
        self.state().names.keys().cloned().collect()
    }

    /// Hands the content of the file of this name to `look`: what programs see, or what is on the disk under that name.
    pub fn read<T>(&self, name: &Location, crash: Crash, look: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let disk = self.state();
        let (names, safe) = match crash {
            Crash::Process => (&disk.names, false),
            Crash::Power => (&disk.safe_names, true),
        };
        let inode = disk.inodes.get(names.get(name)?)?;
        Some(look(if safe { &inode.safe.bytes } else { &inode.now.bytes }))
    }

    /// Hands content of the file of this identity to `look`, if it has this name: what programs see, or what is on the
    /// disk.
    pub fn read_part<T>(
        &self,
        name: &Location,
        identity: FileIdentity,
        crash: Crash,
        look: impl FnOnce(&[u8]) -> T,
    ) -> Option<T> {
        let is_it = self.state().identity(name, crash) == Some(identity);
        is_it.then(|| self.read(name, crash, look)).flatten()
    }

    /// What the living process wrote into the file of this name, and when.
    pub fn written(&self, name: &Location) -> Vec<(Duration, std::ops::Range<u64>)> {
        let disk = self.state();
        disk.names.get(name).map(|inode| disk.inodes[inode].written.clone()).unwrap_or_default()
    }
}

impl Disk {
    fn identity(&self, name: &Location, crash: Crash) -> Option<FileIdentity> {
        let names = if crash == Crash::Process { &self.names } else { &self.safe_names };
        Some(self.inodes.get(names.get(name)?)?.identity)
    }

    pub(super) fn boot(&self) -> u64 {
        self.boot
    }

    pub(super) fn create(&mut self, name: &Location, now: Duration) -> u64 {
        let inode = self.next;
        self.next += 1;
        // The lowest number that no named or open file has.
        let in_use = |number: u64| {
            let has = |inode: &u64| self.inodes.get(inode).is_some_and(|file| file.identity.number == number);
            self.names.values().any(has) || self.locked.iter().any(has)
        };
        let number = (100..).find(|number| !in_use(*number)).unwrap_or(u64::MAX);
        let born = self.births.then(|| now.as_nanos() as i64 + inode as i64);
        self.inodes.insert(inode, Inode::new(FileIdentity::new(number, born)));
        self.names.insert(name.clone(), inode);
        self.renames.push(NameChange { from: None, to: Some(name.clone()), file: inode });
        inode
    }

    pub(super) fn unlink(&mut self, name: &Location) {
        if let Some(inode) = self.names.remove(name) {
            self.renames.push(NameChange { from: Some(name.clone()), to: None, file: inode });
        }
    }

    pub(super) fn rename(&mut self, from: &Location, to: &Location) {
        if let Some(file) = self.names.get(from).copied() {
            let change = NameChange { from: Some(from.clone()), to: Some(to.clone()), file };
            change.apply(&mut self.names);
            self.renames.push(change);
        }
    }

    pub(super) fn sync_names(&mut self) {
        self.safe_names.clone_from(&self.names);
        self.renames.clear();
        self.bury();
    }

    pub(super) fn edit(&mut self, inode: u64, edit: Edit) {
        if let Some(inode) = self.inodes.get_mut(&inode) {
            inode.edit(edit);
        }
    }

    fn sync_all(&mut self) {
        for inode in self.inodes.values_mut() {
            inode.sync(u64::MAX);
        }
        self.sync_names();
    }

    /// A write begins; it is taken by [`end_write`](Disk::end_write).
    pub(super) fn begin_write(&mut self, inode: u64, edits: Vec<Edit>) -> u64 {
        let ticket = self.next;
        self.next += 1;
        self.under_way.insert(ticket, (inode, edits));
        ticket
    }

    pub(super) fn end_write(&mut self, ticket: u64, now: Duration) {
        let Some((inode, edits)) = self.under_way.remove(&ticket) else { return };
        let Some(inode) = self.inodes.get_mut(&inode) else { return };
        for edit in edits {
            if let Edit::Data(offset, data) = &edit {
                inode.written.push((now, *offset..*offset + data.len() as u64));
            }
            inode.edit(edit);
        }
    }

    /// A write fails half-way.
    pub(super) fn break_write(&mut self, ticket: u64, world: &World) {
        let Some((inode, edits)) = self.under_way.remove(&ticket) else { return };
        for edit in torn(world, edits) {
            self.edit(inode, edit);
        }
    }

    fn crash(&mut self, crash: Crash, world: &World) {
        let under_way: Vec<u64> = self.under_way.keys().copied().collect();
        for ticket in under_way {
            match world.below(3) {
                0 => drop(self.under_way.remove(&ticket)),
                1 => self.end_write(ticket, Duration::ZERO),
                _ => self.break_write(ticket, world),
            }
        }
        self.locked.clear();
        if crash == Crash::Power {
            self.boot += 1;
            self.lose_names(world);
            self.inodes.values_mut().for_each(|inode| inode.power_lost(world));
        } else {
            self.inodes.values_mut().for_each(Inode::process_died);
        }
        self.bury();
    }

    /// Of the changes of names that were not synced, any may have come to the disk that [could](left_of_names).
    fn lose_names(&mut self, world: &World) {
        let kept = [0, 500, 1000][world.below(3) as usize];
        let renames = std::mem::take(&mut self.renames);
        let number = |inode| self.inodes[&inode].identity.number;
        for place in left_of_names(&renames, number, |_| world.chance(kept)) {
            renames[place].apply(&mut self.safe_names);
        }
        self.names.clone_from(&self.safe_names);
    }

    /// Forgets files that nobody can reach any more.
    fn bury(&mut self) {
        let Self { inodes, names, safe_names, renames, locked, under_way, .. } = self;
        inodes.retain(|inode, _| {
            locked.contains(inode)
                || names.values().chain(safe_names.values()).any(|named| named == inode)
                || renames.iter().any(|rename| rename.file == *inode)
                || under_way.values().any(|(written, _)| written == inode)
        });
    }
}

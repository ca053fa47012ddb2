//! What a disk does to files when the power is lost: the rules that the [simulation](crate::sim) and the crash states of the
//! real program share.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::SystemTime;

use bytes::Bytes;

/// A change of a file.
#[derive(Debug, Clone)]
pub enum Edit {
    /// These bytes are written at this position.
    Data(u64, Bytes),
    /// The file is cut, or extended with zeros.
    Length(u64),
    /// Its time of modification is set.
    Modified(SystemTime),
}

/// Which side of a torn write is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// What lies before the cut.
    Head,
    /// What lies behind it.
    Tail,
}

impl Edit {
    /// What is left of it if it is torn at this byte of its data. What has none is whole.
    #[must_use]
    pub fn torn(&self, cut: usize, side: Side) -> Self {
        match self {
            Self::Data(offset, data) if side == Side::Head => Self::Data(*offset, data.slice(..cut)),
            Self::Data(offset, data) => Self::Data(*offset + cut as u64, data.slice(cut..)),
            edit => edit.clone(),
        }
    }
}

/// Content and attributes of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// All its bytes.
    pub bytes: Vec<u8>,
    /// Its time of modification, if somebody has set it.
    pub modified: Option<SystemTime>,
}

impl Image {
    /// Extends it with zeros, if it is shorter: by whole pages, which is much quicker than `resize` without optimisation.
    fn grow(&mut self, length: usize) {
        const ZEROS: &[u8] = &[0; 1 << 16];
        while self.bytes.len() < length {
            let missing = length - self.bytes.len();
            self.bytes.extend_from_slice(&ZEROS[..missing.min(ZEROS.len())]);
        }
    }

    /// Makes a change.
    pub fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::Data(offset, data) => {
                let begin = *offset as usize;
                self.grow(begin);
                let within = data.len().min(self.bytes.len() - begin);
                self.bytes[begin..begin + within].copy_from_slice(&data[..within]);
                self.bytes.extend_from_slice(&data[within..]);
            }
            Edit::Length(length) => {
                self.grow(*length as usize);
                self.bytes.truncate(*length as usize);
            }
            Edit::Modified(time) => self.modified = Some(*time),
        }
    }

    /// The bytes of this range that there are.
    pub fn range(&self, range: Range<u64>) -> &[u8] {
        let end = range.end.min(self.bytes.len() as u64);
        &self.bytes[range.start.min(end) as usize..end as usize]
    }
}

/// A change of names: a file is made, renamed, linked or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameChange<N> {
    /// The name that it loses.
    pub from: Option<N>,
    /// The name that it gets; another file loses it.
    pub to: Option<N>,
    /// Which file.
    pub file: u64,
}

impl<N: Ord + Clone> NameChange<N> {
    /// Makes the change.
    pub fn apply(&self, names: &mut BTreeMap<N, u64>) {
        if let Some(from) = &self.from {
            names.remove(from);
        }
        if let Some(to) = &self.to {
            names.insert(to.clone(), self.file);
        }
    }
}

/// Of changes of names that were not synced, any may have come to the disk; but of those about one name, or one file, never
/// a later one without those before it. `keep` is asked for each that can be there whether it is; `number` says which
/// files are one to the file system. Returns the places of those that are there.
pub fn left_of_names<N: Ord + Clone>(
    changes: &[NameChange<N>],
    number: impl Fn(u64) -> u64,
    mut keep: impl FnMut(usize) -> bool,
) -> Vec<usize> {
    let (mut lost_names, mut lost_numbers) = (BTreeSet::new(), BTreeSet::new());
    let mut left = Vec::new();
    for (place, change) in changes.iter().enumerate() {
        let names = change.from.iter().chain(&change.to);
        let number = number(change.file);
        let depends = names.clone().any(|name| lost_names.contains(name)) || lost_numbers.contains(&number);
        if depends || !keep(place) {
            lost_names.extend(names.cloned());
            lost_numbers.insert(number);
        } else {
            left.push(place);
        }
    }
    left
}

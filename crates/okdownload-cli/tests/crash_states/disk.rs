//! What was recorded of a run, and what a crash can leave of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use okdownload_testkit::disk::{Edit, Image, NameChange, Side, left_of_names};
pub(crate) use okdownload_testkit::sim::Crash;

/// All that is in the directories of a test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    /// Which file or directory has a name.
    pub(crate) names: BTreeMap<PathBuf, u64>,
    pub(crate) files: BTreeMap<u64, Image>,
    pub(crate) directories: BTreeSet<u64>,
}

/// Something that a run did.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// When the call was begun.
    pub(crate) entered: u32,
    /// When it had returned; never, if the run ended before.
    pub(crate) left: u32,
    pub(crate) what: What,
}

#[derive(Clone)]
pub(crate) enum What {
    Edit(u64, Edit),
    Name(NameChange<PathBuf>),
    /// Bytes and length are on the disk, and, unless it is only for the data, the times.
    Sync {
        file: u64,
        data_only: bool,
    },
    /// The names in this directory are on the disk.
    SyncNames(PathBuf),
    /// The user was told this.
    Told(String),
}

/// A run, from its first call to its last.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) begin: Tree,
    /// In the order in which they were over.
    pub(crate) events: Vec<Event>,
    /// How many moments there are: before the first call, and after each beginning and end of one.
    pub(crate) moments: u32,
}

/// What is left of an event that a crash may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Left {
    Whole,
    Torn(usize, Side),
}

/// A crash, and what it leaves: the places of the events that are there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Survivors(pub(crate) BTreeMap<usize, Left>);

/// What a crash at some moment finds.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    /// What is there in any case.
    pub(crate) safe: Vec<usize>,
    /// What may be there.
    pub(crate) open: Vec<usize>,
}

impl Tree {
    pub(crate) fn apply(&mut self, what: &What) {
        match what {
            What::Edit(file, edit) => self.files.entry(*file).or_default().apply(edit),
            What::Name(change) => {
                change.apply(&mut self.names);
                if !self.directories.contains(&change.file) {
                    self.files.entry(change.file).or_default();
                }
            }
            What::Sync { .. } | What::SyncNames(_) | What::Told(_) => {}
        }
    }

    /// The file that has this name.
    pub(crate) fn file(&self, path: &Path) -> Option<&Image> {
        self.files.get(self.names.get(path)?)
    }

    /// What lies in a directory that is not there is not there either.
    fn drop_orphans(&mut self, roots: &[PathBuf]) {
        let mut there: BTreeSet<PathBuf> = roots.iter().cloned().collect();
        let directories = &self.directories;
        // A directory comes before what is in it.
        self.names.retain(|path, file| {
            let reached = path.parent().is_some_and(|parent| there.contains(parent));
            if reached && directories.contains(file) {
                there.insert(path.clone());
            }
            reached
        });
    }
}

/// Without the bytes.
impl fmt::Debug for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edit(file, Edit::Data(offset, data)) => {
                write!(f, "{} bytes at {offset} of file {file}", data.len())
            }
            Self::Edit(file, edit) => write!(f, "{edit:?} of file {file}"),
            Self::Name(change) => write!(f, "{change:?}"),
            Self::Sync { file, .. } => write!(f, "sync of file {file}"),
            Self::SyncNames(directory) => write!(f, "sync of {}", directory.display()),
            Self::Told(text) => write!(f, "told {text}"),
        }
    }
}

impl What {
    fn is_change(&self) -> bool {
        matches!(self, Self::Edit(..) | Self::Name(_))
    }

    fn is_sync(&self) -> bool {
        matches!(self, Self::Sync { .. } | Self::SyncNames(_))
    }

    /// Whether it makes `change` survive the loss of power, if that was over when it began.
    fn saves(&self, change: &Self) -> bool {
        match (self, change) {
            (Self::Sync { file, data_only }, Self::Edit(edited, edit)) => {
                file == edited && !(*data_only && matches!(edit, Edit::Modified(_)))
            }
            (Self::SyncNames(directory), Self::Name(change)) => {
                let names = change.from.iter().chain(&change.to);
                names.clone().all(|name| name.parent() == Some(directory))
            }
            _ => false,
        }
    }
}

impl Recording {
    /// What a crash at this moment finds. Calls that are under way may have done their work, whole or in part, or not.
    pub(crate) fn moment(&self, now: u32, crash: Crash) -> Moment {
        let mut moment = Moment { safe: Vec::new(), open: Vec::new() };
        let is_sync = |event: &&Event| event.left <= now && event.what.is_sync();
        let syncs: Vec<&Event> = self.events.iter().filter(is_sync).collect();
        for (place, event) in self.events.iter().enumerate() {
            if event.entered > now || !event.what.is_change() {
                continue;
            }
            let is_safe = match crash {
                Crash::Process => event.left <= now,
                Crash::Power => {
                    syncs.iter().any(|sync| sync.entered > event.left && sync.what.saves(&event.what))
                }
            };
            if is_safe { &mut moment.safe } else { &mut moment.open }.push(place);
        }
        moment
    }

    /// The moments at which a call begins or ends that does more than to write.
    pub(crate) fn turns(&self) -> Vec<u32> {
        let turns = self.events.iter().filter(|event| !matches!(event.what, What::Edit(..)));
        turns.flat_map(|event| [event.entered, event.left]).filter(|now| *now < self.moments).collect()
    }

    /// What the user has been told by this moment.
    pub(crate) fn told(&self, now: u32) -> String {
        let told =
            self.events.iter().filter(|event| event.left <= now).filter_map(|event| match &event.what {
                What::Told(text) => Some(text.as_str()),
                _ => None,
            });
        told.collect()
    }

    /// What can be left if the disk has taken of `moment.open` what `taken` says: names are lost with those before them.
    pub(crate) fn survivors(&self, moment: &Moment, taken: &BTreeMap<usize, Left>) -> Survivors {
        let mut left: BTreeMap<usize, Left> = moment.safe.iter().map(|place| (*place, Left::Whole)).collect();
        let is_name = |place: &usize| matches!(self.events[*place].what, What::Name(_));
        let (names, edits): (Vec<usize>, Vec<usize>) = moment.open.iter().copied().partition(is_name);
        left.extend(edits.iter().filter_map(|place| Some((*place, *taken.get(place)?))));
        let changes: Vec<_> = names.iter().filter_map(|place| self.name_change(*place).cloned()).collect();
        let kept = left_of_names(&changes, |file| file, |index| taken.contains_key(&names[index]));
        left.extend(kept.into_iter().map(|index| (names[index], Left::Whole)));
        Survivors(left)
    }

    fn name_change(&self, place: usize) -> Option<&NameChange<PathBuf>> {
        match &self.events[place].what {
            What::Name(change) => Some(change),
            _ => None,
        }
    }

    /// The data of an event that can be torn.
    pub(crate) fn data(&self, place: usize) -> Option<(u64, usize)> {
        match &self.events[place].what {
            What::Edit(_, Edit::Data(offset, data)) => Some((*offset, data.len())),
            _ => None,
        }
    }

    /// The tree that is left.
    pub(crate) fn tree(&self, survivors: &Survivors, roots: &[PathBuf]) -> Tree {
        let mut tree = self.begin.clone();
        for (place, left) in &survivors.0 {
            match (&self.events[*place].what, left) {
                (What::Edit(file, edit), Left::Torn(cut, side)) => {
                    tree.apply(&What::Edit(*file, edit.torn(*cut, *side)));
                }
                (what, _) => tree.apply(what),
            }
        }
        tree.drop_orphans(roots);
        tree
    }

    /// Whether the run took a name from this file.
    pub(crate) fn removed(&self, file: u64) -> bool {
        let is_removal = |change: &NameChange<PathBuf>| change.file == file && change.to.is_none();
        (0..self.events.len()).filter_map(|place| self.name_change(place)).any(is_removal)
    }
}

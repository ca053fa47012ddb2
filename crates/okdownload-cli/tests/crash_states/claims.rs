//! What the store claims in a state, and whether it is true.

use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;

use okdownload::store::{DownloadStore, SledStore, SqliteStore};
use okdownload::{BreakpointInfo, CompletionRecord, FileIdentity};
use okdownload_testkit::sim::believed_of;

use super::disk::{Crash, Recording, Tree};
use super::recorder::Ground;
use super::scenario::Target;

/// Which store a run uses, and where.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Sqlite(PathBuf),
    Sled(PathBuf),
}

/// What a store has.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) unfinished: Vec<BreakpointInfo>,
    pub(crate) completed: Vec<CompletionRecord>,
}

impl Kind {
    fn path(&self) -> &Path {
        match self {
            Self::Sqlite(path) | Self::Sled(path) => path,
        }
    }

    /// What a copy of the store has, so that reading it repairs nothing.
    pub(crate) async fn read_copy(&self, scratch: &Path) -> Result<Records, String> {
        if !self.path().exists() {
            return Ok(Records::default());
        }
        let (directory, name) = (self.path().parent().unwrap(), self.path().file_name().unwrap());
        drop(std::fs::remove_dir_all(scratch));
        copy(directory, scratch);
        match self {
            Self::Sqlite(_) => Self::Sqlite(scratch.join(name)),
            Self::Sled(_) => Self::Sled(scratch.join(name)),
        }
        .read()
        .await
    }

    /// What the store has.
    pub(crate) async fn read(&self) -> Result<Records, String> {
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&warnings);
        let on_warning = Arc::new(move |warning: &str| heard.lock().unwrap().push(warning.to_owned()));
        let store: Box<dyn DownloadStore> = match self {
            Self::Sqlite(path) => Box::new(SqliteStore::builder(path).on_warning(on_warning).build()),
            Self::Sled(path) => Box::new(SledStore::builder(path).on_warning(on_warning).build()),
        };
        let read = async {
            let (unfinished, completed) = (store.unfinished().await?, store.completed().await?);
            store.close().await?;
            Ok::<_, okdownload::Error>(Records { unfinished, completed })
        };
        let records = read.await.map_err(|error| format!("the store cannot be read: {error}"))?;
        match warnings.lock().unwrap().first() {
            Some(warning) => Err(warning.clone()),
            None => Ok(records),
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// What is there of a target before a restart.
#[derive(Debug)]
pub(crate) enum There {
    /// All of it, under its final name.
    Whole,
    /// These bytes.
    Ranges(Vec<Range<u64>>),
}

/// A state, and what is known of it.
pub(crate) struct Claims<'a> {
    pub(crate) ground: &'a Ground,
    pub(crate) recording: &'a Recording,
    pub(crate) tree: &'a Tree,
    pub(crate) crash: Crash,
}

impl Claims<'_> {
    /// Checks all records, and says what of this target the next run need not fetch.
    pub(crate) fn check(&self, records: &Records, target: &Target) -> Result<There, String> {
        let is_it = |location: &okdownload::Location| location.path() == Some(&target.path);
        if records.completed.iter().any(|record| is_it(&record.location)) {
            let there = self.tree.file(&target.path).is_some_and(|image| image.bytes == target.bytes);
            // A file of that name that was there before is none that was recorded.
            let wrong = "a file that is not there is recorded as complete";
            return if there { Ok(There::Whole) } else { Err(wrong.into()) };
        }
        let mut infos = records.unfinished.iter().filter(|info| is_it(&info.location));
        let Some(info) = infos.next() else { return Ok(There::Ranges(Vec::new())) };
        assert!(infos.next().is_none(), "two records of one file");
        self.check_breakpoint(info, target)
    }

    fn check_breakpoint(&self, info: &BreakpointInfo, target: &Target) -> Result<There, String> {
        let counts_written = self.crash == Crash::Process;
        let claimed =
            |block: &okdownload::BlockInfo| if counts_written { block.written } else { block.synced };
        if info.blocks.iter().all(|block| claimed(block) == 0) {
            return Ok(There::Ranges(Vec::new()));
        }
        let identity = info.identity.ok_or("bytes of no file are claimed")?;
        let part = info.part.path().unwrap();
        let has_name = |path: &&Path| self.tree.names.get(*path) == Some(&identity.number);
        let Some(name) = [part, &target.path].into_iter().find(has_name) else {
            // A part that was removed is no loss that anybody could mistake for bytes.
            let removed = self.recording.removed(identity.number);
            let wrong = || format!("{info:?} is claimed, and its part has no name");
            return if removed { Ok(There::Ranges(Vec::new())) } else { Err(wrong()) };
        };
        let bytes = &self.tree.file(name).unwrap().bytes;
        for block in &info.blocks {
            let range = block.start as usize..(block.start + claimed(block)) as usize;
            if bytes.get(range.clone()) != Some(&target.bytes[range.clone()]) {
                return Err(format!("{range:?} is claimed, and is not that; {:?}", info.blocks));
            }
        }
        if name == target.path {
            // Renamed and not recorded: the next run finds it complete.
            return Ok(There::Whole);
        }
        let found = Some((self.identity(identity.number), bytes.len() as u64));
        Ok(There::Ranges(believed_of(info, found, counts_written).ranges))
    }

    fn identity(&self, number: u64) -> FileIdentity {
        let metadata = std::fs::metadata(self.ground.kept.join(number.to_string())).unwrap();
        let born =
            metadata.created().ok().map(|born| born.duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64);
        FileIdentity::new(metadata.ino(), born)
    }
}

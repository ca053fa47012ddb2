//! A store of one's own: one JSON file, which is written anew for each batch. See `docs/writing-a-backend.md`.

mod records;
#[cfg(all(test, unix))]
mod tests;

use std::fs::File;
use std::io::{ErrorKind::NotFound, Write};
use std::path::{Path, PathBuf};

use okdownload_store::blocking::{Blocking, BlockingStore, Failure};
use okdownload_store::place::{io_error, lock_above, make_directory};
use okdownload_store::{Change, CommitLevel, DownloadStore, StoreCapability, Survives, no_breakpoint};
use okdownload_types::{BreakpointInfo, CompletionRecord, Location, Result, TaskId};
use records::{Tables, oldest_first};
use url::Url;

/// A store in this directory; one at a time may have it. Touches no disk until it is used.
pub fn json_store(directory: impl Into<PathBuf>) -> impl DownloadStore {
    let (directory, capability) = (directory.into(), StoreCapability::new(Survives::Power, false));
    Blocking::new("json-store", capability, move || Database::open(&directory))
}

struct Database {
    tables: Tables,
    path: PathBuf,
    /// The directory, locked. (Where that can't be done, nothing keeps a second store out.)
    lock: Option<File>,
}

impl Database {
    fn open(directory: &Path) -> Result<Self, Failure> {
        let failed = |error| io_error("the store cannot be opened", error);
        make_directory(directory).map_err(failed)?;
        let path = directory.join("downloads.json");
        // Not at once: one that was dropped a moment ago may still be closing.
        let lock = lock_above(&path, std::time::Duration::from_secs(1))?;
        let tables = match std::fs::read(&path) {
            Err(error) if error.kind() == NotFound => Tables::default(),
            json => Tables::from_json(&json.map_err(failed)?)?,
        };
        Ok(Self { tables, path, lock })
    }

    /// Whoever reads the file, whenever, finds it whole: as it was before, or as it is now.
    fn write(&self, json: &[u8]) -> Result<(), Failure> {
        let failed = |error| io_error("the store cannot be written", error);
        let new = self.path.with_extension("new");
        let mut file = File::create(&new).map_err(failed)?;
        file.write_all(json).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(new, &self.path).map_err(failed)?;
        // The file has the batch already, and the tables have not: both are left to the next call, which reads it anew.
        let synced = self.lock.as_ref().map_or(Ok(()), File::sync_all);
        synced.map_err(|error| Failure::Lost(failed(error)))
    }
}

/// Makes one change, or refuses it.
fn apply(tables: &mut Tables, change: Change) -> Result<()> {
    match change {
        Change::Put(info) => tables.put(info),
        Change::Progress(id, blocks) => {
            tables.breakpoints.get_mut(&id).ok_or_else(|| no_breakpoint(id))?.1.apply(&blocks);
        }
        Change::Complete(record) => tables.complete(record),
        Change::RemoveBreakpoint(id) => drop(tables.breakpoints.remove(&id)),
        Change::RemoveCompletion(id) => drop(tables.completions.remove(&id)),
        Change::ResponseFilename(url, name) => drop(tables.names.insert(url.into(), name)),
    }
    Ok(())
}

impl BlockingStore for Database {
    fn breakpoint(&mut self, id: TaskId) -> Result<Option<BreakpointInfo>, Failure> {
        Ok(self.tables.breakpoints.get(&id).map(|(_, info)| info.clone()))
    }

    fn completion(&mut self, id: TaskId) -> Result<Option<CompletionRecord>, Failure> {
        Ok(self.tables.completions.get(&id).map(|(_, record)| record.clone()))
    }

    fn breakpoints_at(&mut self, location: &Location) -> Result<Vec<BreakpointInfo>, Failure> {
        let all = oldest_first(&self.tables.breakpoints);
        Ok(all.filter(|info| info.location == *location).cloned().collect())
    }

    fn unfinished(&mut self) -> Result<Vec<BreakpointInfo>, Failure> {
        Ok(oldest_first(&self.tables.breakpoints).cloned().collect())
    }

    fn completed(&mut self) -> Result<Vec<CompletionRecord>, Failure> {
        Ok(oldest_first(&self.tables.completions).cloned().collect())
    }

    fn response_filename(&mut self, url: &Url) -> Result<Option<String>, Failure> {
        Ok(self.tables.names.get(url.as_str()).cloned())
    }

    fn commit(&mut self, changes: &[&Change], _level: CommitLevel) -> Result<(), Failure> {
        // What is refused, or can't be written, must not be read either: the change is made to a copy.
        let mut next = self.tables.clone();
        changes.iter().try_for_each(|change| apply(&mut next, (*change).clone()))?;
        self.write(&next.to_json()?).map(|()| self.tables = next)
    }

    fn close(self) -> Result<(), Failure> {
        Ok(())
    }
}

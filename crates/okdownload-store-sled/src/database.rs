//! The open database.

use std::path::{Path, PathBuf};

use okdownload_store::place::io_error;
use okdownload_store::{Change, CommitLevel};
use okdownload_types::{BreakpointInfo, CompletionRecord, Error, ErrorKind, TaskId};
use sled::{Db, IVec, Mode};

use crate::batch::Writes;
use crate::error::Failure;
use crate::place::{self, Found};
use crate::{keys, records};

/// So much of the database sled keeps in memory.
const CACHE: u64 = 16 << 20;

/// How often sled writes what nobody waits for.
const FLUSH_MS: u64 = 50;

#[derive(Debug)]
pub(crate) struct Database {
    db: Db,
    path: PathBuf,
}

impl Database {
    /// Opens what is in the directory; makes a database if it is empty.
    pub(crate) fn open(path: &Path, found: Found) -> Result<Self, Failure> {
        if found == Found::Database {
            return Self::open_as(path, found);
        }
        let cannot = |error| io_error("the database cannot be made", error);
        place::begin(path).map_err(cannot)?;
        let database = Self::open_as(path, found)?;
        place::finish(path).map_err(cannot)?;
        Ok(database)
    }

    fn open_as(path: &Path, found: Found) -> Result<Self, Failure> {
        let config = sled::Config::new().path(path).flush_every_ms(Some(FLUSH_MS));
        let db = match config.cache_capacity(CACHE).mode(Mode::LowSpace).open() {
            Ok(db) => db,
            // Who looks whether it is in use holds the lock for a moment too, so the text counts as well.
            Err(sled::Error::Io(error)) if is_locked(&error) || place::is_in_use(path) => {
                return Err(Failure::InUse);
            }
            Err(error) => return Err(error.into()),
        };
        let database = Self { db, path: path.to_owned() };
        database.check(found)?;
        Ok(database)
    }

    /// That it is ours, and of a version that we know.
    fn check(&self, found: Found) -> Result<(), Failure> {
        let version = match self.db.get(keys::FORMAT_KEY)? {
            Some(format) => keys::version_of(&format),
            None if found != Found::Database => {
                self.db.insert(keys::FORMAT_KEY, keys::format(keys::VERSION))?;
                self.db.flush()?;
                return Ok(());
            }
            // sled drops what it can't read when it opens, and ours are never empty.
            None if self.db.is_empty() => return Err(Failure::Foreign("nothing in it can be read")),
            None => None,
        };
        match version {
            Some(keys::VERSION) => Ok(()),
            Some(1) => self.upgrade(),
            Some(newer) if newer > keys::VERSION => {
                Err(Error::new(ErrorKind::StoreTooNew, "the database was written by a newer version")
                    .with_context("its version", newer)
                    .with_context("ours", keys::VERSION)
                    .with_advice("update this program, or name another directory")
                    .into())
            }
            _ => Err(Failure::Foreign("it belongs to another program")),
        }
    }

    /// From version 1 to the present one, whole or not at all.
    fn upgrade(&self) -> Result<(), Failure> {
        let mut batch = sled::Batch::default();
        for entry in self.db.scan_prefix(keys::BREAKPOINTS) {
            let (key, value) = entry?;
            batch.insert(key, records::upgraded(&value));
        }
        batch.insert(keys::FORMAT_KEY, keys::format(keys::VERSION));
        self.db.apply_batch(batch)?;
        self.db.flush()?;
        Ok(())
    }

    /// Reads all of it; the error says what is wrong.
    pub(crate) fn verify(&self) -> Result<(), Failure> {
        self.db.iter().try_for_each(|entry| entry.map(drop)).map_err(Failure::from)
    }

    /// Makes these changes, all or none. sled holds writes back in its own memory; they outlive the
    /// process only once they are flushed, so that is waited for at each level.
    pub(crate) fn commit(&self, changes: &[&Change], level: CommitLevel) -> Result<(), Failure> {
        let mut writes = Writes::new(&self.db);
        changes.iter().try_for_each(|change| writes.add(change))?;
        if !writes.is_empty() {
            self.db.apply_batch(writes.into_batch())?;
            self.db.flush()?;
        }
        if level == CommitLevel::Power {
            self.db.flush()?;
            place::sync(&self.path).map_err(|error| io_error("the database cannot be synced", error))?;
        }
        Ok(())
    }

    /// Writes back what sled holds back.
    pub(crate) fn flush(&self) -> Result<(), Failure> {
        self.db.flush()?;
        Ok(())
    }

    pub(crate) fn breakpoint(&self, id: TaskId) -> Result<Option<BreakpointInfo>, Failure> {
        let Some(bytes) = self.db.get(keys::breakpoint(id))? else { return Ok(None) };
        Ok(Some(records::read_breakpoint(id, &bytes)?.1))
    }

    pub(crate) fn completion(&self, id: TaskId) -> Result<Option<CompletionRecord>, Failure> {
        let Some(bytes) = self.db.get(keys::completion(id))? else { return Ok(None) };
        Ok(Some(records::read_completion(id, &bytes)?.1))
    }

    pub(crate) fn breakpoints_at(&self, location: &[u8]) -> Result<Vec<BreakpointInfo>, Failure> {
        let mut found = Vec::new();
        for key in self.db.scan_prefix(keys::place(location)).keys() {
            let Some(id) = keys::id_of(&key?) else { continue };
            found.extend(self.breakpoint(id)?.filter(|info| info.location.to_bytes() == location));
        }
        Ok(found)
    }

    pub(crate) fn unfinished(&self) -> Result<Vec<BreakpointInfo>, Failure> {
        self.oldest_first(keys::BREAKPOINTS, records::read_breakpoint)
    }

    pub(crate) fn completed(&self) -> Result<Vec<CompletionRecord>, Failure> {
        self.oldest_first(keys::COMPLETIONS, records::read_completion)
    }

    pub(crate) fn response_filename(&self, url: &str) -> Result<Option<String>, Failure> {
        let Some(name) = self.db.get(keys::filename(url))? else { return Ok(None) };
        let name = String::from_utf8(name.to_vec()).map_err(|error| {
            let cause = Error::new(ErrorKind::StoreCorrupt, "it is not text").with_source(error);
            records::unreadable("response filename of", url, cause)
        })?;
        Ok(Some(name))
    }

    /// All records whose keys begin so, by age: sled gives them by id.
    fn oldest_first<T>(
        &self,
        prefix: &[u8],
        read: fn(TaskId, &[u8]) -> Result<records::Aged<T>, Error>,
    ) -> Result<Vec<T>, Failure> {
        let one = |entry: sled::Result<(IVec, IVec)>| {
            let (key, value) = entry?;
            let Some(id) = keys::id_of(&key) else { return Ok(None) };
            Ok::<_, Failure>(Some(read(id, &value)?))
        };
        let entries = self.db.scan_prefix(prefix);
        let mut records =
            entries.filter_map(|entry| one(entry).transpose()).collect::<Result<Vec<_>, _>>()?;
        records.sort_by_key(|(age, _)| *age);
        Ok(records.into_iter().map(|(_, record)| record).collect())
    }
}

/// sled has no kind for it.
fn is_locked(error: &std::io::Error) -> bool {
    error.to_string().starts_with("could not acquire lock")
}

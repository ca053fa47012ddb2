//! sled panics where it meets damage that it did not think of. Nothing of it is used after that.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use okdownload_store::blocking::{self, BlockingStore};
use okdownload_store::{Change, CommitLevel};
use okdownload_types::{BreakpointInfo, CompletionRecord, Location, TaskId};
use url::Url;

use crate::database::Database;
use crate::error::Failure;
use crate::place;

/// Makes an error of a panic.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Failure::Panicked(text.unwrap_or_default()))
    })
}

/// The open database, none of whose calls panics.
#[derive(Debug)]
pub(crate) struct Guarded {
    database: Database,
    path: PathBuf,
    patience: Duration,
}

impl Guarded {
    pub(crate) fn new(database: Database, path: PathBuf, patience: Duration) -> Self {
        Self { database, path, patience }
    }

    fn call<T>(&self, work: impl FnOnce(&Database) -> Result<T, Failure>) -> Result<T, blocking::Failure> {
        guarded(|| work(&self.database)).map_err(|failure| failure.at(&self.path))
    }
}

impl BlockingStore for Guarded {
    fn breakpoint(&mut self, id: TaskId) -> Result<Option<BreakpointInfo>, blocking::Failure> {
        self.call(|database| database.breakpoint(id))
    }

    fn completion(&mut self, id: TaskId) -> Result<Option<CompletionRecord>, blocking::Failure> {
        self.call(|database| database.completion(id))
    }

    fn breakpoints_at(&mut self, location: &Location) -> Result<Vec<BreakpointInfo>, blocking::Failure> {
        self.call(|database| database.breakpoints_at(&location.to_bytes()))
    }

    fn unfinished(&mut self) -> Result<Vec<BreakpointInfo>, blocking::Failure> {
        self.call(Database::unfinished)
    }

    fn completed(&mut self) -> Result<Vec<CompletionRecord>, blocking::Failure> {
        self.call(Database::completed)
    }

    fn response_filename(&mut self, url: &Url) -> Result<Option<String>, blocking::Failure> {
        self.call(|database| database.response_filename(url.as_str()))
    }

    fn commit(&mut self, changes: &[&Change], level: CommitLevel) -> Result<(), blocking::Failure> {
        self.call(|database| database.commit(changes, level))
    }

    fn close(self) -> Result<(), blocking::Failure> {
        let flushed = self.call(Database::flush);
        self.abandon();
        flushed
    }

    /// Lets go of the files, and waits until sled's threads have done so too.
    fn abandon(self) {
        // What fails here has failed before, and was reported.
        let _ = guarded(|| {
            drop(self.database);
            Ok(())
        });
        let until = Instant::now() + self.patience;
        while place::is_in_use(&self.path) && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

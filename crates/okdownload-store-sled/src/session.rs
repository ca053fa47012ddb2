//! The database, open or not, as the worker sees it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use okdownload_types::{Error, ErrorKind, Result};

use crate::SledStoreBuilder;
use crate::database::Database;
use crate::error::Failure;
use crate::place;

/// How long between two looks at a database that another store has.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Session {
    config: SledStoreBuilder,
    database: Option<Database>,
}

impl Session {
    /// Opens nothing yet.
    pub(crate) fn new(config: SledStoreBuilder) -> Self {
        Self { config, database: None }
    }

    /// Does the work on the open database. A damaged one is moved aside, and the work is done once more on a new one.
    pub(crate) fn run<T>(&mut self, work: &dyn Fn(&mut Database) -> Result<T, Failure>) -> Result<T> {
        let mut result = self.attempt(work);
        if let Err(failure) = &result
            && failure.is_damage()
        {
            result = self.recover().and_then(|()| self.attempt(work));
        }
        result.map_err(|failure| failure.into_error(&self.config.path))
    }

    fn attempt<T>(&mut self, work: &dyn Fn(&mut Database) -> Result<T, Failure>) -> Result<T, Failure> {
        if self.database.is_none() {
            self.database = Some(self.open()?);
        }
        let result = match &mut self.database {
            Some(database) => guarded(|| work(database)),
            None => Err(Error::new(ErrorKind::Unexpected, "the database is not open").into()),
        };
        if result.as_ref().is_err_and(Failure::is_final) {
            self.let_go();
        }
        result
    }

    fn open(&self) -> Result<Database, Failure> {
        let path = &self.config.path;
        self.patiently(|| {
            place::prepare(path)?;
            let _lock = place::lock_above(path);
            let found = place::look(path)?;
            guarded(|| Database::open(path, found))
        })
    }

    /// Tries until no other store has the database. One that was just dropped, or its process, needs a moment.
    fn patiently<T>(&self, attempt: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
        let until = Instant::now() + self.config.patience;
        loop {
            match attempt() {
                Err(Failure::InUse) if Instant::now() < until => thread::sleep(PAUSE),
                result => return result,
            }
        }
    }

    /// Moves the database aside if it really is damaged: another store may have done so already.
    fn recover(&mut self) -> Result<(), Failure> {
        self.let_go();
        let path = &self.config.path;
        let verify = || {
            let _lock = place::lock_above(path);
            let found = place::look(path)?;
            let failure = match guarded(|| Database::open(path, found)?.verify()) {
                Err(failure) if failure.is_damage() => failure,
                result => return result,
            };
            // The damage may be such that it shows before sled looks at its lock.
            if place::is_in_use(path) { Err(Failure::InUse) } else { self.renew(&failure) }
        };
        self.patiently(verify)
    }

    fn renew(&self, failure: &Failure) -> Result<(), Failure> {
        let path = &self.config.path;
        let aside = place::move_aside(path).map_err(|error| {
            Error::new(ErrorKind::StoreCorrupt, "the database is damaged, and it cannot be moved aside")
                .with_context("reason", failure.reason())
                .with_source(error)
                .with_advice("move it away, or name another directory")
        })?;
        (self.config.on_warning)(&format!(
            "the database {} cannot be used ({}); it was moved to {} and a new one is made",
            path.display(),
            failure.reason(),
            aside.display()
        ));
        Ok(())
    }

    /// Lets go of the files, and waits until sled's threads have done so too.
    pub(crate) fn close(&mut self) -> Result<()> {
        let Some(database) = self.database.take() else { return Ok(()) };
        let flushed = guarded(|| database.flush());
        self.database = Some(database);
        self.let_go();
        flushed.map_err(|failure| failure.into_error(&self.config.path))
    }

    fn let_go(&mut self) {
        let Some(database) = self.database.take() else { return };
        // What fails here has failed before, and was reported.
        let _ = guarded(|| {
            drop(database);
            Ok(())
        });
        let until = Instant::now() + self.config.patience;
        while place::is_in_use(&self.config.path) && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// sled panics where it meets damage that it did not think of. Nothing of it is used after that.
fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Failure::Panicked(text.unwrap_or_default()))
    })
}

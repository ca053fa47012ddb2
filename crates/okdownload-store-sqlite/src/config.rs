//! What a user can choose, and opening with that.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use okdownload_store::OnWarning;
use okdownload_store::blocking::{self, Opener};
use okdownload_store::place::{lock_above, lock_above_shared, move_aside};
use okdownload_types::Error;

use crate::SqliteStore;
use crate::database::Database;
use crate::error::Failure;
use crate::place::{self, SUFFIXES};
use crate::schema;

/// The choices of a [`SqliteStore`]; [`SqliteStore::builder`] begins one.
#[must_use]
#[derive(Clone)]
pub struct SqliteStoreBuilder {
    pub(crate) path: PathBuf,
    on_warning: OnWarning,
    pub(crate) busy_timeout: Duration,
}

impl SqliteStoreBuilder {
    pub(crate) fn new(path: PathBuf) -> Self {
        // The store opens later, when the current directory may be another one. An empty path is refused then.
        let path = std::path::absolute(&path).unwrap_or(path);
        Self { path, on_warning: Arc::new(|_| ()), busy_timeout: Duration::from_secs(10) }
    }

    /// Who hears that a damaged database was moved aside. By default nobody does. Called on the store's thread.
    pub fn on_warning(mut self, on_warning: OnWarning) -> Self {
        self.on_warning = on_warning;
        self
    }

    /// How long a call waits for other processes that are writing; 10 s by default.
    pub fn busy_timeout(mut self, busy_timeout: Duration) -> Self {
        self.busy_timeout = busy_timeout;
        self
    }

    /// The store. Touches no disk.
    pub fn build(self) -> SqliteStore {
        SqliteStore::of(Sqlite(self))
    }

    /// SQLite keeps its log beside the file itself, not beside a symbolic link to it, so that is what is moved.
    fn resolved(&self) -> PathBuf {
        self.path.canonicalize().unwrap_or_else(|_| self.path.clone())
    }

    /// Without the lock, another store could move the file aside and make a new one while this one is opening it, and
    /// SQLite, which knows the log and the journal by their names, would mix the two.
    fn open(&self) -> Result<Database, Failure> {
        let path = self.resolved();
        place::prepare_directory(&path)?;
        let _lock = lock_above_shared(&path, self.busy_timeout)?;
        place::prepare(&path)?;
        Database::of(schema::open(&path, self.busy_timeout)?, path, self)
    }

    /// Moves the database aside if it really is damaged: another process may have done so already.
    fn recover(&self) -> Result<(), Failure> {
        let path = self.resolved();
        place::prepare_directory(&path)?;
        let _lock = lock_above(&path, self.busy_timeout)?;
        place::prepare(&path)?;
        match schema::verify(&path, self.busy_timeout) {
            Err(failure) if failure.is_damage() => {
                move_aside(&path, &SUFFIXES, &failure.reason(), &self.on_warning)?;
                Ok(place::prepare(&path)?)
            }
            result => result,
        }
    }
}

impl fmt::Debug for SqliteStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStoreBuilder")
            .field("path", &self.path)
            .field("busy_timeout", &self.busy_timeout)
            .finish_non_exhaustive()
    }
}

/// Opens by these choices.
#[derive(Debug)]
pub(crate) struct Sqlite(pub(crate) SqliteStoreBuilder);

impl Opener for Sqlite {
    type Store = Database;

    fn open(&self) -> Result<Database, blocking::Failure> {
        self.0.open().map_err(|failure| failure.at(&self.0.path))
    }

    fn recover(&self, _: Error) -> Result<(), blocking::Failure> {
        self.0.recover().map_err(|failure| failure.at(&self.0.path))
    }
}

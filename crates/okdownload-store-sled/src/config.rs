//! What a user can choose, and opening with that.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use okdownload_store::OnWarning;
use okdownload_store::blocking::{self, Opener};
use okdownload_store::place::{io_error, lock_above, move_aside};
use okdownload_types::Error;

use crate::SledStore;
use crate::database::Database;
use crate::error::Failure;
use crate::guard::{Guarded, guarded};
use crate::place::{self, Found};

/// How long between two looks at a database that another store has.
const PAUSE: Duration = Duration::from_millis(20);

/// How long another store may need to open a database.
const OPENING: Duration = Duration::from_secs(10);

/// The choices of a [`SledStore`]; [`SledStore::builder`] begins one.
#[must_use]
#[derive(Clone)]
pub struct SledStoreBuilder {
    pub(crate) path: PathBuf,
    on_warning: OnWarning,
    patience: Duration,
}

impl SledStoreBuilder {
    pub(crate) fn new(path: PathBuf) -> Self {
        // The store opens later, when the current directory may be another one. An empty path is refused then.
        let path = std::path::absolute(&path).unwrap_or(path);
        Self { path, on_warning: Arc::new(|_| ()), patience: Duration::from_secs(1) }
    }

    /// Who hears that a damaged database was moved aside. By default nobody does. Called on the store's thread.
    pub fn on_warning(mut self, on_warning: OnWarning) -> Self {
        self.on_warning = on_warning;
        self
    }

    /// How long opening waits for another store, of this or another process, to let go of the database; 1 s by default.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The store. Touches no disk.
    pub fn build(self) -> SledStore {
        SledStore::of(Sled(self))
    }

    fn open(&self) -> Result<Guarded, Failure> {
        let open = || {
            place::prepare(&self.path)?;
            let _lock = lock_above(&self.path, OPENING)?;
            self.open_locked()
        };
        Ok(Guarded::new(self.patiently(open)?, self.path.clone(), self.patience))
    }

    /// Opens or makes it, under the lock that its place has.
    fn open_locked(&self) -> Result<Database, Failure> {
        let found = place::look(&self.path)?;
        if found == Found::Begun {
            if place::is_in_use(&self.path) {
                return Err(Failure::InUse);
            }
            place::clear(&self.path).map_err(|error| io_error("the database cannot be made", error))?;
        }
        guarded(|| Database::open(&self.path, found))
    }

    /// Tries until no other store has the database. One that was just dropped, or its process, needs a moment.
    fn patiently<T>(&self, attempt: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
        let until = Instant::now() + self.patience;
        loop {
            match attempt() {
                Err(Failure::InUse) if Instant::now() < until => thread::sleep(PAUSE),
                result => return result,
            }
        }
    }

    /// Moves the database aside if it really is damaged: another store may have done so already.
    fn recover(&self) -> Result<(), Failure> {
        self.patiently(|| {
            let _lock = lock_above(&self.path, OPENING)?;
            if place::look(&self.path)? == Found::Nothing {
                return Ok(());
            }
            let opened = self.open_locked();
            let failure = match opened.and_then(|database| guarded(move || database.verify())) {
                Err(failure) if failure.is_damage() => failure,
                result => return result,
            };
            // The damage may be such that it shows before sled looks at its lock.
            if place::is_in_use(&self.path) {
                return Err(Failure::InUse);
            }
            Ok(move_aside(&self.path, &[""], &failure.reason(), &self.on_warning)?)
        })
    }
}

impl fmt::Debug for SledStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStoreBuilder")
            .field("path", &self.path)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

/// Opens by these choices.
#[derive(Debug)]
pub(crate) struct Sled(pub(crate) SledStoreBuilder);

impl Opener for Sled {
    type Store = Guarded;

    fn open(&self) -> Result<Guarded, blocking::Failure> {
        self.0.open().map_err(|failure| failure.at(&self.0.path))
    }

    fn recover(&self, _: Error) -> Result<(), blocking::Failure> {
        self.0.recover().map_err(|failure| failure.at(&self.0.path))
    }
}

//! The store.

use std::fmt;
use std::path::{Path, PathBuf};

use okdownload_store::blocking::Blocking;
use okdownload_store::{StoreCapability, Survives, forward_store};

use crate::SqliteStoreBuilder;
use crate::config::Sqlite;

/// A store in an SQLite database.
///
/// The first call opens the database, and makes it and its directories, readable for their owner only, if they are not
/// there. A file that is damaged or belongs to another program is moved to `name.damaged-<n>`, never deleted, and a new
/// one is made; [`on_warning`](SqliteStoreBuilder::on_warning) hears of it. A database of a newer version is left alone:
/// [`StoreTooNew`](okdownload_types::ErrorKind::StoreTooNew). The error of a path that can't be used has the kind
/// [`Store`](okdownload_types::ErrorKind::Store).
///
/// A call whose future is dropped may still happen.
pub struct SqliteStore(Blocking<Sqlite>);

impl SqliteStore {
    /// A store at this path. Touches no disk until it is used.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::builder(path).build()
    }

    /// The same with choices.
    pub fn builder(path: impl Into<PathBuf>) -> SqliteStoreBuilder {
        SqliteStoreBuilder::new(path.into())
    }

    pub(crate) fn of(sqlite: Sqlite) -> Self {
        let capability = StoreCapability::new(Survives::Power, true);
        Self(Blocking::new("okdownload-sqlite", capability, sqlite))
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.0.opener().0.path
    }
}

forward_store!(SqliteStore, |store| &store.0);

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path()).finish_non_exhaustive()
    }
}

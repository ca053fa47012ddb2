//! What a user can choose.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::SqliteStore;

/// Hears what the user should know although nothing failed: one line of plain text each time.
pub type OnWarning = Arc<dyn Fn(&str) + Send + Sync>;

/// The choices of a [`SqliteStore`]; [`SqliteStore::builder`] begins one.
#[must_use]
#[derive(Clone)]
pub struct SqliteStoreBuilder {
    pub(crate) path: PathBuf,
    pub(crate) on_warning: OnWarning,
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
        SqliteStore::of(self)
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

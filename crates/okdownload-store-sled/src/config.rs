//! What a user can choose.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::SledStore;

/// Hears what the user should know although nothing failed: one line of plain text each time.
pub type OnWarning = Arc<dyn Fn(&str) + Send + Sync>;

/// The choices of a [`SledStore`]; [`SledStore::builder`] begins one.
#[must_use]
#[derive(Clone)]
pub struct SledStoreBuilder {
    pub(crate) path: PathBuf,
    pub(crate) on_warning: OnWarning,
    pub(crate) patience: Duration,
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
        SledStore::of(self)
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

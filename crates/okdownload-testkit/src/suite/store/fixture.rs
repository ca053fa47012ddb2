//! Where the stores of a test come from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use okdownload_store::DownloadStore;
use tempfile::TempDir;

type Open = dyn Fn(&Path) -> Arc<dyn DownloadStore> + Send + Sync;

/// Opens stores whose data lies in one directory, which belongs to one test and goes with it.
pub struct StoreFixture {
    open: Box<Open>,
    test: &'static str,
    place: Place,
}

enum Place {
    Ours(TempDir),
    /// This process is a child: the directory is its parent's.
    Parents(PathBuf),
}

impl StoreFixture {
    /// A fixture for the test of this name (with the names of its modules and its crate), in a new directory.
    ///
    /// `open` must give a store with no memory of its own: all that two stores of one directory share is what lies
    /// there.
    ///
    /// # Panics
    /// If there is no directory for temporary files.
    pub fn new(
        test: &'static str,
        open: impl Fn(&Path) -> Arc<dyn DownloadStore> + Send + Sync + 'static,
    ) -> Self {
        let place = match super::child::place() {
            Some(place) => Place::Parents(place),
            None => Place::Ours(tempfile::tempdir().expect("a temporary directory")),
        };
        Self { open: Box::new(open), test, place }
    }

    /// A store. Nothing else uses it, but other stores of the fixture have the same data.
    pub fn store(&self) -> Arc<dyn DownloadStore> {
        (self.open)(self.directory())
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        match &self.place {
            Place::Ours(directory) => directory.path(),
            Place::Parents(directory) => directory,
        }
    }

    /// Whether this process is a child that a behaviour started to run its own test once more.
    pub(super) fn is_child(&self) -> bool {
        matches!(self.place, Place::Parents(_))
    }

    /// The test's name as the test harness knows it: without the crate.
    pub(super) fn test(&self) -> &'static str {
        self.test.split_once("::").map_or(self.test, |(_, name)| name)
    }
}

impl fmt::Debug for StoreFixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreFixture")
            .field("test", &self.test)
            .field("directory", &self.directory())
            .finish_non_exhaustive()
    }
}

//! Directories that were made and whose names may not be on disk yet.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::barrier::Barrier;
use crate::sys;

/// A file is as durable as the names of all directories above it. A directory's name is an entry of its parent, so
/// the parents of new directories wait here until a durable commit below them comes by. One output shares the set
/// between its parts: whichever of them is committed first must not leave the others' directory to luck.
#[derive(Debug, Default)]
pub(crate) struct NewDirectories {
    waiting: Mutex<BTreeSet<PathBuf>>,
    /// The directories that are being synced.
    barriers: Mutex<BTreeMap<PathBuf, Arc<Barrier>>>,
}

impl NewDirectories {
    fn set(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn barriers(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Arc<Barrier>>> {
        self.barriers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Syncs a directory; those who do it at the same time share a sync.
    fn sync(&self, directory: &Path) -> io::Result<()> {
        let barrier = self.barriers().entry(directory.to_path_buf()).or_default().clone();
        let synced = barrier.pass(|| sys::sync_directory(directory));
        drop(barrier);
        self.barriers().retain(|_, barrier| Arc::strong_count(barrier) > 1);
        synced
    }

    /// Makes the directory, and those above it.
    pub(crate) fn create(&self, directory: &Path) -> io::Result<()> {
        // Held throughout, here and below: a name that is made while its parent is being synced must not be lost.
        let mut set = self.set();
        let missing = directory.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists());
        set.extend(missing.filter_map(parent).map(Path::to_path_buf));
        std::fs::create_dir_all(directory)
    }

    /// Puts the names of `path` and of the new directories above it on disk.
    pub(crate) fn sync_name(&self, path: &Path) -> io::Result<()> {
        let Some(directory) = parent(path) else { return Ok(()) };
        let mut set = self.set();
        let waiting: Vec<_> = directory.ancestors().filter(|above| set.contains(*above)).collect();
        for above in &waiting {
            sys::sync_directory(above)?;
            set.remove(*above);
        }
        drop(set);
        if waiting.contains(&directory) { Ok(()) } else { self.sync(directory) }
    }
}

/// The directory that holds the path's name; the current one for a bare name.
pub(crate) fn parent(path: &Path) -> Option<&Path> {
    path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_directories_wait_for_a_commit_below() {
        let root = tempfile::tempdir().unwrap();
        let new = NewDirectories::default();
        let deep = root.path().join("a/b");
        new.create(&deep).unwrap();
        assert!(deep.is_dir());
        assert_eq!(new.set().iter().collect::<Vec<_>>(), [root.path(), &root.path().join("a")]);

        new.sync_name(&root.path().join("a/other")).unwrap();
        assert_eq!(new.set().len(), 0, "the root, and a itself, whose entries are now on disk");
    }

    #[test]
    fn parents() {
        assert_eq!(parent(Path::new("a")), Some(Path::new(".")));
        assert_eq!(parent(Path::new("/a")), Some(Path::new("/")));
        assert_eq!(parent(Path::new("/")), None);
    }
}

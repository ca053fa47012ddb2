//! The store.

use std::fmt;
use std::path::{Path, PathBuf};

use okdownload_store::blocking::Blocking;
use okdownload_store::{StoreCapability, Survives, forward_store};

use crate::SledStoreBuilder;
use crate::config::Sled;

/// A store in a sled database, which is a directory.
///
/// The first call opens the database, and makes it and the directories above, readable for their owner only, if they
/// are not there. One store of one process at a time may have it: for a second one every call is a
/// [`Store`](okdownload_types::ErrorKind::Store) error with advice, until the first is closed or dropped.
///
/// A database that is damaged or belongs to another program is moved to `name.damaged-<n>`, never deleted (but sled may
/// have dropped what it could not read), and a new one is made; [`on_warning`](SledStoreBuilder::on_warning) hears of
/// it. A database of a newer version is left alone: [`StoreTooNew`](okdownload_types::ErrorKind::StoreTooNew). A directory with other
/// files in it is an error, and is not touched.
///
/// # What survives
/// A commit returns after its flush, so it survives the death of the process ([`Survives::Process`]). Of the loss of
/// power sled's documentation says that all which was flushed "will be recovered if the system crashes", and that a
/// batch is recovered whole or not at all. A commit for [`CommitLevel::Power`](okdownload_store::CommitLevel::Power) flushes, and then syncs sled's files as
/// well (on Linux the flush alone does not). That is sled's word: it calls itself beta and names SQLite for whom
/// reliability comes first, and nobody here has tested it; so this store does not claim more than `Process`.
///
/// Damage in the middle of its log sled takes for the end of it, and drops what comes after without a word: what is read
/// is a state that was committed once, but perhaps an old one.
///
/// A call whose future is dropped may still happen.
pub struct SledStore(Blocking<Sled>);

impl SledStore {
    /// A store at this path. Touches no disk until it is used.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::builder(path).build()
    }

    /// The same with choices.
    pub fn builder(path: impl Into<PathBuf>) -> SledStoreBuilder {
        SledStoreBuilder::new(path.into())
    }

    pub(crate) fn of(sled: Sled) -> Self {
        let capability = StoreCapability::new(Survives::Process, false);
        Self(Blocking::new("okdownload-sled", capability, sled))
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.0.opener().0.path
    }
}

forward_store!(SledStore, |store| &store.0);

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore").field("path", &self.path()).finish_non_exhaustive()
    }
}

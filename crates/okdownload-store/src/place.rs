//! What a database in the file system needs around it: a directory that only its owner can read, a lock against those
//! who open it at the same moment, and a way out of the way when it is damaged.
//!
//! All of these block; they are for the thread of a [`blocking`](crate::blocking) store.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use okdownload_types::{Error, ErrorKind, Result};

/// Hears what the user should know although nothing failed: one line of plain text each time.
pub type OnWarning = Arc<dyn Fn(&str) + Send + Sync>;

const UNWRITABLE: &str = "check that the database and its directory can be written, or name another database";

/// An operating system error around the database's files, with advice. `what` says what can't be done.
pub fn io_error(what: &'static str, error: io::Error) -> Error {
    let (kind, advice) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (ErrorKind::NoSpace, "free some space"),
        _ => (ErrorKind::Store, UNWRITABLE),
    };
    Error::new(kind, what).with_source(error).with_advice(advice)
}

/// Like `create_dir_all`, for the owner only, and so that the new directories survive the loss of power. One that is
/// there already keeps its mode.
///
/// # Errors
/// Those of the operating system.
pub fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = directory.parent().unwrap_or(Path::new("/"));
    make_directory(parent)?;
    match private_directory().create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Somebody else has made it, or a file has its name.
            if !directory.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
        }
        result => result?,
    }
    if cfg!(unix) { File::open(parent)?.sync_all() } else { Ok(()) }
}

#[cfg(unix)]
fn private_directory() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// Windows gives it the rights of the directory above, which is below the user's own.
#[cfg(not(unix))]
fn private_directory() -> DirBuilder {
    DirBuilder::new()
}

/// Keeps others from having a lock on the place of this database until the lock is dropped: other processes, and other
/// stores of this one. Who moves a database aside needs it, because a database may be opened only under
/// [`lock_above_shared`].
///
/// It is the directory above that is locked, so no lock file is left behind; where directories can't be locked it goes
/// without: `None`.
///
/// # Errors
/// A temporary one if somebody else has had a lock for all of `patience`.
pub fn lock_above(path: &Path, patience: Duration) -> Result<Option<File>> {
    lock(path, patience, File::try_lock)
}

/// The same, but several may have it. Nobody can move the database aside meanwhile: what is opened under this lock is
/// what is at the path, with all its files.
///
/// # Errors
/// A temporary one if somebody else has had [`lock_above`] for all of `patience`.
pub fn lock_above_shared(path: &Path, patience: Duration) -> Result<Option<File>> {
    lock(path, patience, File::try_lock_shared)
}

fn lock(
    path: &Path,
    patience: Duration,
    attempt: fn(&File) -> std::result::Result<(), TryLockError>,
) -> Result<Option<File>> {
    let Some(Ok(directory)) = path.parent().map(File::open) else { return Ok(None) };
    let until = Instant::now() + patience;
    loop {
        match attempt(&directory) {
            Ok(()) => return Ok(Some(directory)),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => {
                let error =
                    Error::new(ErrorKind::Store, "another store keeps the database's directory locked");
                return Err(error.temporary().with_advice("try again"));
            }
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
}

/// Which file or directory is at a path: changes when another one takes its place. `None` if there is nothing, or if
/// this system can't tell.
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// Moves a database that can't be used, and the files beside it whose names end with one of `suffixes`, to the first
/// free `name.damaged-<n>`; never deletes it. `on_warning` hears where it is, and the reason.
///
/// The files are moved in the order of `suffixes`, so it matters where the empty one stands, the database itself:
/// usually last.
///
/// # Errors
/// [`StoreCorrupt`](ErrorKind::StoreCorrupt) if it can't be moved.
pub fn move_aside(path: &Path, suffixes: &[&str], reason: &str, on_warning: &OnWarning) -> Result<()> {
    let aside = rename_all(path, suffixes).map_err(|error| {
        Error::new(ErrorKind::StoreCorrupt, "the database is damaged, and it cannot be moved aside")
            .with_context("reason", reason)
            .with_source(error)
            .with_advice("move it away, or name another database")
    })?;
    on_warning(&format!(
        "the database {} cannot be used ({reason}); it was moved to {} and a new one is made",
        path.display(),
        aside.display()
    ));
    Ok(())
}

fn rename_all(path: &Path, suffixes: &[&str]) -> io::Result<PathBuf> {
    let is_free = |aside: &PathBuf| {
        suffixes.iter().all(|suffix| fs::symlink_metadata(with_suffix(aside, suffix)).is_err())
    };
    let aside = (1..).map(|n| with_suffix(path, &format!(".damaged-{n}"))).find(is_free);
    let aside = aside.ok_or(io::ErrorKind::AlreadyExists)?;
    for suffix in suffixes {
        match fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
    }
    Ok(aside)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_disks_keep_their_kind() {
        let kind = |io: io::ErrorKind| io_error("x", io.into()).kind();
        assert_eq!(kind(io::ErrorKind::StorageFull), ErrorKind::NoSpace);
        assert_eq!(kind(io::ErrorKind::PermissionDenied), ErrorKind::Store);
        assert_eq!(kind(io::ErrorKind::NotADirectory), ErrorKind::Store);
    }
}

//! The database's directory.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use okdownload_store::place::{io_error, make_directory};
use okdownload_types::{Error, ErrorKind, Result};

/// The file that sled keeps its log in, and locks.
const LOG: &str = "db";
/// Where sled keeps what is too large for the log.
const BLOBS: &str = "blobs";

/// Is there while a database is being made. What sled leaves if it dies meanwhile can't be told from damage, and nothing
/// can be lost of it.
const MAKING: &str = "making";

/// What is at the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing, or an empty directory.
    Nothing,
    /// A database that was never finished.
    Begun,
    /// A directory that sled has made.
    Database,
}

/// Looks at the path. A directory of something else than sled is the user's mistake, and is not touched.
pub(crate) fn look(path: &Path) -> Result<Found> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(io_error("the database cannot be opened", error)),
    };
    let names: io::Result<Vec<OsString>> = entries.map(|entry| Ok(entry?.file_name())).collect();
    let names = names.map_err(|error| io_error("the database cannot be opened", error))?;
    let is_sleds = |name: &OsString| {
        let name = name.to_string_lossy();
        [LOG, BLOBS, "conf", MAKING].contains(&&*name) || name.starts_with("snap.")
    };
    match names.iter().find(|name| !is_sleds(name)) {
        _ if names.is_empty() => Ok(Found::Nothing),
        None if names.iter().any(|name| name == MAKING) => Ok(Found::Begun),
        None => Ok(Found::Database),
        Some(other) => Err(Error::new(ErrorKind::Store, "the directory is not a sled database")
            .with_context("it has", other.to_string_lossy())
            .with_advice("name a directory that is empty or not there")),
    }
}

/// Says that what is in the directory from now on is a database only once [`finish`] has been called.
pub(crate) fn begin(path: &Path) -> io::Result<()> {
    File::create(path.join(MAKING))?;
    sync_directory(path)
}

/// The database is made, and stays.
pub(crate) fn finish(path: &Path) -> io::Result<()> {
    // Else what is promised of it later could fall with its making.
    sync(path)?;
    fs::remove_file(path.join(MAKING))?;
    sync_directory(path)
}

/// Removes what was begun and never finished.
pub(crate) fn clear(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() == MAKING {
            continue;
        }
        let is_directory = entry.file_type()?.is_dir();
        if is_directory { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) }?;
    }
    Ok(())
}

/// Windows syncs no directories.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

/// Makes sure that there is a directory, and one above it, that only its owner can read.
pub(crate) fn prepare(path: &Path) -> Result<()> {
    if path.file_name().is_none() {
        let error = Error::misuse("not a directory's name", "name a directory for the database");
        return Err(error.with_context("path", path.display()));
    }
    make_directory(path).map_err(|error| io_error("cannot make the directory of the database", error))
}

/// Syncs what sled has written: its own flush asks Linux for the log's pages only (`sync_file_range`), not for the
/// file's length, nor the disk's cache, nor what lies in files of its own.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    let blobs = path.join(BLOBS);
    for blob in fs::read_dir(&blobs)? {
        match sync_file(&blob?.path()) {
            // sled deletes them in the background.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => done?,
        }
    }
    sync_directory(&blobs)?;
    sync_directory(path)?;
    sync_file(&path.join(LOG))
}

/// Windows wants the right to write for it.
fn sync_file(path: &Path) -> io::Result<()> {
    File::options().write(true).open(path)?.sync_all()
}

/// Whether a store has the database open.
pub(crate) fn is_in_use(path: &Path) -> bool {
    let Ok(log) = File::open(path.join(LOG)) else { return false };
    matches!(log.try_lock(), Err(TryLockError::WouldBlock))
}

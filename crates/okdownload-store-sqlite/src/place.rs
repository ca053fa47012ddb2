//! The database's files: made private, moved aside when damaged, never deleted.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use okdownload_types::{Error, Result};

use crate::error::of_io;

/// What SQLite keeps beside a database. The log comes before the database itself wherever they are moved: were a new
/// database made while the old log still stands there, SQLite would play the log into it.
const SUFFIXES: [&str; 4] = ["-wal", "-shm", "-journal", ""];

/// Makes sure that there is a file, with its directories, that only its owner can read.
///
/// SQLite gives the files beside it the same mode. Nothing here opens and closes the file under its final name: that
/// would drop the locks which another store of this process has on it (POSIX locks belong to the process).
pub(crate) fn prepare(path: &Path) -> Result<()> {
    let directory = path.parent().ok_or_else(|| {
        Error::misuse("not a file name", "name a file for the database").with_context("path", path.display())
    })?;
    make_directory(directory).map_err(|error| of_io("cannot make the directory of the database", error))?;
    match path.try_exists() {
        Ok(true) => Ok(()),
        Ok(false) => create(path, directory).map_err(|error| of_io("cannot make the database", error)),
        Err(error) => Err(of_io("cannot look for the database", error)),
    }
}

fn create(path: &Path, directory: &Path) -> io::Result<()> {
    let file = tempfile::Builder::new().prefix(".okdownload").tempfile_in(directory)?; // mode 0600
    match file.into_temp_path().persist_noclobber(path) {
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()), // another process was first
        result => Ok(result?),
    }
}

/// Like `create_dir_all`, for the owner only, and so that the new directories survive the loss of power.
fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = directory.parent().unwrap_or(Path::new("/"));
    make_directory(parent)?;
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {}
        result => result?,
    }
    if cfg!(unix) { File::open(parent)?.sync_all() } else { Ok(()) }
}

/// Moves the database and what is beside it to the first free `name.damaged-<n>`, and says where that is.
pub(crate) fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = (1..).map(|n| with_suffix(path, &format!(".damaged-{n}"))).find(|aside| is_free(aside));
    let aside = aside.ok_or(io::ErrorKind::AlreadyExists)?;
    for suffix in SUFFIXES {
        match fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
    }
    Ok(aside)
}

fn is_free(aside: &Path) -> bool {
    SUFFIXES.iter().all(|suffix| fs::symlink_metadata(with_suffix(aside, suffix)).is_err())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Keeps other processes, and other stores of this one, from moving the same database aside at the same time: the
/// second would move what the first has made anew. Locks the directory, so no lock file is left behind; where
/// directories can't be locked it goes without.
pub(crate) fn lock_directory(path: &Path, patience: Duration) -> Result<Option<File>> {
    let Some(Ok(directory)) = path.parent().map(File::open) else { return Ok(None) };
    let until = Instant::now() + patience;
    loop {
        match directory.try_lock() {
            Ok(()) => return Ok(Some(directory)),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => {
                let error = of_io("the database's directory stays locked", io::ErrorKind::WouldBlock.into());
                return Err(error.temporary());
            }
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
}

//! The database's files.

use std::io;
use std::path::Path;

use okdownload_store::place::{io_error, make_directory};
use okdownload_types::{Error, Result};

/// What SQLite keeps beside a database. The log comes before the database itself wherever they are moved: were a new
/// database made while the old log still stands there, SQLite would play the log into it.
pub(crate) const SUFFIXES: [&str; 4] = ["-wal", "-shm", "-journal", ""];

/// Makes sure that there is a directory for it, which only its owner can read if it is new.
pub(crate) fn prepare_directory(path: &Path) -> Result<()> {
    make_directory(directory(path)?)
        .map_err(|error| io_error("cannot make the directory of the database", error))
}

/// Makes sure that there is a file that only its owner can read.
///
/// SQLite gives the files beside it the same mode. Nothing here opens and closes the file under its final name: that
/// would drop the locks which another store of this process has on it (POSIX locks belong to the process).
pub(crate) fn prepare(path: &Path) -> Result<()> {
    match path.try_exists() {
        Ok(true) => Ok(()),
        Ok(false) => {
            create(path, directory(path)?).map_err(|error| io_error("cannot make the database", error))
        }
        Err(error) => Err(io_error("cannot look for the database", error)),
    }
}

fn directory(path: &Path) -> Result<&Path> {
    path.parent().ok_or_else(|| {
        Error::misuse("not a file name", "name a file for the database").with_context("path", path.display())
    })
}

fn create(path: &Path, directory: &Path) -> io::Result<()> {
    let file = tempfile::Builder::new().prefix(".okdownload").tempfile_in(directory)?; // mode 0600
    match file.into_temp_path().persist_noclobber(path) {
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()), // another process was first
        result => Ok(result?),
    }
}

//! SQLite's errors in okdownload's words. Whether trying again may help is decided here.

use std::path::Path;

use okdownload_store::blocking;
use okdownload_types::{Error, ErrorKind};
use rusqlite::{ErrorCode, ffi};

/// Why a call failed, as long as it still matters whether the file itself is to blame.
#[derive(Debug)]
pub(crate) enum Failure {
    Sqlite(rusqlite::Error),
    /// A sound SQLite database, or none at all, but not one of ours.
    Foreign(&'static str),
    /// The open file is no longer the one at the path.
    Moved,
    Other(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Failure {
    /// Whether the file is damaged, or not ours: such a file is moved aside.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            ),
            Self::Foreign(_) => true,
            Self::Moved | Self::Other(_) => false,
        }
    }

    /// Whether it is worth a closer look: files that can't be opened or found may be just being moved aside.
    fn may_be_damage(&self) -> bool {
        let is_elsewhere = |error: &rusqlite::Error| {
            let moved = [ffi::SQLITE_IOERR_DELETE_NOENT, ffi::SQLITE_READONLY_DBMOVED];
            error.sqlite_error_code() == Some(ErrorCode::CannotOpen)
                || error.sqlite_error().is_some_and(|error| moved.contains(&error.extended_code))
        };
        self.is_damage()
            || match self {
                Self::Moved => true,
                Self::Sqlite(error) => is_elsewhere(error),
                Self::Foreign(_) | Self::Other(_) => false,
            }
    }

    /// What is wrong, in a few words.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Sqlite(error) => error.to_string(),
            Self::Foreign(reason) => (*reason).to_owned(),
            Self::Moved => MOVED.to_owned(),
            Self::Other(error) => error.to_string(),
        }
    }

    /// The same for those above, of the database at this path.
    pub(crate) fn at(self, path: &Path) -> blocking::Failure {
        let what = if self.may_be_damage() { blocking::Failure::Damaged } else { blocking::Failure::Refused };
        let error = match self {
            Self::Sqlite(error) => of_sqlite(error),
            Self::Foreign(reason) => Error::new(ErrorKind::StoreCorrupt, reason),
            Self::Moved => Error::new(ErrorKind::Store, MOVED).temporary().with_advice("try again"),
            Self::Other(error) => error,
        };
        what(error.with_context("database", path.display()))
    }
}

const MOVED: &str = "the database was moved away while it was open";
const UNWRITABLE: &str = "check that the file and its directory can be written, or name another database";

fn of_sqlite(error: rusqlite::Error) -> Error {
    use ErrorKind::{NoSpace, Store, StoreCorrupt, Unexpected};
    let (kind, message, advice) = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => (NoSpace, "no space is left for the database", Some("free some space")),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            (StoreCorrupt, "the database is damaged", None)
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            (Store, "another process keeps the database busy", Some("try again"))
        }
        Some(ErrorCode::CannotOpen) => (Store, "the database cannot be opened", Some(UNWRITABLE)),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            (Store, "the database cannot be written", Some(UNWRITABLE))
        }
        Some(ErrorCode::SystemIoFailure) => (Store, "the database cannot be read or written", None),
        _ => (Unexpected, "the database refused a statement", None),
    };
    let busy = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed)
    );
    let error = Error::new(kind, message).with_source(error);
    let error = if busy { error.temporary() } else { error };
    match advice {
        Some(advice) => error.with_advice(advice),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        use ErrorKind::{NoSpace, Store, StoreCorrupt, Unexpected};
        for (code, kind, temporary, damage, looked_at) in [
            (ffi::SQLITE_FULL, NoSpace, false, false, false),
            (ffi::SQLITE_CORRUPT, StoreCorrupt, false, true, true),
            (ffi::SQLITE_CORRUPT_INDEX, StoreCorrupt, false, true, true),
            (ffi::SQLITE_NOTADB, StoreCorrupt, false, true, true),
            (ffi::SQLITE_BUSY, Store, true, false, false),
            (ffi::SQLITE_BUSY_RECOVERY, Store, true, false, false),
            (ffi::SQLITE_BUSY_SNAPSHOT, Store, true, false, false),
            (ffi::SQLITE_LOCKED, Store, true, false, false),
            (ffi::SQLITE_PROTOCOL, Store, true, false, false),
            (ffi::SQLITE_CANTOPEN, Store, false, false, true),
            (ffi::SQLITE_CANTOPEN_ISDIR, Store, false, false, true),
            (ffi::SQLITE_READONLY, Store, false, false, false),
            (ffi::SQLITE_READONLY_DBMOVED, Store, false, false, true),
            (ffi::SQLITE_PERM, Store, false, false, false),
            (ffi::SQLITE_IOERR_FSYNC, Store, false, false, false),
            (ffi::SQLITE_IOERR_DELETE_NOENT, Store, false, false, true),
            (ffi::SQLITE_CONSTRAINT_PRIMARYKEY, Unexpected, false, false, false),
            (ffi::SQLITE_ERROR, Unexpected, false, false, false),
        ] {
            let native = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let failure = Failure::from(native);
            assert_eq!(failure.is_damage(), damage, "{code}");
            let failure = failure.at(Path::new("/d/x.db"));
            assert_eq!(matches!(failure, blocking::Failure::Damaged(_)), looked_at, "{code}");
            let error = failure.into_error();
            assert_eq!((error.kind(), error.is_temporary()), (kind, temporary), "{code}");
            assert!(error.to_string().contains("/d/x.db"), "{error}");
        }
    }
}

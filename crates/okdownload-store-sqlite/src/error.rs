//! SQLite's errors in okdownload's words. Whether trying again may help is decided here.

use std::path::Path;

use okdownload_types::{Error, ErrorKind};
use rusqlite::ErrorCode;

/// Why a call failed, as long as it still matters whether the file itself is to blame.
#[derive(Debug)]
pub(crate) enum Failure {
    Sqlite(rusqlite::Error),
    /// A sound SQLite database, or none at all, but not one of ours.
    Foreign(&'static str),
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
            Self::Other(_) => false,
        }
    }

    /// Whether it is worth a closer look: a file that can't be opened may be one that is just being moved aside.
    pub(crate) fn may_be_damage(&self) -> bool {
        let cannot_open = |error: &rusqlite::Error| error.sqlite_error_code() == Some(ErrorCode::CannotOpen);
        self.is_damage() || matches!(self, Self::Sqlite(error) if cannot_open(error))
    }

    /// What is wrong, in a few words.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Sqlite(error) => error.to_string(),
            Self::Foreign(reason) => (*reason).to_owned(),
            Self::Other(error) => error.to_string(),
        }
    }

    pub(crate) fn into_error(self, path: &Path) -> Error {
        let error = match self {
            Self::Sqlite(error) => of_sqlite(error),
            Self::Foreign(reason) => Error::new(ErrorKind::StoreCorrupt, reason),
            Self::Other(error) => error,
        };
        error.with_context("database", path.display())
    }
}

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

/// An operating system error around the database file.
pub(crate) fn of_io(what: &'static str, error: std::io::Error) -> Error {
    let full = Error::io(what, error);
    if full.kind() == ErrorKind::NoSpace {
        return full.with_advice("free some space");
    }
    Error::new(ErrorKind::Store, what).with_source(full).with_advice(UNWRITABLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    #[test]
    fn table() {
        use ErrorKind::{NoSpace, Store, StoreCorrupt, Unexpected};
        for (code, kind, temporary, damage) in [
            (ffi::SQLITE_FULL, NoSpace, false, false),
            (ffi::SQLITE_CORRUPT, StoreCorrupt, false, true),
            (ffi::SQLITE_CORRUPT_INDEX, StoreCorrupt, false, true),
            (ffi::SQLITE_NOTADB, StoreCorrupt, false, true),
            (ffi::SQLITE_BUSY, Store, true, false),
            (ffi::SQLITE_BUSY_RECOVERY, Store, true, false),
            (ffi::SQLITE_BUSY_SNAPSHOT, Store, true, false),
            (ffi::SQLITE_LOCKED, Store, true, false),
            (ffi::SQLITE_PROTOCOL, Store, true, false),
            (ffi::SQLITE_CANTOPEN, Store, false, false),
            (ffi::SQLITE_CANTOPEN_ISDIR, Store, false, false),
            (ffi::SQLITE_READONLY, Store, false, false),
            (ffi::SQLITE_READONLY_DBMOVED, Store, false, false),
            (ffi::SQLITE_PERM, Store, false, false),
            (ffi::SQLITE_IOERR_FSYNC, Store, false, false),
            (ffi::SQLITE_CONSTRAINT_PRIMARYKEY, Unexpected, false, false),
            (ffi::SQLITE_ERROR, Unexpected, false, false),
        ] {
            let native = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let failure = Failure::from(native);
            assert_eq!(failure.is_damage(), damage, "{code}");
            let error = failure.into_error(Path::new("/d/x.db"));
            assert_eq!((error.kind(), error.is_temporary()), (kind, temporary), "{code}");
            assert!(error.to_string().contains("/d/x.db"), "{error}");
        }
    }

    #[test]
    fn full_disks_keep_their_kind() {
        let kind = |io: std::io::ErrorKind| of_io("x", io.into()).kind();
        assert_eq!(kind(std::io::ErrorKind::StorageFull), ErrorKind::NoSpace);
        assert_eq!(kind(std::io::ErrorKind::PermissionDenied), ErrorKind::Store);
        assert_eq!(kind(std::io::ErrorKind::NotADirectory), ErrorKind::Store);
    }
}

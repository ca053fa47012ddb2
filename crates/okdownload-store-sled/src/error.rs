//! sled's errors in okdownload's words. Whether trying again may help is decided here.

use std::io;
use std::path::Path;

use okdownload_store::blocking;
use okdownload_store::place::io_error;
use okdownload_types::{Error, ErrorKind};

/// Why a call failed, as long as it still matters whether the files themselves are to blame.
#[derive(Debug)]
pub(crate) enum Failure {
    Sled(sled::Error),
    /// sled panicked, which is how it meets damage in many places.
    Panicked(String),
    /// A sled database, but not one of ours.
    Foreign(&'static str),
    /// Another store has the database.
    InUse,
    Other(Error),
}

impl From<sled::Error> for Failure {
    fn from(error: sled::Error) -> Self {
        Self::Sled(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Failure {
    /// Whether the files are damaged, or not ours: such a database is moved aside.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Sled(error) => match error {
                sled::Error::Corruption { .. } | sled::Error::ReportableBug(_) => true,
                // sled reads past the end of a file that was cut.
                sled::Error::Io(error) => error.kind() == io::ErrorKind::UnexpectedEof,
                _ => false,
            },
            Self::Panicked(_) | Self::Foreign(_) => true,
            Self::InUse | Self::Other(_) => false,
        }
    }

    /// What it means for the open database. After an error of its own, sled answers nothing but that.
    fn kind(&self) -> fn(Error) -> blocking::Failure {
        match self {
            failure if failure.is_damage() => blocking::Failure::Damaged,
            Self::Sled(_) | Self::Panicked(_) => blocking::Failure::Lost,
            _ => blocking::Failure::Refused,
        }
    }

    /// What is wrong, in a few words.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Sled(error) => error.to_string(),
            Self::Panicked(reason) => format!("sled panicked: {reason}"),
            Self::Foreign(reason) => (*reason).to_owned(),
            Self::InUse => "it is in use".to_owned(),
            Self::Other(error) => error.to_string(),
        }
    }

    /// The same for those above, of the database at this path.
    pub(crate) fn at(self, path: &Path) -> blocking::Failure {
        let kind = self.kind();
        let error = match self {
            Self::Sled(error) => of_sled(error),
            Self::Panicked(reason) => Error::new(ErrorKind::StoreCorrupt, "the database is damaged")
                .with_source(io::Error::other(reason)),
            Self::Foreign(reason) => Error::new(ErrorKind::StoreCorrupt, reason),
            Self::InUse => {
                Error::new(ErrorKind::Store, "another store has the database open").temporary().with_advice(
                    "a sled database is for one store of one process at a time: close that one, name another \
                     directory, or use the SQLite store, which several processes may share",
                )
            }
            Self::Other(error) => error,
        };
        kind(error.with_context("database", path.display()))
    }
}

fn of_sled(error: sled::Error) -> Error {
    use ErrorKind::{Store, StoreCorrupt, StoreTooNew, Unexpected};
    match error {
        sled::Error::Io(error) => io_error("the database cannot be read or written", error),
        sled::Error::Corruption { .. } => {
            Error::new(StoreCorrupt, "the database is damaged").with_source(error)
        }
        // Of what this crate does, only the version of the files can be unsupported.
        sled::Error::Unsupported(_) => Error::new(StoreTooNew, "the database is of another version of sled")
            .with_source(error)
            .with_advice("update this program, or name another directory"),
        sled::Error::CollectionNotFound(_) => Error::new(Store, "the database is gone").with_source(error),
        sled::Error::ReportableBug(_) => Error::new(Unexpected, "sled failed").with_source(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        use ErrorKind::{NoSpace, Store, StoreCorrupt, StoreTooNew, Unexpected};
        let io = |kind: io::ErrorKind| Failure::Sled(sled::Error::Io(kind.into()));
        let corruption = sled::Error::Corruption { at: None, bt: () };
        for (failure, kind, temporary, damage) in [
            (io(io::ErrorKind::StorageFull), NoSpace, false, false),
            (io(io::ErrorKind::PermissionDenied), Store, false, false),
            (io(io::ErrorKind::Other), Store, false, false),
            (io(io::ErrorKind::UnexpectedEof), Store, false, true),
            (Failure::Sled(corruption), StoreCorrupt, false, true),
            (Failure::Sled(sled::Error::Unsupported("version".into())), StoreTooNew, false, false),
            (Failure::Sled(sled::Error::ReportableBug("x".into())), Unexpected, false, true),
            (Failure::Panicked("x".into()), StoreCorrupt, false, true),
            (Failure::Foreign("x"), StoreCorrupt, false, true),
            (Failure::InUse, Store, true, false),
            (Failure::Other(Error::misuse("x", "y")), ErrorKind::Misuse, false, false),
        ] {
            let reason = failure.reason();
            assert_eq!(failure.is_damage(), damage, "{reason}");
            let error = failure.at(Path::new("/d/x")).into_error();
            assert_eq!((error.kind(), error.is_temporary()), (kind, temporary), "{reason}");
            assert!(error.to_string().contains("/d/x"), "{error}");
        }
    }
}

//! Where progress is kept, and what happens if it can't be kept there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use okdownload::store::{CommitLevel, DownloadStore, MemoryStore, SledStore, SqliteStore};
use okdownload::{Error, ErrorKind, Result, TaskId, database_path};

use crate::report::{Console, Failure, describe};

/// The store that the user wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StoreChoice {
    /// SQLite at the usual place. If that can't be made, the downloads matter more.
    Usual,
    /// SQLite at this path, or nothing.
    Sqlite(PathBuf),
    /// sled at this path, or beside the usual database, or nothing.
    Sled(Option<PathBuf>),
    Memory,
}

impl StoreChoice {
    pub(crate) fn parse(text: Option<&OsStr>) -> Result<Self, Failure> {
        let Some(text) = text else { return Ok(Self::Usual) };
        let (name, path) = split(text);
        match (name, path) {
            (b"sqlite", None) => Ok(Self::Usual),
            (b"sqlite", Some(path)) if path.file_name().is_some() => Ok(Self::Sqlite(path.into())),
            (b"sqlite", Some(_)) => Err(Failure::usage("--store sqlite: names no file behind the colon")),
            (b"memory", None) => Ok(Self::Memory),
            (b"memory", Some(_)) => Err(Failure::usage("--store memory has no path")),
            (b"sled", None) => Ok(Self::Sled(None)),
            (b"sled", Some(path)) if path.file_name().is_some() => Ok(Self::Sled(Some(path.into()))),
            (b"sled", Some(_)) => Err(Failure::usage("--store sled: names no directory behind the colon")),
            _ => Err(Failure::usage("--store is one of sqlite, sqlite:PATH, sled, sled:PATH and memory")),
        }
    }

    /// Opens the store. A damaged database was moved aside then, which `console` tells; one of a newer version is an
    /// error.
    pub(crate) async fn open(self, console: &Console) -> Result<Opened, Failure> {
        let path = match self {
            Self::Memory => return Ok(Opened::memory()),
            Self::Sqlite(path) => return opened(sqlite(&path, console)).await.map_err(failure),
            Self::Sled(path) => {
                let path = path.map_or_else(|| usual_path().map(|path| path.with_extension("sled")), Ok);
                let store = SledStore::builder(path.map_err(failure)?).on_warning(warn(console)).build();
                return opened(store).await.map_err(failure);
            }
            Self::Usual => usual_path(),
        };
        let (result, there) = match path {
            // One that is there holds what a run without it would take for nobody's.
            Ok(path) => (opened(sqlite(&path, console)).await, path.exists()),
            Err(error) => (Err(error), false),
        };
        match result {
            Ok(store) => Ok(store),
            Err(error) if !there && cannot_be_made(&error) => {
                console.error(&format!(
                    "warning: progress is not kept, and nothing can go on after a stop: {}",
                    describe(&error)
                ));
                Ok(Opened::memory())
            }
            Err(error) => Err(failure(error)),
        }
    }
}

/// A store at work.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn DownloadStore>,
    /// Whether what it has outlives this process.
    pub(crate) lasts: bool,
}

impl Opened {
    fn memory() -> Self {
        Self { store: Arc::new(MemoryStore::new()), lasts: false }
    }
}

fn failure(error: Error) -> Failure {
    Failure::Other(describe(&error))
}

/// `name`, or `name:path`.
fn split(text: &OsStr) -> (&[u8], Option<&Path>) {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let bytes = text.as_bytes();
        match bytes.iter().position(|byte| *byte == b':') {
            Some(colon) => (&bytes[..colon], Some(Path::new(OsStr::from_bytes(&bytes[colon + 1..])))),
            None => (bytes, None),
        }
    }
    #[cfg(not(unix))]
    match text.to_str().and_then(|text| text.split_once(':')) {
        Some((name, path)) => (name.as_bytes(), Some(Path::new(path))),
        None => (text.as_encoded_bytes(), None),
    }
}

/// The usual place. It is only taken from the environment: without a home the user database may know another, and
/// nobody would look there.
fn usual_path() -> Result<PathBuf> {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| Path::new(&value).is_absolute());
    if cfg!(unix) && !is_set("XDG_STATE_HOME") && !is_set("HOME") {
        return Err(Error::new(ErrorKind::Store, "there is no home directory to keep it in")
            .with_advice("set HOME, or name a database with --store sqlite:PATH"));
    }
    database_path(Some("okdl"))
}

/// Tells what a store has to say.
fn warn(console: &Console) -> Arc<dyn Fn(&str) + Send + Sync> {
    let console = console.clone();
    Arc::new(move |message: &str| console.error(&format!("warning: {message}")))
}

fn sqlite(path: &Path, console: &Console) -> SqliteStore {
    SqliteStore::builder(path).on_warning(warn(console)).build()
}

/// Opens the database now, which it otherwise does when it is first used: whether it can be read and be written.
async fn opened(store: impl DownloadStore) -> Result<Opened> {
    store.completion(TaskId::from_u128(0)).await?;
    store.commit(Vec::new(), CommitLevel::Process).await?;
    Ok(Opened { store: Arc::new(store), lasts: true })
}

/// Whether the state's place is of no use, rather than what is in it: a database that is there and sound is never
/// passed over.
fn cannot_be_made(error: &Error) -> bool {
    let place = [ErrorKind::Store, ErrorKind::PermissionDenied, ErrorKind::NoSpace, ErrorKind::Misuse];
    place.contains(&error.kind()) && !error.is_temporary()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices() {
        let parse = |text: &str| StoreChoice::parse(Some(OsStr::new(text))).ok();
        assert_eq!(StoreChoice::parse(None).ok(), Some(StoreChoice::Usual));
        assert_eq!(parse("sqlite"), Some(StoreChoice::Usual));
        assert_eq!(parse("sqlite:a:b.db"), Some(StoreChoice::Sqlite("a:b.db".into())));
        assert_eq!(parse("memory"), Some(StoreChoice::Memory));
        assert_eq!(parse("sled"), Some(StoreChoice::Sled(None)));
        assert_eq!(parse("sled:a"), Some(StoreChoice::Sled(Some("a".into()))));
        for text in ["", "sqlite:", "sqlite:/", "memory:x", "sled:", "sled:/", "redis", "SQLITE"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

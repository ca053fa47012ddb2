//! The open database.

use std::path::PathBuf;

use okdownload_store::blocking::{self, BlockingStore};
use okdownload_store::place::{identity, lock_above_shared};
use okdownload_store::{Change, CommitLevel, Recalled};
use okdownload_types::{BreakpointInfo, CompletionRecord, Location, TaskId};
use rusqlite::Connection;
use url::Url;

use crate::SqliteStoreBuilder;
use crate::error::Failure;
use crate::schema::{self, APPLICATION_ID};
use crate::{rows, write};

#[derive(Debug)]
pub(crate) struct Database {
    connection: Connection,
    config: SqliteStoreBuilder,
    /// Where the file was when it was opened, behind all links.
    path: PathBuf,
    /// Which file it is.
    identity: Option<(u64, u64)>,
    /// To which level a commit syncs now.
    synchronous: Option<CommitLevel>,
    has_log: bool,
}

impl Database {
    /// The file must have been opened under the lock that its place still has.
    pub(crate) fn of(
        connection: Connection,
        path: PathBuf,
        config: &SqliteStoreBuilder,
    ) -> Result<Self, Failure> {
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        let (config, identity) = (config.clone(), identity(&path));
        Ok(Self { connection, config, path, identity, synchronous: None, has_log: mode == "wal" })
    }

    fn read<T>(&self, work: impl Fn(&Connection) -> Result<T, Failure>) -> Result<T, blocking::Failure> {
        self.checked(work(&self.connection))
    }

    /// If another store has moved the file aside, or somebody has taken it away, what was read or written is not what
    /// is at the path now. To look for that afterwards is enough: the call is made once more, on the file that is.
    fn checked<T>(&self, result: Result<T, Failure>) -> Result<T, blocking::Failure> {
        let result = if self.is_moved() { Err(Failure::Moved) } else { result };
        result.map_err(|failure| failure.at(&self.config.path))
    }

    fn is_moved(&self) -> bool {
        identity(&self.path) != self.identity
    }

    /// Makes these changes, in one transaction. With [`CommitLevel::Power`] it is synced, and all earlier ones with it.
    fn write(&mut self, changes: &[&Change], level: CommitLevel) -> Result<(), Failure> {
        self.set_level(level)?;
        let connection = &self.connection;
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let done = write_all(connection, changes, level).and_then(|()| {
            connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(())
        });
        // Also if only `COMMIT` failed: the transaction is open then, and the next one could not begin.
        if done.is_err() {
            roll_back(connection);
        }
        done
    }

    /// With the write-ahead log, NORMAL syncs only when the log is folded into the database: a commit survives the
    /// process, not the loss of power. FULL also syncs the log, with all that is in it. Without the log NORMAL could
    /// even damage the database, so it is always FULL.
    fn set_level(&mut self, level: CommitLevel) -> Result<(), Failure> {
        let level = if self.has_log { level } else { CommitLevel::Power };
        if self.synchronous != Some(level) {
            let name = match level {
                CommitLevel::Process => "NORMAL",
                CommitLevel::Power => "FULL",
            };
            self.connection.pragma_update(None, "synchronous", name)?;
            self.synchronous = Some(level);
        }
        Ok(())
    }
}

fn write_all(connection: &Connection, changes: &[&Change], level: CommitLevel) -> Result<(), Failure> {
    schema::check_version(connection)?;
    for change in changes {
        write::apply(connection, change)?;
    }
    if level == CommitLevel::Power {
        // A transaction that changes no page is not synced, but earlier ones count on it. This writes a page always.
        let touch = format!("PRAGMA application_id = {APPLICATION_ID}");
        connection.prepare_cached(&touch)?.execute([])?;
    }
    Ok(())
}

/// Several reads in one transaction: each of its own would lock and unlock the file.
fn together<T>(connection: &Connection, reads: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    let read = reads();
    // Of one that has only read nothing is lost.
    roll_back(connection);
    read
}

/// Ends the transaction, if it is still open: some errors end it by themselves. Whoever calls has a result of his own to
/// tell, and the next transaction tells if this one could not be ended.
fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        let _ = connection.prepare_cached("ROLLBACK").and_then(|mut statement| statement.execute([]));
    }
}

fn recall(connection: &Connection, id: TaskId, place: Option<&Location>) -> Result<Recalled, Failure> {
    let at_place = place.map(|place| rows::breakpoints_at(connection, &place.to_bytes())).transpose()?;
    Ok(Recalled {
        breakpoint: rows::breakpoint(connection, id)?,
        completion: rows::completion(connection, id)?,
        at_place: at_place.unwrap_or_default(),
    })
}

impl BlockingStore for Database {
    fn breakpoint(&mut self, id: TaskId) -> Result<Option<BreakpointInfo>, blocking::Failure> {
        self.read(|connection| rows::breakpoint(connection, id))
    }

    fn completion(&mut self, id: TaskId) -> Result<Option<CompletionRecord>, blocking::Failure> {
        self.read(|connection| rows::completion(connection, id))
    }

    fn breakpoints_at(&mut self, location: &Location) -> Result<Vec<BreakpointInfo>, blocking::Failure> {
        self.read(|connection| rows::breakpoints_at(connection, &location.to_bytes()))
    }

    fn recall(&mut self, id: TaskId, place: Option<&Location>) -> Result<Recalled, blocking::Failure> {
        self.read(|connection| together(connection, || recall(connection, id, place)))
    }

    fn unfinished(&mut self) -> Result<Vec<BreakpointInfo>, blocking::Failure> {
        self.read(rows::unfinished)
    }

    fn completed(&mut self) -> Result<Vec<CompletionRecord>, blocking::Failure> {
        self.read(rows::completed)
    }

    fn response_filename(&mut self, url: &Url) -> Result<Option<String>, blocking::Failure> {
        self.read(|connection| rows::response_filename(connection, url.as_str()))
    }

    fn commit(&mut self, changes: &[&Change], level: CommitLevel) -> Result<(), blocking::Failure> {
        let written = self.write(changes, level);
        self.checked(written)
    }

    /// The last one to let go of the file clears the log away: by its name, so it must be this file's.
    fn close(self) -> Result<(), blocking::Failure> {
        let _lock = lock_above_shared(&self.path, self.config.busy_timeout);
        if self.is_moved() {
            self.abandon();
            return Ok(());
        }
        let closed = self.connection.close();
        closed.map_err(|(_, error)| Failure::from(error).at(&self.config.path))
    }

    fn abandon(self) {
        schema::abandon(self.connection);
    }
}

//! The open database, as the worker sees it.

use std::path::PathBuf;

use okdownload_store::{Change, CommitLevel};
use okdownload_types::{Error, ErrorKind, Result};
use rusqlite::Connection;

use crate::SqliteStoreBuilder;
use crate::error::Failure;
use crate::schema::APPLICATION_ID;
use crate::{place, schema, write};

#[derive(Debug)]
pub(crate) struct Session {
    config: SqliteStoreBuilder,
    database: Option<Database>,
}

#[derive(Debug)]
pub(crate) struct Database {
    connection: Connection,
    /// To which level a commit syncs now.
    synchronous: Option<CommitLevel>,
    has_log: bool,
}

impl Session {
    /// Opens nothing yet.
    pub(crate) fn new(config: SqliteStoreBuilder) -> Self {
        Self { config, database: None }
    }

    /// Does the work on the open database. A damaged one is moved aside, and the work is done once more on a new one.
    pub(crate) fn run<T>(&mut self, work: &dyn Fn(&mut Database) -> Result<T, Failure>) -> Result<T> {
        let mut result = self.attempt(work);
        if let Err(failure) = &result
            && failure.may_be_damage()
        {
            result = self.recover().and_then(|()| self.attempt(work));
        }
        result.map_err(|failure| failure.into_error(&self.config.path))
    }

    fn attempt<T>(&mut self, work: &dyn Fn(&mut Database) -> Result<T, Failure>) -> Result<T, Failure> {
        if self.database.is_none() {
            self.database = Some(self.open()?);
        }
        match &mut self.database {
            Some(database) => work(database),
            None => Err(Error::new(ErrorKind::Unexpected, "the database is not open").into()),
        }
    }

    fn open(&self) -> Result<Database, Failure> {
        let path = self.resolved();
        place::prepare(&path)?;
        Database::of(schema::open(&path, self.config.busy_timeout)?)
    }

    /// SQLite keeps its log beside the file itself, not beside a symbolic link to it, so that is what is moved.
    fn resolved(&self) -> PathBuf {
        self.config.path.canonicalize().unwrap_or_else(|_| self.config.path.clone())
    }

    /// Moves the database aside if it really is damaged: another process may have done so already.
    fn recover(&mut self) -> Result<(), Failure> {
        if let Some(database) = self.database.take() {
            schema::abandon(database.connection);
        }
        let path = self.resolved();
        let _lock = place::lock_directory(&path, self.config.busy_timeout)?;
        place::prepare(&path)?;
        let failure = match schema::verify(&path, self.config.busy_timeout) {
            Err(failure) if failure.is_damage() => failure,
            result => return result,
        };
        let aside = place::move_aside(&path).map_err(|error| {
            Error::new(ErrorKind::StoreCorrupt, "the database is damaged, and it cannot be moved aside")
                .with_context("reason", failure.reason())
                .with_source(error)
                .with_advice("move it away, or name another database")
        })?;
        (self.config.on_warning)(&format!(
            "the database {} cannot be used ({}); it was moved to {} and a new one is made",
            path.display(),
            failure.reason(),
            aside.display()
        ));
        Ok(place::prepare(&path)?)
    }

    /// Lets go of the file. The last one to do so clears the log away.
    pub(crate) fn close(&mut self) -> Result<()> {
        let Some(database) = self.database.take() else { return Ok(()) };
        let closed = database.connection.close();
        closed.map_err(|(_, error)| Failure::from(error).into_error(&self.config.path))
    }
}

impl Database {
    fn of(connection: Connection) -> Result<Self, Failure> {
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        Ok(Self { connection, synchronous: None, has_log: mode == "wal" })
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Makes these changes, in one transaction. With [`CommitLevel::Power`] it is synced, and all earlier ones with it.
    pub(crate) fn commit<'a>(
        &mut self,
        changes: impl Iterator<Item = &'a Change>,
        level: CommitLevel,
    ) -> Result<(), Failure> {
        self.set_level(level)?;
        let connection = &self.connection;
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let done = write_all(connection, changes, level).and_then(|()| {
            connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(())
        });
        // Some errors end the transaction by themselves.
        if done.is_err() && !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
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

fn write_all<'a>(
    connection: &Connection,
    changes: impl Iterator<Item = &'a Change>,
    level: CommitLevel,
) -> Result<(), Failure> {
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

//! Opening: which database it is, and which tables it has.

use std::path::Path;
use std::time::{Duration, Instant};

use okdownload_types::{Error, ErrorKind};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::error::Failure;

/// "OKDL" in ASCII: how we know our databases.
pub(crate) const APPLICATION_ID: i32 = 0x4F4B_444C;

/// The version that this program writes.
const VERSION: i32 = 1;

/// `seq` keeps the order of arrival. File numbers are the 64 bits of an unsigned number; all else is as it looks.
const TABLES: &str = "
CREATE TABLE breakpoint (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    url TEXT NOT NULL,
    location BLOB NOT NULL,
    part BLOB NOT NULL,
    file_number INTEGER,
    file_born INTEGER,
    etag TEXT,
    etag_weak INTEGER NOT NULL,
    last_modified INTEGER,
    last_modified_is_strong INTEGER NOT NULL,
    total INTEGER,
    boot TEXT,
    needs_credentials INTEGER NOT NULL
) STRICT;
CREATE INDEX breakpoint_location ON breakpoint (location);
CREATE TABLE block (
    id BLOB NOT NULL,
    start INTEGER NOT NULL,
    length INTEGER,
    written INTEGER NOT NULL,
    synced INTEGER NOT NULL,
    PRIMARY KEY (id, start)
) STRICT, WITHOUT ROWID;
CREATE TABLE completion (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    url TEXT NOT NULL,
    location BLOB NOT NULL,
    length INTEGER NOT NULL,
    modified INTEGER,
    etag TEXT,
    etag_weak INTEGER NOT NULL,
    last_modified INTEGER,
    last_modified_is_strong INTEGER NOT NULL
) STRICT;
CREATE TABLE response_filename (
    url TEXT PRIMARY KEY,
    name TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Opens the database at `path`, where a file must be; an empty one is given its tables.
pub(crate) fn open(path: &Path, busy_timeout: Duration) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(32);
    match make_ours(&mut connection, busy_timeout) {
        Ok(()) => Ok(connection),
        Err(failure) => {
            if failure.is_damage() {
                abandon(connection);
            }
            Err(failure)
        }
    }
}

fn make_ours(connection: &mut Connection, busy_timeout: Duration) -> Result<(), Failure> {
    if !is_empty(connection)? {
        check(connection)?;
        return use_write_ahead_log(connection, busy_timeout);
    }
    // What an empty database loses is nothing, so it need not be synced at every step.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    use_write_ahead_log(connection, busy_timeout)?;
    create(connection)?;
    check(connection)
}

/// Lets go of a damaged database without the checkpoint of an ordinary close: that would write into it.
pub(crate) fn abandon(connection: Connection) {
    // Should it not be possible, the checkpoint is what any SQLite program would do.
    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    drop(connection);
}

/// Reads the whole database; the error says what is wrong with it.
pub(crate) fn verify(path: &Path, busy_timeout: Duration) -> Result<(), Failure> {
    let connection = open(path, busy_timeout)?;
    let failure = match connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)) {
        Ok(found) if found == "ok" => return Ok(()),
        Ok(_) => Failure::Foreign("its pages contradict each other"),
        Err(error) => error.into(),
    };
    abandon(connection);
    Err(failure)
}

fn is_empty(connection: &Connection) -> Result<bool, Failure> {
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(objects == 0 && pragma(connection, "application_id")? == 0 && pragma(connection, "user_version")? == 0)
}

fn create(connection: &mut Connection) -> Result<(), Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been here between the first look and the lock.
    if is_empty(&transaction)? {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(transaction.commit()?)
}

fn check(connection: &Connection) -> Result<(), Failure> {
    if pragma(connection, "application_id")? != APPLICATION_ID {
        return Err(Failure::Foreign("it belongs to another program"));
    }
    match pragma(connection, "user_version")? {
        VERSION => Ok(()),
        newer if newer > VERSION => {
            Err(Error::new(ErrorKind::StoreTooNew, "the database was written by a newer version")
                .with_context("its version", newer)
                .with_context("ours", VERSION)
                .with_advice("update this program, or name another database")
                .into())
        }
        _ => Err(Failure::Foreign("it has no version")),
    }
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Switches to the write-ahead log; the database remembers that. SQLite does not wait by itself if several processes
/// switch at the same time, so this does. File systems that can't share memory stay with the rollback journal.
fn use_write_ahead_log(connection: &Connection, patience: Duration) -> Result<(), Failure> {
    let until = Instant::now() + patience;
    loop {
        let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
        match mode {
            Ok(_) => return Ok(()),
            Err(error) if is_busy(&error) && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

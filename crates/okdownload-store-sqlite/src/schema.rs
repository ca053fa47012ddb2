//! Opening: which database it is, and which tables it has.

use std::path::Path;
use std::time::{Duration, Instant};

use okdownload_types::{Error, ErrorKind};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::error::Failure;

/// "OKDL" in ASCII: how we know our databases.
pub(crate) const APPLICATION_ID: i32 = 0x4F4B_444C;

/// The steps from an empty database to the present one; after the n-th it is of version n. Whoever changes the schema
/// appends a step, leaves those that were released as they are, and adds a file to `tests/fixtures`.
const STEPS: &[&str] = &[TABLES, OPTIONS];

/// Version 1. `seq` keeps the order of arrival. File numbers are the 64 bits of an unsigned number; all else is as it
/// looks.
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

/// Version 2: what the task was made of, as text.
const OPTIONS: &str = "ALTER TABLE breakpoint ADD COLUMN options TEXT";

/// Opens the database at `path`, where a file must be; an empty one is given its tables.
pub(crate) fn open(path: &Path, busy_timeout: Duration) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(32);
    // Else a statement may be compiled again whenever it is given other values.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
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
    let version = version(connection)?;
    let needs_steps = !missing(version, STEPS)?.is_empty();
    if version == 0 {
        // What an empty database loses is nothing, so it need not be synced at every step.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
    }
    use_write_ahead_log(connection, busy_timeout)?;
    if needs_steps { upgrade(connection, STEPS) } else { Ok(()) }
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

/// The version that a database is of; 0 if it is empty.
fn version(connection: &Connection) -> Result<i32, Failure> {
    // Several looks at one moment: another process may be making it.
    version_inside(&*connection.unchecked_transaction()?)
}

fn version_inside(transaction: &Connection) -> Result<i32, Failure> {
    let objects: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (pragma(transaction, "application_id")?, pragma(transaction, "user_version")?) {
        (0, 0) if objects == 0 => Ok(0),
        (APPLICATION_ID, version @ 1..) => Ok(version),
        (APPLICATION_ID, _) => Err(Failure::Foreign("it has no version")),
        _ => Err(Failure::Foreign("it belongs to another program")),
    }
}

const fn version_after(steps: &[&str]) -> i32 {
    steps.len() as i32
}

/// The steps that a database of this version still needs.
fn missing<'a>(version: i32, steps: &'a [&'a str]) -> Result<&'a [&'a str], Error> {
    let done = usize::try_from(version).ok();
    done.and_then(|done| steps.get(done..)).ok_or_else(|| {
        Error::new(ErrorKind::StoreTooNew, "the database was written by a newer version")
            .with_context("its version", version)
            .with_context("ours", version_after(steps))
            .with_advice("update this program, or name another database")
    })
}

/// Takes the steps that are missing, all of them or none. Several processes may do so at the same time: who comes second
/// finds nothing left to do.
fn upgrade(connection: &mut Connection, steps: &[&str]) -> Result<(), Failure> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in missing(version_inside(&transaction)?, steps)? {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", version_after(steps))?;
    Ok(transaction.commit()?)
}

/// That nobody has upgraded the database since it was opened. Part of each transaction that writes, since a newer
/// version may keep something else in the same columns.
pub(crate) fn check_version(connection: &Connection) -> Result<(), Failure> {
    let version = connection.prepare_cached("PRAGMA user_version")?.query_row([], |row| row.get(0))?;
    missing(version, STEPS)?;
    Ok(())
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

/// The tables in memory, without the types that SQLite would insist on: as damage leaves them.
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic here is a test that failed")]
pub(crate) fn loose() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    let loose = |step: &&str| {
        step.replace(") STRICT, WITHOUT ROWID", ")").replace(") STRICT", ")").replace(" NOT NULL", "")
    };
    STEPS.iter().for_each(|step| connection.execute_batch(&loose(step)).unwrap());
    connection
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic here is a test that failed")]
mod tests {
    use super::*;

    const LATER: &[&str] = &[
        TABLES,
        "ALTER TABLE completion ADD COLUMN speed INTEGER; UPDATE completion SET speed = length",
        "CREATE TABLE visit (url TEXT PRIMARY KEY) STRICT; INSERT INTO visit SELECT url FROM completion",
    ];

    fn open_raw(path: &Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection
    }

    /// A database of version 1 with one record.
    fn first_version(directory: &Path) -> std::path::PathBuf {
        let path = directory.join("x.db");
        let mut connection = open_raw(&path);
        upgrade(&mut connection, &LATER[..1]).unwrap();
        let insert = "INSERT INTO completion (id, url, location, length, etag_weak, last_modified_is_strong) \
                      VALUES (x'01', 'u', x'02', 3, 0, 0)";
        connection.execute(insert, []).unwrap();
        path
    }

    fn speed_and_visits(connection: &Connection) -> (i64, i64) {
        let sql = "SELECT (SELECT sum(speed) FROM completion), (SELECT count(*) FROM visit)";
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    }

    #[test]
    fn only_the_missing_steps_are_taken() {
        for (version, left) in [(0, 3), (1, 2), (2, 1), (3, 0)] {
            assert_eq!(missing(version, LATER).unwrap(), &LATER[3 - left..]);
        }
        for version in [4, i32::MAX, -1] {
            let error = missing(version, LATER).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StoreTooNew);
            assert!(error.advice().is_some() && error.to_string().contains(&version.to_string()), "{error}");
        }
    }

    #[test]
    fn an_upgrade_keeps_what_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let mut connection = open_raw(&first_version(directory.path()));
        for _ in 0..2 {
            upgrade(&mut connection, LATER).unwrap();
            assert_eq!(version(&connection).unwrap(), 3);
            assert_eq!(speed_and_visits(&connection), (3, 1));
        }
    }

    #[test]
    fn several_may_upgrade_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = first_version(directory.path());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| upgrade(&mut open_raw(&path), LATER).unwrap());
            }
        });
        assert_eq!(speed_and_visits(&open_raw(&path)), (3, 1));
    }

    #[test]
    fn an_upgrade_that_fails_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = first_version(directory.path());
        let broken = [LATER[0], LATER[1], "CREATE TABLE completion (x)"];
        assert!(matches!(upgrade(&mut open_raw(&path), &broken), Err(Failure::Sqlite(_))));
        let mut connection = open_raw(&path);
        assert_eq!(version(&connection).unwrap(), 1);
        assert!(connection.prepare("SELECT speed FROM completion").is_err());
        upgrade(&mut connection, LATER).unwrap();
        assert_eq!(speed_and_visits(&connection), (3, 1));
    }

    #[test]
    fn a_newer_one_is_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let mut connection = open_raw(&first_version(directory.path()));
        upgrade(&mut connection, LATER).unwrap();
        let refused = upgrade(&mut connection, &LATER[..2]);
        assert!(matches!(refused, Err(Failure::Other(error)) if error.kind() == ErrorKind::StoreTooNew));
        assert_eq!(version(&connection).unwrap(), 3);
    }
}

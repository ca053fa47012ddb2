//! The database as a file: private, shared, damaged, foreign, too new, or not to be had at all.

#![allow(clippy::unwrap_used, reason = "a panic here is a test that failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use okdownload_store::{Change, CommitLevel, DownloadStore};
use okdownload_store_sqlite::SqliteStore;
use okdownload_types::{BlockInfo, BreakpointInfo, Error, ErrorKind, Location, TaskId};
use rusqlite::Connection;
use tempfile::TempDir;

/// A directory with a path for a database, and what the store warned of.
struct Bench {
    directory: TempDir,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), warnings: Arc::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn database(&self) -> PathBuf {
        self.path("x.db")
    }

    fn store(&self) -> SqliteStore {
        self.store_at(&self.database())
    }

    fn store_at(&self, path: &Path) -> SqliteStore {
        let warnings = self.warnings.clone();
        let hear = move |warning: &str| warnings.lock().unwrap().push(warning.to_owned());
        SqliteStore::builder(path).on_warning(Arc::new(hear)).build()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// That the store works and is empty, and that the file it found is kept, untouched, as `aside`.
    async fn assert_renewed(&self, old: &[u8], aside: &str) {
        let store = self.store();
        assert_eq!(store.unfinished().await.unwrap(), []);
        put(&store, &[1]).await.unwrap();
        store.close().await.unwrap();
        assert_eq!(fs::read(self.path(aside)).unwrap(), old);
        let warnings = std::mem::take(&mut *self.warnings.lock().unwrap());
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(self.path(aside).to_str().unwrap()), "{warnings:?}");
        assert_eq!(self.store().unfinished().await.unwrap(), [info(1)]);
        assert!(self.warnings.lock().unwrap().is_empty());
    }
}

fn info(n: u64) -> BreakpointInfo {
    let place = |end| Location::Path(format!("/d/{n}{end}").into());
    let url = format!("http://h/{n}").parse().unwrap();
    let mut info = BreakpointInfo::new(TaskId::from_u128(n.into()), url, place(""), place(".okdownload"));
    info.blocks = vec![BlockInfo::new(0, Some(10)), BlockInfo::new(10, None).with_progress(n, 0)];
    info
}

async fn put(store: &SqliteStore, numbers: &[u64]) -> Result<(), Error> {
    store.commit(numbers.iter().map(|n| Change::Put(info(*n))).collect(), CommitLevel::Process).await
}

/// A closed database with so many records.
async fn filled(bench: &Bench, records: u64) -> Vec<u8> {
    let store = bench.store();
    put(&store, &(0..records).collect::<Vec<_>>()).await.unwrap();
    store.close().await.unwrap();
    fs::read(bench.database()).unwrap()
}

#[tokio::test]
async fn touches_no_disk_before_it_is_used() {
    let bench = Bench::new();
    let store = bench.store_at(&bench.path("a/b/x.db"));
    assert_eq!(store.path(), bench.path("a/b/x.db"));
    store.close().await.unwrap();
    assert!(bench.names().is_empty());
    put(&store, &[1]).await.unwrap();
    assert_eq!(bench.names(), ["a"]);
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let mode = |name: &str| fs::metadata(bench.path(name)).unwrap().permissions().mode() & 0o777;
    let store = bench.store_at(&bench.path("a/b/x.db"));
    put(&store, &[1]).await.unwrap();
    for name in ["a/b/x.db", "a/b/x.db-wal", "a/b/x.db-shm"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    assert_eq!((mode("a"), mode("a/b")), (0o700, 0o700));
    store.close().await.unwrap();
    assert_eq!(fs::read_dir(bench.path("a/b")).unwrap().count(), 1, "closing leaves the database alone");
}

#[tokio::test]
async fn an_empty_file_becomes_a_database() {
    let bench = Bench::new();
    fs::write(bench.database(), "").unwrap();
    put(&bench.store(), &[1]).await.unwrap();
    assert_eq!(bench.store().unfinished().await.unwrap(), [info(1)]);
    assert!(bench.warnings.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_commit_that_fails_at_its_very_end_takes_nothing_with_it() {
    // A row without the one that it refers to, which is looked for only when the transaction ends.
    const REFUSE_2: &str = "CREATE TABLE there (n INTEGER PRIMARY KEY);
        CREATE TABLE refers (n INTEGER REFERENCES there DEFERRABLE INITIALLY DEFERRED);
        CREATE TRIGGER refuse AFTER INSERT ON breakpoint WHEN NEW.url = 'http://h/2'
        BEGIN INSERT INTO refers VALUES (1); END;";
    let bench = Bench::new();
    let store = bench.store();
    put(&store, &[1]).await.unwrap();
    Connection::open(bench.database()).unwrap().execute_batch(REFUSE_2).unwrap();
    for (level, kept) in [(CommitLevel::Process, 4), (CommitLevel::Power, 5), (CommitLevel::Process, 6)] {
        let changes = [3, 2].map(|n| Change::Put(info(n))).to_vec();
        let error = store.commit(changes, level).await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(error.kind() == ErrorKind::Unexpected && source.contains("FOREIGN KEY"), "{error:?}");
        assert_eq!(store.recall(info(3).id, None).await.unwrap().breakpoint, None);
        store.commit(vec![Change::Put(info(kept))], level).await.unwrap();
    }
    assert_eq!(bench.store().unfinished().await.unwrap(), [1, 4, 5, 6].map(info));
    assert!(bench.warnings.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_no_database_is_moved_aside() {
    let bench = Bench::new();
    let short = b"hello".to_vec();
    fs::write(bench.database(), &short).unwrap();
    bench.assert_renewed(&short, "x.db.damaged-1").await;
    let long = vec![b'x'; 100_000];
    fs::write(bench.database(), &long).unwrap();
    bench.assert_renewed(&long, "x.db.damaged-2").await;
}

#[tokio::test]
async fn a_cut_off_database_is_moved_aside() {
    let bench = Bench::new();
    let whole = filled(&bench, 500).await;
    let half = &whole[..whole.len() / 2];
    fs::write(bench.database(), half).unwrap();
    bench.assert_renewed(half, "x.db.damaged-1").await;
}

#[tokio::test]
async fn damage_that_shows_late_is_found() {
    let bench = Bench::new();
    let mut bytes = filled(&bench, 500).await;
    // The schema is on the first page; what follows are the records.
    bytes[3 * 4096..].fill(0xff);
    fs::write(bench.database(), &bytes).unwrap();
    bench.assert_renewed(&bytes, "x.db.damaged-1").await;
}

#[tokio::test]
async fn a_foreign_database_is_moved_aside() {
    for sql in [
        "CREATE TABLE mine (x); INSERT INTO mine VALUES (1)",
        "PRAGMA application_id = 77",
        "PRAGMA user_version = 3",
    ] {
        let bench = Bench::new();
        let connection = Connection::open(bench.database()).unwrap();
        connection.execute_batch(sql).unwrap();
        connection.close().unwrap();
        let bytes = fs::read(bench.database()).unwrap();
        bench.assert_renewed(&bytes, "x.db.damaged-1").await;
    }
}

#[tokio::test]
async fn the_log_moves_with_its_database() {
    let bench = Bench::new();
    // The log has the record alone: with the first page in it, SQLite would find a whole database there.
    filled(&bench, 1).await;
    let store = bench.store();
    put(&store, &[1]).await.unwrap();
    let log = fs::read(bench.path("x.db-wal")).unwrap();
    assert!(!log.is_empty());
    let killed = Bench::new();
    fs::write(killed.database(), "no database").unwrap();
    fs::write(killed.path("x.db-wal"), &log).unwrap();
    killed.assert_renewed(b"no database", "x.db.damaged-1").await;
    assert_eq!(fs::read(killed.path("x.db.damaged-1-wal")).unwrap(), log);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_stays_when_its_database_is_moved() {
    let bench = Bench::new();
    fs::create_dir(bench.path("real")).unwrap();
    fs::write(bench.path("real/y.db"), "no database").unwrap();
    std::os::unix::fs::symlink("real/y.db", bench.database()).unwrap();
    let store = bench.store();
    put(&store, &[1]).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(fs::read(bench.path("real/y.db.damaged-1")).unwrap(), b"no database");
    assert!(fs::symlink_metadata(bench.database()).unwrap().is_symlink());
    assert_eq!(bench.names(), ["real", "x.db"]);
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    let bench = Bench::new();
    filled(&bench, 3).await;
    let connection = Connection::open(bench.database()).unwrap();
    connection.execute_batch("PRAGMA user_version = 77").unwrap();
    connection.close().unwrap();
    let bytes = fs::read(bench.database()).unwrap();
    let store = bench.store();
    for _ in 0..2 {
        let error = put(&store, &[9]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StoreTooNew);
        assert!(error.advice().is_some() && error.to_string().contains("x.db"), "{error}");
        assert_eq!(store.unfinished().await.unwrap_err().kind(), ErrorKind::StoreTooNew);
    }
    store.close().await.unwrap();
    assert_eq!(bench.names(), ["x.db"]);
    assert!(fs::read(bench.database()).unwrap() == bytes, "it was written");
    assert!(bench.warnings.lock().unwrap().is_empty());
}

#[tokio::test]
async fn paths_that_cannot_be_used_are_named() {
    let bench = Bench::new();
    fs::write(bench.path("file"), "mine").unwrap();
    for (path, kind) in [
        (bench.directory.path().to_owned(), ErrorKind::Store),
        (bench.path("file/x.db"), ErrorKind::Store),
        (bench.path("file/a/x.db"), ErrorKind::Store),
        (PathBuf::from("/proc/okdownload/x.db"), ErrorKind::Store),
        (PathBuf::new(), ErrorKind::Misuse),
        (PathBuf::from("/"), ErrorKind::Misuse),
    ] {
        let store = bench.store_at(&path);
        for error in [store.unfinished().await.unwrap_err(), put(&store, &[1]).await.unwrap_err()] {
            assert_eq!((error.kind(), error.is_temporary()), (kind, false), "{error}");
            assert!(
                error.to_string().contains(path.to_str().unwrap()) && error.advice().is_some(),
                "{error}"
            );
        }
    }
    assert_eq!(fs::read(bench.path("file")).unwrap(), b"mine");
    assert_eq!(bench.names(), ["file"]);
}

#[tokio::test]
async fn a_busy_database_is_a_temporary_error() {
    let bench = Bench::new();
    filled(&bench, 3).await;
    let other = Connection::open(bench.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let store = SqliteStore::builder(bench.database()).busy_timeout(Duration::ZERO).build();
    let error = put(&store, &[9]).await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Store, true), "{error}");
    assert_eq!(store.unfinished().await.unwrap().len(), 3, "reading does not wait for a writer");
    other.execute_batch("COMMIT").unwrap();
    put(&store, &[9]).await.unwrap();
    assert_eq!(store.unfinished().await.unwrap().len(), 4);
}

#[tokio::test]
async fn an_unreadable_record_is_named() {
    for sql in [
        "UPDATE breakpoint SET location = x'00' WHERE seq = 2",
        "UPDATE breakpoint SET url = 'nonsense' WHERE seq = 2",
        "UPDATE breakpoint SET total = -1 WHERE seq = 2",
        "UPDATE block SET written = -1 WHERE id = (SELECT id FROM breakpoint WHERE seq = 2)",
    ] {
        let bench = Bench::new();
        filled(&bench, 3).await;
        Connection::open(bench.database()).unwrap().execute_batch(sql).unwrap();
        let store = bench.store();
        let second = info(1);
        for error in [store.breakpoint(second.id).await.unwrap_err(), store.unfinished().await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::StoreCorrupt, "{sql}");
            assert!(error.to_string().contains(&second.id.to_string()), "{error}");
        }
        assert_eq!(store.breakpoint(info(2).id).await.unwrap(), Some(info(2)));
        put(&store, &[1]).await.unwrap();
        assert_eq!(store.unfinished().await.unwrap(), [0, 1, 2].map(info));
        assert!(bench.warnings.lock().unwrap().is_empty(), "one bad record does not cost the others");
    }
}

/// Whoever takes it away: what is committed is at the path afterwards, and the old file's log is left alone.
#[cfg(unix)]
#[tokio::test]
async fn a_database_that_is_moved_while_it_is_open_is_noticed() {
    let bench = Bench::new();
    let (first, second, third) = (bench.store(), bench.store(), bench.store());
    put(&first, &[1]).await.unwrap();
    assert_eq!(second.unfinished().await.unwrap(), [info(1)]);
    assert_eq!(third.unfinished().await.unwrap(), [info(1)]);
    fs::create_dir(bench.path("old")).unwrap();
    for name in ["x.db-wal", "x.db-shm", "x.db"] {
        fs::rename(bench.path(name), bench.path("old").join(name)).unwrap();
    }
    put(&first, &[2]).await.unwrap();
    third.close().await.unwrap();
    put(&first, &[3]).await.unwrap();
    for store in [&first, &second, &third, &bench.store()] {
        assert_eq!(store.unfinished().await.unwrap(), [2, 3].map(info));
    }
    assert!(bench.warnings.lock().unwrap().is_empty(), "nothing was damaged");
    for store in [first, second, third] {
        store.close().await.unwrap();
    }
    let old = bench.store_at(&bench.path("old/x.db"));
    assert!(old.unfinished().await.unwrap().contains(&info(1)), "it is whole where it was put");
}

/// Names the database of a child process.
const CHILD: &str = "OKDOWNLOAD_SQLITE_TEST_DATABASE";

/// From the first moment on, whether there is nothing yet or something damaged.
#[tokio::test]
async fn several_processes_may_start_at_once() {
    const PROCESSES: u64 = 6;
    if let Some(path) = std::env::var_os(CHILD) {
        let process = u64::from(std::process::id());
        let store = SqliteStore::new(path);
        for n in 0..20 {
            put(&store, &[process * 100 + n]).await.unwrap();
        }
        return;
    }
    for old in [None, Some("no database")] {
        let bench = Bench::new();
        if let Some(old) = old {
            fs::write(bench.database(), old).unwrap();
        }
        let start = |_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "several_processes_may_start_at_once"])
                .env(CHILD, bench.database())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        };
        let children: Vec<_> = (0..PROCESSES).map(start).collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(bench.store().unfinished().await.unwrap().len() as u64, PROCESSES * 20);
        let asides = bench.names().into_iter().filter(|name| name.contains("damaged")).count();
        assert_eq!(asides, usize::from(old.is_some()));
    }
}

#[tokio::test]
async fn several_stores_of_one_process_move_it_aside_once() {
    let bench = Bench::new();
    fs::write(bench.database(), "no database").unwrap();
    let stores: Vec<_> = (0..8).map(|_| Arc::new(bench.store())).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for (n, store) in (0..).zip(stores.clone()) {
        tasks.spawn(async move { put(&store, &[n]).await });
    }
    for done in tasks.join_all().await {
        done.unwrap();
    }
    assert_eq!(stores[0].unfinished().await.unwrap().len(), 8);
    assert_eq!(bench.warnings.lock().unwrap().len(), 1);
    assert_eq!(fs::read(bench.path("x.db.damaged-1")).unwrap(), b"no database");
}

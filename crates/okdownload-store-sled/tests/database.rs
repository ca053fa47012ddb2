//! The database as a directory: private, for one store, damaged, foreign, too new, or not to be had at all.

#![allow(clippy::unwrap_used, reason = "a panic here is a test that failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use okdownload_store::{Change, CommitLevel, DownloadStore};
use okdownload_store_sled::SledStore;
use okdownload_types::{BlockInfo, BreakpointInfo, Error, ErrorKind, Location, TaskId};
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

    fn store(&self) -> SledStore {
        self.store_at(&self.path("x"))
    }

    fn store_at(&self, path: &Path) -> SledStore {
        let warnings = self.warnings.clone();
        let hear = move |warning: &str| warnings.lock().unwrap().push(warning.to_owned());
        SledStore::builder(path).on_warning(Arc::new(hear)).build()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Changes the closed database behind the store's back.
    fn raw(&self, change: impl FnOnce(&sled::Db)) {
        let db = sled::open(self.path("x")).unwrap();
        change(&db);
        db.flush().unwrap();
    }

    /// That the store works, is empty, and has warned of what it moved aside.
    async fn assert_renewed(&self) {
        let store = self.store();
        assert_eq!(store.unfinished().await.unwrap(), []);
        put(&store, &[1]).await.unwrap();
        store.close().await.unwrap();
        let warnings = std::mem::take(&mut *self.warnings.lock().unwrap());
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(self.path("x.damaged-1").to_str().unwrap()), "{warnings:?}");
        assert_eq!(self.names(), ["x", "x.damaged-1"]);
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

async fn put(store: &SledStore, numbers: &[u64]) -> Result<(), Error> {
    store.commit(numbers.iter().map(|n| Change::Put(info(*n))).collect(), CommitLevel::Process).await
}

/// A closed database with so many records.
async fn filled(bench: &Bench, records: u64) {
    let store = bench.store();
    put(&store, &(0..records).collect::<Vec<_>>()).await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test]
async fn touches_no_disk_before_it_is_used() {
    let bench = Bench::new();
    let store = bench.store_at(&bench.path("a/b/x"));
    assert_eq!(store.path(), bench.path("a/b/x"));
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
    put(&bench.store_at(&bench.path("a/x")), &[1]).await.unwrap();
    for name in ["a", "a/x"] {
        assert_eq!(fs::metadata(bench.path(name)).unwrap().permissions().mode() & 0o777, 0o700, "{name}");
    }
}

#[tokio::test]
async fn damage_is_moved_aside() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("an empty log", |x| fs::write(x.join("db"), "").unwrap()),
        ("a log of another kind", |x| fs::write(x.join("db"), "no database").unwrap()),
        ("a long log of another kind", |x| fs::write(x.join("db"), vec![0xa5; 2 << 20]).unwrap()),
        ("a wrong configuration", |x| fs::write(x.join("conf"), "no configuration").unwrap()),
        ("a log full of zeros", |x| fs::write(x.join("db"), vec![0; 2 << 20]).unwrap()),
    ];
    for (name, damage) in damages {
        println!("{name}");
        let bench = Bench::new();
        filled(&bench, 1000).await;
        damage(&bench.path("x"));
        bench.assert_renewed().await;
    }
}

/// Who dies while a database is being made leaves all sorts of things, and has lost nothing.
#[tokio::test]
async fn a_database_that_was_never_finished_is_made_anew() {
    type Leave = fn(&Path);
    let leavings: [(&str, Leave); 4] = [
        ("nothing", |_| ()),
        ("half a configuration", |x| fs::write(x.join("conf"), "no configuration").unwrap()),
        ("an empty log", |x| fs::write(x.join("db"), "").unwrap()),
        ("an empty database", |x| drop(sled::open(x).unwrap())),
    ];
    for (name, leave) in leavings {
        println!("{name}");
        let bench = Bench::new();
        fs::create_dir(bench.path("x")).unwrap();
        leave(&bench.path("x"));
        fs::write(bench.path("x/making"), "").unwrap();
        for number in 1..3 {
            let store = bench.store();
            put(&store, &[number]).await.unwrap();
            assert_eq!(store.unfinished().await.unwrap().len() as u64, number);
            store.close().await.unwrap();
        }
        assert_eq!(bench.names(), ["x"]);
        assert_eq!(*bench.warnings.lock().unwrap(), Vec::<String>::new());
        assert!(!bench.path("x/making").exists());
    }
}

/// Whatever a broken disk does to single bytes: what is read is right, or an error, or the damage is moved aside.
#[tokio::test]
async fn single_bytes_never_make_another_record() {
    let whole = Bench::new();
    filled(&whole, 300).await;
    let log = fs::read(whole.path("x/db")).unwrap();
    let used = log.len() - log.iter().rev().take_while(|byte| **byte == 0).count();
    for n in 0..16 {
        let bench = Bench::new();
        filled(&bench, 300).await;
        let mut log = fs::read(bench.path("x/db")).unwrap();
        let at = used.min(log.len()) * n / 16;
        log[at] ^= 0x10;
        fs::write(bench.path("x/db"), log).unwrap();
        let Ok(found) = bench.store().unfinished().await else { continue };
        let warned = !bench.warnings.lock().unwrap().is_empty();
        println!("byte {at}: {} records, warned: {warned}", found.len());
        assert!(found.iter().all(|found| (0..300).any(|n| info(n) == *found)), "byte {at}");
    }
}

#[tokio::test]
async fn the_database_of_another_program_is_moved_aside() {
    let bench = Bench::new();
    bench.raw(|db| assert!(db.insert("format", "mine").unwrap().is_none()));
    bench.assert_renewed().await;
}

/// Version 1 had no options, which stand last; these have none, one byte of zero.
#[tokio::test]
async fn a_database_of_version_1_is_upgraded() {
    let bench = Bench::new();
    filled(&bench, 3).await;
    bench.raw(|db| {
        for entry in db.scan_prefix("b") {
            let (key, value) = entry.unwrap();
            db.insert(key, value.strip_suffix(&[0]).unwrap()).unwrap();
        }
        db.insert("format", &b"okdownload \0\0\0\x01"[..]).unwrap();
    });
    for _ in 0..2 {
        let store = bench.store();
        assert_eq!(store.unfinished().await.unwrap(), [info(0), info(1), info(2)]);
        let mut with_options = info(1);
        with_options.options = Some("priority 1".to_owned());
        let changes = vec![Change::Put(with_options.clone()), Change::Put(info(1))];
        store.commit(changes, CommitLevel::Process).await.unwrap();
        store.close().await.unwrap();
    }
    assert!(bench.warnings.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    let bench = Bench::new();
    filled(&bench, 3).await;
    bench.raw(|db| assert!(db.insert("format", &b"okdownload \0\0\0\x03"[..]).unwrap().is_some()));
    let store = bench.store();
    for _ in 0..2 {
        let error = put(&store, &[9]).await.unwrap_err();
        assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::StoreTooNew, false));
        assert!(error.advice().is_some() && error.to_string().contains("/x"), "{error}");
    }
    store.close().await.unwrap();
    assert_eq!(bench.names(), ["x"]);
    assert!(bench.warnings.lock().unwrap().is_empty());
    bench.raw(|db| {
        assert_eq!(db.iter().keys().filter(|key| key.as_ref().unwrap().starts_with(b"b")).count(), 3);
    });
}

#[tokio::test]
async fn paths_that_cannot_be_used_are_named_and_left_alone() {
    let bench = Bench::new();
    fs::write(bench.path("file"), "mine").unwrap();
    for (path, kind) in [
        (bench.directory.path().to_owned(), ErrorKind::Store),
        (bench.path("file"), ErrorKind::Store),
        (bench.path("file/x"), ErrorKind::Store),
        (PathBuf::from("/proc/okdownload/x"), ErrorKind::Store),
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
async fn a_second_store_waits_a_moment_for_the_first() {
    let bench = Bench::new();
    let first = bench.store();
    put(&first, &[1]).await.unwrap();
    let second = SledStore::builder(bench.path("x")).patience(Duration::ZERO).build();
    let error = second.unfinished().await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Store, true), "{error}");
    assert!(error.advice().unwrap().contains("SQLite"), "{error}");
    let second = SledStore::builder(bench.path("x")).patience(Duration::from_secs(20)).build();
    let (found, ()) = tokio::join!(second.unfinished(), async {
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(200))).await.unwrap();
        drop(first);
    });
    assert_eq!(found.unwrap(), [info(1)]);
}

#[tokio::test]
async fn an_unreadable_record_is_named_and_can_be_replaced() {
    let bench = Bench::new();
    filled(&bench, 3).await;
    let second = info(1);
    let key = [&b"b"[..], &second.id.as_u128().to_be_bytes()].concat();
    bench.raw(|db| assert!(db.insert(key, "nonsense").unwrap().is_some()));
    let store = bench.store();
    for error in [store.breakpoint(second.id).await.unwrap_err(), store.unfinished().await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::StoreCorrupt);
        assert!(error.to_string().contains(&second.id.to_string()), "{error}");
    }
    assert_eq!(store.breakpoint(info(2).id).await.unwrap(), Some(info(2)));
    put(&store, &[1]).await.unwrap();
    assert_eq!(store.unfinished().await.unwrap(), [0, 2, 1].map(info));
    assert!(bench.warnings.lock().unwrap().is_empty(), "one bad record does not cost the others");
}

#[tokio::test]
async fn several_stores_move_it_aside_once() {
    let bench = Bench::new();
    filled(&bench, 3).await;
    fs::write(bench.path("x/db"), "no database").unwrap();
    let stores: Vec<_> = (0..4).map(|_| Arc::new(bench.store())).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for (n, store) in (0..).zip(stores.clone()) {
        tasks.spawn(async move { put(&store, &[n]).await });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(Result::is_ok).count(), 1);
    assert_eq!(bench.warnings.lock().unwrap().len(), 1);
    assert_eq!(bench.names(), ["x", "x.damaged-1"]);
}

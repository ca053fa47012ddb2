//! Databases of earlier versions: each `tests/fixtures/version-<n>.db` was made by the program of its time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic here is a test that failed")]

use std::fs;
use std::path::{Path, PathBuf};

use okdownload_store::{Change, CommitLevel, DownloadStore};
use okdownload_store_sqlite::SqliteStore;
use okdownload_types::{
    BlockInfo, BreakpointInfo, CompletionRecord, EntityTag, ErrorKind, FileIdentity, Location, TaskId,
};
use rusqlite::Connection;

/// The largest number that the store keeps.
const LARGEST: u64 = i64::MAX as u64;

/// The version that this program writes.
const PRESENT: i32 = 2;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn version_of(database: &Path) -> i32 {
    let connection = Connection::open(database).unwrap();
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

/// One with all fields that this version has and several blocks at the edges of what can be kept, one with none.
fn breakpoints(version: i32) -> [BreakpointInfo; 2] {
    let place = |path: &str| Location::Path(path.into());
    let url = |text: &str| text.parse().unwrap();
    let mut full = BreakpointInfo::new(
        TaskId::from_u128(u128::MAX),
        url("https://example.com/f%20ull.bin?token=a&b"),
        place("/downloads/fül\nl.bin"),
        place("/downloads/fül\nl.bin.okdownload"),
    );
    full.identity = Some(FileIdentity::new(u64::MAX, Some(i64::MIN)));
    full.validators.etag = Some(EntityTag { weak: true, opaque: "t'\"ag".to_owned() });
    full.validators.last_modified = Some(1_700_000_000);
    full.validators.last_modified_is_strong = true;
    full.total = Some(LARGEST);
    full.boot = Some("a boot".to_owned());
    full.needs_credentials = true;
    full.options = (version >= 2).then(|| "a b\nc '\"ü💩".to_owned());
    full.blocks = vec![
        BlockInfo::new(0, Some(1 << 40)).with_progress(1 << 39, 1 << 38),
        BlockInfo::new(1 << 40, Some(LARGEST - (1 << 40))).with_progress(LARGEST - (1 << 40), 7),
        BlockInfo::new(LARGEST, None),
    ];
    let uri = |text: &str| Location::Uri(text.to_owned());
    let bare = BreakpointInfo::new(TaskId::from_u128(1), url("http://h/"), uri("s3://b/k"), uri("s3://b/k2"));
    [full, bare]
}

fn completions() -> [CompletionRecord; 2] {
    let [full, bare] = breakpoints(PRESENT);
    let mut large = CompletionRecord::new(TaskId::from_u128(2), full.url, full.location, LARGEST);
    large.modified = Some(-1_234_567_890_123_456_789);
    large.validators = full.validators;
    [large, CompletionRecord::new(TaskId::from_u128(3), bare.url, bare.location, 0)]
}

fn everything() -> Vec<Change> {
    let name = Change::ResponseFilename(breakpoints(PRESENT)[0].url.clone(), "ü💩'\".bin".to_owned());
    let records = completions().map(Change::Complete);
    breakpoints(PRESENT).map(Change::Put).into_iter().chain(records).chain([name]).collect()
}

#[tokio::test]
async fn every_record_of_an_earlier_version_is_found() {
    let mut versions = Vec::new();
    for entry in fs::read_dir(fixtures()).unwrap() {
        let directory = tempfile::tempdir().unwrap();
        let copy = directory.path().join("x.db");
        fs::copy(entry.unwrap().path(), &copy).unwrap();
        let version = version_of(&copy);
        versions.push(version);
        let hear = |warning: &str| panic!("{warning}");
        let store = SqliteStore::builder(&copy).on_warning(std::sync::Arc::new(hear)).build();
        assert_eq!(store.unfinished().await.unwrap(), breakpoints(version));
        assert_eq!(store.completed().await.unwrap(), completions());
        for info in breakpoints(version) {
            assert_eq!(store.breakpoint(info.id).await.unwrap().as_ref(), Some(&info));
            assert_eq!(store.breakpoints_at(&info.location).await.unwrap(), [info]);
        }
        let name = store.response_filename(&breakpoints(PRESENT)[0].url).await.unwrap();
        assert_eq!(name.as_deref(), Some("ü💩'\".bin"));
        // It can be written, too.
        store.commit(everything(), CommitLevel::Power).await.unwrap();
        assert_eq!(store.unfinished().await.unwrap(), breakpoints(PRESENT));
        store.close().await.unwrap();
    }
    versions.sort_unstable();
    assert_eq!(present_version().await, PRESENT);
    let expected: Vec<_> = (1..=PRESENT).collect();
    assert_eq!(versions, expected, "a version has no fixture: see `makes_the_fixture`");
}

async fn present_version() -> i32 {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.db");
    let store = SqliteStore::new(&path);
    store.unfinished().await.unwrap();
    store.close().await.unwrap();
    version_of(&path)
}

/// Makes the file for the present version, once; what is there is never made again.
///
/// `cargo test -p okdownload-store-sqlite --test upgrade -- --ignored`
#[tokio::test]
#[ignore = "run by hand after the schema has changed"]
async fn makes_the_fixture() {
    let path = fixtures().join(format!("version-{}.db", present_version().await));
    assert!(!path.exists(), "{} is there: it must stay what it is", path.display());
    let store = SqliteStore::new(&path);
    store.commit(everything(), CommitLevel::Power).await.unwrap();
    store.close().await.unwrap();
}

/// A program that is running while a newer one upgrades its database must not write into what it does not know.
#[tokio::test]
async fn an_upgrade_by_a_newer_program_is_noticed_while_running() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.db");
    let store = SqliteStore::new(&path);
    store.commit(everything(), CommitLevel::Process).await.unwrap();
    let newer = Connection::open(&path).unwrap();
    newer.execute_batch("PRAGMA user_version = 77").unwrap();
    let error = store.commit(vec![], CommitLevel::Process).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreTooNew, "{error}");
    assert!(error.advice().is_some(), "{error}");
    newer.execute_batch(&format!("PRAGMA user_version = {PRESENT}")).unwrap();
    store.commit(vec![], CommitLevel::Process).await.unwrap();
}

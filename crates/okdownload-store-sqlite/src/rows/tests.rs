//! Rows as they are written, and rows that something else has written into.
#![allow(clippy::unwrap_used, reason = "a panic here is a test that failed")]

use okdownload_store::Change;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rusqlite::types::Value;

use super::*;
use crate::schema;
use crate::write::apply;

/// How many inputs are tried: the same in every run.
fn tried(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    }
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), 0..12).prop_map(String::from_iter)
}

/// What a column can be found to hold.
fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        prop_oneof![any::<i64>(), -2..3_i64, Just(i64::MAX), Just(i64::MIN)].prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Real),
        prop_oneof![text(), Just("http://g/b".to_owned()), Just("p/x".to_owned())].prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Blob),
        prop::collection::vec(any::<u8>(), 16).prop_map(Value::Blob),
    ]
}

/// A number that every store keeps.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..5_u64, any::<u64>().prop_map(|number| number >> 1), Just(i64::MAX as u64)]
}

fn validators() -> impl Strategy<Value = Validators> {
    let tag = prop::option::of((any::<bool>(), text()).prop_map(|(weak, opaque)| EntityTag { weak, opaque }));
    (tag, prop::option::of(number()), any::<bool>()).prop_map(|(etag, last_modified, strong)| {
        let mut validators = Validators::default();
        (validators.etag, validators.last_modified) = (etag, last_modified);
        validators.last_modified_is_strong = strong;
        validators
    })
}

fn places() -> impl Strategy<Value = Location> {
    let path = prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| [b"p", &bytes[..]].concat());
    let uri = text().prop_map(|uri| [b"u", uri.as_bytes()].concat());
    prop_oneof![path, uri].prop_map(|bytes| Location::from_bytes(&bytes).unwrap())
}

fn breakpoints() -> impl Strategy<Value = BreakpointInfo> {
    let blocks =
        prop::collection::btree_map(number(), (prop::option::of(number()), number(), number()), 0..4);
    let file = (places(), places(), prop::option::of(any::<(u64, Option<i64>)>()), blocks);
    let rest =
        (any::<u128>(), validators(), prop::option::of(number()), prop::option::of(text()), any::<bool>());
    (file, rest, prop::option::of(text())).prop_map(|(file, rest, options)| {
        let ((location, part, identity, blocks), (id, validators, total, boot, needs)) = (file, rest);
        let url = Url::parse("http://h/a?b=%20").unwrap();
        let mut info = BreakpointInfo::new(TaskId::from_u128(id), url, location, part);
        info.identity = identity.map(|(number, born)| FileIdentity::new(number, born));
        (info.validators, info.total, info.boot, info.needs_credentials) = (validators, total, boot, needs);
        let block =
            |(start, (length, written, synced))| BlockInfo::new(start, length).with_progress(written, synced);
        info.blocks = blocks.into_iter().map(block).collect();
        info.options = options;
        info
    })
}

fn sample() -> BreakpointInfo {
    let place = |path: &str| Location::Path(path.into());
    let url = Url::parse("http://h/a").unwrap();
    let mut info = BreakpointInfo::new(TaskId::from_u128(1), url, place("/d/a"), place("/d/a.okdownload"));
    info.identity = Some(FileIdentity::new(7, Some(8)));
    info.validators.etag = Some(EntityTag { weak: false, opaque: "t".into() });
    (info.total, info.boot, info.options) = (Some(300), Some("boot".into()), Some("priority 1\n".into()));
    info.blocks = vec![BlockInfo::new(0, Some(200)).with_progress(2, 1), BlockInfo::new(200, Some(100))];
    info
}

/// How many fields of the two are not the same.
fn differences(a: &BreakpointInfo, b: &BreakpointInfo) -> usize {
    let differ = [
        a.id != b.id,
        a.url != b.url,
        a.location != b.location,
        a.part != b.part,
        a.identity != b.identity,
        a.validators != b.validators,
        a.total != b.total,
        a.boot != b.boot,
        a.needs_credentials != b.needs_credentials,
        a.options != b.options,
        a.blocks != b.blocks,
    ];
    differ.into_iter().filter(|differ| *differ).count()
}

fn assert_corrupt(failure: Failure) {
    let Failure::Other(error) = failure else { unreachable!("{}", failure.reason()) };
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::StoreCorrupt, false), "{error}");
}

const COLUMNS: &[(&str, &[&str])] = &[
    (
        "breakpoint",
        &[
            "id",
            "url",
            "location",
            "part",
            "file_number",
            "file_born",
            "etag",
            "etag_weak",
            "last_modified",
            "last_modified_is_strong",
            "total",
            "boot",
            "needs_credentials",
            "options",
        ],
    ),
    ("block", &["start", "length", "written", "synced"]),
    (
        "completion",
        &[
            "id",
            "url",
            "location",
            "length",
            "modified",
            "etag",
            "etag_weak",
            "last_modified",
            "last_modified_is_strong",
        ],
    ),
];

/// A table and one of its columns.
fn columns() -> impl Strategy<Value = (&'static str, &'static str)> {
    let pairs =
        COLUMNS.iter().flat_map(|(table, columns)| columns.iter().map(move |column| (*table, *column)));
    prop::sample::select(pairs.collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(tried(1_000))]

    #[test]
    fn breakpoints_are_read_as_written(info in breakpoints()) {
        let connection = schema::loose();
        apply(&connection, &Change::Put(info.clone())).unwrap();
        assert_eq!(breakpoint(&connection, info.id).unwrap(), Some(info.clone()));
        assert_eq!(breakpoints_at(&connection, &info.location.to_bytes()).unwrap(), [info]);
    }

    #[test]
    fn completions_are_read_as_written(
        id in any::<u128>(),
        location in places(),
        length in number(),
        modified in any::<Option<i64>>(),
        validators in validators(),
    ) {
        let connection = schema::loose();
        let url = Url::parse("http://h/a").unwrap();
        let mut record = CompletionRecord::new(TaskId::from_u128(id), url, location, length);
        (record.modified, record.validators) = (modified, validators);
        apply(&connection, &Change::Complete(record.clone())).unwrap();
        assert_eq!(completion(&connection, record.id).unwrap(), Some(record));
    }

    /// Damage to some columns is an error, or is read as what stands there; nothing else becomes another.
    #[test]
    fn a_damaged_row_is_an_error_or_differs_only_there(
        damage in prop::collection::vec((columns(), values()), 1..3),
    ) {
        let connection = schema::loose();
        let info = sample();
        let mut record = CompletionRecord::new(info.id, info.url.clone(), info.location.clone(), 300);
        record.validators = info.validators.clone();
        apply(&connection, &Change::Complete(record.clone())).unwrap();
        apply(&connection, &Change::Put(info.clone())).unwrap();
        for ((table, column), value) in &damage {
            // Two blocks can't be made one: their key must differ.
            let rows = if *table == "block" { " WHERE start = 0" } else { "" };
            drop(connection.execute(&format!("UPDATE {table} SET {column} = ?1{rows}"), [value]));
        }
        match unfinished(&connection) {
            // Another id takes its blocks away.
            Ok(read) => assert!(read.iter().all(|read| differences(read, &info) <= damage.len() + 1), "{read:?}"),
            Err(failure) => assert_corrupt(failure),
        }
        match completed(&connection) {
            Ok(read) => assert!(read.len() <= 1),
            Err(failure) => assert_corrupt(failure),
        }
    }
}

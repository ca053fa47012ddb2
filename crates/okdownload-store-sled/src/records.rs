//! Records as bytes: the age, 8 bytes big-endian, and then the fields as [postcard](https://postcard.rs) writes them.
//!
//! The structs here are format version 2. Whoever changes a field makes a new version, and upgrades the old one.

use okdownload_types::{
    BlockInfo, BreakpointInfo, CompletionRecord, EntityTag, Error, ErrorKind, FileIdentity, Location, TaskId,
    Validators,
};
use serde::{Deserialize, Serialize};
use url::Url;

#[derive(Serialize, Deserialize)]
struct Breakpoint<'a> {
    url: &'a str,
    #[serde(borrow)]
    location: &'a [u8],
    part: &'a [u8],
    /// Number and time of birth.
    identity: Option<(u64, Option<i64>)>,
    validators: Tags<'a>,
    total: Option<u64>,
    boot: Option<&'a str>,
    needs_credentials: bool,
    /// Start, length, written, synced.
    blocks: Vec<(u64, Option<u64>, u64, u64)>,
    options: Option<&'a str>,
}

/// A breakpoint of version 1 in version 2: behind the rest, it has no options.
pub(crate) fn upgraded(first_version: &[u8]) -> Vec<u8> {
    [first_version, &[0]].concat()
}

#[derive(Serialize, Deserialize)]
struct Completion<'a> {
    url: &'a str,
    #[serde(borrow)]
    location: &'a [u8],
    length: u64,
    modified: Option<i64>,
    validators: Tags<'a>,
}

#[derive(Serialize, Deserialize)]
struct Tags<'a> {
    /// Whether it is weak, and what stands between the quotes.
    #[serde(borrow)]
    etag: Option<(bool, &'a str)>,
    last_modified: Option<u64>,
    last_modified_is_strong: bool,
}

/// A record and its age: the smaller, the older.
pub(crate) type Aged<T> = (u64, T);

pub(crate) fn write_breakpoint(age: u64, info: &BreakpointInfo) -> Result<Vec<u8>, Error> {
    let (location, part) = (info.location.to_bytes(), info.part.to_bytes());
    let block = |block: &BlockInfo| (block.start, block.length, block.written, block.synced);
    let mirror = Breakpoint {
        url: info.url.as_str(),
        location: &location,
        part: &part,
        identity: info.identity.map(|identity| (identity.number, identity.born)),
        validators: tags(&info.validators),
        total: info.total,
        boot: info.boot.as_deref(),
        needs_credentials: info.needs_credentials,
        blocks: info.blocks.iter().map(block).collect(),
        options: info.options.as_deref(),
    };
    write(age, &mirror)
}

pub(crate) fn read_breakpoint(id: TaskId, bytes: &[u8]) -> Result<Aged<BreakpointInfo>, Error> {
    let read = || -> Result<_, Error> {
        let (age, mirror) = read::<Breakpoint<'_>>(bytes)?;
        let (url, location) = (url(mirror.url)?, Location::from_bytes(mirror.location)?);
        let mut info = BreakpointInfo::new(id, url, location, Location::from_bytes(mirror.part)?);
        info.identity = mirror.identity.map(|(number, born)| FileIdentity::new(number, born));
        info.validators = validators(&mirror.validators);
        info.total = mirror.total;
        info.boot = mirror.boot.map(str::to_owned);
        info.needs_credentials = mirror.needs_credentials;
        info.options = mirror.options.map(str::to_owned);
        let block =
            |(start, length, written, synced)| BlockInfo::new(start, length).with_progress(written, synced);
        info.blocks = mirror.blocks.into_iter().map(block).collect();
        Ok((age, info))
    };
    read().map_err(|error| unreadable("breakpoint", id, error))
}

pub(crate) fn write_completion(age: u64, record: &CompletionRecord) -> Result<Vec<u8>, Error> {
    let location = record.location.to_bytes();
    let mirror = Completion {
        url: record.url.as_str(),
        location: &location,
        length: record.length,
        modified: record.modified,
        validators: tags(&record.validators),
    };
    write(age, &mirror)
}

pub(crate) fn read_completion(id: TaskId, bytes: &[u8]) -> Result<Aged<CompletionRecord>, Error> {
    let read = || -> Result<_, Error> {
        let (age, mirror) = read::<Completion<'_>>(bytes)?;
        let (url, location) = (url(mirror.url)?, Location::from_bytes(mirror.location)?);
        let mut record = CompletionRecord::new(id, url, location, mirror.length);
        record.modified = mirror.modified;
        record.validators = validators(&mirror.validators);
        Ok((age, record))
    };
    read().map_err(|error| unreadable("completion", id, error))
}

fn tags(validators: &Validators) -> Tags<'_> {
    Tags {
        etag: validators.etag.as_ref().map(|tag| (tag.weak, tag.opaque.as_str())),
        last_modified: validators.last_modified,
        last_modified_is_strong: validators.last_modified_is_strong,
    }
}

fn validators(tags: &Tags<'_>) -> Validators {
    let mut validators = Validators::default();
    validators.etag = tags.etag.map(|(weak, opaque)| EntityTag { weak, opaque: opaque.to_owned() });
    validators.last_modified = tags.last_modified;
    validators.last_modified_is_strong = tags.last_modified_is_strong;
    validators
}

fn write(age: u64, mirror: &impl Serialize) -> Result<Vec<u8>, Error> {
    let bytes = age.to_be_bytes().to_vec();
    let written = postcard::to_extend(mirror, bytes);
    written
        .map_err(|error| Error::new(ErrorKind::Unexpected, "a record cannot be encoded").with_source(error))
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<Aged<T>, Error> {
    let corrupt = |what| Error::new(ErrorKind::StoreCorrupt, what);
    let (age, fields) = bytes.split_first_chunk().ok_or_else(|| corrupt("it is too short"))?;
    let (mirror, rest) =
        postcard::take_from_bytes(fields).map_err(|error| corrupt("its fields").with_source(error))?;
    if rest.is_empty() { Ok((u64::from_be_bytes(*age), mirror)) } else { Err(corrupt("it is too long")) }
}

fn url(text: &str) -> Result<Url, Error> {
    Url::parse(text).map_err(|error| Error::new(ErrorKind::StoreCorrupt, "its URL").with_source(error))
}

pub(crate) fn unreadable(kind: &str, id: impl std::fmt::Display, cause: Error) -> Error {
    Error::new(ErrorKind::StoreCorrupt, "a stored record cannot be read")
        .with_context("record", format!("{kind} {id}"))
        .with_source(cause)
        .with_advice("remove the record, or start the download over")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    fn sample() -> BreakpointInfo {
        let place = |path: &str| Location::Path(path.into());
        let url = "http://h/a".parse().unwrap();
        let mut info =
            BreakpointInfo::new(TaskId::from_u128(1), url, place("/d/a"), place("/d/a.okdownload"));
        info.identity = Some(FileIdentity::new(300, Some(-1)));
        info.validators.etag = Some(EntityTag { weak: false, opaque: "t".into() });
        info.blocks = vec![BlockInfo::new(0, Some(200)).with_progress(2, 1), BlockInfo::new(200, None)];
        info.options = Some("a b\n".to_owned());
        info
    }

    /// If this fails, old databases can't be read: make a new version instead.
    #[test]
    fn the_format_is_stable() {
        let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let written = write_breakpoint(7, &sample()).unwrap();
        let first_version = written.strip_suffix(b"\x01\x04a b\n").unwrap().to_vec();
        assert_eq!(
            hex(first_version.clone()),
            "00000000000000070a687474703a2f2f682f6105702f642f6110702f642f612e6f6b646f776e6c6f616401ac020101\
             01000174000000000002\
             0001c8010201c801000000"
        );
        let upgraded = read_breakpoint(TaskId::from_u128(1), &upgraded(&first_version)).unwrap();
        let mut without = sample();
        without.options = None;
        assert_eq!(upgraded, (7, without));
        let record = CompletionRecord::new(TaskId::from_u128(1), sample().url, sample().location, 300);
        let written = write_completion(1, &record).unwrap();
        assert_eq!(hex(written), "00000000000000010a687474703a2f2f682f6105702f642f61ac0200000000");
    }

    #[test]
    fn damage_is_named_and_never_another_record() {
        let (id, whole) = (TaskId::from_u128(1), write_breakpoint(7, &sample()).unwrap());
        assert_eq!(read_breakpoint(id, &whole).unwrap(), (7, sample()));
        let longer = [&whole[..], b"x"].concat();
        let not_a_url = whole.iter().map(|byte| if *byte == b':' { b'_' } else { *byte }).collect();
        let cut = (0..whole.len()).map(|length| whole[..length].to_vec());
        for bytes in cut.chain([longer, not_a_url]) {
            let error = read_breakpoint(id, &bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StoreCorrupt);
            assert!(error.to_string().contains(&id.to_string()), "{error}");
        }
    }

    /// A way to damage a record: where, how much of it, and what comes there.
    type Damage = (prop::sample::Index, usize, Vec<u8>);

    fn damages() -> impl Strategy<Value = Vec<Damage>> {
        let bytes = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..4),
            // Lengths that are far too large.
            Just(vec![0xff, 0xff, 0xff, 0xff, 0x7f]),
            Just(vec![0xff; 10]),
        ];
        prop::collection::vec((any::<prop::sample::Index>(), 0..4_usize, bytes), 1..4)
    }

    fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
        for (at, length, with) in damages {
            let at = at.index(bytes.len() + 1);
            let end = bytes.len().min(at + length);
            bytes.splice(at..end, with.iter().copied());
        }
        bytes
    }

    fn assert_corrupt(error: &Error) {
        assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::StoreCorrupt, false), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 10_000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default()
        })]

        /// Whatever is read is what the bytes say: written again, it is the same record.
        #[test]
        fn damaged_records_are_an_error_or_what_they_say(damages in damages()) {
            let id = TaskId::from_u128(1);
            let bytes = damaged(write_breakpoint(7, &sample()).unwrap(), &damages);
            match read_breakpoint(id, &bytes) {
                Ok((age, info)) => {
                    let again = write_breakpoint(age, &info).unwrap();
                    assert_eq!(read_breakpoint(id, &again).unwrap(), (age, info));
                }
                Err(error) => assert_corrupt(&error),
            }
            let record = CompletionRecord::new(id, sample().url, sample().location, 300);
            let bytes = damaged(write_completion(1, &record).unwrap(), &damages);
            match read_completion(id, &bytes) {
                Ok((age, record)) => {
                    let again = write_completion(age, &record).unwrap();
                    assert_eq!(read_completion(id, &again).unwrap(), (age, record));
                }
                Err(error) => assert_corrupt(&error),
            }
        }

        #[test]
        fn any_bytes_are_a_record_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let id = TaskId::from_u128(1);
            if let Err(error) = read_breakpoint(id, &bytes) {
                assert_corrupt(&error);
            }
            if let Err(error) = read_completion(id, &bytes) {
                assert_corrupt(&error);
            }
            assert_eq!(crate::keys::id_of(&bytes).is_some(), bytes.len() >= 16);
            assert!(crate::keys::version_of(&bytes).is_none_or(|version| crate::keys::format(version) == bytes));
        }

        #[test]
        fn records_are_read_as_written(
            (age, id, total, needs) in any::<(u64, u128, Option<u64>, bool)>(),
            (identity, modified) in any::<(Option<(u64, Option<i64>)>, Option<i64>)>(),
            blocks in prop::collection::vec(any::<(u64, Option<u64>, u64, u64)>(), 0..5),
            place in prop::collection::vec(any::<u8>(), 0..20),
            (tag, options) in (prop::option::of(any::<(bool, String)>()), any::<Option<String>>()),
        ) {
            let location = Location::from_bytes(&[b"p", &place[..]].concat()).unwrap();
            let id = TaskId::from_u128(id);
            let mut info = BreakpointInfo::new(id, sample().url, location.clone(), location);
            info.identity = identity.map(|(number, born)| FileIdentity::new(number, born));
            info.validators.etag = tag.map(|(weak, opaque)| EntityTag { weak, opaque });
            (info.total, info.needs_credentials, info.options) = (total, needs, options);
            let block = |(start, length, written, synced)| BlockInfo::new(start, length).with_progress(written, synced);
            info.blocks = blocks.into_iter().map(block).collect();
            let written = write_breakpoint(age, &info).unwrap();
            assert_eq!(read_breakpoint(id, &written).unwrap(), (age, info.clone()));
            let mut record = CompletionRecord::new(id, info.url, info.location, age);
            (record.modified, record.validators) = (modified, info.validators);
            let written = write_completion(age, &record).unwrap();
            assert_eq!(read_completion(id, &written).unwrap(), (age, record));
        }
    }
}

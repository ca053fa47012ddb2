//! Where things are: one tree, whose keys begin with a letter that says what they lead to.
//!
//! | key | value |
//! |---|---|
//! | `format` | [`FORMAT`] and a version, 4 bytes big-endian |
//! | `sequence` | the age of the youngest record, 8 bytes big-endian |
//! | `b` id | a breakpoint; see `records.rs` |
//! | `c` id | a completion record |
//! | `l` length location id | nothing: the breakpoint of this id goes to this place |
//! | `n` URL | the name under which the response was last kept |
//!
//! Ids are 16 bytes, lengths 4, all big-endian.

use okdownload_types::TaskId;

pub(crate) const FORMAT_KEY: &[u8] = b"format";
pub(crate) const SEQUENCE_KEY: &[u8] = b"sequence";
pub(crate) const BREAKPOINTS: &[u8] = b"b";
pub(crate) const COMPLETIONS: &[u8] = b"c";

/// How we know our databases.
pub(crate) const FORMAT: &[u8] = b"okdownload ";

/// The version that this program writes.
pub(crate) const VERSION: u32 = 2;

const ID_LEN: usize = 16;

pub(crate) fn breakpoint(id: TaskId) -> Vec<u8> {
    with_id(BREAKPOINTS, id)
}

pub(crate) fn completion(id: TaskId) -> Vec<u8> {
    with_id(COMPLETIONS, id)
}

/// What all keys of this place begin with, and no others: with its length before it, no place is the beginning of
/// another.
pub(crate) fn place(location: &[u8]) -> Vec<u8> {
    // Longer ones than this can't be; should there be one, it is only found slower.
    let length = u32::try_from(location.len()).unwrap_or(u32::MAX);
    [b"l", &length.to_be_bytes()[..], location].concat()
}

pub(crate) fn at_place(location: &[u8], id: TaskId) -> Vec<u8> {
    with_id(&place(location), id)
}

pub(crate) fn filename(url: &str) -> Vec<u8> {
    [b"n", url.as_bytes()].concat()
}

/// The id that a key ends with.
pub(crate) fn id_of(key: &[u8]) -> Option<TaskId> {
    let id: [u8; ID_LEN] = key.get(key.len().checked_sub(ID_LEN)?..)?.try_into().ok()?;
    Some(TaskId::from_u128(u128::from_be_bytes(id)))
}

pub(crate) fn format(version: u32) -> Vec<u8> {
    [FORMAT, &version.to_be_bytes()[..]].concat()
}

/// The version in such a value; `None` if it is not ours.
pub(crate) fn version_of(format: &[u8]) -> Option<u32> {
    let version = format.strip_prefix(FORMAT)?;
    Some(u32::from_be_bytes(version.try_into().ok()?))
}

fn with_id(prefix: &[u8], id: TaskId) -> Vec<u8> {
    [prefix, &id.as_u128().to_be_bytes()[..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_end_with_their_id() {
        for id in [0, 1, u128::MAX].map(TaskId::from_u128) {
            for key in [breakpoint(id), completion(id), at_place(b"p/a", id)] {
                assert_eq!(id_of(&key), Some(id));
            }
        }
        assert_eq!(id_of(b"b123"), None);
    }

    #[test]
    fn no_place_begins_with_another() {
        assert!(!place(b"p/a/b").starts_with(&place(b"p/a")));
        assert!(at_place(b"p/a", TaskId::from_u128(1)).starts_with(&place(b"p/a")));
    }

    #[test]
    fn versions() {
        assert_eq!(version_of(&format(7)), Some(7));
        for foreign in [&b""[..], b"okdownload ", b"okdownload 1", b"another\0\0\0\x01"] {
            assert_eq!(version_of(foreign), None);
        }
    }
}

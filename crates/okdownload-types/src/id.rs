//! Task ids.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use url::Url;

use crate::{Error, Target};

/// Identifies a task: 128 bits of a stable hash over its URL (without userinfo and fragment) and its target.
///
/// The same download has the same id in every process and on every machine; ids are never handed out, so they are
/// never recycled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(u128);

impl TaskId {
    /// The id of the download of `url` to `target`. Make the target [absolute](Target::absolute) first.
    pub fn of(url: &Url, target: &Target) -> Self {
        let place = target.location().to_bytes();
        let kind = match target {
            Target::Named(_) => b'n',
            Target::InDirectory(_) => b'd',
        };
        let mut hash = Sha256::new();
        hash.update(b"okdownload task id 1\0");
        // Userinfo and fragment come after or before these parts, never inside them.
        hash.update(url.scheme());
        hash.update(b"://");
        hash.update(url.host_str().unwrap_or(""));
        hash.update(url.port_or_known_default().unwrap_or(0).to_be_bytes());
        hash.update(url.path());
        hash.update(url.query().map_or(String::new(), |query| format!("?{query}")));
        hash.update([0, kind]);
        hash.update(place);
        let bytes: [u8; 32] = hash.finalize().into();
        let mut half = [0; 16];
        half.copy_from_slice(&bytes[..16]);
        Self(u128::from_be_bytes(half))
    }

    /// The id as a number.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The id with this number.
    pub const fn from_u128(id: u128) -> Self {
        Self(id)
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TaskId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let valid = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        valid.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(Self).ok_or_else(|| {
            Error::misuse("not a task id", "an id has 32 hexadecimal digits").with_context("id", text)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(url: &str, target: Target) -> TaskId {
        TaskId::of(&url.parse().unwrap(), &target)
    }

    #[test]
    fn stable_across_releases() {
        let id = id("http://example.com/a?b=c", Target::file("/tmp/a"));
        assert_eq!(id.to_string(), "48fbe634c257f702edd9b02e232d30fc");
        assert_eq!("48fbe634c257f702edd9b02e232d30fc".parse::<TaskId>().unwrap(), id);
    }

    #[test]
    fn userinfo_and_fragment_do_not_count() {
        let plain = id("http://h/a", Target::file("/t"));
        assert_eq!(plain, id("http://u:p@h/a#frag", Target::file("/t")));
        assert_eq!(plain, id("http://h:80/a", Target::file("/t")));
    }

    #[test]
    fn everything_else_counts() {
        let plain = id("http://h/a", Target::file("/t"));
        for other in [
            id("https://h/a", Target::file("/t")),
            id("http://h:81/a", Target::file("/t")),
            id("http://h/a?", Target::file("/t")),
            id("http://h/b", Target::file("/t")),
            id("http://h/a", Target::directory("/t")),
            id("http://h/a", Target::file("/u")),
        ] {
            assert_ne!(plain, other);
        }
    }

    #[test]
    fn bad_ids_are_refused() {
        for text in ["", "7", "+d0c0db2f4e0f9e0a06a0dc4d0bf7d30", "zz0c0db2f4e0f9e0a06a0dc4d0bf7d30"] {
            assert!(text.parse::<TaskId>().is_err(), "{text}");
        }
    }
}

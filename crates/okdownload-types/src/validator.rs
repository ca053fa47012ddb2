//! What tells one version of a resource from another (RFC 9110 §8.8).

use std::fmt;
use std::time::{Duration, SystemTime};

/// An entity tag (RFC 9110 §8.8.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntityTag {
    /// Whether it is weak: equal tags mean "as good as", not "the same bytes".
    pub weak: bool,
    /// What stands between the quotes.
    pub opaque: String,
}

impl EntityTag {
    /// Reads a header value. Some servers forget the quotes; such a tag still identifies a version, so it is kept.
    pub fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        let (weak, tag) = match value.strip_prefix("W/").or_else(|| value.strip_prefix("w/")) {
            Some(tag) => (true, tag),
            None => (false, value),
        };
        let quoted = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        // Without quotes it can't be sent back in If-Range, so it may not count as strong.
        let (weak, opaque) = quoted.map_or((true, tag), |opaque| (weak, opaque));
        let sound = !opaque.is_empty() && !opaque.contains('"') && !opaque.chars().any(char::is_control);
        sound.then(|| Self { weak, opaque: opaque.to_owned() })
    }

    /// The strong comparison (RFC 9110 §8.8.3.2): both strong, and equal.
    pub fn is_strongly(&self, other: &Self) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\"{}\"", if self.weak { "W/" } else { "" }, self.opaque)
    }
}

/// The validators that came with a response.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<EntityTag>,
    /// `Last-Modified`, in whole seconds since 1970.
    pub last_modified: Option<u64>,
    /// Whether `last_modified` was at least a second older than the response's `Date`, so that no second change can
    /// hide behind the same date (RFC 9110 §8.8.2.2).
    pub last_modified_is_strong: bool,
}

impl Validators {
    /// From the two header values and the response's `Date`.
    pub fn new(etag: Option<EntityTag>, last_modified: Option<SystemTime>, date: Option<SystemTime>) -> Self {
        let seconds =
            |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|d| d.as_secs());
        let last_modified = last_modified.and_then(seconds);
        let strong = last_modified.zip(date.and_then(seconds)).is_some_and(|(changed, sent)| changed < sent);
        Self { etag, last_modified, last_modified_is_strong: strong }
    }

    /// The value for `If-Range` (RFC 9110 §13.1.5): a strong tag, else a strong date, else nothing.
    pub fn if_range(&self) -> Option<String> {
        match &self.etag {
            Some(etag) if !etag.weak => Some(etag.to_string()),
            _ if self.last_modified_is_strong => self.last_modified_http(),
            _ => None,
        }
    }

    /// Whether bytes of two responses with these validators may be put together.
    pub fn is_strong(&self) -> bool {
        self.if_range().is_some()
    }

    /// `Last-Modified` as a time.
    pub fn modified(&self) -> Option<SystemTime> {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.last_modified?))
    }

    /// `Last-Modified` as it is sent in a request (RFC 9110 §5.6.7).
    pub fn last_modified_http(&self) -> Option<String> {
        // The format has four digits for the year.
        self.modified().filter(|_| self.last_modified < Some(253_402_300_800)).map(httpdate::fmt_http_date)
    }

    /// How the version of `later` relates to this one.
    pub fn compare(&self, later: &Self) -> VersionMatch {
        match (&self.etag, &later.etag) {
            (Some(a), Some(b)) if a.is_strongly(b) => return VersionMatch::Same,
            (Some(a), Some(b)) if a.opaque != b.opaque => return VersionMatch::Different,
            _ => {}
        }
        match (self.last_modified, later.last_modified) {
            (Some(a), Some(b)) if a != b => VersionMatch::Different,
            (Some(_), Some(_)) if self.last_modified_is_strong => VersionMatch::Same,
            _ => VersionMatch::Unknown,
        }
    }
}

/// What two sets of validators say about two responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionMatch {
    /// The same bytes.
    Same,
    /// Not the same version.
    Different,
    /// They don't say.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Option<SystemTime> {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }

    fn tagged(tag: &str) -> Validators {
        Validators::new(EntityTag::parse(tag), None, None)
    }

    #[test]
    fn entity_tags() {
        assert_eq!(EntityTag::parse("\"a\"").map(|t| (t.weak, t.opaque)), Some((false, "a".into())));
        assert_eq!(EntityTag::parse("W/\"a\"").map(|t| (t.weak, t.opaque)), Some((true, "a".into())));
        assert_eq!(EntityTag::parse("bare").map(|t| (t.weak, t.opaque)), Some((true, "bare".into())));
        for bad in ["", "\"\"", "\"a\"b\"", "W/"] {
            assert_eq!(EntityTag::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_strong_validators_go_into_if_range() {
        assert_eq!(tagged("\"a\"").if_range().as_deref(), Some("\"a\""));
        assert_eq!(tagged("W/\"a\"").if_range(), None);
        let dated = |date| Validators::new(None, at(784_111_777), at(date));
        assert_eq!(dated(784_111_778).if_range().as_deref(), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(dated(784_111_777).if_range(), None);
        assert_eq!(Validators::new(None, at(784_111_777), None).if_range(), None);
    }

    #[test]
    fn comparison_table() {
        use VersionMatch::{Different, Same, Unknown};
        let dated = |modified| Validators::new(None, at(modified), at(1_000));
        let weak_dated = |modified| Validators::new(None, at(modified), None);
        for (a, b, expected) in [
            (tagged("\"a\""), tagged("\"a\""), Same),
            (tagged("\"a\""), tagged("\"b\""), Different),
            (tagged("W/\"a\""), tagged("W/\"a\""), Unknown),
            (tagged("W/\"a\""), tagged("W/\"b\""), Different),
            (tagged("\"a\""), tagged("W/\"a\""), Unknown),
            (tagged("\"a\""), Validators::default(), Unknown),
            (dated(1), dated(1), Same),
            (dated(1), dated(2), Different),
            (weak_dated(1), weak_dated(1), Unknown),
            (dated(1), Validators::default(), Unknown),
        ] {
            assert_eq!(a.compare(&b), expected, "{a:?} {b:?}");
        }
    }
}

//! Byte ranges of HTTP (RFC 9110 §14).

use std::fmt;

/// The bytes from `start` up to, and without, `end`; without an end, to the end of the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// One past the last byte.
    pub end: Option<u64>,
}

impl ByteRange {
    /// `start..end`.
    pub const fn new(start: u64, end: u64) -> Self {
        Self { start, end: Some(end) }
    }

    /// `start..`.
    pub const fn from(start: u64) -> Self {
        Self { start, end: None }
    }
}

/// As the value of a `Range` header (RFC 9110 §14.2), for instance `bytes=0-99`.
impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.end {
            Some(end) => write!(f, "bytes={}-{}", self.start, end.saturating_sub(1)),
            None => write!(f, "bytes={}-", self.start),
        }
    }
}

/// A `Content-Range` header of bytes (RFC 9110 §14.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentRange {
    /// `bytes first-last/total`, with `*` as total where the server does not know it.
    Bytes {
        /// The first byte.
        start: u64,
        /// One past the last byte.
        end: u64,
        /// The length of the whole resource.
        total: Option<u64>,
    },
    /// `bytes */total`: the answer to a range that the resource does not have (RFC 9110 §15.5.17).
    Unsatisfied {
        /// The length of the whole resource.
        total: Option<u64>,
    },
}

impl ContentRange {
    /// Reads a header value. `None` for everything that the grammar, or arithmetic, does not allow.
    pub fn parse(value: &str) -> Option<Self> {
        let (unit, rest) = value.trim().split_once([' ', '\t'])?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (range, total) = rest.trim().split_once('/')?;
        let total = match total.trim() {
            "*" => None,
            digits => Some(position(digits)?),
        };
        if range.trim() == "*" {
            return Some(Self::Unsatisfied { total });
        }
        let (first, last) = range.trim().split_once('-')?;
        let (start, last) = (position(first.trim())?, position(last.trim())?);
        let end = last.checked_add(1)?;
        let sound = start <= last && total.is_none_or(|total| end <= total);
        sound.then_some(Self::Bytes { start, end, total })
    }
}

/// A position or a length. No file is longer than 63 bits can tell, and neither files nor databases count further.
fn position(digits: &str) -> Option<u64> {
    number(digits).filter(|number| i64::try_from(*number).is_ok())
}

/// `1*DIGIT`: no sign, no blank, no more than 64 bits.
pub(crate) fn number(digits: &str) -> Option<u64> {
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_range_table() {
        let bytes = |start, end, total| Some(ContentRange::Bytes { start, end, total });
        for (value, expected) in [
            ("bytes 0-99/100", bytes(0, 100, Some(100))),
            ("Bytes 200-1000/67589", bytes(200, 1001, Some(67589))),
            ("bytes 21010-47021/47022", bytes(21010, 47022, Some(47022))),
            ("bytes 5-5/*", bytes(5, 6, None)),
            ("bytes  0-9/10 ", bytes(0, 10, Some(10))),
            ("bytes 0 - 111 / 222", bytes(0, 112, Some(222))),
            ("0-111/222", None),
            ("bytes */47022", Some(ContentRange::Unsatisfied { total: Some(47022) })),
            ("bytes */*", Some(ContentRange::Unsatisfied { total: None })),
            ("bytes 9-0/100", None),
            ("bytes 0-100/100", None),
            ("bytes 0-99", None),
            ("bytes=0-99/100", None),
            ("items 0-99/100", None),
            ("bytes -1-99/100", None),
            ("bytes +0-99/100", None),
            ("bytes 0-18446744073709551615/*", None),
            ("bytes 0-18446744073709551616/*", None),
            ("bytes 0-9/9223372036854775807", bytes(0, 10, Some(i64::MAX as u64))),
            ("bytes 0-9/9223372036854775808", None),
            ("bytes */9223372036854775808", None),
            ("bytes 9223372036854775808-9223372036854775809/*", None),
            ("bytes /", None),
            ("", None),
        ] {
            assert_eq!(ContentRange::parse(value), expected, "{value}");
        }
    }

    #[test]
    fn range_header() {
        assert_eq!(ByteRange::new(0, 1 << 20).to_string(), "bytes=0-1048575");
        assert_eq!(ByteRange::from(7).to_string(), "bytes=7-");
    }
}

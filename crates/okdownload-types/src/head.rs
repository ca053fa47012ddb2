//! The head of a response.

use std::fmt;
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName};
use url::Url;

use crate::range::number;
use crate::{ContentRange, Digest, DigestAlgorithm, EntityTag, Error, ErrorKind, Result, Validators};
use crate::{redacted, without_secrets};

/// Status and headers of a response, with the readings of them that the engine needs. Pure data: what they mean for
/// a download is decided elsewhere.
#[derive(Clone)]
#[non_exhaustive]
pub struct ResponseHead {
    /// Where the response came from.
    pub url: Url,
    /// The status code (RFC 9110 §15).
    pub status: u16,
    /// The protocol's version.
    pub version: http::Version,
    /// The headers.
    pub headers: HeaderMap,
}

/// Shows no secrets: see [`redacted`] and [`without_secrets`].
impl fmt::Debug for ResponseHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseHead")
            .field("url", &redacted(&self.url))
            .field("status", &self.status)
            .field("version", &self.version)
            .field("headers", &without_secrets(&self.headers, &self.url))
            .finish()
    }
}

impl ResponseHead {
    /// A head of these parts.
    pub fn new(url: Url, status: u16, version: http::Version, headers: HeaderMap) -> Self {
        Self { url, status, version, headers }
    }

    /// A header's first value, as text; `None` if it is missing or not text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The codings that `Transfer-Encoding` names, in their order (RFC 9112 §6.1), but for `identity`, which was the name
    /// of none.
    pub fn transfer_codings(&self) -> impl Iterator<Item = &[u8]> {
        let values = self.headers.get_all(header::TRANSFER_ENCODING).iter();
        let codings = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        let codings = codings.map(<[u8]>::trim_ascii);
        codings.filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
    }

    /// `Content-Length` (RFC 9110 §8.6). Repeated equal values count once, different ones are an error. Beside a
    /// [transfer coding](Self::transfer_codings), which says itself where the body ends, it does not count (RFC 9112
    /// §6.3).
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) if the values are no number of 63 bits, or contradict each other.
    pub fn content_length(&self) -> Result<Option<u64>> {
        let mut length = None;
        if self.transfer_codings().next().is_some() {
            return Ok(length);
        }
        for value in self.headers.get_all(header::CONTENT_LENGTH) {
            for part in value.to_str().unwrap_or("?").split(',') {
                let next = number(part.trim()).filter(|n| i64::try_from(*n).is_ok());
                if next.is_none() || length.is_some_and(|length| Some(length) != next) {
                    return Err(Error::new(
                        ErrorKind::Protocol,
                        "the response has an impossible Content-Length",
                    )
                    .with_context("content-length", value.to_str().unwrap_or("not text")));
                }
                length = next;
            }
        }
        Ok(length)
    }

    /// `Content-Range` (RFC 9110 §14.4).
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) if there is one that can't be read, or more than one.
    pub fn content_range(&self) -> Result<Option<ContentRange>> {
        let mut values = self.headers.get_all(header::CONTENT_RANGE).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let range = value.to_str().ok().and_then(ContentRange::parse).filter(|_| values.next().is_none());
        let text = value.to_str().unwrap_or("not text");
        range.map(Some).ok_or_else(|| {
            Error::new(ErrorKind::Protocol, "the response has an impossible Content-Range")
                .with_context("content-range", text)
        })
    }

    /// `ETag` and `Last-Modified`, with what `Date` says about their strength.
    pub fn validators(&self) -> Validators {
        let date = |name| self.header(&name).and_then(|value| httpdate::parse_http_date(value).ok());
        let etag = self.header(&header::ETAG).and_then(EntityTag::parse);
        Validators::new(etag, date(header::LAST_MODIFIED), date(header::DATE))
    }

    /// `Content-Encoding`, where it is not `identity` (RFC 9110 §8.4).
    pub fn content_encoding(&self) -> Option<&str> {
        self.header(&header::CONTENT_ENCODING)
            .filter(|coding| !coding.trim().eq_ignore_ascii_case("identity"))
    }

    /// The strongest digest that the server tells of the whole resource: `Repr-Digest` (RFC 9530 §3), or in a 200, whose
    /// content is all of it, `Content-Digest` (RFC 9530 §2) or `Content-MD5` (RFC 1864). What can't be read says nothing,
    /// and neither does an algorithm that is not known here.
    pub fn digest(&self) -> Option<Digest> {
        if let Some(digest) = self.digest_field("repr-digest") {
            return Some(digest);
        }
        if self.status != 200 {
            return None;
        }
        self.digest_field("content-digest").or_else(|| {
            let md5 = self.header(&HeaderName::from_static("content-md5"))?;
            let item: sfv::Item = sfv::Parser::new(&format!(":{}:", md5.trim())).parse().ok()?;
            Digest::new(DigestAlgorithm::Md5, item.bare_item.as_byte_sequence()?).ok()
        })
    }

    /// A dictionary of digests (RFC 9530 §2 and §3). Its algorithms have the registry's names (RFC 9530 §5).
    fn digest_field(&self, name: &'static str) -> Option<Digest> {
        let values: Vec<&[u8]> = self.headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
        let digests: sfv::Dictionary = sfv::Parser::new(&values.join(&b", "[..])).parse().ok()?;
        let find = |algorithm: DigestAlgorithm| {
            let name = if algorithm == DigestAlgorithm::Sha1 { "sha" } else { algorithm.name() };
            let sfv::ListEntry::Item(item) = digests.get(name)? else { return None };
            Digest::new(algorithm, item.bare_item.as_byte_sequence()?).ok()
        };
        // From the strongest to the weakest.
        DigestAlgorithm::ALL.iter().copied().rev().find_map(find)
    }

    /// `Retry-After` in either of its forms (RFC 9110 §10.2.3). A date counts from the response's own `Date`, so it
    /// needs no clock here.
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.header(&header::RETRY_AFTER)?.trim();
        if !value.is_empty() && value.bytes().all(|digit| digit.is_ascii_digit()) {
            // Longer than can be counted is long.
            return Some(Duration::from_secs(number(value).unwrap_or(u64::MAX)));
        }
        let date = httpdate::parse_http_date(value).ok()?;
        let sent = httpdate::parse_http_date(self.header(&header::DATE)?).ok()?;
        Some(date.duration_since(sent).unwrap_or(Duration::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(headers: &[(&str, &str)]) -> ResponseHead {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        ResponseHead::new("http://h/".parse().unwrap(), 200, http::Version::HTTP_11, map)
    }

    #[test]
    fn digest_table() {
        const SHA: &str = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
        const MD5: &str = "kAFQmDzST7DWlj99KOF/cg==";
        let sha = Some("sha-256=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let md5 = Some("md5=900150983cd24fb0d6963f7d28e17f72");
        for (headers, whole, partial) in [
            (&[("repr-digest", SHA)][..], sha, sha),
            // A digest of the content says nothing of the resource, unless the content is all of it.
            (&[("content-digest", SHA)], sha, None),
            (&[("content-md5", MD5)], md5, None),
            (&[("repr-digest", "md5=:kAFQmDzST7DWlj99KOF/cg==:"), ("repr-digest", SHA)], sha, sha),
            (
                &[("repr-digest", "sha=:qZk+NkcGgWq6PiVxeFDCbJzQ2J0=:")],
                Some("sha-1=a9993e36"),
                Some("sha-1=a9993e36"),
            ),
            (&[("repr-digest", "unixsum=:MzI=:, id-sha-256=:AAAA:")], None, None),
            (&[("repr-digest", "sha-256=:AAAA:")], None, None),
            (&[("repr-digest", "sha-256=ba7816")], None, None),
            (&[("repr-digest", "sha-256=(:AAAA:)")], None, None),
            (&[("repr-digest", ":::"), ("content-digest", SHA)], sha, None),
            (&[("content-md5", "not base64!")], None, None),
            (&[], None, None),
        ] {
            for (status, expected) in [(200, whole), (206, partial)] {
                let digest =
                    ResponseHead { status, ..head(headers) }.digest().map(|digest| digest.to_string());
                let same = match (&digest, expected) {
                    (Some(digest), Some(expected)) => digest.starts_with(expected),
                    (None, None) => true,
                    _ => false,
                };
                assert!(same, "{status} {headers:?}: {digest:?}");
            }
        }
    }

    #[test]
    fn content_length_table() {
        for (values, expected) in [
            (&["7"][..], Some(Some(7))),
            (&[], Some(None)),
            (&["7", "7"], Some(Some(7))),
            (&["7, 7"], Some(Some(7))),
            (&["7", "8"], None),
            (&["-1"], None),
            (&["+1"], None),
            (&["x"], None),
            (&[""], None),
            (&["9223372036854775807"], Some(Some(i64::MAX as u64))),
            (&["9223372036854775808"], None),
            (&["99999999999999999999"], None),
        ] {
            let headers: Vec<_> = values.iter().map(|value| ("content-length", *value)).collect();
            assert_eq!(head(&headers).content_length().ok(), expected, "{values:?}");
        }
    }

    #[test]
    fn a_transfer_encoding_goes_before_a_length() {
        for length in ["5", "junk"] {
            let headers = [("transfer-encoding", "chunked"), ("content-length", length)];
            assert_eq!(head(&headers).content_length().unwrap(), None);
        }
    }

    #[test]
    fn content_range_may_stand_once() {
        assert!(head(&[("content-range", "bytes 0-0/1")]).content_range().unwrap().is_some());
        assert!(head(&[]).content_range().unwrap().is_none());
        assert!(head(&[("content-range", "junk")]).content_range().is_err());
        let twice = [("content-range", "bytes 0-0/1"), ("content-range", "bytes 0-0/1")];
        assert!(head(&twice).content_range().is_err());
    }

    #[test]
    fn retry_after_in_both_forms() {
        let sent = ("date", "Sun, 06 Nov 1994 08:49:45 GMT");
        for (value, wait) in [
            ("120", Some(120)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(2)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(252_618_189_014)),
            ("soon", None),
            ("", None),
            ("-1", None),
            ("1.5", None),
        ] {
            let read = head(&[("retry-after", value), sent]).retry_after();
            assert_eq!(read, wait.map(Duration::from_secs), "{value}");
        }
        assert_eq!(head(&[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT")]).retry_after(), None);
        assert_eq!(head(&[]).retry_after(), None);
    }

    #[test]
    fn identity_is_no_coding() {
        assert_eq!(head(&[("content-encoding", "identity")]).content_encoding(), None);
        assert_eq!(head(&[("content-encoding", "gzip")]).content_encoding(), Some("gzip"));
    }
}

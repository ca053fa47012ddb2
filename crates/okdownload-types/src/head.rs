//! The head of a response.

use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName};
use url::Url;

use crate::range::number;
use crate::{ContentRange, EntityTag, Error, ErrorKind, Result, Validators};

/// Status and headers of a response, with the readings of them that the engine needs. Pure data: what they mean for
/// a download is decided elsewhere.
#[derive(Debug, Clone)]
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

impl ResponseHead {
    /// A head of these parts.
    pub fn new(url: Url, status: u16, version: http::Version, headers: HeaderMap) -> Self {
        Self { url, status, version, headers }
    }

    /// A header's first value, as text; `None` if it is missing or not text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `Content-Length` (RFC 9110 §8.6). Repeated equal values count once, different ones are an error.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) if the values are no number of 63 bits, or contradict each other.
    pub fn content_length(&self) -> Result<Option<u64>> {
        let mut length = None;
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

    /// `Retry-After` in either of its forms (RFC 9110 §10.2.3). A date counts from the response's own `Date`, so it
    /// needs no clock here.
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.header(&header::RETRY_AFTER)?.trim();
        if let Some(seconds) = number(value) {
            return Some(Duration::from_secs(seconds));
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
            ("soon", None),
            ("-1", None),
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

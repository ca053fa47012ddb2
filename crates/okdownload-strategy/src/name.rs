//! Names for files that the user left unnamed.

mod disposition;
mod safe;

use std::fmt;

use http::header::CONTENT_DISPOSITION;
use okdownload_types::{ResponseHead, redacted};
use percent_encoding::percent_decode_str;
use url::Url;

pub use disposition::disposition_file_name;
pub use safe::safe_file_name;

/// What is known when a file is to be named.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct NameFacts<'a> {
    /// The URL that the user gave.
    pub url: &'a Url,
    /// The response, which may come from another URL.
    pub head: &'a ResponseHead,
}

/// Hides the query values of the URLs.
impl fmt::Debug for NameFacts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameFacts").field("url", &redacted(self.url)).field("head", self.head).finish()
    }
}

impl<'a> NameFacts<'a> {
    /// Facts of this response to a request for this URL.
    pub const fn new(url: &'a Url, head: &'a ResponseHead) -> Self {
        Self { url, head }
    }
}

/// The name of what nobody named.
const FALLBACK: &str = "download";

/// The name [from `Content-Disposition`](disposition_file_name), else from the last path segment of the response's
/// URL, else from that of the user's URL, else `download`; always [safe](safe_file_name).
pub fn default_file_name(facts: &NameFacts<'_>) -> String {
    let mut dispositions = facts.head.headers.get_all(CONTENT_DISPOSITION).iter();
    dispositions
        .find_map(|value| safe_file_name(&disposition_file_name(value.as_bytes())?))
        .or_else(|| url_file_name(&facts.head.url))
        .or_else(|| url_file_name(facts.url))
        .unwrap_or_else(|| FALLBACK.to_owned())
}

/// The name that a URL suggests: its last path segment, decoded and made [safe](safe_file_name). One that ends in a slash
/// has none.
pub fn url_file_name(url: &Url) -> Option<String> {
    let segment = url.path_segments()?.next_back()?;
    safe_file_name(&percent_decode_str(segment).decode_utf8_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, Version};

    fn name(user: &str, last: &str, dispositions: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for value in dispositions {
            headers.append(CONTENT_DISPOSITION, HeaderValue::from_bytes(value).unwrap());
        }
        let head = ResponseHead::new(last.parse().unwrap(), 200, Version::HTTP_11, headers);
        default_file_name(&NameFacts::new(&user.parse().unwrap(), &head))
    }

    #[test]
    fn sources_in_their_order() {
        let user = "http://h/user.bin";
        for (last, dispositions, expected) in [
            ("http://h/last.bin", &[b"attachment; filename=server.bin".as_slice()][..], "server.bin"),
            ("http://h/last.bin", &[b"attachment", b"inline; filename=second.bin"], "second.bin"),
            ("http://h/last.bin", &[b"attachment; filename=\"..\""], "last.bin"),
            ("http://h/last.bin", &[b"attachment; filename=\"\xe4.bin\""], "\u{e4}.bin"),
            ("http://h/last.bin?x=/y.bin#z", &[], "last.bin"),
            ("http://h/a/okdownload.3_1.apk?abc", &[], "okdownload.3_1.apk"),
            ("http://h/directory/", &[], "user.bin"),
            ("http://h/..%2f..%2fetc%2fpasswd", &[], "passwd"),
            ("http://h/%E4%BD%A0%20a.bin", &[], "\u{4f60} a.bin"),
            ("http://h/%FFa", &[], "\u{fffd}a"),
            ("data:,last.bin", &[], "user.bin"),
        ] {
            assert_eq!(name(user, last, dispositions), expected, "{last}");
        }
    }

    #[test]
    fn what_nobody_named() {
        for url in [
            "http://h",
            "http://h/",
            "http://h/?abc",
            "http://h/a/",
            "http://h/%2e%2e%2f",
            "http://h/...",
            "http://h/%00",
        ] {
            assert_eq!(name(url, url, &[]), "download", "{url}");
        }
    }
}

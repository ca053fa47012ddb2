//! Signs requests.

use std::fmt;

use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, HeaderValue};
use okdownload::connection::{ConnectRequest, Connected, ConnectionCapability, ConnectionFactory};
use okdownload::{Error, ErrorKind, Result};
use sha2::Sha256;

/// The header that the signature is in.
pub const SIGNATURE: HeaderName = HeaderName::from_static("x-signature");

/// A layer that signs each request: HMAC-SHA-256, in hexadecimal, over method, path with query, and range.
///
/// It sees every request as it is sent: also those of retries, and each one on the way of a redirect. Here, a signature
/// goes wherever the request goes; one that is only for its own host would look at [`ConnectRequest::url`] first.
pub struct Signed<F> {
    inner: F,
    key: Vec<u8>,
}

impl<F> Signed<F> {
    /// Signs what goes to `inner` by this key.
    pub fn new(inner: F, key: impl Into<Vec<u8>>) -> Self {
        Self { inner, key: key.into() }
    }
}

/// The signature of a request by this key.
///
/// # Errors
/// None: HMAC takes a key of any length.
pub fn signature(key: &[u8], request: &ConnectRequest) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|cause| Error::new(ErrorKind::Misuse, "not a usable key").with_source(cause))?;
    let url = &request.url;
    let range = request.headers.get(http::header::RANGE).map_or(&b""[..], HeaderValue::as_bytes);
    let query = url.query().unwrap_or_default();
    for part in [request.method.as_str().as_bytes(), url.path().as_bytes(), query.as_bytes(), range] {
        mac.update(part);
        // No part has a line break, so no two requests give the same text.
        mac.update(b"\n");
    }
    Ok(hex::encode(mac.finalize().into_bytes()))
}

/// Does not show the key.
impl<F: fmt::Debug> fmt::Debug for Signed<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[async_trait]
impl<F: ConnectionFactory> ConnectionFactory for Signed<F> {
    fn capability(&self) -> ConnectionCapability {
        self.inner.capability()
    }

    async fn connect(&self, mut request: ConnectRequest) -> Result<Box<dyn Connected>> {
        let signature = signature(&self.key, &request)?;
        let value = HeaderValue::try_from(signature).map_err(|cause| {
            Error::new(ErrorKind::Unexpected, "a digest is a header value").with_source(cause)
        })?;
        request.headers.insert(SIGNATURE, value);
        self.inner.connect(request).await
    }
}

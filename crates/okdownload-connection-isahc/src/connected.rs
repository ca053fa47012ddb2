//! A response of isahc as the seam wants it.

use std::fmt;
use std::future::poll_fn;

use async_trait::async_trait;
use bytes::Bytes;
use isahc::AsyncBody;
use isahc::http::header::LOCATION;
use isahc::http::{self, StatusCode};
use okdownload_connection::{Connected, MOST_HEADERS};
use okdownload_types::{ResponseHead, Result};
use url::Url;

use crate::clients::Lease;
use crate::error;
use crate::gather::Gather;

pub(crate) struct IsahcConnected {
    head: ResponseHead,
    body: Gather<AsyncBody>,
    /// A piece that was looked at already.
    ahead: Option<Bytes>,
    lease: Lease,
    /// What must have come before an end is believed.
    missing: Missing,
}

impl IsahcConnected {
    /// `has_body`: whether a response to such a request may have one.
    pub(crate) fn new(
        url: Url,
        response: http::Response<AsyncBody>,
        has_body: bool,
        lease: Lease,
    ) -> Result<Self> {
        let (parts, body) = response.into_parts();
        let head = ResponseHead::new(url, parts.status.as_u16(), parts.version, parts.headers);
        if head.headers.len() > MOST_HEADERS {
            return Err(error::long_head(&head.url));
        }
        let length = head.content_length().map_err(|native| error::bad_head(native, &head.url))?;
        let without = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let missing = match length {
            _ if !has_body || without => Missing::Nothing,
            Some(length) => Missing::Bytes(length),
            None => Missing::Any,
        };
        Ok(Self { head, body: Gather::new(body), ahead: None, lease, missing })
    }

    /// Looks at the body of a redirect that leads nowhere: if that ends too early, so did the head, and `Location` was in
    /// what is missing.
    pub(crate) async fn doubt(&mut self) -> Result<()> {
        let is_redirect = matches!(self.head.status, 301 | 302 | 303 | 307 | 308);
        if is_redirect && !self.head.headers.contains_key(LOCATION) {
            self.ahead = self.chunk().await?;
        }
        Ok(())
    }
}

/// If a connection breaks within the head, libcurl hands up what it has of it, and an empty body that ends well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// So many bytes, by the head's account.
    Bytes(u64),
    /// At least one: no length is told, and an empty body looks like no body.
    Any,
    Nothing,
}

impl Missing {
    fn after(self, piece: &[u8]) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Bytes(bytes.saturating_sub(piece.len() as u64)),
            Self::Any | Self::Nothing => Self::Nothing,
        }
    }
}

#[async_trait]
impl Connected for IsahcConnected {
    fn head(&self) -> &ResponseHead {
        &self.head
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        if let Some(piece) = self.ahead.take() {
            return Ok(Some(piece));
        }
        let piece = poll_fn(|context| self.body.poll_piece(context)).await;
        let piece = piece.map_err(|native| error::exchange(native.into(), &self.head.url))?;
        match &piece {
            None if !matches!(self.missing, Missing::Nothing | Missing::Bytes(0)) => {
                return Err(error::cut_head(&self.head.url));
            }
            None => self.lease.finish(),
            Some(piece) => self.missing = self.missing.after(piece),
        }
        Ok(piece)
    }
}

impl fmt::Debug for IsahcConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IsahcConnected").field("head", &self.head).finish_non_exhaustive()
    }
}

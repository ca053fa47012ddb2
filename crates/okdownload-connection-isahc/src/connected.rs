//! A response of isahc as the seam wants it.

use std::fmt;
use std::future::poll_fn;

use async_trait::async_trait;
use bytes::Bytes;
use isahc::AsyncBody;
use isahc::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use isahc::http::{self, StatusCode};
use okdownload_connection::Connected;
use okdownload_types::{ResponseHead, Result};
use url::Url;

use crate::clients::Lease;
use crate::error;
use crate::gather::Gather;

pub(crate) struct IsahcConnected {
    head: ResponseHead,
    body: Gather<AsyncBody>,
    lease: Lease,
    /// An end would be doubtful now: nothing of the body has come, and nothing says that there is none.
    doubtful: bool,
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
        let framed = [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| parts.headers.contains_key(name));
        let without = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let head = ResponseHead::new(url, parts.status.as_u16(), parts.version, parts.headers);
        head.content_length().map_err(|native| error::bad_head(native, &head.url))?;
        let doubtful = has_body && !framed && !without;
        Ok(Self { head, body: Gather::new(body), lease, doubtful })
    }
}

#[async_trait]
impl Connected for IsahcConnected {
    fn head(&self) -> &ResponseHead {
        &self.head
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let piece = poll_fn(|context| self.body.poll_piece(context)).await;
        let piece = piece.map_err(|native| error::exchange(native.into(), &self.head.url))?;
        match &piece {
            None if self.doubtful => return Err(error::cut_head(&self.head.url)),
            None => self.lease.finish(),
            Some(_) => self.doubtful = false,
        }
        Ok(piece)
    }
}

impl fmt::Debug for IsahcConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IsahcConnected").field("head", &self.head).finish_non_exhaustive()
    }
}

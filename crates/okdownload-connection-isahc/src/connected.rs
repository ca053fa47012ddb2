//! A response of isahc as the seam wants it.

use std::fmt;
use std::future::poll_fn;

use async_trait::async_trait;
use bytes::Bytes;
use isahc::{AsyncBody, http};
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
}

impl IsahcConnected {
    pub(crate) fn new(url: Url, response: http::Response<AsyncBody>, lease: Lease) -> Self {
        let (parts, body) = response.into_parts();
        let head = ResponseHead::new(url, parts.status.as_u16(), parts.version, parts.headers);
        Self { head, body: Gather::new(body), lease }
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
        if piece.is_none() {
            self.lease.finish();
        }
        Ok(piece)
    }
}

impl fmt::Debug for IsahcConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IsahcConnected").field("head", &self.head).finish_non_exhaustive()
    }
}

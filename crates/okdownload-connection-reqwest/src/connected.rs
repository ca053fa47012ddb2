//! A response of reqwest as the seam wants it.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use okdownload_connection::Connected;
use okdownload_types::{ResponseHead, Result};
use reqwest::Response;

use crate::error;

pub(crate) struct ReqwestConnected {
    head: ResponseHead,
    response: Response,
}

impl ReqwestConnected {
    pub(crate) fn new(mut response: Response) -> Self {
        let headers = std::mem::take(response.headers_mut());
        let status = response.status().as_u16();
        let head = ResponseHead::new(response.url().clone(), status, response.version(), headers);
        Self { head, response }
    }
}

/// reqwest's own response would show the whole URL.
impl fmt::Debug for ReqwestConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestConnected").field("head", &self.head).finish_non_exhaustive()
    }
}

#[async_trait]
impl Connected for ReqwestConnected {
    fn head(&self) -> &ResponseHead {
        &self.head
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        // reqwest takes each piece out of a queue in one step, so a dropped future leaves it there.
        loop {
            let chunk =
                self.response.chunk().await.map_err(|native| error::exchange(native, &self.head.url))?;
            if chunk.as_ref().is_none_or(|bytes| !bytes.is_empty()) {
                return Ok(chunk);
            }
        }
    }
}

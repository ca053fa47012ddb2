//! Counts what comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use okdownload::connection::{ConnectRequest, Connected, ConnectionCapability, ConnectionFactory};
use okdownload::{ResponseHead, Result};

/// What was counted so far. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Count(Arc<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Count {
    /// Requests that were made.
    pub fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// Bytes of bodies that came.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }
}

/// A layer that counts requests and the bytes of their answers.
#[derive(Debug)]
pub struct Counted<F> {
    inner: F,
    count: Count,
}

impl<F> Counted<F> {
    /// Counts what goes through `inner`.
    pub fn new(inner: F, count: Count) -> Self {
        Self { inner, count }
    }
}

#[async_trait]
impl<F: ConnectionFactory> ConnectionFactory for Counted<F> {
    fn capability(&self) -> ConnectionCapability {
        self.inner.capability()
    }

    async fn connect(&self, request: ConnectRequest) -> Result<Box<dyn Connected>> {
        self.count.0.requests.fetch_add(1, Ordering::Relaxed);
        let inner = self.inner.connect(request).await?;
        Ok(Box::new(CountedResponse { inner, count: self.count.clone() }))
    }
}

#[derive(Debug)]
struct CountedResponse {
    inner: Box<dyn Connected>,
    count: Count,
}

#[async_trait]
impl Connected for CountedResponse {
    fn head(&self) -> &ResponseHead {
        self.inner.head()
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let chunk = self.inner.chunk().await?;
        let bytes = chunk.as_ref().map_or(0, Bytes::len);
        self.count.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(chunk)
    }
}

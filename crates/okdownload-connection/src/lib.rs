//! The connection seam of okdownload: one trait that makes requests, one that reads a response.
//!
//! Depend on this crate (and on `okdownload-types`) to plug in an HTTP client of your own, or to write a layer: a
//! [`ConnectionFactory`] around another one that signs, counts or throttles. Prove it with the connection suite of
//! `okdownload-testkit`. Programs that only download depend on `okdownload`.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method};
use okdownload_types::{ResponseHead, Result, redacted};
use url::Url;

mod capability;
pub mod error;
mod pem;
mod proxy;

pub use capability::ConnectionCapability;
pub use pem::pem_file;
pub use proxy::proxy_url;

/// A request, as core wants it sent: complete, and not to be added to except for what HTTP itself demands.
#[derive(Clone)]
#[non_exhaustive]
pub struct ConnectRequest {
    /// The method.
    pub method: Method,
    /// Where to; http or https, without userinfo and fragment.
    pub url: Url,
    /// All headers but `Host`, `Content-Length` and connection management.
    pub headers: HeaderMap,
    /// The body.
    pub body: Option<Bytes>,
    /// How long name look-up, connection and TLS may take together. Any length is taken; [`Duration::MAX`] is no limit.
    pub connect_timeout: Duration,
}

impl ConnectRequest {
    /// A GET without headers.
    pub fn get(url: Url) -> Self {
        let connect_timeout = Duration::from_secs(30);
        Self { method: Method::GET, url, headers: HeaderMap::new(), body: None, connect_timeout }
    }
}

/// Shows neither header values nor query values: both may hold secrets.
impl Debug for ConnectRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.headers.keys().collect();
        f.debug_struct("ConnectRequest")
            .field("method", &self.method)
            .field("url", &redacted(&self.url))
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

/// The most header lines that a response may have; well-meant ones have some dozens.
pub const MOST_HEADERS: usize = 256;

/// Makes requests.
///
/// # Contract
/// - `Ok` means that the head of a final response is there, whatever its status: a status is a value, not an error.
///   Interim responses (1xx) are passed over.
/// - The factory follows no redirect, decompresses nothing, keeps no cookies and retries nothing; core does what of
///   that is wanted, once, for all backends.
/// - Core waits for several connections at a time. With HTTP/1.1, each concurrent request has a connection of its
///   own; connections whose response was read to its end are used again.
/// - Dropping the future, or what it returned, frees the socket soon (a whole body read to its end may keep it for
///   the next request).
/// - A head with more than [`MOST_HEADERS`] lines, or of more than some hundred KiB, is an error before more of it is kept.
/// - Errors say by [`is_temporary`](okdownload_types::Error::is_temporary) whether trying again may help: refused and
///   reset connections, early ends, time-outs and name look-ups are, malformed answers and bad certificates are not.
///   [`error`] has the words.
/// - What a backend can't do of this, its [`capability`](ConnectionFactory::capability) says, with what it does instead.
#[async_trait]
pub trait ConnectionFactory: Debug + Send + Sync + 'static {
    /// What this factory's connections can do; always the same. A layer says what the factory inside says.
    fn capability(&self) -> ConnectionCapability;

    /// Sends the request and waits for the head of its response.
    ///
    /// # Errors
    /// [`Connect`](okdownload_types::ErrorKind::Connect), [`Tls`](okdownload_types::ErrorKind::Tls),
    /// [`Timeout`](okdownload_types::ErrorKind::Timeout), [`Network`](okdownload_types::ErrorKind::Network) or
    /// [`Protocol`](okdownload_types::ErrorKind::Protocol).
    async fn connect(&self, request: ConnectRequest) -> Result<Box<dyn Connected>>;
}

/// A response whose head is there and whose body comes.
///
/// # Contract
/// - [`chunk`](Connected::chunk) gives the body's bytes in order, as the peer sent them, in pieces that are not empty.
///   Fewer and larger pieces are better.
/// - `Ok(None)` means that the body came to its end by the protocol's own account: as long as its `Content-Length`,
///   a last chunk, or a clean close where neither is given. A body that ends early is an error, and a temporary one.
/// - Dropping a `chunk` future loses no byte: the next call goes on where the last result ended.
#[async_trait]
pub trait Connected: Debug + Send + Sync + 'static {
    /// The head.
    fn head(&self) -> &ResponseHead;

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// [`Network`](okdownload_types::ErrorKind::Network) or [`Protocol`](okdownload_types::ErrorKind::Protocol).
    async fn chunk(&mut self) -> Result<Option<Bytes>>;
}

macro_rules! forward {
    ($pointer:ty) => {
        #[async_trait]
        impl<T: ConnectionFactory + ?Sized> ConnectionFactory for $pointer {
            fn capability(&self) -> ConnectionCapability {
                (**self).capability()
            }

            async fn connect(&self, request: ConnectRequest) -> Result<Box<dyn Connected>> {
                (**self).connect(request).await
            }
        }
    };
}

forward!(Arc<T>);
forward!(Box<T>);

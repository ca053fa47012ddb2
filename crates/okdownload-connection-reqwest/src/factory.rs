//! The factory: which client a request goes through, and how that is set up.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use okdownload_connection::error as words;
use okdownload_connection::{ConnectRequest, Connected, ConnectionCapability, ConnectionFactory};
use okdownload_types::Result;
use reqwest::{Client, ClientBuilder, Request};

use crate::clients::{Clients, Key};
use crate::connected::ReqwestConnected;
use crate::error;
use crate::recipe::{self, ProxyChoice, Recipe};

/// Connections over reqwest.
///
/// It follows no redirects, decompresses nothing, keeps no cookies, retries nothing and speaks HTTP/1.1 (unless HTTP/2 is
/// [chosen](Self::http2)), so that each parallel request has a connection of its own. reqwest adds `Accept: */*` to a request that has no `Accept`.
///
/// Making one is cheap. A client is built at the first request, one for each connect time-out in use, and the system's
/// certificates are loaded at the first `https` URL. Requests must be made inside a tokio runtime.
#[derive(Clone)]
pub struct ReqwestConnectionFactory {
    source: Source,
}

#[derive(Clone)]
enum Source {
    /// The user's finished client, taken as it is.
    Finished(Client),
    Recipe {
        recipe: Arc<Recipe>,
        clients: Arc<Clients>,
    },
}

impl ReqwestConnectionFactory {
    /// The default: the system's certificates, and proxies from the environment (`HTTP_PROXY`, `HTTPS_PROXY`,
    /// `ALL_PROXY`, `NO_PROXY`).
    pub fn new() -> Self {
        Self::from_recipe(Recipe::default())
    }

    /// With the user's settings. `builder` is called each time a client is needed. What this crate promises (see the
    /// type) is set on top; a cookie store or a time-out for the whole response that the builder has stays on.
    pub fn from_builder(builder: impl Fn() -> ClientBuilder + Send + Sync + 'static) -> Self {
        Self::from_recipe(Recipe { base: Some(Arc::new(builder)), ..Recipe::default() })
    }

    /// With a finished client, taken as it is: its connect time-out and its choice
    /// of HTTP/2 hold. It must not follow
    /// redirects (a response from another URL than asked is a [`Misuse`](okdownload_types::ErrorKind::Misuse)) and
    /// must not decompress, which can't be noticed here.
    pub fn from_client(client: Client) -> Self {
        Self { source: Source::Finished(client) }
    }

    /// Sends everything through this proxy and ignores the environment: `http://`, `https://`, `socks4://`,
    /// `socks4a://`, `socks5://` or `socks5h://`, with `user:password@` if it wants that.
    ///
    /// # Errors
    /// [`Misuse`](okdownload_types::ErrorKind::Misuse) if that is no such URL, or if the client is finished.
    pub fn proxy(self, url: &str) -> Result<Self> {
        let proxy = ProxyChoice::given(url)?;
        self.with(|recipe| recipe.proxy = proxy)
    }

    /// Uses no proxy, whatever the environment says.
    ///
    /// # Errors
    /// [`Misuse`](okdownload_types::ErrorKind::Misuse) if the client is finished.
    pub fn no_proxy(self) -> Result<Self> {
        self.with(|recipe| recipe.proxy = ProxyChoice::Direct)
    }

    /// Trusts these certificate authorities beside the system's: one or more certificates in PEM.
    ///
    /// # Errors
    /// [`Misuse`](okdownload_types::ErrorKind::Misuse) if there is none in it, or the client is finished. One that is
    /// damaged inside may show at the first `https` request only.
    pub fn root_certificates_pem(self, pem: &[u8]) -> Result<Self> {
        let certificates = recipe::certificates(pem)?;
        self.with(|recipe| recipe.roots.extend(certificates))
    }

    /// Shows this certificate to servers that ask for one. `certificate` is a file with it, and with those that lead from
    /// it to its authority; `key` is one with its private key (PKCS #8, PKCS #1 or SEC 1, without a passphrase). Both are
    /// PEM, and may be the same file. What they hold is never shown.
    ///
    /// # Errors
    /// [`Misuse`](okdownload_types::ErrorKind::Misuse) if there is no certificate or no key in them, or the client is
    /// finished; that of the file system if they can't be read. A key that does not belong to the certificate shows at
    /// the first `https` request.
    pub fn client_certificate(self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self> {
        let identity = recipe::identity(certificate.as_ref(), key.as_ref())?;
        self.with(|recipe| recipe.identity = Some(identity))
    }

    /// Speaks HTTP/2 with servers that offer it in the TLS handshake. Requests at the same time share a connection then,
    /// which is kind to the server, and slower on a link that loses packets. Off by default.
    ///
    /// # Errors
    /// [`Unsupported`](okdownload_types::ErrorKind::Unsupported) without this crate's feature `http2`;
    /// [`Misuse`](okdownload_types::ErrorKind::Misuse) if the client is finished.
    pub fn http2(self, on: bool) -> Result<Self> {
        if on && cfg!(not(feature = "http2")) {
            return Err(words::no_http2(env!("CARGO_PKG_NAME")));
        }
        self.with(|recipe| recipe.http2 = on)
    }

    fn from_recipe(recipe: Recipe) -> Self {
        Self { source: Source::Recipe { recipe: Arc::new(recipe), clients: Arc::default() } }
    }

    fn with(self, change: impl FnOnce(&mut Recipe)) -> Result<Self> {
        match self.source {
            Source::Recipe { recipe, .. } => {
                let mut recipe = Arc::unwrap_or_clone(recipe);
                change(&mut recipe);
                Ok(Self::from_recipe(recipe))
            }
            Source::Finished(_) => Err(words::finished()),
        }
    }

    async fn client(&self, request: &ConnectRequest) -> Result<Client> {
        match &self.source {
            Source::Finished(client) => Ok(client.clone()),
            Source::Recipe { recipe, clients } => {
                let tls = recipe.needs_tls(&request.url);
                let key = Key { connect_timeout: request.connect_timeout, tls };
                let recipe = Arc::clone(recipe);
                clients.get(key, move || recipe.build(key)).await
            }
        }
    }
}

#[async_trait]
impl ConnectionFactory for ReqwestConnectionFactory {
    fn capability(&self) -> ConnectionCapability {
        ConnectionCapability::FULL
    }

    async fn connect(&self, request: ConnectRequest) -> Result<Box<dyn Connected>> {
        let client = self.client(&request).await?;
        let asked = request.url.clone();
        let mut outgoing = Request::new(request.method, request.url);
        *outgoing.headers_mut() = request.headers;
        *outgoing.body_mut() = request.body.map(reqwest::Body::from);
        let response = client.execute(outgoing).await.map_err(|native| error::exchange(native, &asked))?;
        if *response.url() != asked {
            return Err(error::redirected(response.url(), &asked));
        }
        Ok(Box::new(ReqwestConnected::new(response)))
    }
}

impl Default for ReqwestConnectionFactory {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows nothing of the settings: a proxy's URL may hold a password.
impl fmt::Debug for ReqwestConnectionFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestConnectionFactory").finish_non_exhaustive()
    }
}

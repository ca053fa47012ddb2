//! The factory: which client a request goes through, and how that is set up.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use isahc::http::Method;
use isahc::{HttpClient, HttpClientBuilder};
use okdownload_connection::error as words;
use okdownload_connection::{ConnectRequest, Connected, ConnectionCapability, ConnectionFactory};
use okdownload_types::Result;

use crate::clients::{Clients, Lease};
use crate::connected::IsahcConnected;
use crate::recipe::{self, ProxyChoice, Recipe};
use crate::{error, request};

/// Connections over isahc.
///
/// It follows no redirects, decompresses nothing, keeps no cookies, retries nothing and speaks HTTP/1.1 (unless HTTP/2 is
/// [chosen](Self::http2)); each parallel request has a connection of its own. These settings go out with each request,
/// so they hold for a finished client too. What isahc 2.0.2 and libcurl can't do is in the
/// [`capability`](ConnectionFactory::capability): that is none of [`ConnectionCapability::FULL`].
///
/// Making one is cheap. Each request under way has an isahc client of its own, which is a thread; up to 16 stay for 90 s
/// for the next requests.
#[derive(Clone)]
pub struct IsahcConnectionFactory {
    source: Source,
}

#[derive(Clone)]
enum Source {
    /// The user's finished client.
    Finished(HttpClient),
    Recipe {
        recipe: Arc<Recipe>,
        clients: Arc<Clients>,
    },
}

impl IsahcConnectionFactory {
    /// The default: the system's certificates, and proxies from the environment (`HTTP_PROXY`, `HTTPS_PROXY`,
    /// `ALL_PROXY`, `NO_PROXY`).
    pub fn new() -> Self {
        Self::from_recipe(Recipe::default())
    }

    /// With the user's settings. `builder` is called for each client, that is for each of the requests at the same time.
    /// A time-out for the whole response, or a cookie jar, that the builder has stays on.
    pub fn from_builder(builder: impl Fn() -> HttpClientBuilder + Send + Sync + 'static) -> Self {
        Self::from_recipe(Recipe { base: Some(Arc::new(builder)), ..Recipe::default() })
    }

    /// With a finished client for all requests. isahc notices that a response was dropped only when its next bytes
    /// come, so a stalled one keeps its socket as long as the client lives; [`from_builder`](Self::from_builder) has no
    /// such limit.
    pub fn from_client(client: HttpClient) -> Self {
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

    /// Trusts these certificate authorities beside the system's: one or more certificates in PEM. They take the place of
    /// TLS settings that the builder has. (A proxy that is itself reached by TLS is checked against the system's alone.)
    ///
    /// # Errors
    /// [`Misuse`](okdownload_types::ErrorKind::Misuse) if there is none in it, or the client is finished. One that is
    /// damaged inside may show at the first `https` request only.
    pub fn root_certificates_pem(self, pem: &[u8]) -> Result<Self> {
        let certificates = recipe::certificates(pem)?;
        self.with(|recipe| {
            recipe.roots.extend(certificates);
            recipe.trust = Arc::default();
        })
    }

    /// Shows this certificate to servers that ask for one. `certificate` is a file with it, and with those that lead from
    /// it to its authority; `key` is one with its private key (PKCS #8, PKCS #1 or SEC 1, without a passphrase). Both are
    /// PEM, and may be the same file. What they hold is never shown.
    ///
    /// They take the place of TLS settings that the builder has. libcurl reads the files itself, and anew for each
    /// connection, so they must stay.
    ///
    /// # Errors
    /// [`Misuse`](okdownload_types::ErrorKind::Misuse) if there is no certificate or no key in them, or the client is
    /// finished; that of the file system if they can't be read. A key that does not belong to the certificate shows at
    /// the first `https` request.
    pub fn client_certificate(self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self> {
        let identity = recipe::identity(certificate.as_ref(), key.as_ref())?;
        self.with(|recipe| recipe.identity = Some(identity))
    }

    /// Speaks HTTP/2 with servers that offer it in the TLS handshake. Each request has a connection of its own all the
    /// same. Off by default.
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

    fn speaks_http2(&self) -> bool {
        matches!(&self.source, Source::Recipe { recipe, .. } if recipe.http2)
    }

    async fn lease(&self, request: &ConnectRequest) -> Result<Lease> {
        match &self.source {
            Source::Finished(client) => Ok(Lease::finished(client.clone())),
            Source::Recipe { recipe, clients } => {
                let (recipe, scheme) = (Arc::clone(recipe), request.url.scheme().to_owned());
                clients.take(&request.url, move || recipe.build(&scheme)).await
            }
        }
    }
}

#[async_trait]
impl ConnectionFactory for IsahcConnectionFactory {
    /// Nothing but the basics: what each of these takes lies behind isahc, which hands on neither the setting nor the
    /// word of libcurl that would be needed.
    fn capability(&self) -> ConnectionCapability {
        let mut capability = ConnectionCapability::FULL;
        // libcurl writes the path anew.
        capability.url_as_given = false;
        // isahc would panic.
        capability.any_header_value = false;
        // isahc would put its own name there; an empty one is the least that it lets us say.
        capability.adds_nothing = false;
        // isahc waits for the body, to see whether libcurl follows a redirect.
        capability.head_before_body = false;
        // libcurl takes a head that was cut for a whole one.
        capability.empty_without_length = false;
        // libcurl has one code for all of them, and isahc drops its words.
        capability.tells_causes = false;
        // libcurl ends a chunk at a line feed.
        capability.strict_chunks = false;
        capability
    }

    async fn connect(&self, request: ConnectRequest) -> Result<Box<dyn Connected>> {
        let lease = self.lease(&request).await?;
        let (url, has_body) = (request.url.clone(), request.method != Method::HEAD);
        let outgoing = request::of(request, self.speaks_http2())?;
        let response = lease.client()?.send_async(outgoing).await;
        let response = response.map_err(|native| error::exchange(native, &url))?;
        let mut connected = IsahcConnected::new(url, response, has_body, lease)?;
        connected.doubt().await?;
        Ok(Box::new(connected))
    }
}

impl Default for IsahcConnectionFactory {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows nothing of the settings: a proxy's URL may hold a password.
impl fmt::Debug for IsahcConnectionFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IsahcConnectionFactory").finish_non_exhaustive()
    }
}

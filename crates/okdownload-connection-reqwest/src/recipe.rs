//! How a client is built: the user's settings, with what this crate promises on top.

use std::path::Path;
use std::sync::Arc;

use okdownload_connection::error as words;
use okdownload_connection::{MOST_HEADERS, pem_file, proxy_url};
use okdownload_types::Result;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Identity, Proxy};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::Url;

use crate::clients::Key;
use crate::error;

#[derive(Clone, Default)]
pub(crate) struct Recipe {
    /// The user's settings; `None` = reqwest's own.
    pub(crate) base: Option<Arc<dyn Fn() -> ClientBuilder + Send + Sync>>,
    pub(crate) proxy: ProxyChoice,
    pub(crate) roots: Vec<Certificate>,
    /// Who we are, if a server asks.
    pub(crate) identity: Option<Identity>,
    /// Whether to speak HTTP/2 where it is offered.
    pub(crate) http2: bool,
}

#[derive(Clone, Default)]
pub(crate) enum ProxyChoice {
    /// As the base has it: from the environment, unless the user's builder says otherwise.
    #[default]
    Inherited,
    Direct,
    Given {
        proxy: Box<Proxy>,
        by_tls: bool,
    },
}

impl Recipe {
    /// Whether requests to `url` need a client that can make TLS connections.
    pub(crate) fn needs_tls(&self, url: &Url) -> bool {
        // The user's builder may have anything in it, and a proxy may be reached by TLS.
        let proxy_needs_it = match &self.proxy {
            ProxyChoice::Inherited => env_proxy_by_tls(),
            ProxyChoice::Direct => false,
            ProxyChoice::Given { by_tls, .. } => *by_tls,
        };
        url.scheme() != "http" || self.base.is_some() || proxy_needs_it
    }

    /// Builds a client. With TLS this reads the system's certificates, and so takes some milliseconds.
    pub(crate) fn build(&self, key: Key) -> Result<Client> {
        let base = self.base.as_ref().map_or_else(Client::builder, |base| base());
        let mut builder = if self.http2 { base } else { base.http1_only() };
        builder = builder
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            // Another crate of the program may have switched these features of reqwest on.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .http1_max_headers(MOST_HEADERS)
            .tcp_nodelay(true)
            .connect_timeout(key.connect_timeout);
        builder = match &self.proxy {
            ProxyChoice::Inherited => builder,
            ProxyChoice::Direct => builder.no_proxy(),
            ProxyChoice::Given { proxy, .. } => builder.no_proxy().proxy(Proxy::clone(proxy)),
        };
        builder = match key.tls {
            true if self.roots.is_empty() => builder,
            true => builder.tls_certs_merge(self.roots.iter().cloned()),
            false => builder.tls_certs_only([]),
        };
        if let Some(identity) = self.identity.as_ref().filter(|_| key.tls) {
            builder = builder.identity(identity.clone());
        }
        builder.build().map_err(error::build)
    }
}

impl ProxyChoice {
    /// The proxy with this URL.
    pub(crate) fn given(url: &str) -> Result<Self> {
        let url = proxy_url(url)?;
        let by_tls = url.scheme() == "https";
        let proxy = Box::new(Proxy::all(url).map_err(|_| words::unbuildable())?);
        Ok(Self::Given { proxy, by_tls })
    }
}

/// The certificates in this PEM text.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<Certificate>> {
    let parsed = Certificate::from_pem_bundle(pem).map_err(error::certificates)?;
    // A text without any block is no error to reqwest, and damage within a block shows only when it is used.
    if parsed.is_empty() { Err(words::no_certificates()) } else { Ok(parsed) }
}

/// The certificate in one file and the private key in the other.
pub(crate) fn identity(certificate: &Path, key: &Path) -> Result<Identity> {
    let chain = pem_file(certificate)?;
    if !CertificateDer::pem_slice_iter(&chain).any(|certificate| certificate.is_ok()) {
        return Err(words::no_certificates().with_context("path", certificate.display()));
    }
    // Of several keys reqwest takes the last.
    let pem = if key == certificate { chain } else { [chain, pem_file(key)?].join(&b'\n') };
    let wrong = |native| error::identity(native).with_context("path", key.display());
    Identity::from_pem(&pem).map_err(wrong)
}

/// Whether the environment sends plain HTTP to a proxy by TLS.
fn env_proxy_by_tls() -> bool {
    ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].iter().any(|name| {
        let value = std::env::var(name).unwrap_or_default();
        value.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
    })
}

#[cfg(test)]
mod tests {
    use okdownload_types::ErrorKind;

    use super::*;

    #[test]
    fn certificates_must_be_some() {
        for pem in ["", "junk", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"] {
            assert_eq!(certificates(pem.as_bytes()).err().unwrap().kind(), ErrorKind::Misuse, "{pem}");
        }
    }

    #[test]
    fn plain_http_needs_no_certificates() {
        let needs = |recipe: &Recipe, url: &str| recipe.needs_tls(&url.parse().unwrap());
        let with = |proxy| Recipe { proxy, ..Recipe::default() };
        assert!(!needs(&with(ProxyChoice::Direct), "http://h/"));
        assert!(needs(&with(ProxyChoice::Direct), "https://h/"));
        assert!(!needs(&with(ProxyChoice::given("http://p").unwrap()), "http://h/"));
        assert!(needs(&with(ProxyChoice::given("https://p").unwrap()), "http://h/"));
        let base: Arc<dyn Fn() -> ClientBuilder + Send + Sync> = Arc::new(Client::builder);
        assert!(needs(&Recipe { base: Some(base), ..with(ProxyChoice::Direct) }, "http://h/"));
    }
}

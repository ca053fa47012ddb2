//! How a client is built: the user's settings, with those of the factory on top.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use isahc::config::Configurable;
use isahc::http::Uri;
use isahc::tls::{Identity, PrivateKey, TlsConfig, TrustStore};
use isahc::{HttpClient, HttpClientBuilder};
use okdownload_connection::error as words;
use okdownload_connection::{pem_file, proxy_url};
use okdownload_types::{Error, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error;

#[derive(Clone, Default)]
pub(crate) struct Recipe {
    /// The user's settings; `None` = isahc's own.
    pub(crate) base: Option<Arc<dyn Fn() -> HttpClientBuilder + Send + Sync>>,
    pub(crate) proxy: ProxyChoice,
    pub(crate) roots: Vec<CertificateDer<'static>>,
    /// Who we are, if a server asks.
    pub(crate) identity: Option<Identity>,
    /// Whether to speak HTTP/2 where it is offered.
    pub(crate) http2: bool,
    /// The system's certificates and `roots`, once they are needed: reading them takes some milliseconds.
    pub(crate) trust: Arc<OnceLock<TrustStore>>,
}

#[derive(Clone, Default)]
pub(crate) enum ProxyChoice {
    /// As the base has it: from the environment, unless the user's builder says otherwise.
    #[default]
    Inherited,
    Direct,
    Given(Uri),
}

impl Recipe {
    /// Builds a client for URLs of one scheme, which starts a thread.
    pub(crate) fn build(&self, scheme: &str) -> Result<HttpClient> {
        let mut builder = self.base.as_ref().map_or_else(HttpClient::builder, |base| base());
        builder = match &self.proxy {
            ProxyChoice::Inherited if self.base.is_none() && scheme == "http" => match upper_case_proxy() {
                Some(proxy) => builder.proxy(proxy),
                None => builder,
            },
            ProxyChoice::Inherited => builder,
            ProxyChoice::Direct => builder.proxy(None),
            // The empty list keeps libcurl from reading NO_PROXY.
            ProxyChoice::Given(proxy) => builder.proxy(proxy.clone()).proxy_blacklist([""; 0]),
        };
        if !self.roots.is_empty() || self.identity.is_some() {
            let mut tls = TlsConfig::builder();
            if !self.roots.is_empty() {
                tls = tls.trust_store(self.trust.get_or_init(|| trusting(&self.roots)).clone());
            }
            if let Some(identity) = &self.identity {
                tls = tls.identity(identity.clone());
            }
            // Not for the proxy as well: isahc 2.0.2 switches the check of its certificate off if it is given any
            // settings for it.
            builder = builder.tls_config(tls.build());
        }
        builder.build().map_err(error::build)
    }
}

/// The system's certificates and these; isahc can only take one or the other.
fn trusting(roots: &[CertificateDer<'_>]) -> TrustStore {
    // What can't be read of the system's can't be trusted; the rest can.
    let native = rustls_native_certs::load_native_certs().certs;
    let builder = TrustStore::builder();
    native.iter().chain(roots).fold(builder, |builder, der| builder.certificate_from_der(der)).build()
}

impl ProxyChoice {
    /// The proxy with this URL.
    pub(crate) fn given(url: &str) -> Result<Self> {
        let mut url = proxy_url(url)?;
        // libcurl would take 1080 for it.
        if url.port().is_none() {
            let port = url.port_or_known_default().unwrap_or(1080);
            // The usual port is left out of a URL whatever is set, so the text is what counts.
            url.set_path("");
            let text = url.as_str().trim_end_matches('/');
            return format!("{text}:{port}").parse().map(Self::Given).map_err(|_| words::unbuildable());
        }
        url.as_str().parse().map(Self::Given).map_err(|_| words::unbuildable())
    }
}

/// The certificates in this PEM text.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match parsed {
        Ok(parsed) if parsed.is_empty() => Err(words::no_certificates()),
        Ok(parsed) => Ok(parsed),
        Err(native) => Err(words::no_certificates().with_source(native)),
    }
}

/// The certificate in one file and the private key in the other. libcurl's rustls takes them only as files; they are read
/// here to say early, and clearly, what is wrong with them.
pub(crate) fn identity(certificate: &Path, key: &Path) -> Result<Identity> {
    let named = |path: &Path| {
        let path = path.display().to_string();
        move |error: Error| error.with_context("path", path)
    };
    certificates(&pem_file(certificate)?).map_err(named(certificate))?;
    PrivateKeyDer::from_pem_slice(&pem_file(key)?)
        .map_err(|native| named(key)(words::no_private_key().with_source(native)))?;
    Ok(Identity::from_pem_file(certificate, Some(PrivateKey::from_pem_file(key, None))))
}

/// libcurl reads all of the usual variables but this one, because a CGI program gets it from its client.
fn upper_case_proxy() -> Option<Uri> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    if set("http_proxy").is_some() || set("REQUEST_METHOD").is_some() {
        return None;
    }
    let value = set("HTTP_PROXY")?;
    let url = if value.contains("://") { value } else { format!("http://{value}") };
    match ProxyChoice::given(&url) {
        Ok(ProxyChoice::Given(proxy)) => Some(proxy),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use okdownload_types::ErrorKind;

    use super::*;

    #[test]
    fn proxies_have_a_port() {
        for (url, expected) in [
            ("http://h:1", "http://h:1/"),
            ("HTTPS://h", "https://h:443/"),
            ("http://u:p@h/", "http://u:p@h:80/"),
            ("socks4://h:1", "socks4://h:1"),
            ("socks4a://h", "socks4a://h:1080"),
            ("socks5://u:p%40@h", "socks5://u:p%40@h:1080"),
            ("socks5h://[::1]:9", "socks5h://[::1]:9"),
        ] {
            match ProxyChoice::given(url) {
                Ok(ProxyChoice::Given(uri)) => {
                    assert_eq!(uri.to_string().trim_end_matches('/'), expected.trim_end_matches('/'));
                }
                _ => panic!("{url}"),
            }
        }
    }

    #[test]
    fn certificates_must_be_some() {
        for pem in ["", "junk", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"] {
            assert_eq!(certificates(pem.as_bytes()).err().unwrap().kind(), ErrorKind::Misuse, "{pem}");
        }
    }
}

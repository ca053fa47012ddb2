//! A certificate authority, a server certificate and perhaps a client's, made for one server.

use std::fmt;
use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// The name of HTTP/2 in the handshake (RFC 7301).
pub(super) const HTTP2: &[u8] = b"h2";

/// The names of a server that can be reached.
pub(super) const LOCAL: &[&str] = &["localhost", "127.0.0.1"];

/// A certificate that a client shows, and its private key, both in PEM.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientCertificate {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key (PKCS #8).
    pub key_pem: String,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").finish_non_exhaustive()
    }
}

/// The server's side of TLS, and the CA in PEM that a client must trust.
pub(super) type Secured = (TlsAcceptor, String);

type Ca = CertifiedIssuer<'static, KeyPair>;

/// For a server with these names, with or without HTTP/2 on offer; whoever comes is served.
pub(super) fn acceptor(http2: bool, names: &[&str]) -> io::Result<Secured> {
    let ca = new_ca()?;
    acceptor_of(&ca, names, None, http2)
}

/// Only who shows this certificate is served.
pub(super) fn mutual_acceptor() -> io::Result<(Secured, ClientCertificate)> {
    let ca = new_ca()?;
    let mut known = RootCertStore::empty();
    known.add(ca.der().clone()).map_err(io::Error::other)?;
    let (certificate_pem, key) = certificate(&ca, &["client.invalid"], |certificate| certificate.pem())?;
    let shown = ClientCertificate { certificate_pem, key_pem: key.serialize_pem() };
    Ok((acceptor_of(&ca, LOCAL, Some(known), false)?, shown))
}

fn acceptor_of(ca: &Ca, names: &[&str], known: Option<RootCertStore>, http2: bool) -> io::Result<Secured> {
    let (chain, key) = certificate(ca, names, |certificate| vec![certificate.der().clone()])?;
    // The provider is named here, so that the process's default stays the caller's choice.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let builder = match known {
        None => builder.with_no_client_auth(),
        Some(known) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(known), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(io::Error::other)?)
        }
    };
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let mut config = builder.with_single_cert(chain, key).map_err(io::Error::other)?;
    let offered = [HTTP2, b"http/1.1"].map(<[u8]>::to_vec);
    config.alpn_protocols = offered.into_iter().skip(usize::from(!http2)).collect();
    Ok((TlsAcceptor::from(Arc::new(config)), ca.pem()))
}

fn new_ca() -> io::Result<Ca> {
    let mut params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, new_key()?).map_err(io::Error::other)
}

/// A certificate for these names by this CA, in the form that is wanted, with its key.
fn certificate<T>(ca: &Ca, names: &[&str], form: impl FnOnce(Certificate) -> T) -> io::Result<(T, KeyPair)> {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = new_key()?;
    let made = CertificateParams::new(names).and_then(|params| params.signed_by(&key, ca));
    Ok((form(made.map_err(io::Error::other)?), key))
}

fn new_key() -> io::Result<KeyPair> {
    KeyPair::generate().map_err(io::Error::other)
}

//! A certificate authority and a server certificate, made for one server.

use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// The name of HTTP/2 in the handshake (RFC 7301).
pub(super) const HTTP2: &[u8] = b"h2";

/// The names of a server that can be reached.
pub(super) const LOCAL: &[&str] = &["localhost", "127.0.0.1"];

/// The side of TLS of a server with these names, with or without HTTP/2 on offer, and the CA in PEM that a client must
/// trust.
pub(super) fn acceptor(http2: bool, names: &[&str]) -> io::Result<(TlsAcceptor, String)> {
    let mut ca_params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
    ca_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca_params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca = CertifiedIssuer::self_signed(ca_params, new_key()?).map_err(io::Error::other)?;

    let key = new_key()?;
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names).and_then(|params| params.signed_by(&key, &ca));
    let chain = vec![certificate.map_err(io::Error::other)?.der().clone()];

    // The provider is named here, so that the process's default stays the caller's choice.
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .map_err(io::Error::other)?;
    let offered = [HTTP2, b"http/1.1"].map(<[u8]>::to_vec);
    config.alpn_protocols = offered.into_iter().skip(usize::from(!http2)).collect();
    Ok((TlsAcceptor::from(Arc::new(config)), ca.pem()))
}

fn new_key() -> io::Result<KeyPair> {
    KeyPair::generate().map_err(io::Error::other)
}

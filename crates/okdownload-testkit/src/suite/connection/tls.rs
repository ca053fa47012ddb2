//! TLS. A backend without it must say so by [`Unsupported`](ErrorKind::Unsupported), both when it is given an authority
//! and when it is asked for an `https` URL.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use okdownload_connection::ConnectionFactory;
use okdownload_types::ErrorKind;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use super::client::{
    assert_cause, assert_error, failure, fetch, get, plain, supported, timed_out, with_secret,
};
use super::peer::Peer;
use super::{Make, Setup};
use crate::server::{Body, Reply, Resource, Server};

/// A factory that trusts this authority; `None` after checking that a backend without TLS says so.
async fn trusting(make: Make, ca_pem: &str) -> Option<Arc<dyn ConnectionFactory>> {
    let factory = supported(make, &Setup { ca_pem: Some(ca_pem.to_owned()), ..Setup::default() });
    if factory.is_none() {
        let url = with_secret("https://127.0.0.1:9/".parse().unwrap());
        assert_error(&failure(&*plain(make), get(url)).await, ErrorKind::Unsupported, false);
    }
    factory
}

/// A certificate by an authority that was given.
pub async fn a_known_authority_is_trusted(make: Make) {
    let server = Server::start_tls().await.unwrap();
    let Some(factory) = trusting(make, server.ca_pem()).await else { return };
    let body = Body::pattern(1, 1 << 20);
    server.serve("/a", Resource::new(body.clone()));
    let by_address = format!("https://{}/a", server.address()).parse().unwrap();
    for url in [server.url("/a"), by_address] {
        let (head, bytes) = fetch(&*factory, get(url)).await;
        assert!(head.status == 200 && body.matches(0, &bytes) && bytes.len() == 1 << 20);
    }
}

/// A certificate by an authority that nobody gave, or by another than was given.
pub async fn an_unknown_authority_is_refused(make: Make) {
    let (server, other) = (Server::start_tls().await.unwrap(), Server::start_tls().await.unwrap());
    let Some(wrong) = trusting(make, other.ca_pem()).await else { return };
    for factory in [wrong, plain(make)] {
        let error = failure(&*factory, get(with_secret(server.url("/a")))).await;
        assert_error(&error, ErrorKind::Tls, false);
        assert!(error.advice().is_some(), "{error:?}");
    }
    assert!(server.requests().is_empty());
}

/// A certificate by the right authority for another host.
pub async fn another_host_name_is_refused(make: Make) {
    let (acceptor, ca_pem) = certificate_for("elsewhere.invalid");
    let Some(factory) = trusting(make, &ca_pem).await else { return };
    let peer = Peer::bind(Ipv4Addr::LOCALHOST).await.unwrap();
    let accepting = async {
        // Whether the server's side of a handshake that the client gives up succeeds is of no interest.
        let _ = acceptor.accept(peer.accept().await).await;
    };
    let asking = failure(&*factory, get(with_secret(peer.url("https"))));
    let (error, ()) = tokio::join!(asking, accepting);
    assert_error(&error, ErrorKind::Tls, false);
    assert!(error.advice().is_some(), "{error:?}");
}

/// A server that wants to know who asks, and a client that it knows.
pub async fn a_client_certificate_is_shown(make: Make) {
    let (server, client) = Server::start_mutual_tls().await.unwrap();
    server.serve("/a", Resource::new(Body::pattern(1, 1000)));
    let files = tempfile::tempdir().unwrap();
    let [certificate, key, both] = ["cert.pem", "key.pem", "both.pem"].map(|name| files.path().join(name));
    std::fs::write(&certificate, &client.certificate_pem).unwrap();
    std::fs::write(&key, &client.key_pem).unwrap();
    std::fs::write(&both, format!("{}{}", client.key_pem, client.certificate_pem)).unwrap();
    for files in [(certificate, key), (both.clone(), both)] {
        let setup = Setup {
            ca_pem: Some(server.ca_pem().to_owned()),
            client_certificate: Some(files),
            ..Setup::default()
        };
        let Some(factory) = supported(make, &setup) else { return };
        assert_eq!(fetch(&*factory, get(server.url("/a"))).await.1.len(), 1000);
        let secret = client.key_pem.lines().nth(1).unwrap();
        assert!(!format!("{factory:?}").contains(secret));
    }
}

/// The same server, and a client that shows nothing, or something that the server does not know.
pub async fn a_server_that_wants_a_certificate_is_told_apart(make: Make) {
    let (server, _) = Server::start_mutual_tls().await.unwrap();
    let (_, stranger) = Server::start_mutual_tls().await.unwrap();
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("both.pem");
    std::fs::write(&path, format!("{}{}", stranger.key_pem, stranger.certificate_pem)).unwrap();
    let ca_pem = Some(server.ca_pem().to_owned());
    for client_certificate in [None, Some((path.clone(), path))] {
        let setup = Setup { ca_pem: ca_pem.clone(), client_certificate, ..Setup::default() };
        let Some(factory) = supported(make, &setup) else { return };
        let error = failure(&*factory, get(with_secret(server.url("/a")))).await;
        assert_cause(&error, factory.capability(), (ErrorKind::Tls, false));
    }
    assert!(server.requests().is_empty());
}

/// Files that are not there, or without what they should hold.
pub async fn client_certificates_must_be_some(make: Make) {
    let (_, client) = Server::start_mutual_tls().await.unwrap();
    let files = tempfile::tempdir().unwrap();
    let [certificate, key, missing] =
        ["cert.pem", "key.pem", "missing.pem"].map(|name| files.path().join(name));
    std::fs::write(&certificate, &client.certificate_pem).unwrap();
    std::fs::write(&key, &client.key_pem).unwrap();
    for (pair, kind, wrong) in [
        ((&certificate, &missing), ErrorKind::NotFound, "missing.pem"),
        ((&missing, &key), ErrorKind::NotFound, "missing.pem"),
        ((&certificate, &certificate), ErrorKind::Misuse, "cert.pem"),
        ((&key, &key), ErrorKind::Misuse, "key.pem"),
    ] {
        let client_certificate = Some((pair.0.clone(), pair.1.clone()));
        let Err(error) = make(&Setup { client_certificate, ..Setup::default() }) else {
            panic!("a factory with {pair:?}");
        };
        if error.kind() == ErrorKind::Unsupported {
            return;
        }
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(wrong), "{error}");
        let secret = client.key_pem.lines().nth(1).unwrap();
        assert!(!format!("{error} {error:?}").contains(secret));
    }
}

/// Plain HTTP where TLS is expected.
pub async fn a_port_without_tls_is_refused(make: Make) {
    let (server, tls) = (Server::start().await.unwrap(), Server::start_tls().await.unwrap());
    let Some(factory) = trusting(make, tls.ca_pem()).await else { return };
    let url = format!("https://{}/a", server.address()).parse().unwrap();
    let error = failure(&*factory, get(with_secret(url))).await;
    assert_cause(&error, factory.capability(), (ErrorKind::Tls, false));
    assert!(error.advice().is_some(), "{error:?}");
}

/// A connection that ends within the handshake.
pub async fn a_broken_handshake_is_temporary(make: Make) {
    let tls = Server::start_tls().await.unwrap();
    let Some(factory) = trusting(make, tls.ca_pem()).await else { return };
    let peer = Peer::bind(Ipv4Addr::LOCALHOST).await.unwrap();
    let asking = failure(&*factory, get(with_secret(peer.url("https"))));
    let (error, ()) = tokio::join!(asking, async { drop(peer.accept().await) });
    let kind = if error.kind() == ErrorKind::Tls { ErrorKind::Tls } else { ErrorKind::Connect };
    assert_error(&error, kind, true);
}

/// Without a length the end of TLS ends the body; the end of TCP alone does not (RFC 9112 §9.8).
pub async fn a_cut_is_no_end_of_a_body(make: Make) {
    let server = Server::start_tls().await.unwrap();
    let Some(factory) = trusting(make, server.ca_pem()).await else { return };
    let reply = Reply::ok().body(Body::pattern(1, 1000)).without_length();
    server.script("/a", [reply.clone(), reply.without_close_notify()]);
    assert_eq!(fetch(&*factory, get(server.url("/a"))).await.1.len(), 1000);
    let error = failure(&*factory, get(with_secret(server.url("/a")))).await;
    assert_error(&error, ErrorKind::Network, true);
}

/// A peer that takes the connection and then says nothing.
pub async fn the_connect_timeout_covers_the_handshake(make: Make) {
    let tls = Server::start_tls().await.unwrap();
    let Some(factory) = trusting(make, tls.ca_pem()).await else { return };
    let peer = Peer::bind(Ipv4Addr::LOCALHOST).await.unwrap();
    let error = timed_out(&*factory, with_secret(peer.url("https")), Duration::from_millis(300)).await;
    assert_error(&error, ErrorKind::Timeout, true);
}

/// The server's side of TLS for one host name, and the authority to trust.
fn certificate_for(name: &str) -> (TlsAcceptor, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), ca.pem())
}

//! Proxies. A backend that takes none says so by [`Unsupported`](ErrorKind::Unsupported); there is nothing more to ask
//! of it then.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;

use okdownload_connection::ConnectionFactory;
use okdownload_types::ErrorKind;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use url::Url;

use super::client::{assert_cause, assert_error, failure, fetch, get, plain, supported, with_secret};
use super::peer::{Peer, read_head};
use super::{Make, Setup};
use crate::server::{Body, Reply, Resource, Server};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nproxy";

fn through(make: Make, proxy: Url) -> Option<Arc<dyn ConnectionFactory>> {
    supported(make, &Setup { proxy: Some(proxy), ..Setup::default() })
}

/// The request line is the absolute form (RFC 9112 §3.2.2), and the name is the proxy's to resolve.
pub async fn a_proxy_gets_the_whole_url(make: Make) {
    let peer = Peer::bind(Ipv4Addr::LOCALHOST).await.unwrap();
    let Some(factory) = through(make, peer.url("http")) else { return };
    let url: Url = "http://nowhere.invalid/a?b=c".parse().unwrap();
    let (head, (response, body)) = tokio::join!(peer.answer(OK), fetch(&*factory, get(url.clone())));
    assert!(head.starts_with("GET http://nowhere.invalid/a?b=c HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("\r\nhost: nowhere.invalid\r\n"), "{head}");
    assert!(!head.to_ascii_lowercase().contains("proxy-authorization"), "{head}");
    assert_eq!((response.url, response.status, &*body), (url, 200, &b"proxy"[..]));
}

/// Userinfo of the proxy's URL, percent-decoded, is Basic authentication.
pub async fn a_proxy_gets_the_user_name(make: Make) {
    let peer = Peer::bind(Ipv4Addr::LOCALHOST).await.unwrap();
    let mut proxy = peer.url("http");
    proxy.set_username("me").unwrap();
    proxy.set_password(Some("a%40b")).unwrap();
    let Some(factory) = through(make, proxy) else { return };
    let url = "http://nowhere.invalid/".parse().unwrap();
    let (head, _) = tokio::join!(peer.answer(OK), fetch(&*factory, get(url)));
    // me:a@b
    assert!(head.to_ascii_lowercase().contains("\r\nproxy-authorization: basic bwu6yubi\r\n"), "{head}");
}

/// To an `https` URL the proxy makes a tunnel, and sees nothing of what is asked.
pub async fn tls_goes_through_a_tunnel(make: Make) {
    let (server, peer) = (Server::start_tls().await.unwrap(), Peer::bind(Ipv4Addr::LOCALHOST).await.unwrap());
    let setup =
        Setup { ca_pem: Some(server.ca_pem().to_owned()), proxy: Some(peer.url("http")), ..Setup::default() };
    let Some(factory) = supported(make, &setup) else { return };
    let body = Body::pattern(1, 100_000);
    server.serve("/a", Resource::new(body.clone()));
    let tunnel = async {
        let mut client = peer.accept().await;
        let head = read_head(&mut client).await;
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut target = TcpStream::connect(server.address()).await.unwrap();
        // It ends when either side does, and how is of no interest here.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut target).await;
        head
    };
    let asking = async {
        let got = fetch(&*factory, get(server.url("/a"))).await;
        // Idle connections go with the factory, and the tunnel with them.
        drop(factory);
        got
    };
    let (head, (_, bytes)) = tokio::join!(tunnel, asking);
    assert!(
        head.starts_with(&format!("CONNECT localhost:{} HTTP/1.1\r\n", server.address().port())),
        "{head}"
    );
    assert!(bytes.len() == 100_000 && body.matches(0, &bytes));
}

/// A proxy that wants a password it has not got will not make a tunnel later; one that can't reach the server may.
pub async fn a_refused_tunnel_tells_why(make: Make) {
    let proxy = Server::start().await.unwrap();
    let Some(factory) = through(make, proxy.url("/")) else { return };
    let capability = factory.capability();
    for (status, temporary) in [(407, false), (502, true)] {
        // A CONNECT has no path, so it comes to the fallback.
        proxy.fallback(move |_, _| Reply::status(status).header("Proxy-Authenticate", "Basic realm=x"));
        let url = with_secret("https://nowhere.invalid/".parse().unwrap());
        let error = failure(&*factory, get(url)).await;
        assert_cause(&error, capability, (ErrorKind::Connect, temporary));
        let advised = error.advice().is_some_and(|advice| advice.contains("user:password@"));
        assert_eq!(advised, capability.tells_causes && status == 407, "{error:?}");
    }
}

/// With nothing set, the environment decides. Runs its test again, with the environment of a user behind a proxy.
pub async fn the_environment_names_proxies(make: Make) {
    const TARGET: &str = "OKDOWNLOAD_TEST_TARGET";
    let Some(factory) = supported(make, &Setup { environment: true, ..Setup::default() }) else { return };
    let unknown: Url = "http://nowhere.invalid/a".parse().unwrap();
    if let Ok(target) = std::env::var(TARGET) {
        assert_eq!(fetch(&*factory, get(unknown.clone())).await.0.status, 299);
        // This one NO_PROXY names.
        assert_eq!(fetch(&*factory, get(target.parse().unwrap())).await.0.status, 200);
        let error = failure(&*plain(make), get(with_secret(unknown))).await;
        assert_error(&error, ErrorKind::Connect, true);
        return;
    }
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        let (proxy, target) = (Server::start().await.unwrap(), Server::start().await.unwrap());
        proxy.fallback(|_, _| Reply::status(299));
        target.fallback(|_, _| Reply::ok());
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.arg("the_environment_names_proxies");
        for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "REQUEST_METHOD"] {
            again.env_remove(name);
        }
        again.env(variable, proxy.url("/").as_str()).env(TARGET, target.url("/a").as_str());
        again.env("NO_PROXY", target.address().ip().to_string());
        let output = tokio::task::spawn_blocking(move || again.output()).await.unwrap().unwrap();
        assert!(output.status.success(), "{variable}: {}", String::from_utf8_lossy(&output.stdout));
        assert_eq!((proxy.requests().len(), target.requests().len()), (1, 1), "{variable}");
    }
}

/// A proxy that refuses the connection may take it later.
pub async fn a_proxy_that_is_not_there_is_temporary(make: Make) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let proxy = format!("http://{}/", socket.local_addr().unwrap()).parse().unwrap();
    let Some(factory) = through(make, proxy) else { return };
    let url = with_secret("http://nowhere.invalid/".parse().unwrap());
    assert_error(&failure(&*factory, get(url)).await, ErrorKind::Connect, true);
}

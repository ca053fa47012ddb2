//! The server as a test sees it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use url::Url;

use super::connection::{Accepted, Shared, refuse, serve};
use super::limit::Refusal;
use super::log::LoggedRequest;
use super::reply::Reply;
use super::request::Request;
use super::resource::Resource;
use super::routes::without_query;
use super::tls::{self, ClientCertificate, Secured};

/// An HTTP/1.1 server (and HTTP/2, if it is [asked to](Server::start_http2)) on 127.0.0.1 that answers by script and logs what it is asked.
///
/// It runs on the tokio runtime that it was started on, and stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    base: Url,
    ca_pem: Option<String>,
    accepting: AbortHandle,
}

impl Server {
    /// Starts a server on a free port.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(None).await
    }

    /// Starts a server that speaks TLS, with a certificate for `localhost` and `127.0.0.1` by a CA of its own
    /// ([`ca_pem`](Self::ca_pem)).
    pub async fn start_tls() -> io::Result<Self> {
        Self::start_with(Some(tls::acceptor(false, tls::LOCAL)?)).await
    }

    /// Starts a server like [`start_tls`](Self::start_tls) whose certificate is for the host `name` and for no other.
    pub async fn start_tls_as(name: &str) -> io::Result<Self> {
        Self::start_with(Some(tls::acceptor(false, &[name])?)).await
    }

    /// Starts a server like [`start_tls`](Self::start_tls) that offers HTTP/2 before HTTP/1.1. Over HTTP/2 it answers as
    /// it should: what a reply does to its framing, its pace and its connection is passed over.
    pub async fn start_http2() -> io::Result<Self> {
        Self::start_with(Some(tls::acceptor(true, tls::LOCAL)?)).await
    }

    /// Starts a server like [`start_tls`](Self::start_tls) that serves only who shows the certificate that is returned
    /// too.
    pub async fn start_mutual_tls() -> io::Result<(Self, ClientCertificate)> {
        let (secured, client) = tls::mutual_acceptor()?;
        Ok((Self::start_with(Some(secured)).await?, client))
    }

    async fn start_with(tls: Option<Secured>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (acceptor, ca_pem) = tls.unzip();
        let origin = match acceptor {
            Some(_) => format!("https://localhost:{}/", address.port()),
            None => format!("http://{address}/"),
        };
        let base = Url::parse(&origin).map_err(io::Error::other)?;
        let shared = Arc::new(Shared::default());
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared), acceptor)).abort_handle();
        Ok(Self { shared, address, base, ca_pem, accepting })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path (which may have a query): `http://127.0.0.1:port/path`, or `https://localhost:port/path`.
    pub fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(without_query(path));
        url.set_query(path.split_once('?').map(|(_, query)| query));
        url
    }

    /// The certificate authority to trust, in PEM. Empty without TLS.
    pub fn ca_pem(&self) -> &str {
        self.ca_pem.as_deref().unwrap_or_default()
    }

    /// Serves a resource at a path. A path with a query is for requests with that query only; one without is for
    /// all that have no path of their own. Paths that nothing is set for get 404.
    pub fn serve(&self, path: &str, resource: Resource) {
        self.shared.routes.serve(self.key(path), resource);
    }

    /// Serves another resource at the path from now on. Responses that are under way go on with the old one.
    pub fn replace(&self, path: &str, resource: Resource) {
        self.serve(path, resource);
    }

    /// Removes all that is set for a path, which gets 404 from then on.
    pub fn remove(&self, path: &str) {
        self.shared.routes.remove(&self.key(path));
    }

    /// The next requests to the path get these replies, one each, in this order, after those already scripted. Then it
    /// answers as before.
    pub fn script(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        self.shared.routes.script(self.key(path), replies);
    }

    /// Requests to the path get what `handler` makes of the request and of how many it was given before (0 for the
    /// first). It goes before the path's resource, which [`Reply::resource`] still reaches, and after its script.
    pub fn handle(&self, path: &str, handler: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) {
        self.shared.routes.handle(self.key(path), Arc::new(handler));
    }

    /// Requests to all paths that nothing is set for get what `handler` makes of them, in place of 404.
    pub fn fallback(&self, handler: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) {
        self.shared.routes.fallback(Arc::new(handler));
    }

    /// Limits each connection's speed at the path, also of responses under way. At 0 nothing moves until the rate is
    /// changed; `u64::MAX` is no limit.
    pub fn set_rate(&self, path: &str, bytes_per_second: u64) {
        self.shared.routes.set_rate(self.key(path), bytes_per_second);
    }

    /// Turns away connections while `most` are open; `usize::MAX` is no limit. Those that are open stay.
    pub fn limit_connections(&self, most: usize) {
        self.shared.limit.set(most);
    }

    /// How connections beyond the limit are turned away.
    pub fn refuse_with(&self, refusal: Refusal) {
        self.shared.limit.refuse_with(refusal);
    }

    /// All requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.log.requests()
    }

    /// The requests to one path. Without a query it stands for the path with any query.
    pub fn requests_for(&self, path: &str) -> Vec<LoggedRequest> {
        let key = self.key(path);
        self.requests().into_iter().filter(|logged| is_for(&key, logged)).collect()
    }

    /// How many connections were accepted, those turned away included.
    pub fn connections(&self) -> usize {
        self.shared.log.tally.borrow().connections
    }

    /// How many connections were turned away because of the limit.
    pub fn refused_connections(&self) -> usize {
        self.shared.log.tally.borrow().refused
    }

    /// How many requests were in flight at once, at most. A request is in flight from when it has been read until the
    /// last of its answer is about to be handed to the system.
    pub fn max_concurrent(&self) -> usize {
        self.shared.log.tally.borrow().max_in_flight
    }

    /// Body bytes sent in all; see [`LoggedRequest::bytes_sent`].
    pub fn bytes_sent(&self) -> u64 {
        self.shared.log.bytes_sent(|_| true)
    }

    /// Body bytes sent for one path. Without a query it stands for the path with any query.
    pub fn bytes_sent_for(&self, path: &str) -> u64 {
        let key = self.key(path);
        self.shared.log.bytes_sent(|request| is_for(&key, request))
    }

    /// Waits until so many requests have come, in all.
    pub async fn wait_for_requests(&self, requests: usize) {
        // It fails only when the log is gone, and the log is in `self`.
        let _ = self.shared.log.tally.subscribe().wait_for(|tally| tally.requests >= requests).await;
    }

    /// Waits until no request is in flight.
    pub async fn wait_until_idle(&self) {
        let _ = self.shared.log.tally.subscribe().wait_for(|tally| tally.in_flight == 0).await;
    }

    /// Forgets the requests and counts so far. Connection numbers start again at 0.
    pub fn clear_log(&self) {
        self.shared.log.clear();
    }

    /// The path as clients will send it.
    fn key(&self, path: &str) -> String {
        self.url(path)[url::Position::BeforePath..url::Position::AfterQuery].to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The connections' tasks belong to this one, and go with it.
        self.accepting.abort();
    }
}

fn is_for(key: &str, request: &Request) -> bool {
    request.path == key || without_query(&request.path) == key
}

/// Accepts connections until it is aborted.
async fn accept(listener: TcpListener, shared: Arc<Shared>, tls: Option<TlsAcceptor>) {
    let mut connections = JoinSet::new();
    loop {
        let tcp = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => tcp,
                Err(_) => {
                    // Out of file descriptors, most likely: some may come free.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        let (shared, tls) = (Arc::clone(&shared), tls.clone());
        let (number, place) = shared.limit.admit(&shared.log);
        let accepted = Accepted { tcp, number };
        match place {
            Ok(place) => connections.spawn(serve(shared, accepted, tls, place)),
            Err(refusal) => connections.spawn(refuse(shared, accepted, tls, refusal)),
        };
    }
}

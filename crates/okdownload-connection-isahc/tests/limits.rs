//! What isahc 2.0.2 and libcurl do otherwise than one would like, where no capability says so. A test that fails here is
//! good news.

#![allow(clippy::unwrap_used, reason = "a panic here is a test that failed")]

use isahc::http::Method;
use okdownload_connection::{ConnectRequest, ConnectionFactory};
use okdownload_connection_isahc::IsahcConnectionFactory;
use okdownload_testkit::server::{Reply, Server};

/// libcurl takes a head that was cut for a whole one. With a body that shows (the suite's `no_answer_is_temporary`);
/// where there can be none, it does not.
#[tokio::test]
async fn a_cut_head_without_a_body_is_believed() {
    let server = Server::start().await.unwrap();
    let factory = IsahcConnectionFactory::new().no_proxy().unwrap();
    for (method, reply) in [
        (Method::HEAD, "HTTP/1.1 200 OK\r\nETa"),
        (Method::GET, "HTTP/1.1 304 Not Modified\r\nETa"),
        (Method::GET, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETa"),
    ] {
        server.script("/a", [Reply::raw(reply)]);
        let mut request = ConnectRequest::get(server.url("/a"));
        request.method = method;
        let mut connected = factory.connect(request).await.unwrap();
        assert_eq!(connected.chunk().await.unwrap(), None, "{reply}");
        assert_eq!(connected.head().headers.get("etag"), None, "{reply}");
    }
}

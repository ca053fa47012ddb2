//! A real HTTP/1.1 server that answers by script, right or wrong, and logs what it is asked. It can offer HTTP/2 too.
//!
//! ```
//! use okdownload_testkit::server::{Body, Reply, Resource, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let body = Body::pattern(1, 10 << 20);
//! let server = Server::start().await?;
//! server.serve("/file.bin", Resource::new(body.clone()).etag("\"v1\""));
//! server.script("/file.bin", [
//!     Reply::status(503).header("Retry-After", "1"),
//!     Reply::resource().reset_after(1000),
//! ]);
//! let url = server.url("/file.bin");
//! // … download `url`: the first answer is a 503, the second breaks off, the third is the whole file. Then:
//! # let downloaded = body.slice(..);
//! assert!(body.matches(0, &downloaded));
//! assert!(server.requests().iter().all(|request| request.header("range").is_none()));
//! # Ok(())
//! # }
//! ```
//!
//! | Type | is |
//! |---|---|
//! | [`Server`] | the server: what each path answers, the limits, the log |
//! | [`Body`] | content of any length, made on the fly |
//! | [`Resource`] | a well-behaved resource, with switches |
//! | [`Reply`] | one scripted answer, right or wrong |
//! | [`ClientCertificate`] | what a client shows to a server that wants to know it |
//! | [`Gate`] | holds a response until the test lets it go on, so that no test need sleep |
//! | [`Request`], [`LoggedRequest`] | what came in, and what became of it |
//!
//! A client that closes its sending side while it waits for an answer is taken to have left.

mod arrival;
mod body;
mod conditional;
mod connection;
mod delivery;
mod gate;
mod handle;
mod head;
mod http2;
mod limit;
mod log;
mod pace;
mod render;
mod reply;
mod request;
mod resource;
mod routes;
mod tls;
mod transmit;
mod wire;

pub use body::Body;
pub use gate::Gate;
pub use handle::Server;
pub use limit::Refusal;
pub use log::LoggedRequest;
pub use reply::{ChunkFault, Reply};
pub use request::Request;
pub use resource::Resource;
pub use tls::ClientCertificate;

//! The scripted server, seen over raw sockets. Nothing here waits for the clock: where time matters, it is tokio's
//! paused one.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod client;
mod faults;
mod flow;
mod http2;
mod log;
mod replies;
mod resources;

//! Test suites for okdownload's seams, and a scripted HTTP server.

pub mod server;
pub mod suite;

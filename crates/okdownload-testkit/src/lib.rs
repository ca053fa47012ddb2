//! Test suites for okdownload's seams, a scripted HTTP server, a simulated world, and programs run as their users run them.

pub mod program;
#[cfg(feature = "s3")]
pub mod s3;
pub mod server;
pub mod sim;
pub mod suite;

//! Test suites for okdownload's seams, a scripted HTTP server, a simulated world, mutants, and programs run as their users
//! run them.

pub mod disk;
pub mod mutants;
pub mod program;
#[cfg(feature = "s3")]
pub mod s3;
pub mod server;
pub mod sim;
pub mod suite;

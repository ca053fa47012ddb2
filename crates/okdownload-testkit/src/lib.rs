//! Test suites for okdownload's seams, a scripted HTTP server, a simulated world, mutants, programs run as their users
//! run them, and a stage for the docs' examples.
//!
//! For others there are [`suite`], [`server`] and `s3`; their breaking changes make a breaking version. [`disk`],
//! [`mutants`], [`program`], [`sim`] and [`stage`] serve okdownload's own tests and change with them, in any version.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod disk;
pub mod mutants;
pub mod program;
#[cfg(feature = "s3")]
pub mod s3;
pub mod server;
pub mod sim;
pub mod stage;
pub mod suite;

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

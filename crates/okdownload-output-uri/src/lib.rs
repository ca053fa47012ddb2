#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod busy;
mod chunk;
mod error;
mod factory;
mod interrupt;
mod names;
mod operators;
mod place;
mod scheme;
#[cfg(feature = "_http")]
mod transport;
mod upload;

pub use factory::{UriOutput, UriOutputBuilder};
/// The library beneath, for operators of one's own.
pub use opendal;

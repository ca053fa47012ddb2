//! okdownload's connections over [reqwest](https://docs.rs/reqwest).
//!
//! Depend on this crate if you build an engine of your own parts and want them to connect through reqwest, or want to
//! give okdownload a reqwest client with your settings. Programs that only download depend on `okdownload`, whose
//! default this backend is.
//!
//! ```no_run
//! use okdownload_connection::{ConnectRequest, ConnectionFactory};
//! use okdownload_connection_reqwest::ReqwestConnectionFactory;
//!
//! # async fn run() -> okdownload_types::Result<()> {
//! let factory = ReqwestConnectionFactory::new().proxy("http://proxy.example:3128")?;
//! let request = ConnectRequest::get("https://example.com/file".parse().expect("a URL"));
//! let mut connected = factory.connect(request).await?;
//! println!("status {}", connected.head().status);
//! while let Some(bytes) = connected.chunk().await? {
//!     println!("{} bytes", bytes.len());
//! }
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod clients;
mod connected;
mod error;
mod factory;
mod recipe;

pub use factory::ReqwestConnectionFactory;

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

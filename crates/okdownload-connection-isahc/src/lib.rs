//! okdownload's connections over [isahc](https://docs.rs/isahc), that is over libcurl.
//!
//! Depend on this crate if you build an engine of your own parts and want them to connect through libcurl, or want to
//! give okdownload an isahc client with your settings. It needs no tokio. Programs that only download depend on
//! `okdownload`, whose default backend is reqwest.
//!
//! ```no_run
//! use okdownload_connection::{ConnectRequest, ConnectionFactory};
//! use okdownload_connection_isahc::IsahcConnectionFactory;
//!
//! # async fn run() -> okdownload_types::Result<()> {
//! let factory = IsahcConnectionFactory::new().proxy("http://proxy.example:3128")?;
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
mod gather;
mod recipe;
mod request;

pub use factory::IsahcConnectionFactory;

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

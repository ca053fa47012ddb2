//! A download engine: many connections for one file, many files at a time, and always going on where it was stopped.
//!
//! ```
//! use okdownload::prelude::*;
//!
//! fn main() -> Result<()> {
//! #   let stage = okdownload_testkit::stage::Stage::new();
//!     let (url, directory) = ("https://example.com/file.iso", "downloads");
//! #   let (url, directory) = (stage.file("/file.iso"), stage.directory());
//!     let ok = OkDownload::builder()
//! #       .download_store(okdownload::store::SqliteStore::new(stage.database()))
//!         .build()?;
//!     let end = ok.download_blocking(DownloadTask::to_directory(url, directory)?)?;
//!     println!("{:?}: {} bytes", end.location, end.length.unwrap_or(0));
//! #   assert_eq!(end.length, Some(3 << 20));
//!     ok.shutdown_blocking()
//! }
//! ```
//!
//! `cargo add okdownload` is all that it takes. Stop it at any moment, run it again, and it goes on from there. In
//! asynchronous code, `download(task).await` does the same (for an `async` `main`: `cargo add tokio --features macros,rt`);
//! `enqueue` gives a handle that can be awaited, paused, resumed, cancelled and watched.
//!
//! # Read on
//!
//! | to | read |
//! |---|---|
//! | show how far it is, and hear what happens | [progress](guide::progress) |
//! | stop, go on, and go on after a crash | [pause and resume](guide::pause_and_resume) |
//! | download many, at a time or one after the other | [many files](guide::many_files) |
//! | have the bytes while they come, and no file | [reading](guide::reading) |
//! | decide otherwise, or plug in your own part | [replacing a part](guide::replacing_a_part) |
//! | know what can go wrong, and what to do then | [errors](guide::errors) |
//! | do without `async` | [synchronous programs](guide::synchronous) |
//! | know what is stored where | [storage](guide::storage) |
//!
//! Depend on this crate to download from a program. To write a backend, depend on the crate of its seam instead
//! (`okdownload-connection`, `-output`, `-store`, `-strategy`, `-monitor`) and on `okdownload-types`.
//!
//! # Pick and mix
//!
//! | part | default | feature | others |
//! |---|---|---|---|
//! | [`connection`] | reqwest | `reqwest` | `isahc`, your own |
//! | [`output`] | local files | `file` | `uri` (S3), your own |
//! | [`store`] | SQLite | `sqlite` | `memory`, `sled`, your own |
//! | [`strategy`] | OkDownload's | | your own |
//! | [`monitor`] | none | | your own |
//!
//! A feature adds a backend; it never changes what a program does that did not ask for it. `uri` brings S3, and OpenDAL's
//! `fs` and `memory`; for other services depend on `okdownload-output-uri` too, with their features.
//!
//! # Layers
//!
//! A layer is a [`ConnectionFactory`](connection::ConnectionFactory) or an
//! [`OutputStreamFactory`](output::OutputStreamFactory) around another one: it signs, counts, measures or changes what
//! passes through it. It is what OkDownload's interceptors have become.
//!
//! - For an engine, wrap the factory that the builder is given:
//!   [`connection_factory`](OkDownloadBuilder::connection_factory),
//!   [`output_stream_factory`](OkDownloadBuilder::output_stream_factory). There is no default to wrap there, so name
//!   the backend: `Signing(ReqwestConnectionFactory::new())`.
//! - For a task, add it to the request: [`TaskRequest::layer`], [`TaskRequest::output_layer`].
//!
//! A task's layers are around the engine's, and the one added last is the outermost. The engine's own steps are around
//! all layers. From outside in, a request passes
//!
//! 1. **retry**: waits, and makes the request again;
//! 2. **network policy**: [`inspect_network`](strategy::DownloadStrategy::inspect_network);
//! 3. **breakpoint check**: [`judge_response`](strategy::DownloadStrategy::judge_response) compares the response with
//!    the version that bytes which are there belong to, before any byte is taken;
//! 4. **redirect**: each hop is a request of its own;
//! 5. **headers**: the user's and the engine's (`Range`, `If-Range`, credentials for their own origin);
//! 6. the task's layers, the last one first, then the engine's;
//! 7. the backend.
//!
//! The chunks of a body come back through 7 and 6; what lies outside the range is cut off, and the rest is written
//! through the task's output layers and the engine's output. Rate limits hold back the call for the next chunk.
//!
//! So a layer sees every request that is made, those of retries and redirects too, complete as the engine wants it
//! sent. What it adds, the server sees, and no event tells; what it hands up is what is checked and retried. A layer
//! must not change `Range`, nor what a range of the body is: the check holds it to what was asked for. Two layers are in
//! [`examples/layers`](https://github.com/okdownload/okdownload/tree/main/examples/layers).
#![cfg_attr(docsrs, feature(doc_cfg))]

// There is nothing in it but docs and their examples.
#[cfg(any(doc, doctest))]
pub mod guide;

pub use okdownload_core::*;
pub use okdownload_types::*;

/// How an HTTP client is plugged in.
pub mod connection {
    pub use okdownload_connection::*;
    #[cfg(feature = "isahc")]
    pub use okdownload_connection_isahc::IsahcConnectionFactory;
    #[cfg(feature = "reqwest")]
    pub use okdownload_connection_reqwest::ReqwestConnectionFactory;
}

/// How a place to write to is plugged in.
pub mod output {
    pub use okdownload_output::*;
    #[cfg(feature = "file")]
    pub use okdownload_output_file::FileOutput;
    #[cfg(feature = "uri")]
    pub use okdownload_output_uri::{UriOutput, UriOutputBuilder, opendal};
}

/// How a place to keep breakpoints in is plugged in.
pub mod store {
    pub use okdownload_store::*;
    #[cfg(feature = "memory")]
    pub use okdownload_store_memory::MemoryStore;
    #[cfg(feature = "sled")]
    pub use okdownload_store_sled::{SledStore, SledStoreBuilder};
    #[cfg(feature = "sqlite")]
    pub use okdownload_store_sqlite::{SqliteStore, SqliteStoreBuilder};
}

/// What decides.
pub mod strategy {
    pub use okdownload_strategy::*;
}

/// What hears.
pub mod monitor {
    pub use okdownload_monitor::*;
}

/// What most programs use.
pub mod prelude {
    pub use okdownload_core::{OkDownload, Progress, TaskHandle};
    pub use okdownload_monitor::{DownloadListener, Event, Monitor, NoListener};
    pub use okdownload_types::{DownloadTask, EndCause, Error, ErrorKind, OnExists, Result, Target, TaskEnd};
}

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

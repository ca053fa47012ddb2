//! A download engine: many connections for one file, many files at a time, and always going on where it was stopped.
//!
//! Depend on this crate to download from a program. To write a backend, depend on the crate of its seam instead
//! (`okdownload-connection`, `-output`, `-store`, `-strategy`, `-monitor`) and on `okdownload-types`.
//!
//! ```no_run
//! use okdownload::prelude::*;
//!
//! fn main() -> Result<()> {
//!     let ok = OkDownload::builder().build()?;
//!     let task = DownloadTask::to_directory("https://example.com/file.iso", ".")?;
//!     let end = ok.download_blocking(task)?;
//!     println!("{:?}", end.location);
//!     ok.shutdown_blocking()
//! }
//! ```
//!
//! # Pick and mix
//!
//! | part | default | feature | others |
//! |---|---|---|---|
//! | [`connection`] | reqwest | `reqwest` | `isahc`, your own |
//! | [`output`] | local files | `file` | `uri` (S3 and others), your own |
//! | [`store`] | SQLite | `sqlite` | `memory`, `sled`, your own |
//! | [`strategy`] | OkDownload's | | your own |
//! | [`monitor`] | none | | your own |
//!
//! A feature adds a backend; it never changes what a program does that did not ask for it.

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
    pub use okdownload_output_file::*;
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

//! The engine of okdownload: it takes tasks, decides who runs, and brings files.
//!
//! Depend on `okdownload`, the facade, rather than on this crate: it has the same items and the seams beside them.
//! Depend on this one only to build another facade. To write a backend, depend on its seam's crate.
//!
//! Where to read: [`OkDownload`] is what programs hold; `call.rs` tells one task's life from top to bottom; `order.rs`
//! decides when bytes may be claimed.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod block;
mod budget;
mod builder;
mod call;
mod callbacks;
mod connect;
mod context;
mod defaults;
mod digest;
mod dispatcher;
mod engine;
mod entry;
mod existing;
mod failover;
mod finish;
mod handle;
mod hub;
mod in_order;
mod inherit;
mod ledger;
mod open;
mod order;
mod pace;
mod plan;
mod probe;
mod progress;
mod reader;
mod redirect;
mod request;
mod request_builder;
mod resume;
mod run;
mod running;
mod runtime;
mod serial_queue;
mod settle;
mod singleton;
mod sources;
mod space;
mod status;
mod sync;
mod throttle;
mod transfer;
mod turns;
mod worker;
mod writer;

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;

pub use builder::OkDownloadBuilder;
pub use callbacks::{Callback, CallbackExecutor, InlineExecutor};
pub use context::{DownloadContext, DownloadContextBuilder, DownloadContextListener, QueueSet};
#[cfg(feature = "sqlite")]
pub use defaults::database_path;
pub use dispatcher::TaskState;
pub use engine::OkDownload;
pub use handle::TaskHandle;
pub use hub::Events;
pub use progress::Progress;
pub use reader::{BlockingReader, DownloadReader};
pub use request_builder::TaskRequest;
pub use serial_queue::DownloadSerialQueue;
pub use singleton::{DownloadTaskExt, SetSingletonError};
pub use status::Status;

//! The data types of okdownload, and nothing that runs.
//!
//! Depend on this crate if you write a backend or a strategy, together with the crate of the seam it plugs into.
//! Programs that download depend on `okdownload`, which re-exports all of it.

mod breakpoint;
mod cause;
mod digest;
mod error;
mod head;
mod id;
mod location;
mod mirror;
mod range;
mod secret;
mod stored;
mod task;
mod validator;

pub use breakpoint::{BlockInfo, BreakpointInfo, CompletionRecord, FileIdentity, ResourceVersion};
pub use cause::{EndCause, ResumeFailedCause, TaskEnd};
pub use digest::{Digest, DigestAlgorithm};
pub use error::{Error, ErrorKind, Result};
pub use head::ResponseHead;
pub use id::TaskId;
pub use location::{Location, Target};
pub use mirror::Mirror;
pub use range::{ByteRange, ContentRange};
pub use secret::{is_secret, redacted, without_secrets};
pub use task::{Credentials, DownloadTask, DownloadTaskBuilder, Durability, LowestSpeed, OnExists, Timeouts};
pub use validator::{EntityTag, Validators, VersionMatch};

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! okdownload's output to local files.
//!
//! Depend on this crate if you put an engine together from parts of `okdownload-core` yourself, or wrap
//! [`FileOutput`] in a layer of your own. Programs that only download depend on `okdownload`, whose default this is.
//!
//! - A part is locked itself, with [`File::try_lock`](std::fs::File::try_lock) on Unix; there is no lock file. After the
//!   lock is taken, the path must still name the locked file, so that two programs never write one part.
//! - Every call does its work in one trip to a thread of the crate `blocking`; it needs no particular runtime. Where
//!   the runtime has nothing better to do, [`FileOutput::in_place`] saves some of those trips.
//! - A write is one positional system call (gathered, where there are several pieces), without a copy.
//! - A commit never replaces what it was not told to replace.
//!
//! ```
//! use okdownload_output::{CommitOptions, OpenMode, OutputStreamFactory};
//! use okdownload_output_file::FileOutput;
//! use okdownload_types::Location;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> okdownload_types::Result<()> {
//! # let directory = tempfile::tempdir().unwrap();
//! let target = Location::Path(directory.path().join("hello"));
//! let part = target.with_file_name("hello.okdownload");
//! if let Some(stream) = FileOutput::new().open_part(&part, OpenMode::Create).await? {
//!     stream.write_at(5, vec![" world".into()]).await?;
//!     stream.write_at(0, vec!["hello".into()]).await?;
//!     stream.commit(&target, CommitOptions::new(false, true, None)).await?;
//! }
//! # assert_eq!(std::fs::read(directory.path().join("hello")).unwrap(), b"hello world");
//! # Ok(())
//! # }
//! ```

mod barrier;
mod directories;
mod error;
mod factory;
mod patience;
mod stream;
mod sys;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;
mod work;

pub use factory::FileOutput;

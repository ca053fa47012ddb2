//! The observer seam of okdownload: what a program hears of its downloads.
//!
//! Depend on this crate (and on `okdownload-types`) to write a [`Monitor`] or a [`DownloadListener`] that others use.
//! Programs that only download depend on `okdownload`.
//!
//! Everything is told as an [`Event`]; the traits give the events names of their own.

mod event;
mod listener;

pub use event::Event;
pub use listener::{DownloadListener, Monitor, NoListener, NoMonitor};

//! The observer seam of okdownload: what a program hears of its downloads.
//!
//! Depend on this crate (and on `okdownload-types`) to write a [`Monitor`] or a [`DownloadListener`] that others use.
//! Programs that only download depend on `okdownload`.
//!
//! Everything is told as an [`Event`]; the traits give the events names of their own.
//!
//! | to hear | write | give the task |
//! |---|---|---|
//! | everything | [`DownloadListener`] | it |
//! | progress of the whole | [`Listener1`] | a [`DownloadListener1`] of it |
//! | beginning and end | [`Listener2`] | a [`DownloadListener2`] of it |
//! | progress, and ends by their kind | [`Listener3`] | a [`DownloadListener3`] of it |
//! | progress of each block | [`Listener4`] | a [`DownloadListener4`] of it |
//! | and speed | [`Listener4WithSpeed`] | a [`DownloadListener4WithSpeed`] of it |
//! | several of these | | a [`DownloadListenerBunch`] of them |
//! | some that come and go | | a [`UnifiedListenerManager`] |

mod bunch;
mod event;
mod listener;
mod listener1;
mod listener2;
mod listener3;
mod listener4;
mod listener4_with_speed;
mod model;
mod speed;
mod unified;

pub use bunch::DownloadListenerBunch;
pub use event::Event;
pub use listener::{DownloadListener, Monitor, NoListener, NoMonitor};
pub use listener1::{DownloadListener1, Listener1};
pub use listener2::{DownloadListener2, Listener2};
pub use listener3::{DownloadListener3, Listener3};
pub use listener4::{DownloadListener4, Listener4};
pub use listener4_with_speed::{DownloadListener4WithSpeed, Listener4WithSpeed};
pub use model::{BlockModel, TaskModel};
pub use speed::{HumanBytes, Speed, SpeedCalculator};
pub use unified::UnifiedListenerManager;

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

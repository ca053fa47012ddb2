//! The process-wide engine, for programs that want one. The only module with a `static`.

use std::fmt;
use std::panic::Location;
use std::sync::{Mutex, OnceLock};

use okdownload_monitor::DownloadListener;
use okdownload_types::{DownloadTask, Result};

use crate::engine::OkDownload;
use crate::handle::TaskHandle;
use crate::sync::lock;

static SINGLETON: Slot = Slot::new();

/// A place for one engine and the memory of who put it there.
struct Slot {
    engine: OnceLock<Filled>,
    filling: Mutex<()>,
}

struct Filled {
    engine: OkDownload,
    by: &'static Location<'static>,
    lazily: bool,
}

impl Slot {
    const fn new() -> Self {
        Self { engine: OnceLock::new(), filling: Mutex::new(()) }
    }

    fn set(&self, engine: OkDownload, by: &'static Location<'static>) -> Result<(), SetSingletonError> {
        let _filling = lock(&self.filling);
        let mut rejected = Some(engine);
        let filled = self.engine.get_or_init(|| match rejected.take() {
            Some(engine) => Filled { engine, by, lazily: false },
            None => unreachable!("the engine is taken once"),
        });
        match rejected {
            None => Ok(()),
            Some(rejected) => Err(SetSingletonError {
                rejected: Box::new(rejected),
                first: filled.by,
                lazily: filled.lazily,
            }),
        }
    }

    fn get(&self, by: &'static Location<'static>) -> Result<&OkDownload> {
        if let Some(filled) = self.engine.get() {
            return Ok(&filled.engine);
        }
        let _filling = lock(&self.filling);
        if let Some(filled) = self.engine.get() {
            return Ok(&filled.engine);
        }
        let engine = OkDownload::builder().build()?;
        Ok(&self.engine.get_or_init(|| Filled { engine, by, lazily: true }).engine)
    }
}

/// The singleton was there already.
#[derive(Debug)]
#[non_exhaustive]
pub struct SetSingletonError {
    /// The engine that was not taken.
    pub rejected: Box<OkDownload>,
    /// Where the one that is in place was set, or first used.
    pub first: &'static Location<'static>,
    /// Whether that one was built by [`OkDownload::with`] because nobody had set one.
    pub lazily: bool,
}

impl fmt::Display for SetSingletonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.lazily { "built by its first use" } else { "set" };
        write!(f, "the singleton was {how} already, at {}; set it once, before its first use", self.first)
    }
}

impl std::error::Error for SetSingletonError {}

impl OkDownload {
    /// Makes this engine the one that [`with`](OkDownload::with) gives: once, before its first use. For applications;
    /// libraries take an engine as an argument.
    ///
    /// # Errors
    /// If there is one already; the error has the rejected engine and says who was first.
    #[track_caller]
    pub fn set_singleton(engine: Self) -> Result<(), SetSingletonError> {
        SINGLETON.set(engine, Location::caller())
    }

    /// The singleton; built from defaults if nobody has set one.
    ///
    /// # Errors
    /// If the defaults are not compiled in, or the user has no state directory.
    #[track_caller]
    pub fn with() -> Result<&'static Self> {
        SINGLETON.get(Location::caller())
    }
}

/// Lets tasks enqueue themselves in the singleton, as in OkDownload for Java. Nobody else can implement it, so it may
/// grow.
pub trait DownloadTaskExt: sealed::Sealed {
    /// Lets the task wait for its turn in the singleton.
    ///
    /// # Errors
    /// See [`OkDownload::with`].
    fn enqueue(self, listener: impl DownloadListener) -> Result<TaskHandle>;

    /// Ends the task if the singleton has it. Returns whether it had.
    ///
    /// # Errors
    /// See [`OkDownload::with`].
    fn cancel(&self) -> Result<bool>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for okdownload_types::DownloadTask {}
}

impl DownloadTaskExt for DownloadTask {
    #[track_caller]
    fn enqueue(self, listener: impl DownloadListener) -> Result<TaskHandle> {
        Ok(OkDownload::with()?.enqueue(self, listener))
    }

    #[track_caller]
    fn cancel(&self) -> Result<bool> {
        Ok(OkDownload::with()?.cancel(self.id()))
    }
}

//! The runtime that an engine works on.

use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt;
use okdownload_types::{Error, ErrorKind, Result};
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use tokio::task::block_in_place;
use tokio::task::coop::consume_budget;

use crate::sync::lock;

/// The user's runtime, or one of the engine's own that begins on first use.
#[derive(Debug)]
pub(crate) enum Home {
    Given(Handle),
    Own(Mutex<Option<Runtime>>),
}

/// Enough to keep a fast link busy while a chunk is handed over; more only wake each other up.
const WORKERS: usize = 2;

impl Home {
    pub(crate) fn new(given: Option<Handle>) -> Self {
        given.map_or_else(|| Self::Own(Mutex::default()), Self::Given)
    }

    /// Where to spawn.
    pub(crate) fn handle(&self) -> Result<Handle> {
        let own = match self {
            Self::Given(handle) => return Ok(handle.clone()),
            Self::Own(own) => own,
        };
        let mut own = lock(own);
        if let Some(runtime) = own.as_ref() {
            return Ok(runtime.handle().clone());
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("okdownload")
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| {
            Error::new(ErrorKind::Unexpected, "the engine's runtime could not be started")
                .with_source(error)
                .with_advice("check the limits on threads and open files")
        })?;
        Ok(own.insert(runtime).handle().clone())
    }

    /// Blocks this thread until the work is done. In a runtime of several threads, others take over what else it had to
    /// do.
    ///
    /// # Errors
    /// If no other thread can.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        let home = self.handle()?;
        match Handle::try_current().map(|around| around.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => Ok(block_in_place(|| home.block_on(work))),
            Ok(_) if is_polled() => Err(Error::misuse(
                "a blocking call in asynchronous code, on the only thread that runs it",
                "await the method that does not block, or make the call on a thread that may block",
            )),
            _ => Ok(home.block_on(work)),
        }
    }
}

/// Whether tokio polls a future on this thread; a thread that is there for blocking calls looks the same else. Tokio has
/// no question for that, but who is polled has a budget of steps, which comes to its end; all others may go on for ever.
fn is_polled() -> bool {
    let steps = 0..=u8::MAX;
    steps.into_iter().any(|_| consume_budget().now_or_never().is_none())
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Self::Own(own) = self {
            let runtime = own.get_mut().unwrap_or_else(PoisonError::into_inner).take();
            // Dropping a runtime waits for it, which is not allowed on one of its own threads.
            if let Some(runtime) = runtime {
                runtime.shutdown_background();
            }
        }
    }
}

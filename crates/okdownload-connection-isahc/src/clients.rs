//! The clients of one factory: one for each response under way, and some that wait to be used again.
//!
//! A client of isahc is a thread with its connections. isahc notices that nobody wants a response any more only when
//! its next bytes come; a stalled one would keep its socket for ever. A client that goes takes its socket along, so each
//! request has a client of its own for as long as it runs.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use isahc::HttpClient;
use okdownload_connection::error as words;
use okdownload_types::Result;
use url::{Origin, Url};

use crate::error;

/// So many clients wait at most, each with a connection or a few; the oldest go first.
const MOST: usize = 16;

/// Servers close idle connections after about as long.
const IDLE: Duration = Duration::from_secs(90);

/// Clients whose last response was read to its end.
#[derive(Default)]
pub(crate) struct Clients(Mutex<Vec<Idle>>);

struct Idle {
    origin: Origin,
    since: Instant,
    client: Away<HttpClient>,
}

impl Clients {
    /// A client that has a connection to there, or one made by `build`, on a thread for blocking work.
    pub(crate) async fn take(
        self: &Arc<Self>,
        url: &Url,
        build: impl FnOnce() -> Result<HttpClient> + Send + 'static,
    ) -> Result<Lease> {
        let origin = url.origin();
        let client = match self.idle(&origin) {
            Some(client) => client,
            None => {
                let build = move || build().map(|client| Away(Some(client)));
                // A panic would be passed on to here. What it leaves behind is not used again.
                let build = move || catch_unwind(AssertUnwindSafe(build));
                blocking::unblock(build).await.map_err(|panic| error::builder_panicked(&*panic))??
            }
        };
        Ok(Lease { client, home: Some((Arc::clone(self), origin)) })
    }

    fn idle(&self, origin: &Origin) -> Option<Away<HttpClient>> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|idle| idle.since.elapsed() < IDLE);
        // The one that was used last is the least likely to have been closed.
        let at = idle.iter().rposition(|idle| idle.origin == *origin)?;
        Some(idle.remove(at).client)
    }

    fn give_back(&self, origin: Origin, client: Away<HttpClient>) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(Idle { origin, since: Instant::now(), client });
        let surplus = idle.len().saturating_sub(MOST);
        idle.drain(..surplus);
    }
}

/// What may block when it is dropped, and so is dropped on a thread for blocking work. It is there until then, or until
/// it is taken.
struct Away<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Drop for Away<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            blocking::unblock(move || drop(value)).detach();
        }
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

/// A client in use. Dropping it ends the client, and with it the request; [`finish`](Lease::finish) keeps it for the
/// next one.
pub(crate) struct Lease {
    /// The last one to drop a client waits for its thread, which may take as long as a look-up of a name.
    client: Away<HttpClient>,
    /// Where it goes; the user's own client stays the user's.
    home: Option<(Arc<Clients>, Origin)>,
}

impl Lease {
    /// The user's own client.
    pub(crate) fn finished(client: HttpClient) -> Self {
        Self { client: Away(Some(client)), home: None }
    }

    /// The client, until the lease is finished.
    pub(crate) fn client(&self) -> Result<&HttpClient> {
        self.client.0.as_ref().ok_or_else(words::unknown)
    }

    /// The response was read to its end.
    pub(crate) fn finish(&mut self) {
        if let Some((home, origin)) = self.home.take() {
            home.give_back(origin, Away(self.client.0.take()));
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::thread::{self, ThreadId};

    use super::*;

    /// Tells where it was dropped.
    struct Told(Sender<ThreadId>);

    impl Drop for Told {
        fn drop(&mut self) {
            self.0.send(thread::current().id()).unwrap();
        }
    }

    #[test]
    fn clients_end_elsewhere() {
        let (sender, dropped) = channel();
        drop(Away(Some(Told(sender))));
        assert_ne!(dropped.recv().unwrap(), thread::current().id());
        // Nothing of it is left to be dropped here.
        assert!(dropped.recv().is_err());
    }
}

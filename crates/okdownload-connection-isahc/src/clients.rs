//! The clients of one factory: one for each response under way, and some that wait to be used again.
//!
//! A client of isahc is a thread with its connections. isahc notices that nobody wants a response any more only when
//! its next bytes come; a stalled one would keep its socket for ever. A client that goes takes its socket along, so each
//! request has a client of its own for as long as it runs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use isahc::HttpClient;
use okdownload_types::Result;
use url::{Origin, Url};

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
    client: HttpClient,
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
            None => blocking::unblock(build).await?,
        };
        Ok(Lease { client, home: Some((Arc::clone(self), origin)) })
    }

    fn idle(&self, origin: &Origin) -> Option<HttpClient> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (fresh, old) =
            std::mem::take(&mut *idle).into_iter().partition(|idle| idle.since.elapsed() < IDLE);
        *idle = fresh;
        discard(old);
        // The one that was used last is the least likely to have been closed.
        let at = idle.iter().rposition(|idle| idle.origin == *origin)?;
        Some(idle.remove(at).client)
    }

    fn give_back(&self, origin: Origin, client: HttpClient) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(Idle { origin, since: Instant::now(), client });
        let surplus = idle.len().saturating_sub(MOST);
        discard(idle.drain(..surplus).collect());
    }
}

/// A client ends with its thread, which is waited for; that may take as long as a look-up of a name.
fn discard(clients: Vec<Idle>) {
    if !clients.is_empty() {
        blocking::unblock(move || drop(clients)).detach();
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        discard(std::mem::take(self.0.get_mut().unwrap_or_else(PoisonError::into_inner)));
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
    client: HttpClient,
    /// Where it goes; the user's own client stays the user's.
    home: Option<(Arc<Clients>, Origin)>,
}

impl Lease {
    /// The user's own client.
    pub(crate) fn finished(client: HttpClient) -> Self {
        Self { client, home: None }
    }

    pub(crate) fn client(&self) -> &HttpClient {
        &self.client
    }

    /// The response was read to its end.
    pub(crate) fn finish(&mut self) {
        if let Some((home, origin)) = self.home.take() {
            home.give_back(origin, self.client.clone());
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // The last one to drop a client waits for its thread, so that must not be here.
        let client = self.client.clone();
        blocking::unblock(move || drop(client)).detach();
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

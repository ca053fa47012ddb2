//! The clients of one factory: made when they are first needed, one for each way to connect.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use okdownload_types::Result;
use reqwest::Client;
use tokio::sync::OnceCell;

use crate::error;

/// A program uses one or two connect time-outs. One that makes up a new one for each request must not collect
/// clients for ever.
const MOST: usize = 8;

/// What requests must have in common to share a client, and with it idle connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    /// reqwest knows this limit per client only.
    pub(crate) connect_timeout: Duration,
    /// Whether it can make TLS connections. One that can't is built without loading certificates.
    pub(crate) tls: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Clients(Mutex<Vec<(Key, Slot)>>);

/// A client, or the place of one that is being built: requests that start together wait for the same.
type Slot = Arc<OnceCell<Client>>;

impl Clients {
    /// The client for `key`, made by `build`, on a thread for blocking work, if there is none yet.
    pub(crate) async fn get(
        &self,
        key: Key,
        build: impl FnOnce() -> Result<Client> + Send + 'static,
    ) -> Result<Client> {
        let slot = self.slot(key);
        let built = slot.get_or_try_init(|| async {
            tokio::task::spawn_blocking(build).await.map_err(error::builder_panicked)?
        });
        built.await.cloned()
    }

    fn slot(&self, key: Key) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, slot)) = slots.iter().find(|(known, _)| *known == key) {
            return Arc::clone(slot);
        }
        if slots.len() == MOST {
            // Requests under way go on: they hold their client too.
            slots.remove(0);
        }
        let slot = Slot::default();
        slots.push((key, Arc::clone(&slot)));
        slot
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use okdownload_types::{Error, ErrorKind};

    use super::*;

    fn key(seconds: u64) -> Key {
        Key { connect_timeout: Duration::from_secs(seconds), tls: false }
    }

    #[tokio::test]
    async fn clients_are_made_once_and_never_collected() {
        let (clients, built) = (Clients::default(), Arc::new(AtomicUsize::new(0)));
        for (seconds, expected) in
            [(0, 1), (0, 1), (1, 2), (0, 2)].into_iter().chain((2..20).map(|n| (n, n + 1)))
        {
            let counter = Arc::clone(&built);
            let build = move || {
                counter.fetch_add(1, Ordering::Relaxed);
                Ok(Client::builder().tls_certs_only([]).build().unwrap())
            };
            clients.get(key(seconds), build).await.unwrap();
            assert_eq!(built.load(Ordering::Relaxed), expected as usize, "{seconds}");
        }
        assert_eq!(clients.0.lock().unwrap().len(), MOST);
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let clients = Clients::default();
        let fails = || Err(Error::misuse("no", "none"));
        assert_eq!(clients.get(key(0), fails).await.unwrap_err().kind(), ErrorKind::Misuse);
        let works = || Ok(Client::builder().tls_certs_only([]).build().unwrap());
        assert!(clients.get(key(0), works).await.is_ok());
    }
}

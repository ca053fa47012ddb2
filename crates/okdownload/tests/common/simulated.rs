//! A network and a disk without either: all that takes time is tokio's sleep, so a test may pause the clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use okdownload::connection::{ConnectRequest, Connected, ConnectionCapability, ConnectionFactory};
use okdownload::output::{OpenMode, OutputCapability, OutputStream, OutputStreamFactory, Stat};
use okdownload::{Error, ErrorKind, Location, Result};

/// Every request takes a random time, and fails for good.
#[derive(Debug, Clone)]
pub(crate) struct Network(Arc<Mutex<Traffic>>);

#[derive(Debug)]
struct Traffic {
    random: fastrand::Rng,
    /// Requests at a time: of each host, and the most there ever were of one.
    now: BTreeMap<String, usize>,
    most: usize,
    most_of_a_host: usize,
    requests: usize,
}

/// A request that is on its way.
struct OnTheWay(Network, String);

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let now = BTreeMap::new();
        Self(Arc::new(Mutex::new(Traffic { random, now, most: 0, most_of_a_host: 0, requests: 0 })))
    }

    /// The most requests at a time: of all hosts, and of one.
    pub(crate) fn most(&self) -> (usize, usize) {
        let traffic = self.0.lock().unwrap();
        (traffic.most, traffic.most_of_a_host)
    }

    pub(crate) fn requests(&self) -> usize {
        self.0.lock().unwrap().requests
    }

    fn enter(&self, host: &str) -> (OnTheWay, Duration) {
        let mut traffic = self.0.lock().unwrap();
        traffic.requests += 1;
        *traffic.now.entry(host.to_owned()).or_default() += 1;
        let (all, of_host) = (traffic.now.values().sum(), traffic.now[host]);
        traffic.most = traffic.most.max(all);
        traffic.most_of_a_host = traffic.most_of_a_host.max(of_host);
        let time = Duration::from_millis(traffic.random.u64(0..50));
        (OnTheWay(self.clone(), host.to_owned()), time)
    }
}

impl Drop for OnTheWay {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap().now.get_mut(&self.1).unwrap() -= 1;
    }
}

#[async_trait]
impl ConnectionFactory for Network {
    fn capability(&self) -> ConnectionCapability {
        ConnectionCapability::FULL
    }

    async fn connect(&self, request: ConnectRequest) -> Result<Box<dyn Connected>> {
        let (_on_the_way, time) = self.enter(request.url.host_str().unwrap());
        tokio::time::sleep(time).await;
        Err(Error::new(ErrorKind::Tls, "there is no such server"))
    }
}

/// A disk with nothing on it, which nobody comes to write to.
#[derive(Debug)]
pub(crate) struct EmptyDisk;

#[async_trait]
impl OutputStreamFactory for EmptyDisk {
    fn capability(&self, _: &Location) -> OutputCapability {
        OutputCapability::FULL
    }

    async fn boot_id(&self) -> Option<String> {
        None
    }

    async fn stat(&self, _: &Location) -> Result<Option<Stat>> {
        Ok(None)
    }

    async fn open_part(&self, part: &Location, _: OpenMode) -> Result<Option<Arc<dyn OutputStream>>> {
        Err(Error::new(ErrorKind::Unexpected, "nothing is ever received").with_context("part", part))
    }

    async fn free_space(&self, _: &Location) -> Result<Option<u64>> {
        Ok(None)
    }

    async fn remove(&self, _: &Location) -> Result<bool> {
        Ok(false)
    }
}

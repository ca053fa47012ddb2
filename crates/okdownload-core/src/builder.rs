//! Puts an engine together.

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use okdownload_connection::ConnectionFactory;
use okdownload_monitor::Monitor;
use okdownload_output::OutputStreamFactory;
use okdownload_store::{DownloadStore, Remit};
use okdownload_strategy::{
    DefaultDownloadStrategy, DefaultProcessFileStrategy, DownloadStrategy, ProcessFileStrategy,
};
use okdownload_types::Result;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::callbacks::{CallbackExecutor, InlineExecutor, OwnExecutor};
use crate::defaults;
use crate::dispatcher::Dispatcher;
use crate::engine::{Engine, OkDownload, Parts};
use crate::order::Recorder;
use crate::runtime::Home;
use crate::throttle::Throttle;

/// Takes the parts of an engine, or their defaults.
#[derive(Debug, Clone)]
#[must_use]
pub struct OkDownloadBuilder {
    connection: Option<Arc<dyn ConnectionFactory>>,
    output: Option<Arc<dyn OutputStreamFactory>>,
    store: Option<Arc<dyn DownloadStore>>,
    strategy: Option<Box<dyn DownloadStrategy>>,
    process: Option<Box<dyn ProcessFileStrategy>>,
    monitor: Option<Arc<dyn Monitor>>,
    executor: Option<Arc<dyn CallbackExecutor>>,
    runtime: Option<Handle>,
    name: Option<String>,
    max_parallel: NonZeroUsize,
    per_host: Option<NonZeroUsize>,
    rate_limit: Option<NonZeroU64>,
    seed: Option<u64>,
    record_interval: Duration,
    sync_interval: Duration,
    remit_delay: Duration,
}

impl OkDownloadBuilder {
    pub(crate) fn new() -> Self {
        Self {
            connection: None,
            output: None,
            store: None,
            strategy: None,
            process: None,
            monitor: None,
            executor: None,
            runtime: None,
            name: None,
            max_parallel: NonZeroUsize::MIN.saturating_add(4),
            per_host: None,
            rate_limit: None,
            seed: None,
            record_interval: Duration::from_millis(20),
            sync_interval: Duration::from_secs(2),
            remit_delay: Remit::DELAY,
        }
    }

    pub(crate) fn with_parts(mut self, parts: Parts, monitor: Option<Arc<dyn Monitor>>) -> Self {
        self.monitor = monitor;
        self.connection = Some(parts.connection);
        self.output = Some(parts.output);
        self.store = Some(parts.store);
        self.strategy = Some(parts.strategy);
        self.process = Some(parts.process);
        self
    }

    /// How requests are made; default: reqwest (feature `reqwest`).
    pub fn connection_factory(mut self, factory: impl ConnectionFactory) -> Self {
        self.connection = Some(Arc::new(factory));
        self
    }

    /// Where bytes are written; default: local files (feature `file`).
    pub fn output_stream_factory(mut self, factory: impl OutputStreamFactory) -> Self {
        self.output = Some(Arc::new(factory));
        self
    }

    /// Where breakpoints are kept; default: an SQLite database in the user's state directory (feature `sqlite`), one
    /// for each [name](OkDownloadBuilder::name).
    pub fn download_store(mut self, store: impl DownloadStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// How a download is fetched; each run works on its own clone.
    pub fn download_strategy(mut self, strategy: impl DownloadStrategy) -> Self {
        self.strategy = Some(Box::new(strategy));
        self
    }

    /// What happens around the file; each run works on its own clone.
    pub fn process_file_strategy(mut self, strategy: impl ProcessFileStrategy) -> Self {
        self.process = Some(Box::new(strategy));
        self
    }

    /// Who hears of every task; default: nobody.
    pub fn monitor(mut self, monitor: impl Monitor) -> Self {
        self.monitor = Some(Arc::new(monitor));
        self
    }

    /// Where listeners and the monitor are called. Default: on a thread of the engine's own; with
    /// [`runtime`](OkDownloadBuilder::runtime), on that runtime.
    pub fn callback_executor(mut self, executor: impl CallbackExecutor) -> Self {
        self.executor = Some(Arc::new(executor));
        self
    }

    /// The runtime to work on, with I/O and time enabled, which has to live as long as the engine: if it is shut down
    /// while a task runs, all tasks end with an error. Default: a small one of the engine's own, started on first use, so that the engine
    /// works from synchronous code and under any executor.
    pub fn runtime(mut self, handle: Handle) -> Self {
        self.runtime = Some(handle);
        self
    }

    /// The name of the default database; default: the program's.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How many tasks may run at a time; default 5.
    pub fn max_parallel_running_count(mut self, count: NonZeroUsize) -> Self {
        self.max_parallel = count;
        self
    }

    /// How many tasks of one host (and port) may run at a time; default: as many as may run at all. A task counts for
    /// the host of its URL, wherever that redirects to and whatever mirrors it has.
    pub fn max_running_per_host(mut self, count: Option<NonZeroUsize>) -> Self {
        self.per_host = count;
        self
    }

    /// The most bytes a second of all tasks together; default unlimited.
    pub fn rate_limit(mut self, bytes_per_second: Option<NonZeroU64>) -> Self {
        self.rate_limit = bytes_per_second;
        self
    }

    /// What all randomness (the jitter of waits) comes from; default: another one each time.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How often progress is recorded while bytes move; default 20 ms.
    pub fn record_interval(mut self, interval: Duration) -> Self {
        self.record_interval = interval;
        self
    }

    /// How often data is synced in the background, with durability *power*; default 2 s.
    pub fn sync_interval(mut self, interval: Duration) -> Self {
        self.sync_interval = interval;
        self
    }

    /// How long the first record of a task may wait; default 1.5 s.
    pub fn remit_delay(mut self, delay: Duration) -> Self {
        self.remit_delay = delay;
        self
    }

    /// The engine. Touches no disk and starts no thread.
    ///
    /// # Errors
    /// [`Misuse`](okdownload_types::ErrorKind::Misuse), naming the feature, if a part is neither given nor compiled in.
    pub fn build(self) -> Result<OkDownload> {
        let settings = self.clone();
        let executor = match (self.executor, &self.runtime) {
            (Some(executor), _) => executor,
            (None, Some(_)) => Arc::new(InlineExecutor) as Arc<dyn CallbackExecutor>,
            (None, None) => Arc::new(OwnExecutor::default()),
        };
        let parts = Parts {
            connection: self.connection.map_or_else(defaults::connection, Ok)?,
            output: self.output.map_or_else(defaults::output, Ok)?,
            store: match self.store {
                Some(store) => store,
                None => defaults::store(self.name.as_deref())?,
            },
            strategy: self.strategy.unwrap_or_else(|| Box::new(DefaultDownloadStrategy)),
            process: self.process.unwrap_or_else(|| Box::new(DefaultProcessFileStrategy)),
            executor,
        };
        let clock = {
            let begin = std::sync::OnceLock::new();
            Arc::new(move || begin.get_or_init(Instant::now).elapsed())
        };
        let remit = Remit::new(parts.store.clone(), self.remit_delay, Remit::THRESHOLD, clock);
        Ok(OkDownload::from_engine(Engine {
            dispatcher: Dispatcher::new(self.max_parallel, self.per_host),
            home: Home::new(self.runtime),
            recorder: Arc::new(Recorder::new(remit, self.record_interval)),
            sync_interval: self.sync_interval,
            space: Arc::default(),
            throttle: Arc::new(Throttle::new(self.rate_limit)),
            random: Mutex::new(self.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed)),
            spawned: TaskTracker::new(),
            ticking: Mutex::default(),
            settings,
            monitor: Mutex::new(self.monitor),
            parts,
        }))
    }
}

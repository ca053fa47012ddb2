//! The engine and its parts, as the command line wants them.

use std::num::{NonZeroU64, NonZeroUsize};

use okdownload::OkDownload;
use okdownload::connection::ReqwestConnectionFactory;
use tokio::runtime::{Builder, Runtime};

use crate::args::{Args, BackendArg};
use crate::report::{Console, Failure, describe};
use crate::state::StoreChoice;

/// What the engine will be made of. Nothing is opened yet.
#[derive(Debug)]
pub(crate) struct Setup {
    store: StoreChoice,
    connection: ReqwestConnectionFactory,
    rate: Option<NonZeroU64>,
    pub(crate) parallel: NonZeroUsize,
}

impl Setup {
    pub(crate) fn new(args: &Args) -> Result<Self, Failure> {
        if args.backend == BackendArg::Isahc {
            return Err(Failure::usage("--backend isahc is not built yet; use --backend reqwest"));
        }
        Ok(Self {
            store: StoreChoice::parse(args.store.as_deref())?,
            connection: connection(args)?,
            rate: args.limit_rate.and_then(NonZeroU64::new),
            parallel: NonZeroUsize::new(args.parallel as usize).unwrap_or(NonZeroUsize::MIN),
        })
    }

    /// Opens the store, and puts the engine together on the runtime that this is called on.
    pub(crate) async fn engine(self, console: &Console) -> Result<OkDownload, Failure> {
        let store = self.store.open(console).await?;
        OkDownload::builder()
            .connection_factory(self.connection)
            .download_store(store)
            .rate_limit(self.rate)
            .max_parallel_running_count(self.parallel)
            .runtime(tokio::runtime::Handle::current())
            .build()
            .map_err(|error| Failure::Other(describe(&error)))
    }
}

fn connection(args: &Args) -> Result<ReqwestConnectionFactory, Failure> {
    let mut factory = ReqwestConnectionFactory::new();
    if let Some(url) = &args.proxy {
        factory = factory.proxy(url).map_err(|error| Failure::Usage(format!("--proxy: {error}")))?;
    }
    if let Some(path) = &args.cacert {
        let wrong =
            |error: &dyn std::fmt::Display| Failure::Usage(format!("--cacert {}: {error}", path.display()));
        let pem = std::fs::read(path).map_err(|error| wrong(&error))?;
        factory = factory.root_certificates_pem(&pem).map_err(|error| wrong(&error))?;
    }
    Ok(factory)
}

/// Two workers keep a fast link busy; more only wake each other up.
pub(crate) fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).thread_name("okdl").enable_all().build()
}

//! The engine and its parts, as the command line wants them.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::sync::Arc;

use okdownload::OkDownload;
use okdownload::connection::{ConnectionFactory, IsahcConnectionFactory, ReqwestConnectionFactory};
use okdownload::output::{FileOutput, UriOutput};
use tokio::runtime::{Builder, Runtime};

use crate::options::{RequestArgs, StateArgs, TransferArgs};
use crate::report::{Console, Failure, describe};
use crate::state::{Opened, StoreChoice};
use crate::values::BackendArg;

/// What the engine will be made of. Nothing is opened yet.
#[derive(Debug)]
pub(crate) struct Setup {
    store: StoreChoice,
    connection: Arc<dyn ConnectionFactory>,
    rate: Option<NonZeroU64>,
    per_host: Option<NonZeroUsize>,
    pub(crate) parallel: NonZeroUsize,
}

impl Setup {
    /// For a command that transfers nothing to anywhere.
    pub(crate) fn of_requests(requests: &RequestArgs) -> Result<Self, Failure> {
        Ok(Self { connection: connection(requests)?, ..Self::of_store(StoreChoice::Memory) })
    }

    /// For a command that makes no request.
    pub(crate) fn of_state(state: &StateArgs) -> Result<Self, Failure> {
        Ok(Self::of_store(StoreChoice::parse(state.store.as_deref())?))
    }

    fn of_store(store: StoreChoice) -> Self {
        let connection = Arc::new(ReqwestConnectionFactory::new());
        Self { store, connection, rate: None, per_host: None, parallel: NonZeroUsize::MIN }
    }

    pub(crate) fn new(
        state: &StateArgs,
        requests: &RequestArgs,
        transfer: &TransferArgs,
    ) -> Result<Self, Failure> {
        let count = |count: u32| NonZeroUsize::new(count as usize);
        Ok(Self {
            store: StoreChoice::parse(state.store.as_deref())?,
            connection: connection(requests)?,
            rate: transfer.limit_rate.and_then(NonZeroU64::new),
            per_host: transfer.per_host.and_then(count),
            parallel: count(transfer.parallel).unwrap_or(NonZeroUsize::MIN),
        })
    }

    /// Opens the store, and puts the engine together on the runtime that this is called on.
    pub(crate) async fn engine(self, console: &Console) -> Result<OkDownload, Failure> {
        self.lasting_engine(console).await.map(|(engine, _)| engine)
    }

    /// The engine, and whether what it records outlives this process.
    pub(crate) async fn lasting_engine(self, console: &Console) -> Result<(OkDownload, bool), Failure> {
        let Opened { store, lasts } = self.store.open(console).await?;
        let engine = OkDownload::builder()
            .connection_factory(self.connection)
            .output_stream_factory(UriOutput::builder().files(FileOutput::in_place()).build())
            .download_store(store)
            .rate_limit(self.rate)
            .max_running_per_host(self.per_host)
            .max_parallel_running_count(self.parallel)
            .runtime(tokio::runtime::Handle::current())
            .build()
            .map_err(|error| Failure::Other(describe(&error)))?;
        Ok((engine, lasts))
    }
}

fn connection(args: &RequestArgs) -> Result<Arc<dyn ConnectionFactory>, Failure> {
    // Not while the command line is read: the one may be typed, and the other stand in the configuration file.
    if args.key.is_some() && args.cert.is_none() {
        return Err(wrong("--key", &"it is of use only with --cert"));
    }
    let authorities = args.cacert.as_deref().map(authorities).transpose()?;
    // Two clients that are set up in the same words.
    macro_rules! set_up {
        ($factory:ty) => {{
            let made = <$factory>::new().http2(args.http2);
            let mut factory = made.map_err(|error| wrong("--http2", &error))?;
            if let Some(url) = &args.proxy {
                factory = factory.proxy(url).map_err(|error| wrong("--proxy", &error))?;
            }
            if let Some((name, pem)) = &authorities {
                factory = factory.root_certificates_pem(pem).map_err(|error| wrong(name, &error))?;
            }
            if let Some(certificate) = &args.cert {
                let key = args.key.as_ref().unwrap_or(certificate);
                let made = factory.client_certificate(certificate, key);
                factory = made.map_err(|error| wrong("--cert and --key", &error))?;
            }
            Ok(Arc::new(factory))
        }};
    }
    match args.backend.unwrap_or(BackendArg::Reqwest) {
        BackendArg::Reqwest => set_up!(ReqwestConnectionFactory),
        BackendArg::Isahc => set_up!(IsahcConnectionFactory),
    }
}

/// The file's certificates, and how to name it.
fn authorities(path: &Path) -> Result<(String, Vec<u8>), Failure> {
    let name = format!("--cacert {}", path.display());
    let pem = std::fs::read(path).map_err(|error| wrong(&name, &error))?;
    Ok((name, pem))
}

fn wrong(option: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::Usage(format!("{option}: {error}"))
}

/// Two workers keep a fast link busy; more only wake each other up.
pub(crate) fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).thread_name("okdl").enable_all().build()
}

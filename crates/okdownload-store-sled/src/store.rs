//! The store: every call is a job for its thread.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use async_trait::async_trait;
use futures_channel::oneshot;
use okdownload_store::{Change, CommitLevel, DownloadStore, StoreCapability, Survives};
use okdownload_types::{BreakpointInfo, CompletionRecord, Error, ErrorKind, Location, Result, TaskId};
use url::Url;

use crate::SledStoreBuilder;
use crate::database::Database;
use crate::error::Failure;
use crate::session::Session;
use crate::worker::{self, Batch, Job};

/// A store in a sled database, which is a directory.
///
/// The first call opens the database, and makes it and the directories above, readable for their owner only, if they
/// are not there. One store of one process at a time may have it: for a second one every call is a
/// [`Store`](ErrorKind::Store) error with advice, until the first is closed or dropped.
///
/// A database that is damaged or belongs to another program is moved to `name.damaged-<n>`, never deleted (but sled may
/// have dropped what it could not read), and a new one is made; [`on_warning`](SledStoreBuilder::on_warning) hears of
/// it. A database of a newer version is left alone: [`StoreTooNew`](ErrorKind::StoreTooNew). A directory with other
/// files in it is an error, and is not touched.
///
/// # What survives
/// A commit returns after its flush, so it survives the death of the process ([`Survives::Process`]). Of the loss of
/// power sled's documentation says that all which was flushed "will be recovered if the system crashes", and that a
/// batch is recovered whole or not at all. A commit for [`CommitLevel::Power`] flushes, and then syncs sled's files as
/// well (on Linux the flush alone does not). That is sled's word: it calls itself beta and names SQLite for whom
/// reliability comes first, and nobody here has tested it; so this store does not claim more than `Process`.
///
/// Damage in the middle of its log sled takes for the end of it, and drops what comes after without a word: what is read
/// is a state that was committed once, but perhaps an old one.
///
/// A call whose future is dropped may still happen.
pub struct SledStore {
    config: SledStoreBuilder,
    thread: Mutex<Option<Sender<Job>>>,
}

impl SledStore {
    /// A store at this path. Touches no disk until it is used.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::builder(path).build()
    }

    /// The same with choices.
    pub fn builder(path: impl Into<PathBuf>) -> SledStoreBuilder {
        SledStoreBuilder::new(path.into())
    }

    pub(crate) fn of(config: SledStoreBuilder) -> Self {
        Self { config, thread: Mutex::default() }
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.config.path
    }

    /// Hands the job to the thread; starts one if there is none, or if it died of a bug.
    fn send(&self, job: Job) -> Result<()> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let job = match &*thread {
            None => job,
            Some(sender) => match sender.send(job) {
                Ok(()) => return Ok(()),
                Err(unsent) => unsent.0,
            },
        };
        let sender = start(Session::new(self.config.clone()))?;
        let sent = sender.send(job);
        *thread = Some(sender);
        sent.map_err(|_| gone())
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&Database) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Call(Box::new(move |session| {
            if !reply.is_canceled() {
                let _ = reply.send(session.run(&|database| work(database)));
            }
        })))?;
        answer.await.map_err(|_| gone())?
    }
}

fn start(session: Session) -> Result<Sender<Job>> {
    let (sender, jobs) = mpsc::channel();
    let thread = thread::Builder::new().name("okdownload-sled".into());
    thread.spawn(move || worker::run(&jobs, session)).map_err(|error| {
        Error::new(ErrorKind::Store, "cannot start the store's thread").with_source(error)
    })?;
    Ok(sender)
}

fn gone() -> Error {
    Error::new(ErrorKind::Unexpected, "the thread of the database ended")
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore").field("path", &self.config.path).finish_non_exhaustive()
    }
}

#[async_trait]
impl DownloadStore for SledStore {
    fn capability(&self) -> StoreCapability {
        StoreCapability::new(Survives::Process, false)
    }

    async fn breakpoint(&self, id: TaskId) -> Result<Option<BreakpointInfo>> {
        self.read(move |database| database.breakpoint(id)).await
    }

    async fn completion(&self, id: TaskId) -> Result<Option<CompletionRecord>> {
        self.read(move |database| database.completion(id)).await
    }

    async fn breakpoints_at(&self, location: &Location) -> Result<Vec<BreakpointInfo>> {
        let location = location.to_bytes();
        self.read(move |database| database.breakpoints_at(&location)).await
    }

    async fn unfinished(&self) -> Result<Vec<BreakpointInfo>> {
        self.read(Database::unfinished).await
    }

    async fn completed(&self) -> Result<Vec<CompletionRecord>> {
        self.read(Database::completed).await
    }

    async fn response_filename(&self, url: &Url) -> Result<Option<String>> {
        let url = url.to_string();
        self.read(move |database| database.response_filename(&url)).await
    }

    async fn commit(&self, changes: Vec<Change>, level: CommitLevel) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Commit(Batch { changes, level, reply }))?;
        answer.await.map_err(|_| gone())?
    }

    async fn close(&self) -> Result<()> {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return Ok(()) };
        let (reply, answer) = oneshot::channel();
        if thread.send(Job::Close(reply)).is_err() {
            return Ok(()); // it is gone, and the file with it
        }
        drop(thread);
        answer.await.map_err(|_| gone())?
    }
}

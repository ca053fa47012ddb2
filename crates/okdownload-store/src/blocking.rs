//! A store over a database whose calls block, as those of nearly every database do.
//!
//! Write what the database does, call by call, as a [`BlockingStore`]; say how it is opened, as an [`Opener`] or simply
//! as a closure; and [`Blocking`] makes a [`DownloadStore`] of it. What you need not write: the thread that has the
//! database, opening it when it is first needed and again after a close, sharing one transaction among commits that
//! wait at the same time, and taking them apart again when one of them is refused.
//!
//! ```
//! # use std::{collections::BTreeMap, io, path::{Path, PathBuf}};
//! use okdownload_store::blocking::{Blocking, BlockingStore, Failure};
//! use okdownload_store::{Change, CommitLevel, StoreCapability, Survives};
//! # use okdownload_types::{BreakpointInfo, CompletionRecord, Location, TaskId};
//! # use url::Url;
//!
//! struct MyDatabase { /* … */ }
//!
//! impl MyDatabase {
//!     fn open(path: &Path) -> Result<Self, Failure> {
//!         Ok(Self { /* … */ })
//!     }
//! }
//!
//! impl BlockingStore for MyDatabase {
//!     fn commit(&mut self, changes: &[&Change], level: CommitLevel) -> Result<(), Failure> {
//!         // Begin a transaction, make the changes, commit it.
//! #       Ok(())
//!     }
//!     // … and the calls that read
//! #   fn breakpoint(&mut self, _: TaskId) -> Result<Option<BreakpointInfo>, Failure> { Ok(None) }
//! #   fn completion(&mut self, _: TaskId) -> Result<Option<CompletionRecord>, Failure> { Ok(None) }
//! #   fn breakpoints_at(&mut self, _: &Location) -> Result<Vec<BreakpointInfo>, Failure> { Ok(vec![]) }
//! #   fn unfinished(&mut self) -> Result<Vec<BreakpointInfo>, Failure> { Ok(vec![]) }
//! #   fn completed(&mut self) -> Result<Vec<CompletionRecord>, Failure> { Ok(vec![]) }
//! #   fn response_filename(&mut self, _: &Url) -> Result<Option<String>, Failure> { Ok(None) }
//! #   fn close(self) -> Result<(), Failure> { Ok(()) }
//! }
//!
//! let path = PathBuf::from("/var/lib/my-program/downloads.db");
//! let capability = StoreCapability::new(Survives::Process, false);
//! let store = Blocking::new("my-store", capability, move || MyDatabase::open(&path));
//! ```

mod session;
mod worker;

use std::fmt;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_channel::oneshot;
use okdownload_types::{BreakpointInfo, CompletionRecord, Error, ErrorKind, Location, Result, TaskId};
use url::Url;

use crate::{Change, CommitLevel, DownloadStore, Recalled, StoreCapability};
use worker::{Batch, Job};

/// Why a call failed, and what becomes of the open database.
///
/// `?` makes a [`Refused`](Failure::Refused) of an [`Error`].
#[derive(Debug)]
pub enum Failure {
    /// The call failed, and that is all: the database stays open.
    Refused(Error),
    /// The open database is of no use any more: it is [abandoned](BlockingStore::abandon), and the next call opens it
    /// again.
    Lost(Error),
    /// The database itself may be to blame: it is abandoned and [recovered](Opener::recover), and the call is made once
    /// more.
    Damaged(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl Failure {
    /// What the caller is told.
    pub fn into_error(self) -> Error {
        match self {
            Self::Refused(error) | Self::Lost(error) | Self::Damaged(error) => error,
        }
    }
}

/// An open database. Each method is the one of [`DownloadStore`] with its name, and may block.
///
/// # Contract
/// - One thread opens it, calls it and closes it, one call after the other, so it need not be `Send`.
/// - [`commit`](BlockingStore::commit) is all or nothing. After `Ok` the batch survives what its level says, as far as
///   the [capability](StoreCapability) goes.
/// - A call may be made twice: after a recovery, and when a transaction that several batches shared was refused. So a
///   commit that fails must have changed nothing.
/// - All else that [`DownloadStore`] says of records, of their order and of errors holds here too.
/// - A panic, also of the [`Opener`], is an error of the kind [`Unexpected`](ErrorKind::Unexpected) for who made that
///   call, and the database is abandoned. The next call opens it again.
pub trait BlockingStore: Sized + 'static {
    /// The breakpoint of this id.
    ///
    /// # Errors
    /// If it can't be read.
    fn breakpoint(&mut self, id: TaskId) -> Result<Option<BreakpointInfo>, Failure>;

    /// The completion record of this id.
    ///
    /// # Errors
    /// If it can't be read.
    fn completion(&mut self, id: TaskId) -> Result<Option<CompletionRecord>, Failure>;

    /// The breakpoints whose finished file goes to this place.
    ///
    /// # Errors
    /// If they can't be read.
    fn breakpoints_at(&mut self, location: &Location) -> Result<Vec<BreakpointInfo>, Failure>;

    /// The three above in one go, the last if there is a place.
    ///
    /// # Errors
    /// If one of them can't be read.
    fn recall(&mut self, id: TaskId, place: Option<&Location>) -> Result<Recalled, Failure> {
        let (breakpoint, completion) = (self.breakpoint(id)?, self.completion(id)?);
        let at_place = place.map_or(Ok(Vec::new()), |place| self.breakpoints_at(place))?;
        Ok(Recalled { breakpoint, completion, at_place })
    }

    /// All breakpoints, the oldest first.
    ///
    /// # Errors
    /// If they can't be read.
    fn unfinished(&mut self) -> Result<Vec<BreakpointInfo>, Failure>;

    /// All completion records, the oldest first.
    ///
    /// # Errors
    /// If they can't be read.
    fn completed(&mut self) -> Result<Vec<CompletionRecord>, Failure>;

    /// Under which name the response to this URL was last kept.
    ///
    /// # Errors
    /// If it can't be read.
    fn response_filename(&mut self, url: &Url) -> Result<Option<String>, Failure>;

    /// Makes these changes in their order, in one transaction. They may be those of several batches that waited at the
    /// same time; `level` is the highest of theirs.
    ///
    /// # Errors
    /// If it can't be written, or refuses one of the changes; then nothing has changed.
    fn commit(&mut self, changes: &[&Change], level: CommitLevel) -> Result<(), Failure>;

    /// Writes back what is held back, and lets go of files and locks. Called at [`DownloadStore::close`] and when the
    /// store is dropped.
    ///
    /// # Errors
    /// If it can't be written. Files and locks are let go of in any case.
    fn close(self) -> Result<(), Failure>;

    /// Lets go of files and locks after an error which says that nothing here is of use any more; nothing need be
    /// written. By default it is simply dropped.
    fn abandon(self) {}
}

/// Opens a database. Implemented for closures that open one and leave the recovery out.
pub trait Opener: Send + Sync + 'static {
    /// What it opens.
    type Store: BlockingStore;

    /// Opens the database; makes it if it is not there.
    ///
    /// # Errors
    /// If it can't be opened or made. With [`Failure::Damaged`] it is recovered and opened once more.
    fn open(&self) -> Result<Self::Store, Failure>;

    /// Has a closer look at a database that gave this error (it is not open now), and mends what it can, such as by
    /// moving it aside. Another process may have done so already. After `Ok` the call that failed is made once more.
    ///
    /// By default nothing can be mended.
    ///
    /// # Errors
    /// What the caller is told.
    fn recover(&self, error: Error) -> Result<(), Failure> {
        Err(Failure::Refused(error))
    }
}

impl<F, S> Opener for F
where
    F: Fn() -> Result<S, Failure> + Send + Sync + 'static,
    S: BlockingStore,
{
    type Store = S;

    fn open(&self) -> Result<S, Failure> {
        self()
    }
}

/// A [`DownloadStore`] over a database whose calls block.
///
/// A thread of its own has the database, from the first call to [`close`](DownloadStore::close) or the drop of the
/// store. It opens the database at the first call that needs it. Commits that wait at the same time are made together;
/// if that fails, each is made by itself, so one that is refused harms no other.
///
/// A call whose future is dropped may still happen; reads that nobody waits for any more are left out.
pub struct Blocking<O: Opener> {
    name: &'static str,
    capability: StoreCapability,
    opener: Arc<O>,
    thread: Mutex<Option<Sender<Job<O>>>>,
}

impl<O: Opener> Blocking<O> {
    /// The store over what `opener` opens. `name` is the thread's; nothing is opened yet, nor started.
    pub fn new(name: &'static str, capability: StoreCapability, opener: O) -> Self {
        Self { name, capability, opener: Arc::new(opener), thread: Mutex::default() }
    }

    /// What opens the database.
    pub fn opener(&self) -> &O {
        &self.opener
    }

    /// Hands the job to the thread; starts one if there is none, or if it died of a bug.
    fn send(&self, job: Job<O>) -> Result<()> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let job = match &*thread {
            None => job,
            Some(sender) => match sender.send(job) {
                Ok(()) => return Ok(()),
                Err(unsent) => unsent.0,
            },
        };
        let sender = worker::start(self.name, self.opener.clone())?;
        let sent = sender.send(job);
        *thread = Some(sender);
        sent.map_err(|_| gone())
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut O::Store) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Call(Box::new(move |session| {
            if !reply.is_canceled() {
                let _ = reply.send(session.run(&work));
            }
        })))?;
        answer.await.map_err(|_| gone())?
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Unexpected, "the thread of the database ended")
}

impl<O: Opener> fmt::Debug for Blocking<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl<O: Opener> DownloadStore for Blocking<O> {
    fn capability(&self) -> StoreCapability {
        self.capability
    }

    async fn breakpoint(&self, id: TaskId) -> Result<Option<BreakpointInfo>> {
        self.read(move |database| database.breakpoint(id)).await
    }

    async fn completion(&self, id: TaskId) -> Result<Option<CompletionRecord>> {
        self.read(move |database| database.completion(id)).await
    }

    async fn breakpoints_at(&self, location: &Location) -> Result<Vec<BreakpointInfo>> {
        let location = location.clone();
        self.read(move |database| database.breakpoints_at(&location)).await
    }

    async fn recall(&self, id: TaskId, place: Option<&Location>) -> Result<Recalled> {
        let place = place.cloned();
        self.read(move |database| database.recall(id, place.as_ref())).await
    }

    async fn unfinished(&self) -> Result<Vec<BreakpointInfo>> {
        self.read(O::Store::unfinished).await
    }

    async fn completed(&self) -> Result<Vec<CompletionRecord>> {
        self.read(O::Store::completed).await
    }

    async fn response_filename(&self, url: &Url) -> Result<Option<String>> {
        let url = url.clone();
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
            return Ok(()); // it is gone, and the database with it
        }
        drop(thread);
        answer.await.map_err(|_| gone())?
    }
}

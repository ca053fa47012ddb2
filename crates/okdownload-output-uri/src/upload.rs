//! An open part: bytes on their way to a service.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_lock::Mutex;
use async_trait::async_trait;
use bytes::Bytes;
use okdownload_output::{CommitOptions, Consumer, OutputStream};
use okdownload_types::{FileIdentity, Location, Result};
use opendal::options::{RenameOptions, WriteOptions};
use opendal::{Buffer, Capability, EntryMode, ErrorKind as Native, Metadata, Operator, Writer};

use crate::busy::Claim;
use crate::factory::{Shared, metadata};
use crate::interrupt::Interrupt;
use crate::place::Remote;
use crate::{chunk, error, operators};

/// The longest file for a service that takes it in one piece only: it has to be held until it is whole.
const ONE_PIECE: u64 = 64 << 20;

/// Where the bytes go.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) operator: Operator,
    pub(crate) remote: Remote,
    pub(crate) location: Location,
    pub(crate) interrupt: Interrupt,
}

/// The stream.
#[derive(Debug)]
pub(crate) struct Upload {
    object: Object,
    shared: Arc<Shared>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// How many bytes were taken.
    length: u64,
    /// How many there will be, if that was said.
    expected: Option<u64>,
    /// Until it is closed.
    claim: Option<Claim>,
}

enum State {
    /// No more than one chunk so far; the service knows nothing.
    Gathered(Vec<Bytes>),
    /// The service has some of it.
    Sending(Sending),
    /// The service has all of it, under the part's name.
    Sent,
    /// A call failed. Nothing can be done but to give up.
    Failed(Option<Sending>),
    Closed,
}

struct Sending {
    writer: Writer,
    /// Whether the service was told to complete it only if there is no such object.
    only_new: bool,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gathered(_) => "Gathered",
            Self::Sending(_) => "Sending",
            Self::Sent => "Sent",
            Self::Failed(_) => "Failed",
            Self::Closed => "Closed",
        })
    }
}

impl Upload {
    pub(crate) fn new(object: Object, claim: Claim, shared: Arc<Shared>) -> Self {
        let inner =
            Inner { state: State::Gathered(Vec::new()), length: 0, expected: None, claim: Some(claim) };
        Self { object, shared, inner: Mutex::new(inner) }
    }

    /// Gives the whole part its name. Nobody else looks for a free one meanwhile.
    async fn rename(&self, key: &str, to: &Location, replace: bool) -> Result<()> {
        let naming = async { Ok(self.shared.naming.lock().await) };
        let _naming = self.object.unless_interrupted(naming).await?;
        self.object.rename(key, to, replace).await
    }
}

#[async_trait]
impl OutputStream for Upload {
    fn identity(&self) -> Option<FileIdentity> {
        None
    }

    fn initial_length(&self) -> u64 {
        0
    }

    async fn write_at(&self, offset: u64, data: Vec<Bytes>) -> Result<()> {
        let mut inner = self.inner.lock().await;
        inner.check(&self.object)?;
        if offset != inner.length {
            return Err(error::not_in_order(&self.object.location, offset, inner.length));
        }
        inner.take(&self.object, data).await
    }

    async fn read_at(&self, _offset: u64, _length: usize) -> Result<Bytes> {
        Err(error::unsupported("bytes on their way cannot be read back", &self.object.location))
    }

    async fn scan(&self, _range: Range<u64>, _consumer: Consumer) -> Result<()> {
        Err(error::unsupported("bytes on their way cannot be read back", &self.object.location))
    }

    /// Nothing is reserved; but the length says how large the pieces have to be.
    async fn preallocate(&self, length: u64) -> Result<()> {
        let mut inner = self.inner.lock().await;
        inner.check(&self.object)?;
        self.object.check_length(length)?;
        inner.expected = inner.expected.max(Some(length));
        Ok(())
    }

    async fn set_length(&self, length: u64) -> Result<()> {
        let inner = self.inner.lock().await;
        inner.check(&self.object)?;
        match (inner.length, length) {
            (0, 0) => Ok(()),
            _ => Err(error::unsupported("the length of an upload cannot be set", &self.object.location)),
        }
    }

    async fn flush_and_sync(&self) -> Result<()> {
        self.inner.lock().await.check(&self.object)
    }

    async fn commit(&self, to: &Location, options: CommitOptions) -> Result<()> {
        let remote = Remote::of(to)?.ok_or_else(|| error::elsewhere(&self.object.location, to))?;
        // An unknown scheme is said to be one, here as everywhere.
        self.shared.operators.get(&remote)?;
        remote.check_object(to)?;
        let mut inner = self.inner.lock().await;
        inner.check_sent(&self.object)?;
        if self.object.hides_parts() {
            if remote != self.object.remote {
                return Err(error::elsewhere(&self.object.location, to));
            }
            inner.complete(&self.object, options.replace).await?;
        } else {
            if !remote.is_beside(&self.object.remote) {
                return Err(error::elsewhere(&self.object.location, to));
            }
            inner.finish(&self.object).await?;
            self.rename(&remote.key, to, options.replace).await?;
            inner.state = State::Closed;
            if options.durable {
                self.shared.disk.sync_name(&self.object.operator, &remote.key, to).await?;
            }
        }
        (inner.state, inner.claim) = (State::Closed, None);
        Ok(())
    }

    /// All that waits for the service ends, but for what gives the object its name: nobody would know whether it has it.
    fn interrupt(&self) {
        self.object.interrupt.ask();
    }

    async fn abort(&self) -> Result<()> {
        let mut inner = self.inner.lock().await;
        // Who opens the part next must not have it taken away.
        let _claim = inner.claim.take();
        let state = std::mem::replace(&mut inner.state, State::Closed);
        self.object.discard(state).await
    }

    /// As [`abort`](OutputStream::abort): nobody could open it again.
    async fn close(&self) -> Result<()> {
        self.abort().await
    }
}

impl Inner {
    /// That bytes can still be taken.
    fn check(&self, object: &Object) -> Result<()> {
        object.check_interrupt()?;
        match self.state {
            State::Gathered(_) | State::Sending(_) => Ok(()),
            State::Sent | State::Failed(_) => Err(error::broken(&object.location)),
            State::Closed => Err(error::closed(&object.location)),
        }
    }

    /// That it can still be given its name.
    fn check_sent(&self, object: &Object) -> Result<()> {
        if matches!(self.state, State::Sent) { object.check_interrupt() } else { self.check(object) }
    }

    /// Takes the next bytes.
    async fn take(&mut self, object: &Object, data: Vec<Bytes>) -> Result<()> {
        let size: u64 = data.iter().map(|piece| piece.len() as u64).sum();
        let length = self.length + size;
        let capability = object.capability();
        let chunk = chunk::size(self.expected, &capability);
        if let State::Gathered(gathered) = &mut self.state {
            object.check_length(length)?;
            if length <= chunk || !capability.write_can_multi {
                gathered.extend(data.into_iter().filter(|piece| !piece.is_empty()));
                self.length = length;
                return Ok(());
            }
            self.begin(object).await?;
        }
        self.send(object, data).await?;
        self.length = length;
        Ok(())
    }

    /// Begins to send: what was gathered goes first. After an error it has failed.
    async fn begin(&mut self, object: &Object) -> Result<()> {
        let State::Gathered(gathered) = &mut self.state else { return Ok(()) };
        let gathered = std::mem::take(gathered);
        self.state = State::Failed(None);
        let only_new =
            object.can_insist_on_new() && object.find(&object.remote.key, &object.location).await?.is_none();
        let chunk = chunk::size(self.expected, &object.capability());
        self.state = State::Sending(object.unless_interrupted(object.start(chunk, only_new)).await?);
        self.send(object, gathered).await
    }

    async fn send(&mut self, object: &Object, data: Vec<Bytes>) -> Result<()> {
        let State::Sending(sending) = &mut self.state else { return Ok(()) };
        let sent = async {
            let sent = sending.writer.write(Buffer::from(data)).await;
            sent.map_err(|e| error::at("cannot send the file", &object.location, &e))
        };
        object.unless_interrupted(sent).await.map_err(|error| self.fail(error))
    }

    fn fail(&mut self, error: okdownload_types::Error) -> okdownload_types::Error {
        self.state = match std::mem::replace(&mut self.state, State::Failed(None)) {
            State::Sending(sending) => State::Failed(Some(sending)),
            other => other,
        };
        error
    }

    /// Completes the object, which makes it appear.
    async fn complete(&mut self, object: &Object, replace: bool) -> Result<()> {
        let cannot = |e: &opendal::Error| error::at("cannot complete the upload", &object.location, e);
        let insists = match &self.state {
            State::Sending(sending) => sending.only_new,
            _ => !replace && object.can_insist_on_new(),
        };
        if !replace && !insists {
            object.check_free(&object.remote.key, &object.location, replace).await?;
        }
        match &mut self.state {
            // It can be sent again, so a commit that failed may be repeated.
            State::Gathered(gathered) => {
                object.put(gathered.clone(), insists).await.map_err(|e| match e.kind() {
                    Native::ConditionNotMatch | Native::AlreadyExists => error::taken(&object.location),
                    _ => cannot(&e),
                })
            }
            State::Sending(sending) => {
                let completed = sending.writer.close().await;
                completed.map(|_| ()).map_err(|e| {
                    self.fail(match e.kind() {
                        Native::ConditionNotMatch if replace => error::appeared(&object.location),
                        Native::ConditionNotMatch => error::taken(&object.location),
                        _ => cannot(&e),
                    })
                })
            }
            _ => Ok(()),
        }
    }

    /// Sends all that is left, so that the part is whole.
    async fn finish(&mut self, object: &Object) -> Result<()> {
        self.begin(object).await?;
        if let State::Sending(sending) = &mut self.state {
            let finished = async {
                let finished = sending.writer.close().await;
                finished.map_err(|e| error::at("cannot finish the part", &object.location, &e))
            };
            object.unless_interrupted(finished).await.map_err(|error| self.fail(error))?;
            self.state = State::Sent;
        }
        Ok(())
    }
}

impl Object {
    fn capability(&self) -> Capability {
        self.operator.info().capability()
    }

    fn check_interrupt(&self) -> Result<()> {
        if self.interrupt.is_asked() { Err(error::interrupted(&self.location)) } else { Ok(()) }
    }

    /// Waits for the service, unless nobody wants that any more.
    async fn unless_interrupted<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.interrupt.race(work).await.unwrap_or_else(|| Err(error::interrupted(&self.location)))
    }

    /// What stands at this key.
    async fn find(&self, key: &str, location: &Location) -> Result<Option<Metadata>> {
        self.unless_interrupted(metadata(&self.operator, key, location)).await
    }

    fn hides_parts(&self) -> bool {
        operators::hides_parts(&self.operator)
    }

    /// Whether the service itself can see to it that nothing is replaced.
    fn can_insist_on_new(&self) -> bool {
        self.hides_parts() && self.capability().write_with_if_not_exists
    }

    /// That an object may be so long.
    fn check_length(&self, length: u64) -> Result<()> {
        let capability = self.capability();
        let most = capability.write_total_max_size.map_or(u64::MAX, |most| most as u64);
        if length > most {
            return Err(error::too_long("the service takes no file that long", &self.location, most));
        }
        // Memory is what that one is made of.
        let in_memory = self.operator.info().scheme() == "memory";
        if length > ONE_PIECE && !capability.write_can_multi && !in_memory {
            let what = "the service takes a file in one piece only, and this one is too long to be held";
            return Err(error::too_long(what, &self.location, ONE_PIECE));
        }
        Ok(())
    }

    async fn start(&self, chunk: u64, only_new: bool) -> Result<Sending> {
        let multi = self.capability().write_can_multi;
        let options = WriteOptions {
            if_not_exists: only_new,
            chunk: multi.then(|| usize::try_from(chunk).unwrap_or(usize::MAX)),
            // Pieces of a file must not overtake each other, pieces of an object may.
            concurrent: if self.hides_parts() { chunk::concurrency(chunk) } else { 1 },
            ..WriteOptions::default()
        };
        let writer = self.operator.writer_options(&self.remote.key, options).await;
        let writer = writer.map_err(|e| error::at("cannot begin to send the file", &self.location, &e))?;
        Ok(Sending { writer, only_new })
    }

    /// Sends the whole object at once.
    async fn put(&self, data: Vec<Bytes>, only_new: bool) -> opendal::Result<()> {
        let options = WriteOptions { if_not_exists: only_new, ..WriteOptions::default() };
        self.operator.write_options(&self.remote.key, Buffer::from(data), options).await.map(|_| ())
    }

    /// That nothing has this name that may not be replaced.
    async fn check_free(&self, key: &str, to: &Location, replace: bool) -> Result<()> {
        match self.find(key, to).await? {
            Some(found) if found.mode() == EntryMode::DIR => Err(error::directory(to)),
            Some(_) if !replace => Err(error::taken(to)),
            _ => Ok(()),
        }
    }

    async fn rename(&self, key: &str, to: &Location, replace: bool) -> Result<()> {
        self.check_free(key, to, replace).await?;
        let if_not_exists = !replace && self.capability().rename_with_if_not_exists;
        let options = RenameOptions { if_not_exists };
        let renamed = self.operator.rename_options(&self.remote.key, key, options).await;
        renamed.map(|_| ()).map_err(|e| error::at("cannot give the file its name", to, &e))
    }

    /// Takes back what the service has.
    async fn discard(&self, state: State) -> Result<()> {
        let sending = match state {
            State::Closed => return Ok(()),
            State::Sending(sending) | State::Failed(Some(sending)) => Some(sending),
            State::Gathered(_) | State::Sent | State::Failed(None) => None,
        };
        let cannot = |e: &opendal::Error| error::at("cannot take the upload back", &self.location, e);
        if let Some(mut sending) = sending {
            match sending.writer.abort().await {
                Ok(()) => {}
                // A file is removed below; an upload that is not there needs no taking back.
                Err(e) if matches!(e.kind(), Native::Unsupported | Native::NotFound) => {}
                Err(e) => return Err(cannot(&e)),
            }
        }
        if self.hides_parts() {
            return Ok(());
        }
        self.operator.delete(&self.remote.key).await.map_err(|e| cannot(&e))
    }
}

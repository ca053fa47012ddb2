//! The factory: opens parts, and answers questions about the places around them.

use std::sync::Arc;

use async_lock::Mutex;
use async_trait::async_trait;
use okdownload_output::{
    FreeSpace, OpenMode, OutputCapability, OutputStream, OutputStreamFactory, Stat, StatKind,
};
use okdownload_types::{Location, Result};
use opendal::{EntryMode, ErrorKind as Native, Metadata, Operator};

use crate::busy::OpenParts;
use crate::error;
use crate::interrupt::Interrupt;
use crate::operators::{self, Operators};
use crate::place::Remote;
use crate::upload::{Object, Upload};

/// The output to the places that a [`Location::Uri`] names.
///
/// Clones are the same output. What a service wants to know is taken from the environment, unless
/// [`builder`](UriOutput::builder) is told; nothing is read, and nobody is asked, before the first call.
#[derive(Debug, Clone, Default)]
pub struct UriOutput {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) operators: Operators,
    files: Option<Box<dyn OutputStreamFactory>>,
    open: OpenParts,
    /// Held from looking whether a name is free to taking it, where the service can't do both at once.
    pub(crate) naming: Mutex<()>,
}

/// Makes a [`UriOutput`].
#[derive(Debug, Default)]
pub struct UriOutputBuilder {
    shared: Shared,
}

impl UriOutput {
    /// An output that is set up by the environment, without local files.
    pub fn new() -> Self {
        Self::default()
    }

    /// An output that is told more.
    pub fn builder() -> UriOutputBuilder {
        UriOutputBuilder::default()
    }
}

impl UriOutputBuilder {
    /// Sets an option of all services of this scheme, for instance `("s3", "endpoint", "http://127.0.0.1:9000")`. It
    /// goes before the environment. The names are those of OpenDAL's configuration of the service; one that it does
    /// not know is ignored, and a value that it can't use is an error of the first call.
    #[must_use]
    pub fn option(mut self, scheme: &str, key: &str, value: impl Into<String>) -> Self {
        self.shared.operators.set_option(scheme, key, value.into());
        self
    }

    /// Uses this operator for `scheme://authority/…`, as it is: with its own layers and time-outs. The key is the path
    /// below its root.
    ///
    /// Its service must either be able to rename, or show nothing of an upload before it is complete.
    #[must_use]
    pub fn operator(mut self, scheme: &str, authority: &str, operator: Operator) -> Self {
        self.shared.operators.give(scheme, authority, operator);
        self
    }

    /// Hands local paths to this output. (A task's target that is a `file:` URI is a local path too.)
    #[must_use]
    pub fn files(mut self, files: impl OutputStreamFactory) -> Self {
        self.shared.files = Some(Box::new(files));
        self
    }

    /// The output.
    pub fn build(self) -> UriOutput {
        UriOutput { shared: Arc::new(self.shared) }
    }
}

/// Who takes a location.
enum Taker<'a> {
    Files(&'a dyn OutputStreamFactory),
    Service(Operator, Remote),
}

impl UriOutput {
    fn taker(&self, location: &Location) -> Result<Taker<'_>> {
        match Remote::of(location)? {
            None => self.shared.files.as_deref().map(Taker::Files).ok_or_else(|| error::no_files(location)),
            Some(remote) => Ok(Taker::Service(self.shared.operators.get(&remote)?, remote)),
        }
    }

    fn open(
        &self,
        operator: Operator,
        remote: Remote,
        part: &Location,
        mode: OpenMode,
    ) -> Result<Option<Arc<dyn OutputStream>>> {
        remote.check_object(part)?;
        let claim = self.shared.open.claim(&remote).ok_or_else(|| error::busy(part))?;
        if mode == OpenMode::Existing {
            return Ok(None);
        }
        let object = Object { operator, remote, location: part.clone(), interrupt: Interrupt::default() };
        Ok(Some(Arc::new(Upload::new(object, claim, Arc::clone(&self.shared)))))
    }
}

#[async_trait]
impl OutputStreamFactory for UriOutput {
    /// A place that nobody takes can do nothing; every other call says why.
    fn capability(&self, location: &Location) -> OutputCapability {
        match self.taker(location) {
            Ok(Taker::Files(files)) => files.capability(location),
            Ok(Taker::Service(operator, _)) => {
                let mut capability = OutputCapability::STREAM;
                capability.hides_parts = operators::hides_parts(&operator);
                capability
            }
            Err(_) => OutputCapability::STREAM,
        }
    }

    /// That of the local files: no other place keeps bytes that are not synced.
    async fn boot_id(&self) -> Option<String> {
        self.shared.files.as_ref()?.boot_id().await
    }

    async fn stat(&self, location: &Location) -> Result<Option<Stat>> {
        match self.taker(location)? {
            Taker::Files(files) => files.stat(location).await,
            Taker::Service(operator, remote) => {
                Ok(metadata(&operator, &remote.key, location).await?.as_ref().map(stat))
            }
        }
    }

    async fn open_part(&self, part: &Location, mode: OpenMode) -> Result<Option<Arc<dyn OutputStream>>> {
        match self.taker(part)? {
            Taker::Files(files) => files.open_part(part, mode).await,
            Taker::Service(operator, remote) => self.open(operator, remote, part, mode),
        }
    }

    async fn free_space(&self, location: &Location) -> Result<Option<FreeSpace>> {
        match self.taker(location)? {
            Taker::Files(files) => files.free_space(location).await,
            Taker::Service(..) => Ok(None),
        }
    }

    async fn remove(&self, location: &Location) -> Result<bool> {
        let (operator, remote) = match self.taker(location)? {
            Taker::Files(files) => return files.remove(location).await,
            Taker::Service(operator, remote) => (operator, remote),
        };
        remote.check_object(location)?;
        // Services do not say whether there was something to remove.
        match metadata(&operator, &remote.key, location).await? {
            None => Ok(false),
            Some(found) if found.mode() == EntryMode::DIR => Err(error::directory(location)),
            Some(_) => {
                let removed = operator.delete(&remote.key).await;
                removed.map_err(|e| error::at("cannot remove the file", location, &e)).map(|()| true)
            }
        }
    }
}

/// What stands at this key.
pub(crate) async fn metadata(
    operator: &Operator,
    key: &str,
    location: &Location,
) -> Result<Option<Metadata>> {
    match operator.stat(key).await {
        Ok(metadata) => Ok(Some(metadata)),
        Err(e) if e.kind() == Native::NotFound => Ok(None),
        Err(e) => Err(error::at("cannot look at the file", location, &e)),
    }
}

fn stat(metadata: &Metadata) -> Stat {
    let kind = match metadata.mode() {
        EntryMode::FILE => StatKind::File,
        EntryMode::DIR => StatKind::Directory,
        _ => StatKind::Other,
    };
    let modified = metadata.last_modified().map(Into::into);
    Stat::new(kind, metadata.content_length(), modified, None)
}

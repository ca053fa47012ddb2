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
use crate::names::Disk;
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
    pub(crate) disk: Disk,
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

#[cfg(test)]
#[cfg(all(unix, feature = "fs"))]
mod tests {
    use super::*;
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::mpsc;
    use std::time::Duration;

    use okdownload_output::CommitOptions;
    use okdownload_types::ErrorKind;

    type Syncs = Box<dyn Fn(&Path) -> io::Result<()> + Send + Sync>;

    /// A directory, and an output to it whose disk syncs like that.
    struct Place(tempfile::TempDir, UriOutput);

    impl Place {
        fn new(sync: Syncs) -> Self {
            let shared = Shared { disk: Disk::seen(sync), ..Shared::default() };
            Self(tempfile::tempdir().unwrap(), UriOutput { shared: Arc::new(shared) })
        }

        /// Makes a file of this name.
        async fn make(&self, name: &str, durable: bool) -> Result<()> {
            let to = Location::Uri(format!("fs://{}/{name}", self.0.path().display()));
            let part = to.with_file_name(&format!("{name}.part"));
            let stream = self.1.open_part(&part, OpenMode::Create).await?.unwrap();
            stream.write_at(0, vec!["abc".into()]).await?;
            let committed = stream.commit(&to, CommitOptions::new(false, durable, None)).await;
            stream.close().await?;
            committed
        }

        fn has(&self, name: &str) -> bool {
            self.0.path().join(name).exists()
        }
    }

    #[tokio::test]
    async fn a_durable_name_is_synced_and_no_other_waits_for_it() {
        let (seen, synced) = mpsc::channel::<PathBuf>();
        let (release, held) = mpsc::channel::<()>();
        let held = std::sync::Mutex::new(held);
        let place = Place::new(Box::new(move |path| {
            seen.send(path.to_owned()).unwrap();
            // Until nobody holds it any more.
            let _ = held.lock().unwrap().recv();
            Ok(())
        }));
        let others = async {
            let named = async {
                while !place.has("durable") {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            named.await;
            let other = place.make("other", false);
            tokio::time::timeout(Duration::from_secs(20), other).await.unwrap().unwrap();
            drop(release);
        };
        let (durable, ()) = tokio::join!(place.make("durable", true), others);
        durable.unwrap();
        assert!(place.has("durable") && place.has("other"));
        let synced: Vec<_> = synced.try_iter().collect();
        assert_eq!(synced, place.0.path().ancestors().collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_file_whose_name_cannot_be_synced_is_said_to_have_it() {
        let place = Place::new(Box::new(|_| Err(io::ErrorKind::StorageFull.into())));
        let error = place.make("a", true).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Io && error.to_string().contains("has its name"), "{error}");
        assert!(place.has("a") && !place.has("a.part"));
    }
}

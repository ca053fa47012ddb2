//! What the end-to-end tests share: an engine in a directory of its own, over the real backends.
#![allow(dead_code, reason = "each test file uses its own share")]

pub(crate) mod listening;
pub(crate) mod resuming;

use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use okdownload::connection::ConnectionFactory;
use okdownload::prelude::*;
use okdownload::store::SqliteStore;
use okdownload::strategy::{BlockFacts, DownloadStrategy, SplitFacts};
use okdownload::{OkDownloadBuilder, Timeouts};
use okdownload_testkit::server::{Body, Gate, Reply, Resource, Server};
use tempfile::TempDir;

pub(crate) const MIB: u64 = 1 << 20;

/// A directory with a database, and what one test needs around it.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    pub(crate) server: Server,
}

impl Place {
    pub(crate) async fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), server: Server::start().await.unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("files").join(name)
    }

    pub(crate) fn builder(&self) -> OkDownloadBuilder {
        OkDownload::builder().download_store(SqliteStore::new(self.directory.path().join("state/test.db")))
    }

    pub(crate) fn engine(&self) -> OkDownload {
        self.builder().build().unwrap()
    }

    /// A task from the server's `path` to the file `name`, with limits that no test has to wait long for.
    pub(crate) fn task(&self, path: &str, name: &str) -> okdownload::DownloadTaskBuilder {
        let mut timeouts = Timeouts::default();
        timeouts.stall = Duration::from_secs(10);
        DownloadTask::builder(self.server.url(path), Target::file(self.path(name))).timeouts(timeouts)
    }

    /// The names in the target directory.
    pub(crate) fn files(&self) -> Vec<String> {
        names(&self.path(""))
    }
}

/// Enqueues a task of one connection, whose response stops after this many bytes; they are there, and it runs on.
pub(crate) async fn run_to(place: &Place, ok: &OkDownload, task: DownloadTask, bytes: u64) -> TaskHandle {
    place.server.script(task.url().path(), [Reply::resource().gate_after(bytes, &Gate::new())]);
    let handle = ok.task(task).enqueue();
    handle.progress().wait_for(|progress| progress.written == bytes).await.unwrap();
    handle
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A resource with a strong validator.
pub(crate) fn tagged(body: Body) -> Resource {
    Resource::new(body).etag("\"v1\"")
}

pub(crate) fn assert_content(path: &Path, body: &Body) {
    let content = std::fs::read(path).unwrap();
    assert_eq!(content.len() as u64, body.len(), "length of {}", path.display());
    assert!(body.matches(0, &content), "content of {}", path.display());
}

/// Every HTTP backend that is compiled in, whatever proxy the environment names.
pub(crate) fn backends() -> Vec<Arc<dyn ConnectionFactory>> {
    vec![
        #[cfg(feature = "reqwest")]
        Arc::new(okdownload::connection::ReqwestConnectionFactory::new().no_proxy().unwrap()),
        #[cfg(feature = "isahc")]
        Arc::new(okdownload::connection::IsahcConnectionFactory::new().no_proxy().unwrap()),
    ]
}

/// So many blocks, which are never split.
#[derive(Debug, Clone)]
pub(crate) struct Blocks(pub(crate) u32);

impl DownloadStrategy for Blocks {
    fn block_count(&mut self, _facts: &BlockFacts) -> NonZeroU32 {
        NonZeroU32::new(self.0).unwrap()
    }

    fn split(&mut self, _facts: &SplitFacts) -> Option<NonZeroU64> {
        None
    }
}

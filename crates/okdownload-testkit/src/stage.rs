//! What an example in the docs stands on, in a line or two that its readers don't see.

#![allow(clippy::expect_used, reason = "a panic here is an example that failed")]

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use url::Url;

use crate::server::{Body, Resource, Server};

/// A server on a thread of its own, so that an example may block its thread, and a directory. Both are gone when it is
/// dropped.
#[derive(Debug)]
pub struct Stage {
    server: Server,
    directory: TempDir,
    /// Dropped, it ends the server's thread.
    _running: oneshot::Sender<()>,
}

impl Stage {
    /// Sets it up.
    ///
    /// # Panics
    /// If there is no port, no thread or no temporary directory to be had.
    #[expect(clippy::new_without_default, reason = "it is no value: it starts a server")]
    pub fn new() -> Self {
        let (started, starting) = mpsc::channel();
        let (running, ended) = oneshot::channel::<()>();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                started.send(Server::start().await).expect("somebody waits for it");
                // Nothing is ever sent.
                let _ = ended.await;
            });
        });
        let server = starting.recv().expect("a thread").expect("a server");
        Self { server, directory: tempfile::tempdir().expect("a temporary directory"), _running: running }
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The URL of a file of 3 MiB, which is served from now on.
    pub fn file(&self, path: &str) -> Url {
        self.server.serve(path, Resource::new(Body::pattern(1, 3 << 20)));
        self.server.url(path)
    }

    /// Where downloads may go. It is not made yet.
    pub fn directory(&self) -> PathBuf {
        self.directory.path().join("downloads")
    }

    /// Where a database may be. It is not made yet.
    pub fn database(&self) -> PathBuf {
        self.directory.path().join("state").join("example.db")
    }
}

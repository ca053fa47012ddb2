//! The engine over every combination of backends that is compiled in.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::{MIB, assert_content, names, tagged};
use okdownload::connection::ConnectionFactory;
use okdownload::output::OutputStreamFactory;
use okdownload::prelude::*;
use okdownload::store::{DownloadStore, Survives};
use okdownload_testkit::server::{Body, Server};

/// Parts by name, so that another process can be told of them.
#[derive(Debug, Clone, Copy)]
struct Mix {
    connection: &'static str,
    store: &'static str,
    output: &'static str,
}

const CONNECTIONS: &[&str] = &[
    #[cfg(feature = "reqwest")]
    "reqwest",
    #[cfg(feature = "isahc")]
    "isahc",
];
const STORES: &[&str] = &[
    "memory",
    #[cfg(feature = "sqlite")]
    "sqlite",
    #[cfg(feature = "sled")]
    "sled",
];
const OUTPUTS: &[&str] = &[
    #[cfg(feature = "file")]
    "file",
];

fn mixes() -> Vec<Mix> {
    let mut mixes = Vec::new();
    for &connection in CONNECTIONS {
        for &store in STORES {
            mixes.extend(OUTPUTS.iter().map(|&output| Mix { connection, store, output }));
        }
    }
    mixes
}

impl Mix {
    fn connection(self) -> Arc<dyn ConnectionFactory> {
        match self.connection {
            #[cfg(feature = "reqwest")]
            "reqwest" => Arc::new(okdownload::connection::ReqwestConnectionFactory::new()),
            #[cfg(feature = "isahc")]
            "isahc" => Arc::new(okdownload::connection::IsahcConnectionFactory::new()),
            other => panic!("{other}"),
        }
    }

    fn store(self, root: &Path) -> Arc<dyn DownloadStore> {
        match self.store {
            "memory" => Arc::new(okdownload_store_memory::MemoryStore::new()),
            #[cfg(feature = "sqlite")]
            "sqlite" => Arc::new(okdownload::store::SqliteStore::new(root.join("state/test.db"))),
            #[cfg(feature = "sled")]
            "sled" => Arc::new(okdownload::store::SledStore::new(root.join("state/sled"))),
            other => panic!("{other} in {}", root.display()),
        }
    }

    fn output(self) -> Arc<dyn OutputStreamFactory> {
        match self.output {
            #[cfg(feature = "file")]
            "file" => Arc::new(okdownload::output::FileOutput::new()),
            other => panic!("{other}"),
        }
    }

    fn target(self, root: &Path) -> Target {
        match self.output {
            "file" => Target::file(file(root)),
            other => panic!("{other}"),
        }
    }

    fn engine(self, root: &Path) -> OkDownload {
        OkDownload::builder()
            .connection_factory(self.connection())
            .download_store(self.store(root))
            .output_stream_factory(self.output())
            .build()
            .unwrap()
    }

    fn task(self, url: &str, root: &Path) -> DownloadTask {
        let builder = DownloadTask::builder(url, self.target(root));
        builder.connection_count(NonZeroU32::new(3).unwrap()).build().unwrap()
    }

    /// Whether bytes of an earlier process count.
    fn resumes(self, root: &Path) -> bool {
        let location = self.target(root);
        let output = self.output().capability(location.location());
        self.store(root).capability().survives != Survives::Nothing && output.seek && output.resume
    }
}

fn file(root: &Path) -> PathBuf {
    root.join("files/a")
}

fn sent(server: &Server) -> u64 {
    server.requests().iter().map(|request| request.bytes_sent).sum()
}

#[tokio::test]
async fn a_download() {
    for mix in mixes() {
        let (root, server) = (tempfile::tempdir().unwrap(), Server::start().await.unwrap());
        let body = Body::pattern(1, 9 * MIB);
        server.serve("/a", tagged(body.clone()));
        let ok = mix.engine(root.path());
        let end = ok.download(mix.task(server.url("/a").as_str(), root.path())).await.unwrap();
        assert_eq!((end.length, end.resumed), (Some(body.len()), 0), "{mix:?}");
        assert_content(&file(root.path()), &body);
        assert_eq!(names(&root.path().join("files")), ["a"], "{mix:?}");
        ok.shutdown().await.unwrap();
    }
}

/// The process that is killed: it downloads what its parent says.
#[tokio::test]
async fn child() {
    let Ok(told) = std::env::var("OKDOWNLOAD_MATRIX") else { return };
    let [connection, store, output, url, root] = told.split('\n').collect::<Vec<_>>()[..] else {
        panic!("{told}")
    };
    let is = |mix: &Mix| (mix.connection, mix.store, mix.output) == (connection, store, output);
    let mix = mixes().into_iter().find(is).unwrap();
    let root = Path::new(root);
    mix.engine(root).download(mix.task(url, root)).await.unwrap();
}

#[tokio::test]
async fn a_kill_and_what_comes_after_it() {
    for mix in mixes() {
        let (root, server) = (tempfile::tempdir().unwrap(), Server::start().await.unwrap());
        let body = Body::pattern(2, 24 * MIB);
        server.serve("/a", tagged(body.clone()).rate(8 * MIB));
        let url = server.url("/a").to_string();
        let told = [mix.connection, mix.store, mix.output, &url, root.path().to_str().unwrap()].join("\n");
        let mut killed = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child"])
            .env("OKDOWNLOAD_MATRIX", told)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while sent(&server) < 8 * MIB {
            assert!(killed.try_wait().unwrap().is_none(), "{mix:?} ended by itself");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert!(!file(root.path()).exists(), "{mix:?}");
        server.serve("/a", tagged(body.clone()));
        let ok = mix.engine(root.path());
        let end = ok.download(mix.task(&url, root.path())).await.unwrap();
        assert_eq!(end.resumed > 0, mix.resumes(root.path()), "{mix:?}: {end:?}");
        assert_content(&file(root.path()), &body);
        assert_eq!(names(&root.path().join("files")), ["a"], "{mix:?}");
        ok.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_resource_that_changes_between_two_runs() {
    for mix in mixes() {
        let (root, server) = (tempfile::tempdir().unwrap(), Server::start().await.unwrap());
        let (old, new) = (Body::pattern(3, 24 * MIB), Body::pattern(4, 10 * MIB));
        server.serve("/a", tagged(old).rate(8 * MIB));
        let task = mix.task(server.url("/a").as_str(), root.path());
        let ok = mix.engine(root.path());
        let handle = ok.task(task.clone()).enqueue();
        handle.progress().wait_for(|progress| progress.written > 2 * MIB).await.unwrap();
        handle.cancel();
        assert_eq!(handle.wait().await.cause, EndCause::Canceled, "{mix:?}");
        ok.shutdown().await.unwrap();
        drop((handle, ok));
        server.serve("/a", tagged(new.clone()).etag("\"v2\""));
        let ok = mix.engine(root.path());
        let end = ok.download(task).await.unwrap();
        assert_eq!(end.resumed, 0, "{mix:?}");
        assert_content(&file(root.path()), &new);
        assert_eq!(names(&root.path().join("files")), ["a"], "{mix:?}");
        ok.shutdown().await.unwrap();
    }
}

//! The engine over every combination of backends that is compiled in.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use common::{MIB, names, tagged};
use okdownload::connection::ConnectionFactory;
use okdownload::output::OutputStreamFactory;
use okdownload::prelude::*;
use okdownload::store::{DownloadStore, Survives};
use okdownload_testkit::s3::S3Server;
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

/// All that there is with this output.
fn mixes(output: &'static str) -> impl Iterator<Item = Mix> {
    CONNECTIONS
        .iter()
        .flat_map(move |connection| STORES.iter().map(move |store| Mix { connection, store, output }))
}

/// Where a mix works: a directory, and a service to write to.
struct Place {
    mix: Mix,
    root: PathBuf,
    endpoint: String,
    #[cfg(feature = "uri")]
    memory: okdownload::output::opendal::Operator,
}

impl Place {
    fn new(mix: Mix, root: &Path, endpoint: &str) -> Self {
        #[cfg(feature = "uri")]
        let memory = {
            use okdownload::output::opendal::{Operator, services::Memory};
            Operator::new(Memory::default()).unwrap()
        };
        Self {
            mix,
            root: root.to_owned(),
            endpoint: endpoint.to_owned(),
            #[cfg(feature = "uri")]
            memory,
        }
    }

    fn connection(&self) -> Arc<dyn ConnectionFactory> {
        match self.mix.connection {
            #[cfg(feature = "reqwest")]
            "reqwest" => Arc::new(okdownload::connection::ReqwestConnectionFactory::new()),
            #[cfg(feature = "isahc")]
            "isahc" => Arc::new(okdownload::connection::IsahcConnectionFactory::new()),
            other => panic!("{other}"),
        }
    }

    fn store(&self) -> Arc<dyn DownloadStore> {
        match self.mix.store {
            "memory" => Arc::new(okdownload_store_memory::MemoryStore::new()),
            #[cfg(feature = "sqlite")]
            "sqlite" => Arc::new(okdownload::store::SqliteStore::new(self.root.join("state/test.db"))),
            #[cfg(feature = "sled")]
            "sled" => Arc::new(okdownload::store::SledStore::new(self.root.join("state/sled"))),
            other => panic!("{other}"),
        }
    }

    #[cfg(feature = "uri")]
    fn uri(&self) -> okdownload::output::UriOutputBuilder {
        use okdownload_testkit::s3::{ACCESS_KEY, SECRET_KEY};
        okdownload::output::UriOutput::builder()
            .operator("memory", "place", self.memory.clone())
            .option("s3", "endpoint", &self.endpoint)
            .option("s3", "region", "us-east-1")
            .option("s3", "access_key_id", ACCESS_KEY)
            .option("s3", "secret_access_key", SECRET_KEY)
            .option("s3", "disable_config_load", "true")
    }

    fn output(&self) -> Arc<dyn OutputStreamFactory> {
        match self.mix.output {
            #[cfg(feature = "file")]
            "file" => Arc::new(okdownload::output::FileOutput::new()),
            #[cfg(feature = "uri")]
            "memory" | "fs" | "s3" => Arc::new(self.uri().build()),
            other => panic!("{other} at {}", self.endpoint),
        }
    }

    fn target(&self) -> Target {
        let file = self.root.join("files/a");
        match self.mix.output {
            "memory" => Target::uri("memory://place/files/a"),
            "fs" => Target::uri(format!("fs://{}", file.display())),
            "s3" => Target::uri("s3://bucket/files/a"),
            _ => Target::file(file),
        }
    }

    fn engine(&self) -> OkDownload {
        OkDownload::builder()
            .connection_factory(self.connection())
            .download_store(self.store())
            .output_stream_factory(self.output())
            .build()
            .unwrap()
    }

    fn task(&self, url: &str) -> DownloadTask {
        let builder = DownloadTask::builder(url, self.target());
        builder.connection_count(NonZeroU32::new(3).unwrap()).build().unwrap()
    }

    /// Whether bytes of an earlier process count.
    fn resumes(&self) -> bool {
        let output = self.output().capability(self.target().location());
        self.store().capability().survives != Survives::Nothing && output.seek && output.resume
    }

    /// What is there under the final name, by another way than the output's.
    async fn content(&self, s3: &S3Server) -> Option<Vec<u8>> {
        match self.mix.output {
            #[cfg(feature = "uri")]
            "memory" => self.memory.read("files/a").await.ok().map(|bytes| bytes.to_vec()),
            "s3" => s3.object("files/a"),
            _ => std::fs::read(self.root.join("files/a")).ok(),
        }
    }

    /// That the file is right, and that nothing else is left.
    async fn assert_whole(&self, s3: &S3Server, body: &Body) {
        let mix = self.mix;
        let content = self.content(s3).await.unwrap();
        assert!(content.len() as u64 == body.len() && body.matches(0, &content), "{mix:?}");
        match mix.output {
            "memory" => {}
            "s3" => assert_eq!(s3.keys(), ["files/a"], "{mix:?}"),
            _ => assert_eq!(names(&self.root.join("files")), ["a"], "{mix:?}"),
        }
    }
}

fn sent(server: &Server) -> u64 {
    server.requests().iter().map(|request| request.bytes_sent).sum()
}

async fn download(mix: Mix) {
    let (root, server, s3) =
        (tempfile::tempdir().unwrap(), Server::start().await.unwrap(), S3Server::start());
    let body = Body::pattern(1, 9 * MIB);
    server.serve("/a", tagged(body.clone()));
    let place = Place::new(mix, root.path(), s3.endpoint());
    let ok = place.engine();
    let end = ok.download(place.task(server.url("/a").as_str())).await.unwrap();
    assert_eq!((end.length, end.resumed), (Some(body.len()), 0), "{mix:?}");
    place.assert_whole(&s3, &body).await;
    ok.shutdown().await.unwrap();
}

/// The process that is killed: it downloads what its parent says.
#[tokio::test]
async fn child() {
    let Ok(told) = std::env::var("OKDOWNLOAD_MATRIX") else { return };
    let [connection, store, output, url, root, endpoint] = told.split('\n').collect::<Vec<_>>()[..] else {
        panic!("{told}")
    };
    let known = ["file", "memory", "fs", "s3"].into_iter().flat_map(mixes);
    let is = |mix: &Mix| (mix.connection, mix.store, mix.output) == (connection, store, output);
    let place = Place::new({ known }.find(is).unwrap(), Path::new(root), endpoint);
    place.engine().download(place.task(url)).await.unwrap();
}

async fn kill(mix: Mix) {
    let (root, server, s3) =
        (tempfile::tempdir().unwrap(), Server::start().await.unwrap(), S3Server::start());
    let body = Body::pattern(2, 24 * MIB);
    server.serve("/a", tagged(body.clone()).rate(8 * MIB));
    let url = server.url("/a").to_string();
    let root = root.path();
    let told =
        [mix.connection, mix.store, mix.output, &url, root.to_str().unwrap(), s3.endpoint()].join("\n");
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
    let place = Place::new(mix, root, s3.endpoint());
    assert_eq!(place.content(&s3).await, None, "{mix:?}");
    server.serve("/a", tagged(body.clone()));
    let ok = place.engine();
    let end = ok.download(place.task(&url)).await.unwrap();
    assert_eq!(end.resumed > 0, place.resumes(), "{mix:?}: {end:?}");
    place.assert_whole(&s3, &body).await;
    ok.shutdown().await.unwrap();
}

async fn change(mix: Mix) {
    let (root, server, s3) =
        (tempfile::tempdir().unwrap(), Server::start().await.unwrap(), S3Server::start());
    let (old, new) = (Body::pattern(3, 24 * MIB), Body::pattern(4, 10 * MIB));
    server.serve("/a", tagged(old).rate(8 * MIB));
    let place = Place::new(mix, root.path(), s3.endpoint());
    let task = place.task(server.url("/a").as_str());
    let ok = place.engine();
    let handle = ok.task(task.clone()).enqueue();
    handle.progress().wait_for(|progress| progress.written > 2 * MIB).await.unwrap();
    handle.cancel();
    assert_eq!(handle.wait().await.cause, EndCause::Canceled, "{mix:?}");
    assert_eq!(place.content(&s3).await, None, "{mix:?}");
    ok.shutdown().await.unwrap();
    drop((handle, ok));
    server.serve("/a", tagged(new.clone()).etag("\"v2\""));
    let ok = place.engine();
    let end = ok.download(task).await.unwrap();
    assert_eq!(end.resumed, 0, "{mix:?}");
    place.assert_whole(&s3, &new).await;
    ok.shutdown().await.unwrap();
}

macro_rules! with_output {
    ($($feature:literal => $output:ident),+ $(,)?) => {
        $(#[cfg(feature = $feature)]
        mod $output {
            use super::{change, download, kill, mixes};

            #[tokio::test]
            async fn a_download() {
                for mix in mixes(stringify!($output)) {
                    download(mix).await;
                }
            }

            #[tokio::test]
            async fn a_kill_and_what_comes_after_it() {
                for mix in mixes(stringify!($output)) {
                    kill(mix).await;
                }
            }

            #[tokio::test]
            async fn a_resource_that_changes_between_two_runs() {
                for mix in mixes(stringify!($output)) {
                    change(mix).await;
                }
            }
        })+
    };
}

with_output! {
    "file" => file,
    "uri" => memory,
    "uri" => fs,
    "uri" => s3,
}

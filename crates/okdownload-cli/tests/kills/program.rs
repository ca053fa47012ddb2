//! A small program made with the library: it downloads all files of a list, five at a time.
//!
//! It is this test binary, started again in another role.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use okdownload::output::FileOutput;
use okdownload::prelude::*;
use okdownload::store::{DownloadStore, SledStore, SqliteStore};
use okdownload::{Digest, DigestAlgorithm, Durability};
use tokio::process::Command;

use crate::campaign::{Campaign, Store};
use crate::common::Place;

/// What the program is told, a word for each line.
const TOLD: &str = "OKDOWNLOAD_KILLS";

/// The program's list: a file's name, its URL, and its digest (or nothing), separated by tabs.
pub(crate) const LIST: &str = "list";

pub(crate) fn command(place: &Place, campaign: &Campaign) -> Command {
    let told = [
        place.root().join(LIST).to_str().unwrap(),
        place.path("").to_str().unwrap(),
        &campaign.store.word(place),
        &campaign.connections.to_string(),
        campaign.durability(),
        if campaign.overwrite { "overwrite" } else { "error" },
    ]
    .join("\n");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "program::is_this", "--test-threads=1"])
        .env(TOLD, told)
        .env_remove("http_proxy");
    command
}

pub(crate) fn open(store: Store, path: &Path) -> Arc<dyn DownloadStore> {
    let warn = Arc::new(|message: &str| eprintln!("{message}"));
    match store {
        Store::Sqlite => Arc::new(SqliteStore::builder(path).on_warning(warn).build()),
        Store::Sled => Arc::new(SledStore::builder(path).on_warning(warn).build()),
    }
}

/// The program's `main`, if this process is one.
#[tokio::test]
async fn is_this() {
    let Ok(told) = std::env::var(TOLD) else { return };
    let [list, directory, store, connections, durability, on_exists] =
        told.split('\n').collect::<Vec<_>>()[..]
    else {
        panic!("{told}")
    };
    let (kind, path) = store.split_once(':').unwrap();
    let kind = if kind == "sled" { Store::Sled } else { Store::Sqlite };
    let ok = OkDownload::builder()
        .output_stream_factory(FileOutput::new())
        .download_store(open(kind, Path::new(path)))
        .build()
        .unwrap();
    let mut running = Vec::new();
    for line in std::fs::read_to_string(list).unwrap().lines() {
        let [name, url, digest] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let mut task = DownloadTask::builder(url, Target::file(PathBuf::from(directory).join(name)))
            .connection_count(NonZeroU32::new(connections.parse().unwrap()).unwrap())
            .durability(if durability == "power" { Durability::Power } else { Durability::Process })
            .on_exists(if on_exists == "overwrite" { OnExists::Overwrite } else { OnExists::Error });
        if !digest.is_empty() {
            let bytes: Vec<u8> = (0..digest.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&digest[at..at + 2], 16).unwrap())
                .collect();
            task = task.digest(Digest::new(DigestAlgorithm::Sha256, bytes).unwrap());
        }
        running.push(ok.task(task.build().unwrap()).enqueue());
    }
    for handle in running {
        handle.await.into_result().unwrap();
    }
    ok.shutdown().await.unwrap();
}

//! Run with: `cargo run -p singleton -- https://example.com/file.iso [DIRECTORY]`
//!
//! One engine for the whole program, which tasks find by themselves, as in OkDownload for Java. Libraries take an engine
//! as an argument instead.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use okdownload::DownloadTaskExt;
use okdownload::prelude::*;

#[derive(Debug)]
struct Told;

impl DownloadListener for Told {
    fn task_end(&self, _: &DownloadTask, end: &TaskEnd) {
        println!("{}: {} bytes", end.cause, end.length.unwrap_or(0));
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (url, directory) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or(".".into()));

    // Once, before its first use. Without this, the first use builds one from defaults.
    let engine = OkDownload::builder().name("singleton-example").build()?;
    if let Err(error) = OkDownload::set_singleton(engine) {
        println!("{error}");
    }
    let task = DownloadTask::to_directory(url, directory)?;
    task.enqueue(Told)?.wait_blocking()?.into_result()?;
    OkDownload::with()?.shutdown_blocking()
}

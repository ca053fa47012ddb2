//! Run with: `cargo run -p many-tasks -- https://example.com/file.iso [DIRECTORY]`
//!
//! A context: tasks with shared options that are started, stopped and waited for together. Members can be added while it
//! runs.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use okdownload::prelude::*;
use okdownload::{DownloadContext, DownloadContextListener, QueueSet};

#[derive(Debug)]
struct Told;

impl DownloadContextListener for Told {
    fn task_end(&self, _: &DownloadContext, task: &DownloadTask, end: &TaskEnd, remaining: usize) {
        println!("{}: {}, {remaining} remaining", task.target().location(), end.cause);
    }

    fn queue_end(&self, _: &DownloadContext) {
        println!("all have ended");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (url, directory) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or(".".into()));

    let ok = OkDownload::builder().build()?;
    let shared = QueueSet::new().directory(&directory).option(|task| task.header("accept-language", "en"));
    let copy = DownloadTask::builder(&url, Target::directory(&directory)).filename("copy.bin");
    let context = DownloadContext::builder(&ok, shared).bind(&url)?.bind_builder(copy)?;
    let context = context.listener(Told).build();
    context.start_on_parallel(NoListener)?;

    // It is not too late for another one.
    context.add(DownloadTask::builder(&url, Target::directory(&directory)).filename("late.bin").build()?);
    context.wait().await;
    ok.shutdown().await
}

//! Run with: `cargo run -p serial-queue -- https://example.com/file.iso [DIRECTORY]`
//!
//! Downloads one after the other, the most urgent first. Each has its handle from the beginning.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use okdownload::DownloadSerialQueue;
use okdownload::prelude::*;

#[derive(Debug)]
struct Told;

impl DownloadListener for Told {
    fn task_end(&self, task: &DownloadTask, end: &TaskEnd) {
        println!("{}: {}", task.target().location(), end.cause);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (url, directory) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or(".".into()));
    let task = || DownloadTask::builder(&url, Target::directory(&directory));

    let ok = OkDownload::builder().build()?;
    let queue = DownloadSerialQueue::new(&ok, Told);
    // Nothing starts before all are there.
    queue.pause();
    let last = queue.enqueue(task().build()?);
    let first = queue.enqueue(task().filename("urgent.bin").priority(1).build()?);
    println!("{} are waiting", queue.waiting_task_count());
    queue.resume();

    let (first, last) = (first.await, last.await);
    println!("{:?}, then {:?}", first.location, last.location);
    ok.shutdown().await
}

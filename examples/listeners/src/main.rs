//! Run with: `cargo run -p listeners -- https://example.com/file.iso [DIRECTORY]`
//!
//! Downloads a file, and shows its progress and speed, block by block.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use std::sync::Arc;

use okdownload::BreakpointInfo;
use okdownload::monitor::{
    BlockModel, DownloadListener4WithSpeed, HumanBytes, Listener4WithSpeed, Speed, TaskModel,
};
use okdownload::prelude::*;

#[derive(Debug)]
struct Shown;

impl Listener4WithSpeed for Shown {
    fn info_ready(&self, _: &DownloadTask, info: &Arc<BreakpointInfo>, from: bool, model: &TaskModel) {
        let begins = if from { "goes on after" } else { "begins with" };
        println!("{} block(s); {begins} {}", info.blocks.len(), HumanBytes(model.current_offset));
    }

    fn progress_block(&self, _: &DownloadTask, block: usize, offset: u64, speed: &Speed) {
        println!("  block {block}: {}, {}/s", HumanBytes(offset), HumanBytes(speed.current));
    }

    fn progress(&self, _: &DownloadTask, offset: u64, speed: &Speed) {
        println!("{}, {}/s", HumanBytes(offset), HumanBytes(speed.current));
    }

    fn block_end(&self, _: &DownloadTask, block: usize, model: &BlockModel, speed: &Speed) {
        let (length, average) = (HumanBytes(model.current_offset), HumanBytes(speed.average));
        println!("  block {block} is whole: {length}, on average {average}/s");
    }

    fn task_end(&self, _: &DownloadTask, end: &TaskEnd, model: &TaskModel, speed: &Speed) {
        let (length, average) = (HumanBytes(model.current_offset), HumanBytes(speed.average));
        println!("{}: {length}, on average {average}/s", end.cause);
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (url, directory) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or(".".into()));

    let ok = OkDownload::builder().build()?;
    let task = DownloadTask::to_directory(url, directory)?;
    let end = ok.enqueue(task, DownloadListener4WithSpeed::new(Shown)).wait_blocking()?;
    // Waits until the listener has heard of the end, too.
    ok.shutdown_blocking()?;
    end.into_result().map(drop)
}

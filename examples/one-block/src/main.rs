//! Run with: `cargo run -p one-block -- https://example.com/file.iso [DIRECTORY]`
//!
//! Replaces one decision of the engine: every file is fetched as one block, over one connection, however large it is.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use okdownload::prelude::*;
use one_block::OneBlock;

/// Tells how many blocks the plan has.
#[derive(Debug)]
struct CountBlocks;

impl DownloadListener for CountBlocks {
    fn on_event(&self, _task: &DownloadTask, event: &Event) {
        if let Event::FromBeginning { info, .. } | Event::FromBreakpoint { info } = event {
            println!("{} block(s)", info.blocks.len());
        }
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_default();
    let directory = arguments.next().unwrap_or_else(|| ".".into());

    let ok = OkDownload::builder().download_strategy(OneBlock).build()?;
    let task = DownloadTask::to_directory(url, directory)?;
    let end = ok.enqueue(task, CountBlocks).wait_blocking()?.into_result()?;
    if let Some(location) = &end.location {
        println!("{location}: {} bytes", end.length.unwrap_or(0));
    }
    ok.shutdown_blocking()
}

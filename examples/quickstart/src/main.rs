//! Run with: `cargo run -p quickstart -- https://example.com/file.iso [DIRECTORY]`
//!
//! Downloads a file. Stop it at any moment, run it again, and it goes on from there.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use okdownload::prelude::*;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (url, directory) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or(".".into()));

    let ok = OkDownload::builder().build()?;
    let task = DownloadTask::to_directory(url, directory)?;
    let end = ok.download_blocking(task)?;
    println!("{} bytes, {} of them from an earlier run", end.length.unwrap_or(0), end.resumed);
    ok.shutdown_blocking()
}

//! Run with: `cargo run -p layers -- https://example.com/file.iso [DIRECTORY]`
//!
//! Downloads a file with signed requests, and tells what came over the network. Counting is for the whole engine, the
//! signature for this one task.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use layers::{Count, Counted, Signed};
use okdownload::connection::ReqwestConnectionFactory;
use okdownload::prelude::*;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_default();
    let directory = arguments.next().unwrap_or_else(|| ".".into());

    let count = Count::default();
    let connections = Counted::new(ReqwestConnectionFactory::new(), count.clone());
    let ok = OkDownload::builder().connection_factory(connections).build()?;

    let task = DownloadTask::to_directory(url, directory)?;
    let request = ok.task(task).layer(|inner| Signed::new(inner, "a secret"));
    let end = request.enqueue().wait_blocking()?.into_result()?;
    println!(
        "{} bytes in the file; {} bytes came, by {} request(s)",
        end.length.unwrap_or(0),
        count.bytes(),
        count.requests()
    );
    ok.shutdown_blocking()
}

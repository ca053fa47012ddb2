//! Run with: `cargo run -p resume-after-restart -- [https://example.com/file.iso [DIRECTORY]]`
//!
//! Stop it at any moment, or pull the plug. When it runs again, with or without a URL, it goes on with all that was left,
//! each with the options that it had.
#![allow(clippy::print_stdout, reason = "an example talks to its user")]

use okdownload::prelude::*;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (url, directory) = (arguments.next(), arguments.next().unwrap_or(".".into()));

    let ok = OkDownload::builder().build()?;
    if let Some(url) = url {
        // From here on it is listed as unfinished, even if the program dies before the first byte.
        ok.keep(&DownloadTask::to_directory(url, directory)?).await?;
    }
    let mut handles = Vec::new();
    for (info, request) in ok.restart().await? {
        println!("{} bytes are there of {}", info.written(), info.location);
        match request {
            Ok(request) => handles.push(request.enqueue()),
            Err(error) => println!("it can't go on: {error}"),
        }
    }
    for handle in handles {
        let end = handle.await.into_result()?;
        println!("{} bytes, {} of them from an earlier run", end.length.unwrap_or(0), end.resumed);
    }
    ok.shutdown().await
}

//! A download to standard output.

use std::io;

use okdownload::DownloadReader;
use tokio::io::AsyncWriteExt;

/// Writes what comes. A download that fails is not this one's business: its end is told to all.
///
/// # Errors
/// If standard output takes no more; the download is cancelled then.
pub(crate) async fn pour(mut reader: DownloadReader) -> io::Result<()> {
    let mut out = tokio::io::stdout();
    while let Ok(Some(chunk)) = reader.chunk().await {
        out.write_all(&chunk).await?;
    }
    out.flush().await
}

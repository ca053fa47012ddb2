//! From a whole part to a finished file.

use okdownload_output::{CommitOptions, OutputStream};
use okdownload_types::{BreakpointInfo, CompletionRecord, Error, ErrorKind, Result};

use crate::call::Call;
use crate::digest;
use crate::existing::nanoseconds;

/// Checks the part, gives it its final name and says what to record of it.
///
/// The order is the promise: digest, the user's check, data synced, renamed, name synced; only then may anybody say
/// that it is complete.
pub(crate) async fn finish(
    call: &mut Call<'_>,
    stream: &dyn OutputStream,
    info: &BreakpointInfo,
    replace: bool,
    durable: bool,
) -> Result<CompletionRecord> {
    let length = info.written();
    if info.total != Some(length) {
        return Err(Error::new(ErrorKind::Unexpected, "a part that is not whole was taken for whole"));
    }
    if let Some(expected) = call.run.task.digest() {
        digest::check(stream, length, expected).await?;
    }
    call.process.check(&call.run.task, &info.part).await?;
    let modified = info.validators.modified();
    stream.commit(&info.location, CommitOptions::new(replace, durable, modified)).await?;
    let mut record = CompletionRecord::new(info.id, info.url.clone(), info.location.clone(), length);
    record.validators = info.validators.clone();
    record.modified = match modified {
        Some(modified) => nanoseconds(modified),
        None => {
            call.env.output.stat(&info.location).await?.and_then(|file| file.modified).and_then(nanoseconds)
        }
    };
    Ok(record)
}

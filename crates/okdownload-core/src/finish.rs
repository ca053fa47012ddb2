//! What is checked before a part gets its final name, and what is remembered after.

use std::time::SystemTime;

use okdownload_types::{BreakpointInfo, CompletionRecord, Error, ErrorKind, Result};

use crate::block::Transfer;
use crate::call::Call;
use crate::digest;
use crate::existing::nanoseconds;

/// Checks the part by all that is known: its length, the user's digest or the server's, the user's own check.
pub(crate) async fn verify(call: &mut Call<'_>, transfer: &Transfer, info: &BreakpointInfo) -> Result<()> {
    let length = info.written();
    let (written, digest) = match &transfer.in_order {
        Some((in_order, _)) => in_order.finish().await,
        None => (length, None),
    };
    if info.total != Some(length) || written != length {
        return Err(Error::new(ErrorKind::Unexpected, "a part that is not whole was taken for whole"));
    }
    match &transfer.digest {
        Some(expected) if transfer.in_order.is_some() => digest::compare(expected, digest)?,
        Some(expected) => {
            let checked = digest::check(call.run, transfer.stream.as_ref(), length, expected).await;
            checked.map_err(
                |error| if call.run.task.digest().is_none() { said_by_server(error) } else { error },
            )?;
        }
        None => {}
    }
    if call.run.is_recorded() {
        call.process.check(&call.run.task, &info.part).await?;
    }
    if call.run.stop.is_cancelled() { Err(crate::run::canceled()) } else { Ok(()) }
}

fn said_by_server(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Checksum => error
            .with_advice("the server said so itself; if it is known to be wrong, ignore the server's digest"),
        _ => error,
    }
}

/// What to remember of a finished file; `None` of what nobody can find again, and of the answer to a request that is not
/// for the resource itself: another one may have another answer.
pub(crate) async fn record(
    call: &Call<'_>,
    info: &BreakpointInfo,
    modified: Option<SystemTime>,
) -> Option<CompletionRecord> {
    if !call.run.is_repeatable() {
        return None;
    }
    let mut record = CompletionRecord::new(info.id, info.url.clone(), info.location.clone(), info.written());
    record.validators = info.validators.clone();
    if let Some(modified) = modified {
        record.modified = nanoseconds(modified);
        return Some(record);
    }
    // The time that the file really has: not every place keeps the one that was set.
    record.modified = match call.run.or_stop(call.env.output.stat(&info.location)).await.flatten() {
        Ok(file) => file?.modified.and_then(nanoseconds),
        Err(error) => {
            tracing::warn!(%error, "a finished file cannot be looked at; it will be asked about again");
            None
        }
    };
    Some(record)
}

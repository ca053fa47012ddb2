//! What the tests of resuming share: a download that is stopped half-way, and gone on with.

use std::num::NonZeroU32;

use okdownload::ResumeFailedCause;
use okdownload::prelude::*;
use okdownload_testkit::server::{Gate, Reply, Resource};

use super::{MIB, Place};

pub(crate) const SIZE: u64 = 12 * MIB;

/// Downloads `/a` over one connection until `SIZE / 2` bytes were sent, and cancels it there.
pub(crate) async fn half(place: &Place, resource: Resource) {
    place.server.serve("/a", resource);
    let gate = Gate::new();
    place.server.script("/a", [Reply::resource().gate_after(SIZE / 2, &gate)]);
    let ok = place.engine();
    let handle = ok.task(one_connection(place)).enqueue();
    gate.reached().await;
    let mut progress = handle.progress();
    progress.wait_for(|progress| progress.written == SIZE / 2).await.unwrap();
    handle.cancel();
    let end = handle.await;
    assert_eq!((end.cause, end.fetched), (EndCause::Canceled, SIZE / 2));
    ok.shutdown().await.unwrap();
    assert_eq!(place.files(), ["a.okdownload"]);
    place.server.clear_log();
}

pub(crate) fn one_connection(place: &Place) -> DownloadTask {
    place.task("/a", "a").connection_count(NonZeroU32::MIN).build().unwrap()
}

/// Runs the task in a new engine; gives the end and why it began anew, if it did.
pub(crate) async fn again(place: &Place, task: DownloadTask) -> (TaskEnd, Option<ResumeFailedCause>) {
    again_with(place.engine(), task).await
}

/// The same in this engine, which it shuts down.
pub(crate) async fn again_with(ok: OkDownload, task: DownloadTask) -> (TaskEnd, Option<ResumeFailedCause>) {
    let request = ok.task(task);
    let events = request.events();
    let end = request.enqueue().await;
    ok.shutdown().await.unwrap();
    let events: Vec<Event> = futures_util::StreamExt::collect(events).await;
    let cause = events.iter().find_map(|event| match event {
        Event::FromBeginning { cause, .. } => Some(*cause),
        _ => None,
    });
    (end, cause)
}

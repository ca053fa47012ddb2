//! Every way to end, and every reason to begin anew, over real HTTP: one row for each. A cause that has no row, or that
//! its row does not reach, fails a test here.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use common::resuming::{SIZE, again, again_with, half, one_connection};
use common::{Place, assert_content, tagged};
use okdownload::output::*;
use okdownload::prelude::*;
use okdownload::{Digest, DigestAlgorithm, Location, ResumeFailedCause};
use okdownload_testkit::server::{Body, Gate, Reply, Resource};
use sha2::Digest as _;
use sha2::Sha256;

/// Ends a task like this.
async fn end(cause: EndCause, place: &Place) -> TaskEnd {
    let ok = place.engine();
    let task = one_connection(place);
    let gate = Gate::new();
    place.server.serve("/a", tagged(Body::pattern(1, SIZE)));
    place.server.script("/a", [Reply::resource().gate_after(SIZE / 2, &gate)]);
    let busy = async |request: DownloadTask| {
        let running = ok.task(task.clone()).enqueue();
        gate.reached().await;
        let refused = ok.task(request).enqueue().await;
        gate.open();
        assert!(running.await.is_completed());
        refused
    };
    match cause {
        EndCause::Completed => {
            gate.open();
            ok.task(task).enqueue().await
        }
        EndCause::Error => ok.task(place.task("/missing", "a").build().unwrap()).enqueue().await,
        EndCause::Canceled => {
            let running = ok.task(task).enqueue();
            gate.reached().await;
            running.cancel();
            running.await
        }
        EndCause::SameTaskBusy => busy(task.clone()).await,
        EndCause::FileBusy => busy(place.task("/other", "a").build().unwrap()).await,
        EndCause::PreAllocateFailed => {
            // More than any disk has.
            place.server.serve("/huge", tagged(Body::pattern(1, 1 << 60)));
            ok.task(place.task("/huge", "a").build().unwrap()).enqueue().await
        }
        _ => panic!("no row ends with {cause}"),
    }
}

#[tokio::test]
async fn every_cause_of_an_end_is_reached() {
    for cause in EndCause::ALL {
        let place = Place::new().await;
        let end = end(*cause, &place).await;
        assert_eq!(end.cause, *cause, "{:?}", end.error);
        let says_why = !matches!(cause, EndCause::Completed | EndCause::Canceled);
        assert_eq!(end.error.is_some(), says_why, "{cause}: {:?}", end.error);
        let there = matches!(cause, EndCause::Completed | EndCause::SameTaskBusy | EndCause::FileBusy);
        assert_eq!(place.files().contains(&"a".to_owned()), there, "{cause}: {:?}", place.files());
    }
}

#[tokio::test]
async fn whatever_ends_a_run_but_its_completion_leaves_the_breakpoint() {
    for cause in EndCause::ALL.iter().filter(|cause| **cause != EndCause::Completed) {
        let place = Place::new().await;
        let task = one_connection(&place);
        if *cause == EndCause::PreAllocateFailed {
            // This can only happen to one that begins.
            place.engine().keep(&task).await.unwrap();
            place.server.serve("/a", tagged(Body::pattern(1, 1 << 60)));
        } else {
            half(&place, tagged(Body::pattern(1, SIZE))).await;
        }
        let ok = place.engine();
        let before = ok.breakpoint(&task).await.unwrap().unwrap();
        let (locked, gate) = (lock_part(&place), Gate::new());
        let run = || ok.task(task.clone()).enqueue();
        let running = async || {
            place.server.script("/a", [Reply::resource().gate_after(0, &gate)]);
            let running = run();
            gate.reached().await;
            running
        };
        let end = match cause {
            EndCause::FileBusy => run().await,
            EndCause::Error => {
                drop(locked);
                place.server.script("/a", [Reply::status(404)]);
                run().await
            }
            EndCause::SameTaskBusy | EndCause::Canceled => {
                drop(locked);
                let running = running().await;
                let refused = run().await;
                running.cancel();
                let canceled = running.await;
                if *cause == EndCause::Canceled { canceled } else { refused }
            }
            _ => run().await,
        };
        assert_eq!(end.cause, *cause, "{:?}", end.error);
        let after = ok.breakpoint(&task).await.unwrap().unwrap();
        assert_eq!((after.written(), after.blocks.is_empty()), (before.written(), before.blocks.is_empty()));
    }
}

/// The part, locked as another process would; nothing if there is none.
fn lock_part(place: &Place) -> Option<std::fs::File> {
    let part = std::fs::File::options().write(true).open(place.path("a.okdownload")).ok()?;
    part.try_lock().unwrap();
    Some(part)
}

/// Files that can't be gone on with.
#[derive(Debug)]
struct NotResumable(Arc<dyn OutputStreamFactory>);

#[async_trait]
impl OutputStreamFactory for NotResumable {
    fn capability(&self, location: &Location) -> OutputCapability {
        let mut capability = self.0.capability(location);
        capability.resume = false;
        capability
    }

    async fn boot_id(&self) -> Option<String> {
        self.0.boot_id().await
    }

    async fn stat(&self, location: &Location) -> Result<Option<Stat>> {
        self.0.stat(location).await
    }

    async fn open_part(&self, part: &Location, mode: OpenMode) -> Result<Option<Arc<dyn OutputStream>>> {
        self.0.open_part(part, mode).await
    }

    async fn free_space(&self, location: &Location) -> Result<Option<FreeSpace>> {
        self.0.free_space(location).await
    }

    async fn remove(&self, location: &Location) -> Result<bool> {
        self.0.remove(location).await
    }
}

/// What the server had when the first half was fetched.
fn old() -> Resource {
    tagged(Body::pattern(1, SIZE))
}

/// What it has now.
fn new() -> Body {
    Body::pattern(2, SIZE)
}

/// Half of a download is there; then the server has this, and answers the next request so. The last word is the second
/// run's.
async fn changed(
    place: &Place,
    before: Resource,
    now: Resource,
    next: Option<Reply>,
) -> (TaskEnd, Option<ResumeFailedCause>) {
    half(place, before).await;
    place.server.replace("/a", now);
    place.server.script("/a", next);
    again(place, one_connection(place)).await
}

/// Lets a download begin anew for this reason. In the end the file is what the server has now: `new`.
async fn begin_anew(cause: ResumeFailedCause, place: &Place) -> (TaskEnd, Option<ResumeFailedCause>) {
    let now = || tagged(new());
    let answer = |status| Some(Reply::status(status));
    match cause {
        ResumeFailedCause::InfoDirty => {
            place.server.serve("/a", now());
            again(place, one_connection(place)).await
        }
        ResumeFailedCause::FileNotExist => {
            half(place, old()).await;
            place.server.replace("/a", now());
            std::fs::remove_file(place.path("a.okdownload")).unwrap();
            again(place, one_connection(place)).await
        }
        ResumeFailedCause::OutputStreamNotSupport => {
            half(place, old()).await;
            place.server.replace("/a", now());
            let files = NotResumable(Arc::new(FileOutput::new()));
            let ok = place.builder().output_stream_factory(files).build().unwrap();
            again_with(ok, one_connection(place)).await
        }
        ResumeFailedCause::ResponseEtagChanged => changed(place, old(), now().etag("\"v2\""), None).await,
        ResumeFailedCause::ResponseLastModifiedChanged => {
            let days = |days: u64| SystemTime::now() - Duration::from_secs(86_400 * days);
            let dated = |body, time| Resource::new(body).without_etag().last_modified(time);
            changed(place, dated(Body::pattern(1, SIZE), days(2)), dated(new(), days(1)), None).await
        }
        ResumeFailedCause::ResponsePreconditionFailed => changed(place, old(), now(), answer(412)).await,
        ResumeFailedCause::ResponseCreatedRangeNotFromZero => changed(place, old(), now(), answer(201)).await,
        ResumeFailedCause::ResponseResetRangeNotFromZero => changed(place, old(), now(), answer(205)).await,
        ResumeFailedCause::ContentLengthChanged => {
            changed(place, tagged(Body::pattern(1, SIZE + 1)), now(), None).await
        }
        ResumeFailedCause::ValidatorMissing => {
            let weak = Resource::new(Body::pattern(1, SIZE)).etag("W/\"v1\"");
            changed(place, weak, now(), None).await
        }
        ResumeFailedCause::DigestMismatch => {
            half(place, old()).await;
            // The server does not tell that it has another version.
            place.server.replace("/a", now());
            let digest =
                Digest::new(DigestAlgorithm::Sha256, Sha256::digest(new().slice(..)).to_vec()).unwrap();
            again(place, one_connection(place).to_builder().digest(digest).build().unwrap()).await
        }
        _ => panic!("no row begins anew because {cause}"),
    }
}

#[tokio::test]
async fn every_reason_to_begin_anew_is_reached() {
    for cause in ResumeFailedCause::ALL {
        let place = Place::new().await;
        let (end, began_anew) = begin_anew(*cause, &place).await;
        assert_eq!((end.cause, began_anew), (EndCause::Completed, Some(*cause)), "{cause}: {:?}", end.error);
        assert_content(&place.path("a"), &new());
        assert_eq!(place.files(), ["a"], "{cause}");
        // One answer that says so, if it is the server who does, and one that brings all.
        assert!(place.server.requests().len() <= 2, "{cause}: {:?}", place.server.requests());
    }
}

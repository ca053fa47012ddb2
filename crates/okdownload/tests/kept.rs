//! What OkDownload for Java did for its users, and this engine does too. See `docs/porting.md`; most of it is shown by
//! the tests of each part.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use common::listening::{half, reached_half};
use common::{MIB, Place, assert_content, tagged};
use okdownload::output::{FreeSpace, OpenMode, OutputCapability, OutputStream, OutputStreamFactory, Stat};
use okdownload::prelude::*;
use okdownload::strategy::{DownloadStrategy, RetryFacts, RetryVerdict};
use okdownload::{Location, Status, TaskState};
use okdownload_testkit::server::{Body, Gate, Reply};

/// Tries again at once.
#[derive(Debug, Clone)]
struct AtOnce;

impl DownloadStrategy for AtOnce {
    fn retry(&mut self, facts: &RetryFacts<'_>) -> RetryVerdict {
        if facts.error.is_temporary() { RetryVerdict::After(Duration::ZERO) } else { RetryVerdict::GiveUp }
    }
}

fn paths(place: &Place) -> Vec<String> {
    place.server.requests().iter().map(|request| request.path.clone()).collect()
}

#[tokio::test]
async fn where_a_redirect_led_to_is_remembered_until_it_expires() {
    let place = Place::new().await;
    let body = Body::pattern(1, 4 * MIB);
    place.server.handle("/a", |_, _| Reply::redirect(302, "/signed"));
    place.server.serve("/signed", tagged(body.clone()));
    place.server.script("/signed", [Reply::resource().cut_after(MIB), Reply::status(403)]);
    let ok = place.builder().download_strategy(AtOnce).build().unwrap();
    ok.download(place.task("/a", "a").connection_count(NonZeroU32::MIN).build().unwrap()).await.unwrap();
    // The second request goes straight there; it has expired, so the third one asks for the way again.
    assert_eq!(paths(&place), ["/a", "/signed", "/signed", "/a", "/signed"]);
    assert_content(&place.path("a"), &body);
}

#[tokio::test]
async fn redirects_without_end_are_given_up() {
    let place = Place::new().await;
    place.server.fallback(|_, nth| Reply::redirect(302, format!("/{nth}")));
    let error = place.engine().download(place.task("/a", "a").build().unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), place.server.requests().len()), (ErrorKind::Redirect, 11));
    assert!(error.to_string().contains("10"), "{error}");
}

/// A disk with as much space as is said.
#[derive(Debug)]
struct Disk(Arc<dyn OutputStreamFactory>, u64);

#[async_trait]
impl OutputStreamFactory for Disk {
    fn capability(&self, location: &Location) -> OutputCapability {
        self.0.capability(location)
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

    async fn free_space(&self, _: &Location) -> Result<Option<FreeSpace>> {
        Ok(Some(FreeSpace::new(self.1, None)))
    }

    async fn remove(&self, location: &Location) -> Result<bool> {
        self.0.remove(location).await
    }
}

#[tokio::test]
async fn too_little_space_is_told_with_its_figures_before_anything_is_written() {
    let place = Place::new().await;
    let size = 4 * MIB;
    place.server.serve("/a", tagged(Body::pattern(2, size)));
    let ok = place.engine();
    let task = place.task("/a", "a").build().unwrap();
    let end = ok.task(task.clone()).output_layer(|inner| Disk(inner, size - 1)).execute().await;
    assert_eq!((end.cause, end.fetched, place.files().len()), (EndCause::PreAllocateFailed, 0, 0));
    let error = end.error.unwrap();
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    let told = error.to_string();
    assert!(told.contains(&size.to_string()) && told.contains(&(size - 1).to_string()), "{told}");
    assert!(ok.task(task).output_layer(move |inner| Disk(inner, size)).execute().await.is_completed());
}

#[tokio::test]
async fn who_stops_waiting_cancels_nothing() {
    let (place, gate) = (Place::new().await, Gate::new());
    let ok = place.engine();
    let handle = ok.task(half(&place, &gate)).enqueue();
    reached_half(&handle, &gate).await;
    let moment = Duration::from_millis(1);
    assert!(tokio::time::timeout(moment, handle.wait()).await.is_err());
    place.server.serve("/b", tagged(Body::pattern(3, 1000)));
    let held = Gate::new();
    place.server.script("/b", [Reply::resource().gate_head(&held)]);
    let other = place.task("/b", "b").build().unwrap();
    let mut execution = Box::pin(ok.execute(other.clone(), NoListener));
    tokio::select! {
        _ = &mut execution => panic!("it is held"),
        () = held.reached() => drop(execution),
    }
    assert_eq!([handle.id(), other.id()].map(|id| ok.state(id)), [Some(TaskState::Running); 2]);
    gate.open();
    held.open();
    assert!(handle.await.is_completed());
    ok.task(other).join().enqueue().await.into_result().unwrap();
}

#[tokio::test]
async fn an_empty_file_is_known_to_be_complete() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::empty()));
    let ok = place.engine();
    let task = place.task("/a", "a").build().unwrap();
    assert_eq!(ok.status(&task).await.unwrap(), Status::Unknown);
    ok.download(task.clone()).await.unwrap();
    assert_eq!(ok.status(&task).await.unwrap(), Status::Completed);
    let info = ok.breakpoint(&task).await.unwrap().unwrap();
    assert_eq!((info.total, info.written()), (Some(0), 0));
}

#[tokio::test]
async fn a_post_brings_its_answer_in_one_request() {
    let place = Place::new().await;
    let body = Body::pattern(4, 3 * MIB);
    place.server.serve("/a", tagged(body.clone()).allow_method(http::Method::POST));
    let post = |name| place.task("/a", name).method(http::Method::POST).body("question").build().unwrap();
    let ok = place.engine();
    ok.download(post("a")).await.unwrap();
    assert_content(&place.path("a"), &body);
    let requests = place.server.requests();
    assert_eq!(
        (requests.len(), &requests[0].method, &requests[0].body[..]),
        (1, &http::Method::POST, &b"question"[..])
    );
    assert_eq!(requests[0].range(), None);
    // It may have had an effect, so it is not made again.
    place.server.script("/a", [Reply::resource().cut_after(MIB)]);
    assert_eq!(ok.download(post("b")).await.unwrap_err().kind(), ErrorKind::Network);
    assert!(place.server.requests().len() == 2 && !place.path("b").exists());
}

#[tokio::test]
async fn the_answer_to_a_post_is_no_answer_to_anything_else() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(4, MIB)).allow_method(http::Method::POST));
    let ok = place.engine();
    let post = |body: &'static str| place.task("/a", "a").method(http::Method::POST).body(body);
    ok.download(post("one").build().unwrap()).await.unwrap();
    for task in [post("two"), place.task("/a", "a").on_exists(OnExists::Overwrite)] {
        let asked = place.server.requests().len();
        let overwrites = task.build().unwrap();
        let ended = ok.download(overwrites.clone()).await;
        match overwrites.method() == http::Method::POST {
            // There may be an effect, so it is not asked before it is clear that the answer has a place.
            true => assert_eq!(
                (ended.unwrap_err().kind(), place.server.requests().len()),
                (ErrorKind::AlreadyExists, asked)
            ),
            false => assert_eq!((ended.unwrap().fetched, place.server.requests().len()), (MIB, asked + 1)),
        }
    }
    let again = post("three").on_exists(OnExists::Overwrite).build().unwrap();
    assert_eq!(ok.download(again).await.unwrap().fetched, MIB);
}

#[tokio::test]
async fn a_post_that_failed_leaves_nothing_that_no_run_can_go_on_with() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(5, 3 * MIB)).allow_method(http::Method::POST));
    place.server.script("/a", [Reply::resource().cut_after(2 * MIB)]);
    let post = place.task("/a", "a").method(http::Method::POST).body("question").build().unwrap();
    let ok = place.engine();
    assert!(ok.download(post).await.is_err());
    assert!(place.files().is_empty(), "{:?}", place.files());
    assert!(ok.unfinished().await.unwrap().is_empty());
}

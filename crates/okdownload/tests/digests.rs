//! Digests: the user's, the server's, and what happens if the file has another one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroU32;
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{MIB, Place, assert_content, run_to, tagged};
use okdownload::prelude::*;
use okdownload::{Digest, DigestAlgorithm, ResumeFailedCause};
use okdownload_store_memory::MemoryStore;
use okdownload_testkit::server::{Body, Reply, Resource};
use sha2::{Digest as _, Sha256};

const SIZE: u64 = 5 * MIB;

fn sha256(body: &Body) -> Vec<u8> {
    Sha256::digest(body.slice(..)).to_vec()
}

fn field(body: &Body) -> String {
    format!("sha-256=:{}:", STANDARD.encode(sha256(body)))
}

async fn download(place: &Place, resource: Resource) -> TaskEnd {
    place.server.serve("/a", resource);
    let task = place.task("/a", "a").connection_count(NonZeroU32::new(4).unwrap()).build().unwrap();
    place.engine().task(task).enqueue().await
}

#[tokio::test]
async fn the_servers_digest_is_checked() {
    let (body, other) = (Body::pattern(1, SIZE), Body::pattern(2, SIZE));
    for (name, resource, fits) in [
        ("of the resource", tagged(body.clone()).header("repr-digest", field(&body)), true),
        ("of another one", tagged(body.clone()).header("repr-digest", field(&other)), false),
        (
            "in a chunked 200",
            tagged(body.clone()).without_ranges().chunked().header("content-digest", field(&other)),
            false,
        ),
        (
            "without ranges",
            tagged(body.clone()).without_ranges().header("content-md5", "kAFQmDzST7DWlj99KOF/cg=="),
            false,
        ),
        // Of one block's content it says nothing about the file.
        ("of some content", tagged(body.clone()).header("content-digest", field(&other)), true),
        ("that can't be read", tagged(body.clone()).header("repr-digest", "sha-256=junk"), true),
    ] {
        let place = Place::new().await;
        let end = download(&place, resource).await;
        if fits {
            assert_eq!(end.cause, EndCause::Completed, "{name}: {:?}", end.error);
            assert_content(&place.path("a"), &body);
            continue;
        }
        let error = end.error.unwrap();
        assert_eq!(error.kind(), ErrorKind::Checksum, "{name}");
        // Both digests are named, and nothing is left.
        let text = error.to_string();
        assert!(text.contains("expected") && text.contains("got"), "{name}: {text}");
        assert!(place.files().is_empty(), "{name}: {:?}", place.files());
    }
}

#[tokio::test]
async fn the_users_digest_goes_before_the_servers() {
    let (body, other) = (Body::pattern(3, SIZE), Body::pattern(4, SIZE));
    for (users, cause) in [(&body, EndCause::Completed), (&other, EndCause::Error)] {
        let place = Place::new().await;
        let servers = if cause == EndCause::Completed { &other } else { &body };
        place.server.serve("/a", tagged(body.clone()).header("repr-digest", field(servers)));
        let digest = Digest::new(DigestAlgorithm::Sha256, sha256(users)).unwrap();
        let task = place.task("/a", "a").digest(digest).build().unwrap();
        assert_eq!(place.engine().task(task).enqueue().await.cause, cause);
    }
}

#[tokio::test]
async fn a_part_that_somebody_changed_is_fetched_anew_once() {
    let place = Place::new().await;
    let body = Body::pattern(5, SIZE);
    place.server.serve("/a", tagged(body.clone()).header("repr-digest", field(&body)));
    let task = place.task("/a", "a").connection_count(NonZeroU32::MIN).build().unwrap();
    let ok = place.engine();
    let handle = run_to(&place, &ok, task.clone(), SIZE / 2).await;
    handle.cancel();
    handle.wait().await;
    let part = std::fs::OpenOptions::new().write(true).open(place.path("a.okdownload")).unwrap();
    part.write_all_at(b"changed", 1000).unwrap();
    let request = ok.task(task);
    let events = request.events();
    let end = request.enqueue().await;
    assert_eq!((end.cause, end.resumed), (EndCause::Completed, 0), "{:?}", end.error);
    assert_content(&place.path("a"), &body);
    let events: Vec<Event> = futures_util::StreamExt::collect(events).await;
    let mismatch = |event: &Event| {
        matches!(event, Event::FromBeginning { cause: ResumeFailedCause::DigestMismatch, .. })
    };
    assert_eq!(events.iter().filter(|event| mismatch(event)).count(), 1);
}

#[tokio::test]
async fn the_digest_of_an_error_is_not_the_files() {
    let place = Place::new().await;
    let (body, error) = (Body::pattern(6, SIZE), Body::bytes("no ranges today"));
    place.server.serve("/a", tagged(body.clone()));
    let task = place.task("/a", "a").connection_count(NonZeroU32::MIN).build().unwrap();
    let ok = place.engine();
    let handle = run_to(&place, &ok, task.clone(), SIZE / 2).await;
    handle.cancel();
    handle.wait().await;
    place.server.script("/a", [Reply::status(416).header("repr-digest", field(&error))]);
    let end = ok.task(task).enqueue().await;
    assert_eq!((end.cause, end.resumed), (EndCause::Completed, SIZE / 2), "{:?}", end.error);
    assert_content(&place.path("a"), &body);
}

#[tokio::test]
async fn a_file_of_the_right_time_and_length_needs_the_right_digest() {
    let place = Place::new().await;
    let (body, time) = (Body::pattern(1, 2000), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    place.server.serve("/a", tagged(body.clone()).last_modified(time));
    std::fs::create_dir_all(place.path("")).unwrap();
    let digest = Digest::new(DigestAlgorithm::Sha256, Sha256::digest(body.slice(..)).to_vec()).unwrap();
    for (content, is_right) in [(body.slice(..), true), (Body::pattern(2, 2000).slice(..), false)] {
        std::fs::write(place.path("a"), &content).unwrap();
        let file = std::fs::File::options().write(true).open(place.path("a")).unwrap();
        file.set_modified(time).unwrap();
        // In an engine that knows nothing of it.
        let ok = place.builder().download_store(MemoryStore::new()).build().unwrap();
        let end = ok.task(place.task("/a", "a").digest(digest.clone()).build().unwrap()).enqueue().await;
        assert_eq!(end.is_completed(), is_right, "{end:?}");
        assert!(is_right || end.error.unwrap().kind() == ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(place.path("a")).unwrap(), content);
        ok.shutdown().await.unwrap();
    }
}

/// What a run leaves that died after the rename and before the record, where the server tells neither time nor tag. The
/// length is that of other files as well.
#[tokio::test]
async fn a_file_of_no_time_is_known_by_its_digest_alone() {
    let place = Place::new().await;
    let (body, other) = (Body::pattern(1, 2000), Body::pattern(2, 2000));
    let measured = Resource::new(body.clone()).without_validators();
    let chunked = measured.clone().without_ranges().chunked();
    std::fs::create_dir_all(place.path("")).unwrap();
    let right = Digest::new(DigestAlgorithm::Sha256, sha256(&body)).unwrap();
    for (resource, content, digest, said) in [
        (&measured, &body, Some(&right), None),
        (&measured, &other, Some(&right), Some("it is not this download")),
        (&measured, &body, None, Some("give the download's digest")),
        (&measured, &other, None, Some("give the download's digest")),
        (&measured, &Body::pattern(1, 1999), None, Some("it is not this download")),
        (&chunked, &body, Some(&right), None),
        (&chunked, &other, Some(&right), Some("it is not this download")),
        (&chunked, &body, None, Some("give the download's digest")),
    ] {
        place.server.replace("/a", resource.clone());
        std::fs::write(place.path("a"), content.slice(..)).unwrap();
        let ok = place.builder().download_store(MemoryStore::new()).build().unwrap();
        let task = digest.into_iter().fold(place.task("/a", "a"), |task, digest| task.digest(digest.clone()));
        let end = ok.task(task.build().unwrap()).enqueue().await;
        let text = end.error.as_ref().map(ToString::to_string);
        match said {
            None => assert_eq!((end.cause, end.fetched), (EndCause::Completed, 0), "{text:?}"),
            Some(said) => {
                let text = text.unwrap();
                assert!(text.contains(said) && text.contains("`on_exists`"), "{text}");
                assert_eq!(end.error.unwrap().kind(), ErrorKind::AlreadyExists);
            }
        }
        assert_content(&place.path("a"), content);
        ok.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_digest_that_is_given_later_is_checked_too() {
    let place = Place::new().await;
    let body = Body::pattern(4, MIB);
    place.server.serve("/a", tagged(body.clone()));
    let ok = place.engine();
    ok.download(place.task("/a", "a").build().unwrap()).await.unwrap();
    let with = |digest: Vec<u8>| {
        let digest = Digest::new(DigestAlgorithm::Sha256, digest).unwrap();
        place.task("/a", "a").digest(digest).build().unwrap()
    };
    let end = ok.download(with(sha256(&body))).await.unwrap();
    assert_eq!((end.fetched, place.server.requests().len()), (0, 1));
    let refused = ok.download(with(vec![0; 32])).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert_content(&place.path("a"), &body);
}

/// What the server says of its own file says nothing about ours, which may have been changed, or of which somebody knows
/// better what it has to be.
#[tokio::test]
async fn no_news_of_a_file_does_not_stand_for_its_digest() {
    let place = Place::new().await;
    let body = Body::pattern(5, MIB);
    place.server.serve("/a", tagged(body.clone()));
    let ok = place.engine();
    let update = || place.task("/a", "a").on_exists(OnExists::Update);
    ok.download(update().build().unwrap()).await.unwrap();
    for (digest, said) in [(sha256(&body), Ok(0)), (vec![0; 32], Err(ErrorKind::Checksum))] {
        let digest = Digest::new(DigestAlgorithm::Sha256, digest).unwrap();
        let end = ok.download(update().digest(digest).build().unwrap()).await;
        assert_eq!(end.map(|end| end.fetched).map_err(|error| error.kind()), said);
        assert_content(&place.path("a"), &body);
    }
}

#[tokio::test]
async fn a_file_that_is_known_by_its_digest_has_no_other_versions_validators() {
    let place = Place::new().await;
    let (old, new) = (Body::pattern(6, 2000), Body::pattern(7, 2000));
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    place.server.serve("/a", tagged(new.clone()).last_modified(time));
    std::fs::create_dir_all(place.path("")).unwrap();
    std::fs::write(place.path("a"), old.slice(..)).unwrap();
    let ok = place.engine();
    let digest = Digest::new(DigestAlgorithm::Sha256, sha256(&old)).unwrap();
    let end = ok.download(place.task("/a", "a").digest(digest).build().unwrap()).await.unwrap();
    assert_eq!(end.fetched, 0);
    assert_content(&place.path("a"), &old);
    ok.download(place.task("/a", "a").on_exists(OnExists::Update).build().unwrap()).await.unwrap();
    assert_content(&place.path("a"), &new);
}

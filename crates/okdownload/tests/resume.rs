//! Stopped and gone on with: what is kept, what is asked for, and when it is not trusted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroU32;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use common::resuming::{SIZE, again, half, one_connection};
use common::{MIB, Place, assert_content, tagged};
use okdownload::prelude::*;
use okdownload::store::{Change, CommitLevel, DownloadStore, SqliteStore};
use okdownload::{Digest, DigestAlgorithm, ResumeFailedCause};
use okdownload_testkit::server::{Body, Gate, Reply, Resource};
use sha2::{Digest as _, Sha256};

#[tokio::test]
async fn only_what_is_missing_is_asked_for() {
    let place = Place::new().await;
    let body = Body::pattern(1, SIZE);
    half(&place, tagged(body.clone())).await;
    let (end, began_anew) = again(&place, one_connection(&place)).await;
    assert_eq!((end.cause, end.resumed, end.fetched), (EndCause::Completed, SIZE / 2, SIZE / 2));
    assert_eq!(began_anew, None);
    assert_content(&place.path("a"), &body);
    assert_eq!(place.files(), ["a"]);
    let requests = place.server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].range(), Some(format!("bytes={}-{}", SIZE / 2, SIZE - 1).as_str()));
    assert_eq!(requests[0].header("if-range"), Some("\"v1\""));
}

#[tokio::test]
async fn another_count_of_connections_may_go_on() {
    let place = Place::new().await;
    let body = Body::pattern(2, SIZE);
    half(&place, tagged(body.clone())).await;
    let task = place.task("/a", "a").connection_count(NonZeroU32::new(4).unwrap()).build().unwrap();
    let (end, _) = again(&place, task).await;
    assert_eq!((end.cause, end.resumed), (EndCause::Completed, SIZE / 2));
    // A connection whose block was split while it received may have a chunk too much in hand.
    assert!((SIZE / 2..SIZE / 2 + MIB).contains(&end.fetched), "{}", end.fetched);
    assert_content(&place.path("a"), &body);
}

#[tokio::test]
async fn a_changed_resource_is_never_mixed() {
    let new = Body::pattern(9, SIZE);
    for (name, resource, cause) in [
        ("etag", Resource::new(new.clone()).etag("\"v2\""), ResumeFailedCause::ResponseEtagChanged),
        (
            "etag without ranges",
            Resource::new(new.clone()).etag("\"v2\"").without_ranges(),
            ResumeFailedCause::ResponseEtagChanged,
        ),
        (
            "no validator",
            Resource::new(new.clone()).without_validators(),
            ResumeFailedCause::ResponseEtagChanged,
        ),
    ] {
        let place = Place::new().await;
        half(&place, tagged(Body::pattern(3, SIZE))).await;
        place.server.replace("/a", resource);
        let (end, began_anew) = again(&place, one_connection(&place)).await;
        assert_eq!((end.cause, began_anew), (EndCause::Completed, Some(cause)), "{name}: {:?}", end.error);
        assert_content(&place.path("a"), &new);
    }
}

#[tokio::test]
async fn the_same_version_without_ranges_costs_one_more_response_and_no_restart() {
    let place = Place::new().await;
    let body = Body::pattern(4, SIZE);
    half(&place, tagged(body.clone())).await;
    place.server.replace("/a", tagged(body.clone()).without_ranges());
    let (end, began_anew) = again(&place, one_connection(&place)).await;
    assert_eq!((end.cause, end.resumed, began_anew), (EndCause::Completed, SIZE / 2, None));
    assert_content(&place.path("a"), &body);
    assert_eq!(place.server.requests().len(), 1);
}

#[tokio::test]
async fn without_a_strong_validator_nothing_is_kept() {
    let place = Place::new().await;
    let body = Body::pattern(5, SIZE);
    half(&place, Resource::new(body.clone()).without_validators().etag("W/\"v1\"")).await;
    let (end, began_anew) = again(&place, one_connection(&place)).await;
    assert_eq!(began_anew, Some(ResumeFailedCause::ValidatorMissing));
    assert_eq!((end.cause, end.fetched), (EndCause::Completed, SIZE));
    assert_content(&place.path("a"), &body);
}

#[tokio::test]
async fn a_user_may_trust_the_length() {
    let place = Place::new().await;
    let body = Body::pattern(6, SIZE);
    half(&place, Resource::new(body.clone()).without_validators()).await;
    let task = one_connection(&place).to_builder().trust_length(true).build().unwrap();
    let (end, began_anew) = again(&place, task).await;
    assert_eq!((end.cause, end.fetched, began_anew), (EndCause::Completed, SIZE / 2, None));
    assert_content(&place.path("a"), &body);
}

#[tokio::test]
async fn a_part_that_is_gone_or_another_file_is_not_trusted() {
    for replaced in [false, true] {
        let place = Place::new().await;
        let body = Body::pattern(7, SIZE);
        half(&place, tagged(body.clone())).await;
        let part = place.path("a.okdownload");
        std::fs::remove_file(&part).unwrap();
        if replaced {
            std::fs::write(&part, vec![7; SIZE as usize]).unwrap();
        }
        let (end, began_anew) = again(&place, one_connection(&place)).await;
        assert_eq!((end.cause, began_anew), (EndCause::Completed, Some(ResumeFailedCause::FileNotExist)));
        assert_content(&place.path("a"), &body);
    }
}

#[tokio::test]
async fn a_truncated_part_costs_what_was_cut() {
    let place = Place::new().await;
    let body = Body::pattern(8, SIZE);
    half(&place, tagged(body.clone())).await;
    let part = std::fs::OpenOptions::new().write(true).open(place.path("a.okdownload")).unwrap();
    part.set_len(SIZE / 4).unwrap();
    let (end, _) = again(&place, one_connection(&place)).await;
    assert_eq!((end.cause, end.resumed, end.fetched), (EndCause::Completed, SIZE / 4, SIZE * 3 / 4));
    assert_content(&place.path("a"), &body);
}

/// What a run that died young has left is so little that nobody need hear of it.
#[tokio::test]
async fn a_part_without_a_record_is_taken_over_with_a_warning() {
    for (left, warned) in [(5000, 0), (2 * MIB, 1)] {
        let place = Place::new().await;
        let body = Body::pattern(10, 1000);
        place.server.serve("/a", tagged(body.clone()));
        std::fs::create_dir_all(place.path("")).unwrap();
        std::fs::write(place.path("a.okdownload"), vec![1; left as usize]).unwrap();
        let (end, warnings) = with_warnings(&place).await;
        assert_eq!((end.cause, end.resumed), (EndCause::Completed, 0));
        assert_content(&place.path("a"), &body);
        assert_eq!(place.files(), ["a"]);
        assert_eq!(warnings.len(), warned, "{warnings:?}");
        assert!(warnings.iter().all(|warning| warning.contains("a.okdownload")), "{warnings:?}");
    }
}

/// Runs `/a` in a new engine; gives the end, and what it was warned of.
async fn with_warnings(place: &Place) -> (TaskEnd, Vec<String>) {
    let ok = place.engine();
    let request = ok.task(one_connection(place));
    let events = request.events();
    let end = request.enqueue().await;
    ok.shutdown().await.unwrap();
    let warning = |event| match event {
        Event::Warning { message } => Some(message.to_string()),
        _ => None,
    };
    let events: Vec<Event> = futures_util::StreamExt::collect(events).await;
    (end, events.into_iter().filter_map(warning).collect())
}

/// The times of files are compared with each other, never with a clock.
#[tokio::test]
async fn a_clock_that_jumps_costs_nothing() {
    let epoch = std::time::SystemTime::UNIX_EPOCH;
    for jump in [epoch + Duration::from_secs(1), epoch + Duration::from_secs(4_000_000_000)] {
        // Of a half, the time of its part.
        let place = Place::new().await;
        let body = Body::pattern(13, SIZE);
        half(&place, tagged(body.clone())).await;
        let part = std::fs::OpenOptions::new().write(true).open(place.path("a.okdownload")).unwrap();
        part.set_modified(jump).unwrap();
        let (end, began_anew) = again(&place, one_connection(&place)).await;
        assert_eq!((end.cause, end.resumed, began_anew), (EndCause::Completed, SIZE / 2, None));
        assert_content(&place.path("a"), &body);

        // Of a whole, the time that it was told.
        let place = Place::new().await;
        place.server.serve("/a", tagged(body.clone()).last_modified(jump));
        for requests in [1, 1] {
            let (end, _) = again(&place, one_connection(&place)).await;
            assert_eq!((end.cause, place.server.requests().len()), (EndCause::Completed, requests));
        }
    }
}

/// What a run leaves that died after the rename and before the first record.
async fn died_unrecorded(place: &Place, body: &Body) {
    let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    place.server.serve("/a", tagged(body.clone()).last_modified(time));
    std::fs::create_dir_all(place.path("")).unwrap();
    std::fs::write(place.path("a"), body.slice(..)).unwrap();
    std::fs::File::options().write(true).open(place.path("a")).unwrap().set_modified(time).unwrap();
}

#[tokio::test]
async fn a_part_that_nobody_needs_any_more_goes() {
    for (left, warned) in [(100, 0), (2 * MIB, 1)] {
        let place = Place::new().await;
        let body = Body::pattern(14, 1000);
        died_unrecorded(&place, &body).await;
        std::fs::write(place.path("a.okdownload"), vec![1; left as usize]).unwrap();
        let (end, warnings) = with_warnings(&place).await;
        assert_eq!((end.cause, end.fetched), (EndCause::Completed, 0));
        assert_content(&place.path("a"), &body);
        assert_eq!(place.files(), ["a"]);
        assert_eq!(warnings.len(), warned, "{warnings:?}");
    }
}

/// Its name may not be on the disk yet, and who says that it is complete says that it is.
#[tokio::test]
async fn a_finished_file_that_cannot_be_synced_is_not_said_to_be_complete() {
    let place = Place::new().await;
    let body = Body::pattern(15, 1000);
    died_unrecorded(&place, &body).await;
    let locked = std::fs::File::open(place.path("a")).unwrap();
    locked.lock().unwrap();
    let (end, _) = again(&place, one_connection(&place)).await;
    assert_eq!(end.error.unwrap().kind(), ErrorKind::FileBusy);
    drop(locked);
    let (end, _) = again(&place, one_connection(&place)).await;
    assert_eq!((end.cause, end.fetched), (EndCause::Completed, 0));

    // No other try would open a link. It is told, and that is all.
    let place = Place::new().await;
    died_unrecorded(&place, &body).await;
    std::fs::rename(place.path("a"), place.path("b")).unwrap();
    std::os::unix::fs::symlink(place.path("b"), place.path("a")).unwrap();
    let (end, warnings) = with_warnings(&place).await;
    assert_eq!((end.cause, end.fetched), (EndCause::Completed, 0));
    assert!(warnings.len() == 1 && warnings[0].contains("loss of power"), "{warnings:?}");
}

/// Runs a program from this file, which lasts until its standard input is closed.
#[cfg(target_os = "linux")]
fn running(program: &std::path::Path) -> std::process::Child {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    loop {
        // One that is many programs in one looks at the name that it was called by.
        match Command::new(program).arg0("sh").args(["-c", "read line"]).stdin(Stdio::piped()).spawn() {
            // A child of another test has just been forked, and still holds what we wrote it through.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            started => return started.unwrap(),
        }
    }
}

/// The system lets nobody write it then, and nobody needs to.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_finished_program_that_is_being_run_is_complete() {
    let body = Body::bytes(std::fs::read("/bin/sh").unwrap());
    let sha256 = Digest::new(DigestAlgorithm::Sha256, Sha256::digest(body.slice(..)).to_vec()).unwrap();
    for digest in [None, Some(sha256)] {
        let place = Place::new().await;
        died_unrecorded(&place, &body).await;
        let mut program = running(&place.path("a"));
        let task = digest.into_iter().fold(place.task("/a", "a"), |task, digest| task.digest(digest));
        let (end, _) = again(&place, task.build().unwrap()).await;
        drop(program.stdin.take());
        program.wait().unwrap();
        assert_eq!((end.cause, end.fetched), (EndCause::Completed, 0), "{:?}", end.error);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_part_that_cannot_be_removed_is_not_said_to_be() {
    let place = Place::new().await;
    died_unrecorded(&place, &Body::pattern(16, 1000)).await;
    let part = place.path("a.okdownload");
    std::fs::copy("/bin/sh", &part).unwrap();
    std::fs::File::options().write(true).open(&part).unwrap().set_len(2 * MIB).unwrap();
    let mut program = running(&part);
    let (end, warnings) = with_warnings(&place).await;
    drop(program.stdin.take());
    program.wait().unwrap();
    assert_eq!((end.cause, end.fetched), (EndCause::Completed, 0));
    assert!(warnings.len() == 1 && warnings[0].contains("a part of it is left"), "{warnings:?}");
}

#[tokio::test]
async fn a_resource_that_changes_at_every_request_ends_in_an_error() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(12, SIZE)));
    let changing = |nth| Reply::resource().header_override("ETag", format!("\"v{nth}\""));
    place.server.script("/a", (100..200).map(changing));
    let ok = place.engine();
    let task = place.task("/a", "a").connection_count(NonZeroU32::new(4).unwrap()).build().unwrap();
    let error = ok.download(task).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResumeFailed);
    assert!(!place.files().contains(&"a".to_owned()));
    assert!(place.server.requests().len() < 20);
}

#[tokio::test]
async fn a_completion_that_died_after_the_rename_is_complete() {
    let place = Place::new().await;
    let body = Body::pattern(11, SIZE);
    half(&place, tagged(body.clone())).await;
    // What the last steps of a run leave if it dies between the rename and the record: all is written and recorded,
    // and the part has its final name.
    let part = std::fs::OpenOptions::new().write(true).open(place.path("a.okdownload")).unwrap();
    part.write_all_at(&body.slice(SIZE / 2..), SIZE / 2).unwrap();
    let store = okdownload::store::SqliteStore::new(place.directory.path().join("state/test.db"));
    let task = one_connection(&place);
    use okdownload::store::{Change, CommitLevel, DownloadStore};
    let mut info = store.breakpoint(task.id()).await.unwrap().unwrap();
    info.blocks = vec![okdownload::BlockInfo::new(0, Some(SIZE)).with_progress(SIZE, SIZE)];
    store.commit(vec![Change::Put(info)], CommitLevel::Process).await.unwrap();
    store.close().await.unwrap();
    std::fs::rename(place.path("a.okdownload"), place.path("a")).unwrap();
    let (end, _) = again(&place, one_connection(&place)).await;
    assert_eq!((end.cause, end.fetched), (EndCause::Completed, 0));
    assert_eq!(place.server.requests().len(), 0);
    let (end, _) = again(&place, one_connection(&place)).await;
    assert_eq!((end.cause, place.server.requests().len()), (EndCause::Completed, 0));
}

#[tokio::test]
async fn a_breakpoint_that_is_removed_under_a_running_task_comes_back() {
    let place = Place::new().await;
    let body = Body::pattern(9, SIZE);
    place.server.serve("/a", tagged(body.clone()));
    let [first, second] = [Gate::new(), Gate::new()];
    let reply = Reply::resource().gate_after(SIZE / 4, &first).gate_after(SIZE / 2, &second);
    place.server.script("/a", [reply]);
    // Seldom, so that the record at the end is the first one after the removal.
    let ok = place.builder().record_interval(Duration::from_secs(1)).build().unwrap();
    let handle = ok.task(one_connection(&place)).enqueue();
    handle.progress().wait_for(|progress| progress.written == SIZE / 4).await.unwrap();
    let other = SqliteStore::new(place.directory.path().join("state/test.db"));
    assert!(other.breakpoint(handle.id()).await.unwrap().is_some());
    other.commit(vec![Change::RemoveBreakpoint(handle.id())], CommitLevel::Process).await.unwrap();
    other.close().await.unwrap();
    first.open();
    second.reached().await;
    handle.cancel();
    let end = handle.await;
    assert!(end.cause == EndCause::Canceled && end.error.is_none(), "{end:?}");
    assert!(end.fetched > SIZE / 4);
    ok.shutdown().await.unwrap();
    let (again, _) = again(&place, one_connection(&place)).await;
    assert_eq!((again.cause, again.resumed), (EndCause::Completed, end.fetched));
    assert_content(&place.path("a"), &body);
}

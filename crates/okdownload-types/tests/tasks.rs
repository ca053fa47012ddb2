//! What a task is told apart by, what it keeps, and what its end says.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::NonZeroU32;
use std::path::Path;

use http::{HeaderMap, HeaderValue};
use okdownload_types::{
    DownloadTask, DownloadTaskBuilder, EndCause, Error, ErrorKind, Location, Target, TaskEnd,
};

const URL: &str = "http://h/file.bin";

fn named(directory: &str, name: &str) -> DownloadTask {
    DownloadTask::builder(URL, Target::directory(directory)).filename(name).build().unwrap()
}

#[test]
fn tasks_are_told_apart_by_url_directory_and_name() {
    let task = named("/d", "a");
    assert_eq!(task, DownloadTask::to_file(URL, "/d/a").unwrap());
    for other in [
        named("/d", "b"),
        named("/e", "a"),
        // Named by the response: what that will be is not known.
        DownloadTask::to_directory(URL, "/d").unwrap(),
        DownloadTask::to_file("http://h/other.bin", "/d/a").unwrap(),
    ] {
        assert_ne!(task, other);
    }
}

#[test]
fn options_do_not_make_another_task() {
    let task = named("/d", "a");
    let other = task.to_builder().priority(7).header("x-mine", "1").retries(0).build().unwrap();
    assert_eq!((task.id(), &task), (other.id(), &other));
}

#[test]
fn a_builder_of_a_task_has_all_of_it() {
    let task = named("/d", "a");
    let task = task.to_builder().priority(7).connection_count(NonZeroU32::MIN).preallocate(false).tag(7_u8);
    let task = task.build().unwrap();
    let same = task.to_builder().build().unwrap();
    assert_eq!((same.url(), same.target(), same.id()), (task.url(), task.target(), task.id()));
    assert_eq!((same.priority(), same.connection_count()), (7, Some(NonZeroU32::MIN)));
    assert_eq!((same.preallocate(), same.tag::<u8>()), (Some(false), Some(&7)));
    // Another target brings its own name.
    let other = task.to_builder().target(Target::file("/e/b")).build().unwrap();
    assert_eq!((other.url(), other.target()), (task.url(), &Target::file("/e/b")));
}

#[test]
fn a_map_of_headers_replaces_those_that_were_there() {
    let mut map = HeaderMap::new();
    map.insert("x-new", HeaderValue::from_static("1"));
    let task = DownloadTask::builder(URL, Target::file("/a")).header("x-old", "1").headers(map.clone());
    assert_eq!(task.build().unwrap().headers(), &map);
}

#[test]
fn what_is_not_set_is_the_strategys() {
    let task = DownloadTask::to_file(URL, "/a").unwrap();
    assert_eq!((task.connection_count(), task.preallocate(), task.on_exists()), (None, None, None));
}

#[test]
fn what_stands_at_a_path_says_what_it_means() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let build = |target: Target| DownloadTask::builder(URL, target);
    let target = |builder: DownloadTaskBuilder| builder.build().unwrap().target().clone();
    // A directory: the response names the file, or the user does.
    let directory = Target::detect(here);
    assert_eq!((&directory, directory.named()), (&Target::directory(here), None));
    assert_eq!(target(build(directory).filename("a")), Target::file(here.join("a")));
    // A file, or nothing: the last segment is the name.
    for path in [here.join("Cargo.toml"), here.join("missing")] {
        let target = target(build(Target::detect(&path)).filename_from_response(false));
        assert_eq!(target, Target::file(&path));
        assert_eq!(target.location().file_name().as_deref(), path.file_name().and_then(|name| name.to_str()));
    }
    let top = DownloadTask::to_file(URL, "/path").unwrap();
    let top = top.target().location();
    assert_eq!(top, &Location::Path("/path".into()));
    assert_eq!(top.file_name().as_deref(), Some("path"));
    assert_eq!(top.path().and_then(Path::parent), Some(Path::new("/")));
}

#[test]
fn the_kind_of_an_error_gives_the_cause_of_the_end() {
    for (kind, cause) in [
        (ErrorKind::Canceled, EndCause::Canceled),
        (ErrorKind::FileBusy, EndCause::FileBusy),
        (ErrorKind::NoSpace, EndCause::PreAllocateFailed),
        (ErrorKind::ResumeFailed, EndCause::Error),
        (ErrorKind::Status, EndCause::Error),
        (ErrorKind::NetworkPolicy, EndCause::Error),
        (ErrorKind::Unexpected, EndCause::Error),
    ] {
        let end = TaskEnd::failed(Error::new(kind, "why"));
        assert_eq!((end.cause, end.is_completed()), (cause, false));
        // Who cancels needs no error.
        let told = end.error.as_ref().map(Error::kind);
        assert_eq!(told, Some(kind).filter(|kind| *kind != ErrorKind::Canceled));
        assert_eq!(end.into_result().unwrap_err().kind(), kind);
    }
    assert!(TaskEnd::new(EndCause::Completed).into_result().is_ok());
}

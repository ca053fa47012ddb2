//! OpenDAL's errors in okdownload's words. Whether trying again may help is decided here.
//!
//! Of an error of OpenDAL only the kind, the message and the causes are kept: its context has whole addresses, and
//! some services carry their signature in those.

use std::error::Error as StdError;
use std::io;

use okdownload_types::{Error, ErrorKind, Location};
use opendal::ErrorKind as Native;

use crate::place::Remote;

/// No answer of a service is told at greater length.
const LONGEST: usize = 400;

/// The error of `what` (a sentence) at a place.
pub(crate) fn at(what: &'static str, location: &Location, source: &opendal::Error) -> Error {
    judge(what, source).with_context("location", location)
}

/// The operating system's error about a file that is whole and has its name.
pub(crate) fn unsynced_name(location: &Location, source: io::Error) -> Error {
    Error::new(
        ErrorKind::Io,
        "the file is whole and has its name, but the name cannot be brought to the disk",
    )
    .with_context("location", location)
    .with_advice("check the disk; after a loss of power the file may be gone")
    .with_source(source)
}

/// A service that cannot be set up as it is configured.
pub(crate) fn settings(remote: &Remote, source: &opendal::Error) -> Error {
    judge("the service is not set up", source)
        .with_context("scheme", &remote.scheme)
        .with_context("authority", &remote.authority)
}

fn judge(what: &'static str, source: &opendal::Error) -> Error {
    let text = text(source);
    let (kind, advice) = match source.kind() {
        // What S3 says of a bucket; OpenDAL files it under settings.
        _ if text.contains("NoSuchBucket") => (
            ErrorKind::NotFound,
            Some(
                "there is no such bucket at this service: check its name, the region and the endpoint, or make it",
            ),
        ),
        Native::NotFound => (ErrorKind::NotFound, None),
        Native::PermissionDenied => (
            ErrorKind::PermissionDenied,
            Some(
                "check the credentials, and that they may write here; see the docs of okdownload-output-uri",
            ),
        ),
        Native::ConfigInvalid => (
            ErrorKind::Misuse,
            Some(
                "set what is missing in the environment or as an option; see the docs of okdownload-output-uri",
            ),
        ),
        Native::IsADirectory | Native::NotADirectory | Native::IsSameFile => {
            (ErrorKind::Misuse, Some("give the name of a file; a part of this one is a file or a directory"))
        }
        Native::AlreadyExists | Native::ConditionNotMatch => (ErrorKind::AlreadyExists, Some(TAKEN)),
        Native::Unsupported => (ErrorKind::Unsupported, None),
        _ => unexpected(source, &text),
    };
    let error = Error::new(kind, what).with_source(io::Error::other(text));
    let error = advice.into_iter().fold(error, Error::with_advice);
    if source.is_temporary() { error.temporary() } else { error }
}

const TAKEN: &str = "choose another name, or allow it to be overwritten";

/// OpenDAL has no kinds for what goes wrong on the way and on disks.
fn unexpected(source: &opendal::Error, text: &str) -> (ErrorKind, Option<&'static str>) {
    let native = causes(source).find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    match native {
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            (ErrorKind::NoSpace, Some("make room, and start it again"))
        }
        Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
            (ErrorKind::PermissionDenied, Some("choose a place that you may write to"))
        }
        _ if text.contains("timeout reached") => (ErrorKind::Timeout, None),
        _ if source.is_temporary() => (ErrorKind::Network, None),
        _ => (ErrorKind::Io, None),
    }
}

fn causes(error: &opendal::Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

/// The message and its causes, on one line, not too long, and without the query of any address.
fn text(error: &opendal::Error) -> String {
    let mut text = error.message().to_owned();
    for cause in causes(error) {
        text = format!("{text}: {cause}");
    }
    let words: Vec<_> = text.split_whitespace().map(without_query).collect();
    words.join(" ").chars().take(LONGEST).collect()
}

fn without_query(word: &str) -> &str {
    match word.split_once('?') {
        Some((address, _)) if address.contains("://") => address,
        _ => word,
    }
}

/// The HTTP client can't be made.
#[cfg(feature = "_http")]
pub(crate) fn client(source: reqwest::Error) -> Error {
    Error::new(ErrorKind::Tls, "no HTTP client can be made").with_source(source)
}

/// The final name is taken.
pub(crate) fn taken(location: &Location) -> Error {
    Error::new(ErrorKind::AlreadyExists, "the file's name is taken")
        .with_context("location", location)
        .with_advice(TAKEN)
}

/// A directory has the final name.
pub(crate) fn directory(location: &Location) -> Error {
    Error::new(ErrorKind::AlreadyExists, "the file's name is that of a directory")
        .with_context("location", location)
        .with_advice("give the name of a file in it, or another name")
}

/// Somebody made the object after the upload had begun under the condition that there is none.
pub(crate) fn appeared(location: &Location) -> Error {
    Error::new(ErrorKind::FileBusy, "somebody else made this object while it was being uploaded")
        .with_context("location", location)
        .with_advice("download it again")
}

/// The part is open already.
pub(crate) fn busy(location: &Location) -> Error {
    Error::new(ErrorKind::FileBusy, "another download is writing this file")
        .with_context("location", location)
        .with_advice("wait for it, or give this one another name")
}

/// A local path, and nobody to take it.
pub(crate) fn no_files(location: &Location) -> Error {
    Error::new(ErrorKind::Unsupported, "this output takes no local paths")
        .with_context("location", location)
        .with_advice("build it with an output for them: UriOutput::builder().files(FileOutput::new())")
}

/// What can't be done with bytes that are on their way.
pub(crate) fn unsupported(what: &'static str, location: &Location) -> Error {
    Error::new(ErrorKind::Unsupported, what).with_context("location", location)
}

/// Not the next byte.
pub(crate) fn not_in_order(location: &Location, offset: u64, expected: u64) -> Error {
    unsupported("this place takes bytes in order only", location)
        .with_context("offset", offset)
        .with_context("expected", expected)
}

/// More than the service, or our memory, takes.
pub(crate) fn too_long(what: &'static str, location: &Location, limit: u64) -> Error {
    unsupported(what, location).with_context("limit", limit).with_advice("write it to another place")
}

/// The part is to get a name that it can't have.
pub(crate) fn elsewhere(from: &Location, to: &Location) -> Error {
    Error::misuse(
        "this part cannot get that name",
        "commit an upload under the name it was opened with, and a file where its part is",
    )
    .with_context("part", from)
    .with_context("location", to)
}

/// The bytes are not wanted any more.
pub(crate) fn interrupted(location: &Location) -> Error {
    Error::new(ErrorKind::Canceled, "the upload was interrupted").with_context("location", location)
}

/// A call after one that failed and left nothing to go on with.
pub(crate) fn broken(location: &Location) -> Error {
    Error::new(ErrorKind::Io, "the upload has failed already").with_context("location", location)
}

/// A call after the part was closed: a bug of the caller.
pub(crate) fn closed(location: &Location) -> Error {
    Error::new(ErrorKind::Unexpected, "the part is closed already").with_context("location", location)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let place = Location::Uri("s3://bucket/key".into());
        let full = opendal::Error::new(Native::Unexpected, "x")
            .set_source(io::Error::from(io::ErrorKind::StorageFull));
        let new = |kind| opendal::Error::new(kind, "the reason");
        for (native, kind, temporary) in [
            (new(Native::NotFound), ErrorKind::NotFound, false),
            (new(Native::PermissionDenied), ErrorKind::PermissionDenied, false),
            (new(Native::ConfigInvalid), ErrorKind::Misuse, false),
            (opendal::Error::new(Native::ConfigInvalid, "code: NoSuchBucket"), ErrorKind::NotFound, false),
            (new(Native::IsADirectory), ErrorKind::Misuse, false),
            (new(Native::AlreadyExists), ErrorKind::AlreadyExists, false),
            (new(Native::ConditionNotMatch), ErrorKind::AlreadyExists, false),
            (new(Native::Unsupported), ErrorKind::Unsupported, false),
            (new(Native::RateLimited).set_temporary(), ErrorKind::Network, true),
            (new(Native::Unexpected), ErrorKind::Io, false),
            (new(Native::Unexpected).set_temporary(), ErrorKind::Network, true),
            (
                opendal::Error::new(Native::Unexpected, "io operation timeout reached").set_temporary(),
                ErrorKind::Timeout,
                true,
            ),
            (full, ErrorKind::NoSpace, false),
        ] {
            let error = at("cannot write", &place, &native);
            assert_eq!((error.kind(), error.is_temporary()), (kind, temporary), "{error}");
            assert!(error.to_string().contains("s3://bucket/key"), "{error}");
        }
    }

    #[test]
    fn signatures_are_not_shown() {
        let native = opendal::Error::new(Native::Unexpected, "sent to https://host/a?sig=SECRET just now")
            .with_context("url", "https://host/a?sig=SECRET");
        let error = at("cannot write", &Location::Uri("azblob://a/b".into()), &native);
        let text = format!("{error} {error:?}");
        assert!(!text.contains("SECRET") && text.contains("https://host/a just now"), "{text}");
    }

    #[test]
    fn long_answers_are_cut() {
        let native = opendal::Error::new(Native::Unexpected, "x".repeat(10_000));
        assert!(at("cannot write", &Location::Uri("a".into()), &native).to_string().len() < 600);
    }
}

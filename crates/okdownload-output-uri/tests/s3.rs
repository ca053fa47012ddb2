//! What the suite does not ask: large objects, and what goes wrong with S3.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic here is a test that failed"
)]

mod places;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use okdownload_output::{CommitOptions, OpenMode, OutputStream, OutputStreamFactory};
use okdownload_output_uri::UriOutput;
use okdownload_testkit::s3::{ACCESS_KEY, S3Server};
use okdownload_types::{ErrorKind, Location, Result};

/// What is sent in one request.
const CHUNK: usize = 8 << 20;

/// Three chunks: one was sent, and answered, before the last begins.
const LARGE: usize = (20 << 20) + 1;

fn at(key: &str) -> Location {
    Location::Uri(format!("s3://bucket/{key}"))
}

fn options(replace: bool) -> CommitOptions {
    CommitOptions::new(replace, true, None)
}

async fn open(output: &UriOutput, key: &str) -> Arc<dyn OutputStream> {
    output.open_part(&at(key), OpenMode::Create).await.unwrap().unwrap()
}

/// Writes the bytes in pieces as a connection would bring them.
async fn write(part: &dyn OutputStream, bytes: &Bytes) {
    const PIECE: usize = 300_001;
    for offset in (0..bytes.len()).step_by(PIECE) {
        let piece = bytes.slice(offset..bytes.len().min(offset + PIECE));
        part.write_at(offset as u64, vec![piece]).await.unwrap();
    }
}

fn bytes(length: usize, seed: usize) -> Bytes {
    (0..length).map(|n| ((n * 31 + seed + (n >> 13)) % 251) as u8).collect()
}

/// A large object whose upload has begun.
async fn large(output: &UriOutput, key: &str, seed: usize) -> Arc<dyn OutputStream> {
    let part = open(output, key).await;
    write(&*part, &bytes(LARGE, seed)).await;
    part
}

async fn put(output: &UriOutput, key: &str, text: &'static str) -> Result<()> {
    let part = open(output, key).await;
    part.write_at(0, vec![Bytes::from(text)]).await?;
    part.commit(&at(key), options(true)).await
}

#[tokio::test]
async fn a_large_object_is_right_to_the_last_byte() {
    let server = S3Server::start();
    let output = places::s3::output(&server).build();
    for length in [CHUNK, CHUNK + 1, LARGE] {
        let part = open(&output, "large").await;
        part.preallocate(length as u64).await.unwrap();
        let bytes = bytes(length, 7);
        write(&*part, &bytes).await;
        // By then at least one part is there.
        assert!(length < LARGE || !server.uploads().is_empty());
        part.commit(&at("large"), options(true)).await.unwrap();
        assert!(server.object("large").unwrap() == bytes, "{length}");
        let stat = output.stat(&at("large")).await.unwrap().unwrap();
        assert!(stat.length == length as u64 && stat.modified.is_some());
        assert_eq!(server.uploads(), [""; 0]);
    }
}

#[tokio::test]
async fn nothing_is_left_of_an_upload_that_is_given_up() {
    let server = S3Server::start();
    let output = places::s3::output(&server).build();
    for closes in [false, true] {
        let part = large(&output, "large", 1).await;
        assert!(!server.uploads().is_empty());
        if closes {
            part.close().await.unwrap();
        } else {
            part.abort().await.unwrap();
        }
        assert_eq!(server.uploads(), [""; 0]);
        assert_eq!(server.keys(), [""; 0]);
    }
}

/// Far longer than an end may take, and far shorter than the time-outs of the output.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_write_that_waits_ends_when_it_is_interrupted() {
    let server = S3Server::start();
    let output = places::s3::output(&server).build();
    // With the last, two parts are under way and one waits for them.
    for (request, answers, length) in [("head_object", 1, CHUNK + 1), ("upload_part", 2, 4 * CHUNK + 1)] {
        let part = open(&output, "large").await;
        server.stall(request);
        let writing = tokio::time::timeout(SOON, part.write_at(0, vec![bytes(length, 4)]));
        let (written, ()) = tokio::join!(writing, async {
            server.stalled(answers).await;
            part.interrupt();
        });
        let error = written.expect("it ends soon").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Canceled, "{error}");
        part.abort().await.unwrap();
        assert_eq!((server.uploads(), server.keys()), (vec![], vec![]), "{request}");
    }
}

/// The service knows the upload, and we don't yet know its id.
#[tokio::test]
async fn an_upload_that_is_just_beginning_is_taken_back_too() {
    let server = S3Server::start();
    let output = places::s3::output(&server).build();
    let part = open(&output, "large").await;
    server.stall("create_multipart_upload");
    // Whether it ends well makes no difference.
    let (_, ()) = tokio::join!(part.write_at(0, vec![bytes(LARGE, 4)]), async {
        server.stalled(1).await;
        part.interrupt();
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.go_on();
    });
    assert!(!server.uploads().is_empty());
    part.abort().await.unwrap();
    assert_eq!((server.uploads(), server.keys()), (vec![], vec![]));
}

#[tokio::test]
async fn an_interrupted_upload_takes_no_further_call() {
    let server = S3Server::start();
    let output = places::s3::output(&server).build();
    for length in [3, LARGE] {
        let part = open(&output, "key").await;
        write(&*part, &bytes(length, 5)).await;
        part.interrupt();
        let calls = [
            part.write_at(length as u64, vec!["more".into()]).await,
            part.commit(&at("key"), options(true)).await,
        ];
        for error in calls.map(Result::unwrap_err) {
            assert_eq!(error.kind(), ErrorKind::Canceled, "{error}");
        }
        part.abort().await.unwrap();
        assert_eq!((server.uploads(), server.keys()), (vec![], vec![]));
    }
}

/// Else nobody would know whether the object is there.
#[tokio::test]
async fn an_upload_that_is_being_completed_is_not_interrupted() {
    let server = S3Server::start();
    let output = places::s3::output(&server).build();
    let part = large(&output, "large", 6).await;
    server.stall("complete_multipart_upload");
    let (to, replace) = (at("large"), options(true));
    let (committed, ()) = tokio::join!(part.commit(&to, replace), async {
        server.stalled(1).await;
        part.interrupt();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        server.go_on();
    });
    committed.unwrap();
    assert!(server.object("large").unwrap() == bytes(LARGE, 6));
}

#[tokio::test]
async fn a_part_is_nobody_elses_before_it_is_taken_back() {
    let server = S3Server::start();
    let output = places::s3::output(&server).build();
    let part = large(&output, "large", 1).await;
    server.stall("abort_multipart_upload");
    let (aborted, opened) = tokio::join!(part.abort(), async {
        server.stalled(1).await;
        let opened = output.open_part(&at("large"), OpenMode::Create).await;
        server.go_on();
        opened
    });
    aborted.unwrap();
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::FileBusy);
    open(&output, "large").await.abort().await.unwrap();
}

#[tokio::test]
async fn an_object_that_appears_during_an_upload_is_not_replaced() {
    let server = S3Server::start();
    let output = places::s3::output(&server).build();
    for (replace, kind) in [(false, ErrorKind::AlreadyExists), (true, ErrorKind::FileBusy)] {
        let part = large(&output, "large", 2).await;
        put(&places::s3::output(&server).build(), "large", "theirs").await.unwrap();
        let error = part.commit(&at("large"), options(replace)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        // It is over, but must not make half an object.
        assert!(part.commit(&at("large"), options(true)).await.is_err());
        part.abort().await.unwrap();
        assert_eq!(server.object("large").unwrap(), b"theirs");
        assert_eq!(server.uploads(), [""; 0]);
        output.remove(&at("large")).await.unwrap();
    }
}

#[tokio::test]
async fn an_object_that_was_there_is_replaced_if_told() {
    let server = S3Server::start();
    let output = places::s3::output(&server).build();
    put(&output, "large", "old").await.unwrap();
    let part = large(&output, "large", 3).await;
    let refused = part.commit(&at("large"), options(false)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists, "{refused}");
    part.commit(&at("large"), options(true)).await.unwrap();
    assert!(server.object("large").unwrap() == bytes(LARGE, 3));
}

#[tokio::test]
async fn a_small_object_that_was_refused_can_be_committed_again() {
    let server = S3Server::start();
    let output = places::s3::output(&server).build();
    put(&output, "small", "old").await.unwrap();
    let part = open(&output, "small").await;
    part.write_at(0, vec!["new".into()]).await.unwrap();
    let refused = part.commit(&at("small"), options(false)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists, "{refused}");
    part.commit(&at("small"), options(true)).await.unwrap();
    assert_eq!(server.object("small").unwrap(), b"new");
}

#[tokio::test]
async fn keys_are_written_as_they_are() {
    let server = S3Server::start();
    let output = places::s3::output(&server).build();
    for key in ["100%.txt", "a%20b", "a b", "a?b#c", "a+b&c=d", "späß/文", "..."] {
        put(&output, key, "text").await.unwrap();
        assert_eq!(server.keys(), [key]);
        assert!(output.remove(&at(key)).await.unwrap());
    }
}

#[tokio::test]
async fn wrong_credentials_are_denied_with_advice_and_without_the_secret() {
    let server = S3Server::start();
    for (access, secret) in [("nobody", "hunter2"), (ACCESS_KEY, "hunter2")] {
        let builder = places::s3::output(&server).option("s3", "access_key_id", access);
        let output = builder.option("s3", "secret_access_key", secret).build();
        let errors =
            [put(&output, "key", "text").await.unwrap_err(), output.stat(&at("key")).await.unwrap_err(), {
                let part = open(&output, "key").await;
                let all = bytes(CHUNK + 1, 1);
                part.write_at(0, vec![all]).await.unwrap_err()
            }];
        for error in errors {
            let text = format!("{error} {error:?} {output:?}");
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{text}");
            assert!(error.advice().is_some_and(|advice| advice.contains("credentials")), "{text}");
            assert!(text.contains("s3://bucket/key") && !text.contains("hunter2"), "{text}");
            assert!(!error.is_temporary(), "{text}");
        }
    }
}

#[tokio::test]
async fn a_missing_bucket_is_said_to_be_missing() {
    let server = S3Server::start();
    let output = places::s3::output(&server).build();
    let place = Location::Uri("s3://no-such-bucket/key".into());
    for length in [3, CHUNK + 1] {
        let part = output.open_part(&place, OpenMode::Create).await.unwrap().unwrap();
        let written = part.write_at(0, vec![bytes(length, 1)]).await;
        let error = match written {
            Ok(()) => part.commit(&place, options(false)).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains("no such bucket"), "{error}");
        part.abort().await.unwrap();
    }
}

#[tokio::test]
async fn a_service_without_settings_says_what_is_missing() {
    let output = UriOutput::builder().option("s3", "default_storage_class", "\n").build();
    let error = output.stat(&at("key")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
    assert!(error.advice().is_some(), "{error}");
}

#[tokio::test]
async fn a_server_that_is_away_is_worth_another_try() {
    let gone = S3Server::start().endpoint().to_owned();
    let server = S3Server::start();
    let output = places::s3::output(&server).option("s3", "endpoint", gone).build();
    let error = put(&output, "key", "text").await.unwrap_err();
    assert!(error.is_temporary() && error.kind() == ErrorKind::Network, "{error}");
}

//! What the behaviours share on the client's side.

use std::sync::Arc;
use std::time::Duration;

use okdownload_connection::{ConnectRequest, Connected, ConnectionCapability, ConnectionFactory};
use okdownload_types::{Error, ErrorKind, ResponseHead, Result};
use url::Url;

use super::{Make, Setup};

/// Stands in the query of URLs, and must never be shown.
pub(super) const SECRET: &str = "s3cret";

/// A factory with nothing set.
pub(super) fn plain(make: Make) -> Arc<dyn ConnectionFactory> {
    make(&Setup::default()).expect("a factory with nothing set")
}

/// A factory with this setup; `None` if the backend says that it can't.
pub(super) fn supported(make: Make, setup: &Setup) -> Option<Arc<dyn ConnectionFactory>> {
    match make(setup) {
        Ok(factory) => Some(factory),
        Err(error) if error.kind() == ErrorKind::Unsupported => None,
        Err(error) => panic!("no factory for {setup:?}: {error}"),
    }
}

/// A GET that may take its time on a busy machine.
pub(super) fn get(url: Url) -> ConnectRequest {
    let mut request = ConnectRequest::get(url);
    request.connect_timeout = Duration::from_secs(20);
    request
}

/// A GET with one header.
pub(super) fn get_with(url: Url, name: &'static str, value: &str) -> ConnectRequest {
    let mut request = get(url);
    request.headers.insert(name, value.parse().unwrap());
    request
}

/// The URL with a query that must never be shown.
pub(super) fn with_secret(mut url: Url) -> Url {
    url.query_pairs_mut().append_pair("token", SECRET);
    url
}

/// The rest of the body and how it ended.
pub(super) async fn drain(connected: &mut dyn Connected) -> (Vec<u8>, Result<()>) {
    let mut body = Vec::new();
    loop {
        match connected.chunk().await {
            Ok(Some(bytes)) => {
                assert!(!bytes.is_empty(), "a chunk is empty");
                body.extend_from_slice(&bytes);
            }
            Ok(None) => return (body, Ok(())),
            Err(error) => return (body, Err(error)),
        }
    }
}

/// Head and body of a response that goes well.
pub(super) async fn fetch(
    factory: &dyn ConnectionFactory,
    request: ConnectRequest,
) -> (ResponseHead, Vec<u8>) {
    let shown = format!("{request:?}");
    let mut connected = factory.connect(request).await.unwrap_or_else(|error| panic!("{shown}: {error:?}"));
    let (body, end) = drain(&mut *connected).await;
    end.unwrap_or_else(|error| panic!("{shown}, after {} bytes: {error:?}", body.len()));
    (connected.head().clone(), body)
}

/// The error of a response that goes wrong, in its head or later.
pub(super) async fn failure(factory: &dyn ConnectionFactory, request: ConnectRequest) -> Error {
    let shown = format!("{request:?}");
    match factory.connect(request).await {
        Err(error) => error,
        Ok(mut connected) => {
            let (body, end) = drain(&mut *connected).await;
            end.expect_err(&format!("{shown} went well, with {} bytes", body.len()))
        }
    }
}

/// The error of a request whose connect time-out is short, and far shorter than a client's own.
pub(super) async fn timed_out(factory: &dyn ConnectionFactory, url: Url, limit: Duration) -> Error {
    let mut request = get(url);
    request.connect_timeout = limit;
    let bound = Duration::from_secs(10);
    tokio::time::timeout(bound, failure(factory, request)).await.expect("the request's own connect time-out")
}

/// Checks an error of this cause. Without [`tells_causes`](ConnectionCapability::tells_causes) it may look like a
/// connection that broke, and is temporary then.
#[track_caller]
pub(super) fn assert_cause(
    error: &Error,
    capability: ConnectionCapability,
    (kind, temporary): (ErrorKind, bool),
) {
    let looks_broken = error.is_temporary() && [kind, ErrorKind::Network].contains(&error.kind());
    if looks_broken && !capability.tells_causes {
        assert_error(error, error.kind(), true);
    } else {
        assert_error(error, kind, temporary);
    }
}

/// Checks what an error says: in one line, with the URL, and without the query's secret.
#[track_caller]
pub(super) fn assert_error(error: &Error, kind: ErrorKind, temporary: bool) {
    assert_eq!((error.kind(), error.is_temporary()), (kind, temporary), "{error:?}");
    let shown = error.to_string();
    assert!(shown.contains("url: ") && !shown.contains('\n'), "{shown}");
    assert!(!format!("{error} {error:?} {error:#?}").contains(SECRET), "{error:?}");
}

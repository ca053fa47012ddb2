//! Tries a request to a service again, where that may help.
//!
//! OpenDAL has a layer for it; but after that no error tells any more whether it was temporary.

use std::time::Duration;

use http::{Request, Response, StatusCode};
use opendal::{Buffer, HttpBody, HttpTransport, Result};

/// How long to wait before each further try.
const WAITS: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_millis(2500)];

/// A transport that tries again. Bodies are shared, not copied.
///
/// All that is sent may be sent twice: a part replaces itself, and a condition that holds no more is an answer.
#[derive(Debug)]
pub(crate) struct Retrying<T>(pub(crate) T);

impl<T: HttpTransport> HttpTransport for Retrying<T> {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        for wait in WAITS {
            let answer = self.0.fetch(request.clone()).await;
            if !is_temporary(&answer) {
                return answer;
            }
            tokio::time::sleep(wait).await;
        }
        self.0.fetch(request).await
    }
}

fn is_temporary(answer: &Result<Response<HttpBody>>) -> bool {
    match answer {
        Ok(response) => matches!(
            response.status(),
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::INTERNAL_SERVER_ERROR
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        ),
        Err(error) => error.is_temporary(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opendal::{Error, ErrorKind};
    use std::sync::Mutex;

    /// Gives these answers, the last one first: a status, or none for an error.
    #[derive(Debug)]
    struct Script(Mutex<Vec<Option<u16>>>);

    impl HttpTransport for Script {
        async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
            assert_eq!(request.into_body().to_vec(), b"body");
            let status = self.0.lock().unwrap().pop().unwrap();
            let status = status.ok_or_else(|| Error::new(ErrorKind::Unexpected, "reset").set_temporary())?;
            let nothing = HttpBody::new(EmptyStream, Some(0));
            Ok(Response::builder().status(status).body(nothing).unwrap())
        }
    }

    struct EmptyStream;

    impl futures_core::Stream for EmptyStream {
        type Item = Result<Buffer>;

        fn poll_next(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Self::Item>> {
            std::task::Poll::Ready(None)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_pass_is_tried_again() {
        for (answers, last, left) in [
            (vec![Some(200)], Some(200), 0),
            (vec![Some(200), Some(503)], Some(200), 0),
            (vec![Some(200), None, Some(500), Some(429)], Some(200), 0),
            (vec![Some(200), Some(502), Some(502), Some(502), Some(502)], Some(502), 1),
            (vec![Some(200), None, None, None, None], None, 1),
            (vec![Some(200), Some(403)], Some(403), 1),
            (vec![Some(200), Some(412)], Some(412), 1),
        ] {
            let transport = Retrying(Script(Mutex::new(answers)));
            let answer = transport.fetch(Request::new(Buffer::from("body"))).await;
            assert_eq!(answer.ok().map(|answer| answer.status().as_u16()), last);
            assert_eq!(transport.0.0.lock().unwrap().len(), left);
        }
    }
}

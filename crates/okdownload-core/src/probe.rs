//! What a server says of a resource, without a download.

use http::Method;
use okdownload_connection::ConnectRequest;
use okdownload_types::{ByteRange, DownloadTask, Error, ErrorKind, ResponseHead, Result, redacted};

use crate::engine::OkDownload;
use crate::redirect;
use crate::request::{self, Ask};

impl OkDownload {
    /// Asks for the first byte of a task's URL, as the task would, and tells the heads of the responses: those of the
    /// redirects, in their order, and last that of the answer, whatever its status. Nothing is stored, nothing is
    /// retried, and no mirror is asked. With another method than GET, whose effects it has, it asks for no range.
    ///
    /// # Errors
    /// If there is no answer; [`Redirect`](ErrorKind::Redirect) for a redirect that is not followed.
    pub async fn probe(&self, task: &DownloadTask) -> Result<Vec<ResponseHead>> {
        // Ranges are of GET only (RFC 9110 §14.2).
        let range = (*task.method() == Method::GET).then_some(ByteRange::new(0, 1));
        let ask = Ask { range, ..Ask::default() };
        let (mut url, mut method) = (task.url().clone(), task.method().clone());
        let mut heads = Vec::new();
        for _ in 0..=task.redirects() {
            let mut request = ConnectRequest::get(url.clone());
            request.headers = request::headers(task, None, &url, &ask);
            request.body = task.body().filter(|_| method == *task.method()).cloned();
            request.method = method.clone();
            let head = self.head(task, request).await?;
            let next = redirect::follow(task, &head, &method)?;
            heads.push(head);
            match next {
                None => return Ok(heads),
                Some(next) => (url, method) = next,
            }
        }
        Err(Error::new(ErrorKind::Redirect, "redirected too often")
            .with_context("limit", task.redirects())
            .with_context("last", redacted(&url)))
    }

    async fn head(&self, task: &DownloadTask, mut request: ConnectRequest) -> Result<ResponseHead> {
        let timeouts = task.timeouts();
        request.connect_timeout = timeouts.connect;
        let limit = timeouts.connect.saturating_add(timeouts.head);
        let connection = self.connection();
        // The limit's clock is that of the engine's runtime, which the caller need not be on.
        let asking = self.handle()?.spawn(async move {
            let answered = tokio::time::timeout(limit, connection.connect(request)).await;
            Ok(answered.map_err(|_| crate::connect::no_head(limit))??.head().clone())
        });
        asking.await.map_err(|error| {
            Error::new(ErrorKind::Unexpected, "the server could not be asked").with_source(error)
        })?
    }
}

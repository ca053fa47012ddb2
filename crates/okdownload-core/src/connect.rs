//! One request and the head of its response: redirects followed, limits kept, the response judged.

use http::HeaderMap;
use okdownload_connection::{ConnectRequest, Connected};
use okdownload_monitor::Event;
use okdownload_strategy::{ResponseFacts, ResponseVerdict};
use okdownload_types::{Error, ErrorKind, ResponseHead, Result, redacted, without_secrets};
use url::Url;

use crate::redirect;
use crate::request::{self, Ask};
use crate::run::Run;

/// For whom a request is made; its events have other names.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Trial,
    Block(usize),
}

/// A response, and what it means.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) connected: Box<dyn Connected>,
    pub(crate) verdict: ResponseVerdict,
    /// Which source it is of.
    pub(crate) source: usize,
}

/// Asks a source, and follows redirects to the answer.
///
/// Further requests go straight to where a redirect led. Such a place may expire (signed URLs do): then the source's own
/// URL is asked again, once.
pub(crate) async fn connect(run: &Run, ask: &Ask, step: Step, source: usize) -> Result<Answer> {
    let network = run.strategy().inspect_network(&run.task);
    network?;
    let ask = &run.ask_of(source, ask);
    let (url, start) = run.sources().urls(source);
    let mut connected = follow(run, ask, step, source, start.clone()).await?;
    let expired = matches!(connected.head().status, 401 | 403 | 404 | 410) && start != url;
    if expired {
        run.sources().set_place(source, url.clone());
        connected = follow(run, ask, step, source, url).await?;
    }
    if connected.head().url != start {
        run.sources().set_place(source, connected.head().url.clone());
    }
    let verdict = judge(run, ask, connected.head());
    if matches!(verdict, ResponseVerdict::Body { .. } | ResponseVerdict::Empty(_)) {
        run.sources().answered(source, !ask.other_source);
    }
    Ok(Answer { connected, verdict, source })
}

/// What a response to `ask` means.
fn judge(run: &Run, ask: &Ask, head: &ResponseHead) -> ResponseVerdict {
    let mut facts = ResponseFacts::new(head);
    facts.asked = ask.range;
    facts.if_range = ask.if_range().is_some();
    facts.conditional = ask.condition.is_some();
    facts.version = ask.version.as_ref();
    facts.trusting = run.is_trusting();
    facts.checked = run.task.digest().is_some();
    facts.other_source = ask.other_source;
    match run.strategy().judge_response(&facts) {
        ResponseVerdict::Refused(error) => {
            ResponseVerdict::Refused(error.with_context("url", redacted(&head.url)))
        }
        verdict => verdict,
    }
}

async fn follow(run: &Run, ask: &Ask, step: Step, source: usize, start: Url) -> Result<Box<dyn Connected>> {
    let mut method = run.task.method().clone();
    let mut url = start;
    let mirror = source.checked_sub(1).and_then(|number| run.task.mirrors().get(number));
    for _ in 0..=run.task.redirects() {
        let headers = request::headers(&run.task, mirror, &url, ask);
        let connected = request_once(run, headers, step, url, &method).await?;
        match redirect::follow(&run.task, connected.head(), &method)? {
            None => return Ok(connected),
            Some(next) => (url, method) = next,
        }
    }
    Err(Error::new(ErrorKind::Redirect, "redirected too often")
        .with_context("limit", run.task.redirects())
        .with_context("last", redacted(&url)))
}

async fn request_once(
    run: &Run,
    headers: HeaderMap,
    step: Step,
    url: Url,
    method: &http::Method,
) -> Result<Box<dyn Connected>> {
    let timeouts = run.task.timeouts();
    let mut request = ConnectRequest::get(url);
    request.headers = headers;
    request.method = method.clone();
    request.body = run.task.body().filter(|_| method == run.task.method()).cloned();
    request.connect_timeout = timeouts.connect;
    started(run, step, &request);
    // The backend keeps the limit for connecting; what is over it is waiting for the head.
    let limit = timeouts.connect.saturating_add(timeouts.head);
    let answered = run.or_stop(tokio::time::timeout(limit, run.connection.connect(request))).await?;
    let connected = answered.unwrap_or_else(|_| Err(no_head(timeouts.head)))?;
    answered_with(run, step, connected.head());
    Ok(connected)
}

/// The error of an answer that is well-formed and means nothing that was asked for.
pub(crate) fn unfit() -> Error {
    Error::new(ErrorKind::Protocol, "the server's answer does not fit the request")
}

pub(crate) fn no_head(limit: std::time::Duration) -> Error {
    Error::new(ErrorKind::Timeout, "the server did not answer in time")
        .with_context("limit", format!("{limit:?}"))
        .temporary()
}

fn started(run: &Run, step: Step, request: &ConnectRequest) {
    tracing::debug!(url = redacted(&request.url), ?step, "request");
    // The query may hold secrets.
    let mut url = request.url.clone();
    url.set_query(None);
    let headers = without_secrets(&request.headers, &request.url);
    run.hub.publish(match step {
        Step::Trial => Event::ConnectTrialStart { url, headers },
        Step::Block(block) => Event::ConnectStart { block, url, headers },
    });
}

fn answered_with(run: &Run, step: Step, head: &ResponseHead) {
    tracing::debug!(status = head.status, ?step, "response");
    let (status, headers) = (head.status, without_secrets(&head.headers, &head.url));
    run.hub.publish(match step {
        Step::Trial => Event::ConnectTrialEnd { status, headers },
        Step::Block(block) => Event::ConnectEnd { block, status, headers },
    });
}

//! `okdl probe`: what a server can do with a URL.

use http::{Method, StatusCode, header};
use okdownload::strategy::{NameFacts, default_file_name};
use okdownload::{ContentRange, DownloadTask, ResponseHead, Target, Validators, redacted};
use serde::Serialize;

use super::{json_line, print};
use crate::args::ProbeArgs;
use crate::asked::Asked;
use crate::engine::Setup;
use crate::form::Form;
use crate::plan::check_url;
use crate::report::{Failure, bytes, describe, printable};
use crate::run::Outcome;

/// What a server said. Its fields are those of the JSON form.
#[derive(Debug, Serialize)]
struct Probed {
    url: String,
    /// Where redirects led, the last one last.
    redirects: Vec<String>,
    status: u16,
    protocol: String,
    name: String,
    length: Option<u64>,
    /// Whether it answers a range by that range; only GET is asked for one.
    ranges: Option<bool>,
    etag: Option<String>,
    last_modified: Option<String>,
    /// Whether a broken download can go on: there are ranges, and a validator that tells versions apart.
    resumable: bool,
    digest: Option<String>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    server: Option<String>,
}

pub(crate) fn probe(args: &ProbeArgs) -> Result<Outcome, Failure> {
    check_url(&args.url).map_err(|problem| Failure::Usage(format!("the URL {problem}")))?;
    let asked = Asked::of_requests(&args.requests)?;
    let setup = Setup::of_requests(&args.requests)?;
    let (task, headers) =
        Form::new(&args.form)?.apply(DownloadTask::builder(&args.url, Target::directory(".")));
    let task = asked.apply(task, &args.url, &headers).build();
    let task = task.map_err(|error| Failure::Usage(format!("the URL: {error}")))?;
    crate::work(&args.common, async |console| {
        let engine = setup.engine(console).await?;
        let heads = engine.probe(&task).await;
        let failure = |error| Failure::Other(format!("{}: {}", redacted(task.url()), describe(&error)));
        let probed = Probed::new(&task, &heads.map_err(failure)?).map_err(failure)?;
        let is_good = (200..300).contains(&probed.status) || probed.length == Some(0);
        let text = if args.common.json { json_line(&probed) } else { probed.words() };
        print(text.as_bytes(), if is_good { Outcome::Complete } else { Outcome::Failed })
    })
}

impl Probed {
    fn new(task: &DownloadTask, heads: &[ResponseHead]) -> okdownload::Result<Self> {
        let none = || okdownload::Error::new(okdownload::ErrorKind::Protocol, "there was no answer");
        let head = heads.last().ok_or_else(none)?;
        let text = |name| head.header(&name).map(printable);
        let range = head.content_range()?;
        let validators: Validators = head.validators();
        let ranges = (*task.method() == Method::GET).then_some(head.status == 206);
        let (length, empty) = match range {
            Some(ContentRange::Bytes { total, .. }) => (total, false),
            Some(ContentRange::Unsatisfied { total }) => (total, total == Some(0)),
            None => (head.content_length()?, false),
        };
        let is_content = (200..300).contains(&head.status) || empty;
        Ok(Self {
            url: redacted(task.url()),
            redirects: heads.iter().skip(1).map(|head| redacted(&head.url)).collect(),
            status: head.status,
            protocol: format!("{:?}", head.version),
            name: default_file_name(&NameFacts::new(task.url(), head)),
            length: length.filter(|_| is_content),
            ranges,
            etag: text(header::ETAG),
            last_modified: text(header::LAST_MODIFIED),
            resumable: ranges == Some(true) && validators.is_strong(),
            digest: head.digest().map(|digest| digest.to_string()),
            content_type: text(header::CONTENT_TYPE),
            content_encoding: head.content_encoding().map(printable),
            server: text(header::SERVER),
        })
    }

    fn words(&self) -> String {
        let reason = StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        let mut lines = vec![("URL", Some(self.url.clone()))];
        lines.extend(self.redirects.iter().map(|url| ("redirected", Some(url.clone()))));
        let ranges = match self.ranges {
            Some(true) => "yes: many connections can be used",
            Some(false) => "no: one connection only",
            None => "unknown: only GET asks for them",
        };
        let resumable = match (self.resumable, self.ranges) {
            (true, _) => "yes",
            (false, Some(true)) => "no: there is no strong ETag or Last-Modified",
            (false, Some(false)) => "no: there are no ranges",
            (false, None) => "no: only what GET fetches can go on",
        };
        lines.extend([
            ("answer", Some(format!("{} {}, {}", self.status, reason.unwrap_or_default(), self.protocol))),
            ("name", Some(printable(&self.name))),
            ("length", Some(self.length.map_or_else(|| "not told".into(), length))),
            ("ranges", Some(ranges.into())),
            ("resumable", Some(resumable.into())),
            ("ETag", self.etag.clone()),
            ("modified", self.last_modified.clone()),
            ("digest", self.digest.clone()),
            ("type", self.content_type.clone()),
            ("encoding", self.content_encoding.clone()),
            ("server", self.server.clone()),
        ]);
        let told = lines.into_iter().filter_map(|(what, text)| Some(format!("{what:<11} {}\n", text?)));
        told.collect()
    }
}

fn length(length: u64) -> String {
    if length < 1024 { format!("{length} B") } else { format!("{} ({length} B)", bytes(length)) }
}

//! What a row of the table is made of.

use std::ops::RangeInclusive;

use okdownload::prelude::*;
use okdownload::{DownloadTaskBuilder, ResumeFailedCause, Timeouts};
use okdownload_testkit::server::{Body, LoggedRequest, Reply, Resource};

use super::stage::Stage;

pub(crate) const MIB: u64 = 1 << 20;
/// A file that one request brings.
pub(crate) const SMALL: u64 = 60_000;
/// What an earlier run has left of it.
pub(crate) const HALF: u64 = SMALL / 2;
/// A file that several connections bring: the first MiB by the probe, the rest in blocks.
pub(crate) const BIG: u64 = 3 * MIB / 2;
/// A limit for what never comes; all others are far longer than anything takes.
pub(crate) const SHORT: std::time::Duration = std::time::Duration::from_secs(2);

type Setup = Box<dyn FnOnce(&Stage) + Send>;
type Options = Box<dyn FnOnce(DownloadTaskBuilder) -> DownloadTaskBuilder + Send>;
type LogCheck = Box<dyn FnOnce(&Stage, &[LoggedRequest]) -> Result<(), String> + Send>;

/// A row: what the server has and does, what lies there before, the task's options, and what must come of it.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) tls: Tls,
    /// What an earlier run was served, and how much of it that run has left.
    pub(crate) left_before: Option<(Resource, u64)>,
    /// What the server has at `/a`.
    pub(crate) resource: Option<Resource>,
    pub(crate) setup: Vec<Setup>,
    pub(crate) options: Vec<Options>,
    pub(crate) url: Url,
    pub(crate) into_directory: bool,
    pub(crate) expected: Outcome,
    /// What isahc does otherwise, and why.
    pub(crate) isahc: Option<(Outcome, &'static str)>,
    pub(crate) log: Option<LogCheck>,
}

/// What is asked for.
pub(crate) enum Url {
    Path(String),
    Made(Box<dyn FnOnce(&Stage) -> String + Send>),
}

/// How the server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    Without,
    Trusted,
    Untrusted,
    /// The certificate is for another host.
    Misnamed,
}

/// A row with this name: a small file, asked for by the path `/a`, for the file `a`.
pub(crate) fn case(name: impl Into<String>) -> Case {
    Case {
        name: name.into(),
        tls: Tls::Without,
        left_before: None,
        resource: Some(v1(small())),
        setup: Vec::new(),
        options: Vec::new(),
        url: Url::Path("/a".to_owned()),
        into_directory: false,
        expected: whole(small()),
        isahc: None,
        log: None,
    }
}

impl Case {
    /// Another name for the row.
    pub(crate) fn renamed(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// What the server has at `/a`.
    pub(crate) fn has(mut self, resource: Resource) -> Self {
        self.resource = Some(resource);
        self
    }

    /// The first requests to `/a` get these replies.
    pub(crate) fn answers<const N: usize>(self, replies: [Reply; N]) -> Self {
        self.with(|stage| stage.server.script("/a", replies))
    }

    /// All requests to `/a` get this reply.
    pub(crate) fn always(self, reply: Reply) -> Self {
        self.with(|stage| stage.server.handle("/a", move |_, _| reply.clone()))
    }

    /// A big file over four connections, of which so many requests for further blocks get this reply.
    pub(crate) fn at_blocks(self, times: usize, reply: Reply) -> Self {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let answered = AtomicUsize::new(0);
        self.big().with(move |stage| {
            stage.server.handle("/a", move |request, _| {
                let is_further = first_byte(request).is_some_and(|start| start > MIB);
                if is_further && answered.fetch_add(1, Ordering::Relaxed) < times {
                    reply.clone()
                } else {
                    Reply::resource()
                }
            });
        })
    }

    /// A big file over four connections.
    pub(crate) fn big(self) -> Self {
        self.has(v1(big())).connections(4).then(whole(big()))
    }

    /// An earlier run has left the first half of this.
    pub(crate) fn half_of(mut self, resource: Resource) -> Self {
        self.left_before = Some((resource, HALF));
        self.expected = self.expected.goes_on();
        self
    }

    /// What is done before the task runs.
    pub(crate) fn with(mut self, setup: impl FnOnce(&Stage) + Send + 'static) -> Self {
        self.setup.push(Box::new(setup));
        self
    }

    pub(crate) fn options(
        mut self,
        change: impl FnOnce(DownloadTaskBuilder) -> DownloadTaskBuilder + Send + 'static,
    ) -> Self {
        self.options.push(Box::new(change));
        self
    }

    pub(crate) fn connections(self, count: u32) -> Self {
        self.options(move |task| task.connection_count(count.try_into().unwrap()))
    }

    pub(crate) fn retries(self, retries: u32) -> Self {
        self.options(move |task| task.retries(retries))
    }

    /// Waits shortly for what does not come.
    pub(crate) fn short_limits(self) -> Self {
        self.options(|task| {
            let mut limits = Timeouts::default();
            // The first two are one limit for an answer.
            (limits.connect, limits.head, limits.stall) = (SHORT / 2, SHORT / 2, SHORT);
            task.timeouts(limits)
        })
    }

    /// Asks for another path than `/a`.
    pub(crate) fn asks(mut self, path: &str) -> Self {
        self.url = Url::Path(path.to_owned());
        self
    }

    /// Asks for this URL.
    pub(crate) fn asks_for(mut self, url: impl FnOnce(&Stage) -> String + Send + 'static) -> Self {
        self.url = Url::Made(Box::new(url));
        self
    }

    /// Leaves the name of the file open.
    pub(crate) fn into_directory(mut self) -> Self {
        self.into_directory = true;
        self
    }

    pub(crate) fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// What must come of it.
    pub(crate) fn then(mut self, expected: Outcome) -> Self {
        self.expected = expected;
        self
    }

    /// What comes of it with isahc, and why that is something else.
    pub(crate) fn isahc(mut self, expected: Outcome, why: &'static str) -> Self {
        self.isahc = Some((expected, why));
        self
    }

    /// What must hold of the requests that came to the server.
    pub(crate) fn log(
        mut self,
        check: impl FnOnce(&Stage, &[LoggedRequest]) -> Result<(), String> + Send + 'static,
    ) -> Self {
        self.log = Some(Box::new(check));
        self
    }
}

/// What must come of a row.
#[derive(Clone)]
pub(crate) struct Outcome {
    pub(crate) end: End,
    /// What lies in the directory afterwards.
    pub(crate) files: Vec<String>,
    pub(crate) begins: Begins,
    pub(crate) requests: RangeInclusive<usize>,
    /// What a warning says.
    pub(crate) warning: Option<&'static str>,
}

#[derive(Clone)]
pub(crate) enum End {
    /// This file is there, with this content.
    Whole(String, Body),
    /// An error of this kind, whose text holds these words.
    Fails(ErrorKind, &'static str),
}

/// Where the bytes begin that the run adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begins {
    /// At the first byte; nothing was there.
    Fresh,
    /// Behind what an earlier run has left.
    GoesOn,
    /// At the first byte, though there was something, for this reason.
    Anew(ResumeFailedCause),
    /// It is not said.
    Anywhere,
}

/// The file is there and right, and nothing else is.
pub(crate) fn whole(body: Body) -> Outcome {
    Outcome {
        end: End::Whole("a".to_owned(), body),
        files: vec!["a".to_owned()],
        begins: Begins::Fresh,
        requests: 0..=20,
        warning: None,
    }
}

/// It ends in an error of this kind, which says this, and nothing is left.
pub(crate) fn fails(kind: ErrorKind, words: &'static str) -> Outcome {
    Outcome {
        end: End::Fails(kind, words),
        files: Vec::new(),
        begins: Begins::Anywhere,
        requests: 0..=20,
        warning: None,
    }
}

impl Outcome {
    /// So many requests were made.
    pub(crate) fn requests(mut self, requests: usize) -> Self {
        self.requests = requests..=requests;
        self
    }

    /// At least and at most so many requests were made.
    pub(crate) fn requests_within(mut self, requests: RangeInclusive<usize>) -> Self {
        self.requests = requests;
        self
    }

    /// The file has another name.
    pub(crate) fn named(mut self, name: impl Into<String>) -> Self {
        if let End::Whole(own, _) = &mut self.end {
            *own = name.into();
            self.files = vec![own.clone()];
        }
        self
    }

    /// What was fetched is left, and can be gone on with.
    pub(crate) fn leaves_part(mut self) -> Self {
        self.files = vec!["a.okdownload".to_owned()];
        self
    }

    /// These files are there afterwards.
    pub(crate) fn files(mut self, files: &[&str]) -> Self {
        self.files = files.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    pub(crate) fn goes_on(mut self) -> Self {
        self.begins = Begins::GoesOn;
        self
    }

    pub(crate) fn anew(mut self, cause: ResumeFailedCause) -> Self {
        self.begins = Begins::Anew(cause);
        self
    }

    pub(crate) fn warns(mut self, words: &'static str) -> Self {
        self.warning = Some(words);
        self
    }
}

pub(crate) fn small() -> Body {
    Body::pattern(1, SMALL)
}

/// What the server has instead, once it has another version.
pub(crate) fn other() -> Body {
    Body::pattern(2, SMALL)
}

pub(crate) fn big() -> Body {
    Body::pattern(3, BIG)
}

/// A resource with a strong validator.
pub(crate) fn v1(body: Body) -> Resource {
    Resource::new(body).etag("\"v1\"")
}

/// Another version.
pub(crate) fn v2(body: Body) -> Resource {
    Resource::new(body).etag("\"v2\"")
}

/// The first byte that a request asks for.
pub(crate) fn first_byte(request: &okdownload_testkit::server::Request) -> Option<u64> {
    request.range()?.strip_prefix("bytes=")?.split('-').next()?.parse().ok()
}

/// Why isahc takes some answers that can't be read for connections that broke.
pub(crate) const NO_CAUSES: &str =
    "libcurl has one code for this and for a broken connection, and isahc drops its words";

/// What isahc makes of an answer that can't be read and that it can't tell from a broken connection.
pub(crate) fn broke() -> Outcome {
    fails(ErrorKind::Network, "the connection broke")
}

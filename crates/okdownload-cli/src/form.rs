//! The method of requests, and what they bring along.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use okdownload::DownloadTaskBuilder;

use crate::input::read;
use crate::options::FormArgs;
use crate::report::Failure;

#[derive(Debug)]
pub(crate) struct Form {
    method: Method,
    body: Option<Bytes>,
}

impl Form {
    /// Reads the file that is the body, if there is one.
    pub(crate) fn new(args: &FormArgs) -> Result<Self, Failure> {
        let body = match (&args.data, &args.data_file) {
            (Some(text), _) => Some(Bytes::copy_from_slice(text.as_bytes())),
            (None, Some(path)) => Some(read("data file", path)?.into()),
            (None, None) => None,
        };
        let usual = if body.is_some() { Method::POST } else { Method::GET };
        let method = args.method.as_deref().map(|name| Method::from_bytes(name.as_bytes())).transpose();
        let method = method.map_err(|_| Failure::usage("--method is one word, as POST"))?.unwrap_or(usual);
        Ok(Self { method, body })
    }

    /// Whether it only asks for what is there: then it can be asked for a part, and again.
    pub(crate) fn is_plain(&self) -> bool {
        self.body.is_none() && self.method == Method::GET
    }

    /// A task with method and body, and the headers that it has of itself.
    pub(crate) fn apply(&self, task: DownloadTaskBuilder) -> (DownloadTaskBuilder, HeaderMap) {
        let (task, mut headers) = (task.method(self.method.clone()), HeaderMap::new());
        let Some(body) = &self.body else { return (task, headers) };
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, form);
        (task.body(body.clone()), headers)
    }
}

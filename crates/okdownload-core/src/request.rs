//! What a request carries: pure functions from data to headers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderValue};
use okdownload_types::{ByteRange, DownloadTask, ResourceVersion, Validators, is_secret};
use url::Url;

/// What one request asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    /// Which bytes; all of them without.
    pub(crate) range: Option<ByteRange>,
    /// The version that the bytes must be of.
    pub(crate) version: Option<ResourceVersion>,
    /// The version that the caller has already, and wants only news of.
    pub(crate) condition: Option<Validators>,
}

impl Ask {
    /// The value of `If-Range`, where it goes with the range (RFC 9110 §13.1.5).
    pub(crate) fn if_range(&self) -> Option<String> {
        self.range.as_ref().and(self.version.as_ref()).and_then(|version| version.validators.if_range())
    }
}

const USER_AGENT: &str = concat!("okdownload/", env!("CARGO_PKG_VERSION"));

/// The headers of a request to `url`. Secrets go to the task's own origin only.
pub(crate) fn headers(task: &DownloadTask, url: &Url, ask: &Ask) -> HeaderMap {
    let own_origin = url.origin() == task.url().origin();
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    for name in task.headers().keys() {
        headers.remove(name);
    }
    for (name, value) in task.headers() {
        if own_origin || !is_secret(name, value) {
            headers.append(name, value.clone());
        }
    }
    if let Some(basic) = basic_authorization(task).filter(|_| own_origin) {
        headers.entry(header::AUTHORIZATION).or_insert(basic);
    }
    // Offsets and lengths are those of the bytes as stored, so they must come as stored.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let mut set = |name, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    if let Some(range) = ask.range {
        set(header::RANGE, range.to_string());
    }
    if let Some(validator) = ask.if_range() {
        set(header::IF_RANGE, validator);
    }
    if let Some(condition) = &ask.condition {
        if let Some(etag) = &condition.etag {
            set(header::IF_NONE_MATCH, etag.to_string());
        }
        if let Some(modified) = condition.last_modified_http() {
            set(header::IF_MODIFIED_SINCE, modified);
        }
    }
    headers
}

/// RFC 7617 §2.
fn basic_authorization(task: &DownloadTask) -> Option<HeaderValue> {
    let credentials = task.credentials()?;
    let text = STANDARD.encode(format!("{}:{}", credentials.user, credentials.password));
    let mut value = HeaderValue::try_from(format!("Basic {text}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use okdownload_types::{EntityTag, Target};

    fn task() -> DownloadTask {
        DownloadTask::builder("http://Aladdin:open%20sesame@h/a", Target::file("/t"))
            .header("cookie", "secret")
            .header("x-plain", "1")
            .header("x-plain", "2")
            .build()
            .unwrap()
    }

    fn sent(task: &DownloadTask, url: &str, ask: &Ask) -> HeaderMap {
        headers(task, &url.parse().unwrap(), ask)
    }

    #[test]
    fn secrets_stay_at_home() {
        let task = task();
        let own = sent(&task, "http://h/other", &Ask::default());
        assert_eq!(own["authorization"], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(own["cookie"], "secret");
        assert_eq!(own.get_all("x-plain").iter().count(), 2);
        for other in ["https://h/a", "http://h:81/a", "http://g/a"] {
            let headers = sent(&task, other, &Ask::default());
            assert!(!headers.contains_key("authorization") && !headers.contains_key("cookie"), "{other}");
            assert!(headers.contains_key("x-plain"));
        }
    }

    #[test]
    fn the_users_headers_win_over_defaults() {
        let agent = DownloadTask::builder("http://u:p@h/a", Target::file("/t"))
            .header("user-agent", "mine")
            .header("authorization", "Bearer x")
            .build()
            .unwrap();
        let headers = sent(&agent, "http://h/a", &Ask::default());
        assert_eq!(
            (&headers["user-agent"], &headers["authorization"]),
            (&"mine".parse().unwrap(), &"Bearer x".parse().unwrap())
        );
        assert!(
            sent(&task(), "http://h/a", &Ask::default())["user-agent"]
                .to_str()
                .unwrap()
                .starts_with("okdownload/")
        );
    }

    #[test]
    fn ranges_carry_their_version() {
        let strong = Validators::new(EntityTag::parse("\"v\""), None, None);
        let mut ask = Ask {
            range: Some(ByteRange::new(5, 10)),
            version: Some(ResourceVersion::new(strong.clone(), Some(10))),
            condition: None,
        };
        let headers = sent(&task(), "http://h/a", &ask);
        assert_eq!(
            (&headers["range"], &headers["if-range"]),
            (&"bytes=5-9".parse().unwrap(), &"\"v\"".parse().unwrap())
        );
        assert_eq!(headers["accept-encoding"], "identity");
        ask.range = None;
        assert!(!sent(&task(), "http://h/a", &ask).contains_key("if-range"));
        let conditional = Ask { condition: Some(strong), ..Ask::default() };
        assert_eq!(sent(&task(), "http://h/a", &conditional)["if-none-match"], "\"v\"");
    }
}

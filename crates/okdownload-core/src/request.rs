//! What a request carries: pure functions from data to headers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderValue};
use okdownload_types::{
    ByteRange, Credentials, DownloadTask, Mirror, ResourceVersion, Validators, is_secret,
};
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
    /// Whether it goes to another source than the version is of: its validators mean nothing there.
    pub(crate) other_source: bool,
}

impl Ask {
    /// The value of `If-Range`, where it goes with the range (RFC 9110 §13.1.5).
    pub(crate) fn if_range(&self) -> Option<String> {
        let version = self.version.as_ref().filter(|_| !self.other_source);
        self.range.and(version).and_then(|version| version.validators.if_range())
    }
}

const USER_AGENT: &str = concat!("okdownload/", env!("CARGO_PKG_VERSION"));

/// The headers of a request to `url`, to which the task's URL, or that of `mirror`, led. The task's secrets go to its own
/// origin only, and a mirror's to that one's; also where a mirror redirects to the task's origin, as it may lead
/// anywhere there.
pub(crate) fn headers(task: &DownloadTask, mirror: Option<&Mirror>, url: &Url, ask: &Ask) -> HeaderMap {
    let source = mirror.map_or(task.url(), Mirror::url);
    let at_home = url.origin() == source.origin();
    let own_origin = at_home && source.origin() == task.url().origin();
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
    let own = mirror.and_then(Mirror::credentials).filter(|_| at_home);
    if let Some(basic) = own.or(task.credentials().filter(|_| own_origin)).and_then(basic_authorization) {
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
fn basic_authorization(credentials: &Credentials) -> Option<HeaderValue> {
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
        headers(task, None, &url.parse().unwrap(), ask)
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
    fn mirrors_hear_no_secrets_but_their_own() {
        let task = task().to_builder().mirror("http://m:own@m/a").mirror("http://h/b").build().unwrap();
        let [other, same] = task.mirrors() else { panic!("two mirrors") };
        let sent = |mirror, url: &str| headers(&task, Some(mirror), &url.parse().unwrap(), &Ask::default());
        let own = sent(other, "http://m/a");
        assert_eq!((&own["authorization"], own.get("cookie")), (&"Basic bTpvd24=".parse().unwrap(), None));
        assert!(own.contains_key("x-plain"));
        // Where it leads on to, also if that is the task's own origin.
        for url in ["http://h/a", "https://m/a", "http://g/a"] {
            let led = sent(other, url);
            assert!(!led.contains_key("authorization") && !led.contains_key("cookie"), "{url}");
        }
        // A mirror at the task's own origin is at home there.
        assert_eq!(sent(same, "http://h/b")["cookie"], "secret");
        assert_eq!(sent(same, "http://h/b")["authorization"], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(!sent(same, "http://m/b").contains_key("authorization"));
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
            ..Ask::default()
        };
        let headers = sent(&task(), "http://h/a", &ask);
        assert_eq!(
            (&headers["range"], &headers["if-range"]),
            (&"bytes=5-9".parse().unwrap(), &"\"v\"".parse().unwrap())
        );
        assert_eq!(headers["accept-encoding"], "identity");
        // A validator is for its own source only.
        let elsewhere = Ask { other_source: true, ..ask.clone() };
        assert!(!sent(&task(), "http://h/a", &elsewhere).contains_key("if-range"));
        ask.range = None;
        assert!(!sent(&task(), "http://h/a", &ask).contains_key("if-range"));
        let conditional = Ask { condition: Some(strong), ..Ask::default() };
        assert_eq!(sent(&task(), "http://h/a", &conditional)["if-none-match"], "\"v\"");
    }
}

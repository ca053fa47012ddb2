//! Where a redirect leads (RFC 9110 §15.4): once, for all backends.

use http::{Method, header};
use okdownload_types::{DownloadTask, Error, ErrorKind, ResponseHead, Result, redacted};
use url::Url;

/// The next request's URL and method; `None` if the response is no redirect.
///
/// # Errors
/// `Redirect` for one that leads nowhere, or where it must not.
pub(crate) fn follow(
    task: &DownloadTask,
    head: &ResponseHead,
    method: &Method,
) -> Result<Option<(Url, Method)>> {
    if !matches!(head.status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let refuse = |message: &'static str| {
        Error::new(ErrorKind::Redirect, message)
            .with_status(head.status)
            .with_context("from", redacted(&head.url))
    };
    // Many servers send the path as it is, in UTF-8.
    let location = head.headers.get(header::LOCATION).and_then(|value| str::from_utf8(value.as_bytes()).ok());
    let location = location.ok_or_else(|| refuse("a redirect without a usable Location"))?;
    let mut next =
        head.url.join(location.trim()).map_err(|_| refuse("a redirect to something that is no URL"))?;
    if !matches!(next.scheme(), "http" | "https") || next.host_str().is_none() {
        return Err(refuse("a redirect to something that is neither http nor https"));
    }
    if head.url.scheme() == "https" && next.scheme() == "http" && !task.allow_insecure_redirects() {
        let advice = "allow it only if you don't mind that anyone on the way can read and change the file";
        return Err(refuse("a redirect from https to http").with_advice(advice));
    }
    next.set_fragment(None);
    // Userinfo in a Location is no authorisation by the user.
    if next.set_username("").and_then(|()| next.set_password(None)).is_err() {
        return Err(refuse("a redirect to something that is no URL"));
    }
    let rewritten = matches!(head.status, 301 | 302) && *method == Method::POST;
    let method = if head.status == 303 || rewritten { Method::GET } else { method.clone() };
    Ok(Some((next, method)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use okdownload_types::Target;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    fn next(from: &str, status: u16, location: Option<&str>) -> Result<Option<String>> {
        let mut headers = http::HeaderMap::new();
        if let Some(location) = location {
            headers.insert(header::LOCATION, http::HeaderValue::from_bytes(location.as_bytes()).unwrap());
        }
        let head = ResponseHead::new(from.parse().unwrap(), status, http::Version::HTTP_11, headers);
        let task = DownloadTask::builder("http://h/", Target::file("/t")).build().unwrap();
        Ok(follow(&task, &head, &Method::GET)?.map(|(url, _)| url.to_string()))
    }

    #[test]
    fn targets() {
        for (location, expected) in [
            ("http://g/b", "http://g/b"),
            ("/b?c", "http://h/b?c"),
            ("b", "http://h/a/b"),
            ("../b", "http://h/b"),
            ("//g/b", "http://g/b"),
            ("?x", "http://h/a/?x"),
            ("http://u:p@g/b#frag", "http://g/b"),
            ("/b/\u{e9}", "http://h/b/%C3%A9"),
        ] {
            assert_eq!(
                next("http://h/a/", 302, Some(location)).unwrap().as_deref(),
                Some(expected),
                "{location}"
            );
        }
    }

    #[test]
    fn statuses() {
        for status in [301, 302, 303, 307, 308] {
            assert!(next("http://h/", status, Some("/b")).unwrap().is_some(), "{status}");
        }
        for status in [200, 202, 300, 304, 305, 404] {
            assert!(next("http://h/", status, Some("/b")).unwrap().is_none(), "{status}");
        }
    }

    #[test]
    fn bad_ones_are_refused() {
        for (from, location) in [
            ("http://h/", None),
            ("http://h/", Some("ftp://h/a")),
            ("http://h/", Some("file:///etc/passwd")),
            ("http://h/", Some("http://")),
            ("https://h/", Some("http://h/")),
        ] {
            assert_eq!(next(from, 302, location).unwrap_err().kind(), ErrorKind::Redirect, "{location:?}");
        }
    }

    #[test]
    fn methods() {
        let method = |status, method: Method| {
            let mut headers = http::HeaderMap::new();
            headers.insert(header::LOCATION, "/b".parse().unwrap());
            let head =
                ResponseHead::new("http://h/".parse().unwrap(), status, http::Version::HTTP_11, headers);
            let task = DownloadTask::builder("http://h/", Target::file("/t")).build().unwrap();
            follow(&task, &head, &method).unwrap().unwrap().1
        };
        for (status, sent, expected) in [
            (301, Method::POST, Method::GET),
            (302, Method::POST, Method::GET),
            (303, Method::PUT, Method::GET),
            (307, Method::POST, Method::POST),
            (308, Method::POST, Method::POST),
            (302, Method::HEAD, Method::HEAD),
        ] {
            assert_eq!(method(status, sent), expected, "{status}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 5_000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default()
        })]

        #[test]
        fn any_location_is_followed_safely_or_refused(
            pieces in prop::collection::vec(
                prop_oneof![
                    6 => prop::sample::select(vec![
                        "http:", "https:", "ftp:", "file:", "javascript:", "//", "/", "..", "?", "#", "@", ":", "h", "u:p@", "[",
                        "%0d%0a", "\\", " ", "\t",
                    ])
                    .prop_map(|piece| piece.as_bytes().to_vec()),
                    1 => any::<u8>().prop_map(|byte| vec![byte]),
                ],
                0..8,
            ),
            secure in any::<bool>(),
        ) {
            let Ok(location) = http::HeaderValue::from_bytes(&pieces.concat()) else { return Ok(()) };
            let from = if secure { "https://h/a/" } else { "http://h/a/" };
            let headers = [(header::LOCATION, location.clone())].into_iter().collect();
            let head = ResponseHead::new(from.parse().unwrap(), 302, http::Version::HTTP_11, headers);
            let task = DownloadTask::builder("http://h/", Target::file("/t")).build().unwrap();
            match follow(&task, &head, &Method::GET) {
                Ok(next) => {
                    let (url, _) = next.unwrap();
                    assert!(matches!(url.scheme(), "http" | "https") && url.has_host(), "{location:?}");
                    assert!(!secure || url.scheme() == "https", "{location:?}");
                    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
                    assert!(!url.as_str().contains(char::is_control), "{location:?}");
                }
                Err(error) => assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Redirect, false)),
            }
        }
    }
}

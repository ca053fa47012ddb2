//! What may be shown of URLs and headers.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use url::Url;

/// Whether a header carries a secret: `Authorization`, `Proxy-Authorization`, `Cookie`, `Set-Cookie`, or any that is
/// marked [sensitive](HeaderValue::is_sensitive).
pub fn is_secret(name: &HeaderName, value: &HeaderValue) -> bool {
    const SECRET: [HeaderName; 4] =
        [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION, header::SET_COOKIE];
    value.is_sensitive() || SECRET.contains(name)
}

/// The URL as it may be logged: no userinfo, no fragment, query values hidden (and so is what has no name).
pub fn redacted(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_fragment(None);
    // Both fail only for URLs that have no userinfo to begin with.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    let Some(query) = url.query() else { return shown.into() };
    // Names stay encoded: decoded, one could break a line of a log.
    let hidden = |pair: &str| match pair.split_once('=') {
        Some((name, _)) => format!("{name}=…"),
        None => "…".to_owned(),
    };
    let pairs: Vec<_> = query.split('&').map(hidden).collect();
    shown.set_query(None);
    format!("{shown}?{}", pairs.join("&"))
}

/// The headers as they may be logged: without those that [carry a secret](is_secret), and with the query values hidden
/// in those that are an address, relative to `base`: signed URLs carry their secret there. `Link` and `Refresh`, which have
/// addresses among other things, are left out.
pub fn without_secrets(headers: &HeaderMap, base: &Url) -> HeaderMap {
    let shown = |(name, value): (&HeaderName, &HeaderValue)| match ADDRESSES.contains(name) {
        true => (name.clone(), shown_address(value, base)),
        false => (name.clone(), value.clone()),
    };
    let is_shown = |(name, value): &(&HeaderName, &HeaderValue)| {
        !is_secret(name, value) && ![header::LINK, header::REFRESH].contains(name)
    };
    headers.iter().filter(is_shown).map(shown).collect()
}

/// Headers whose value is a URL.
const ADDRESSES: [HeaderName; 3] = [header::LOCATION, header::CONTENT_LOCATION, header::REFERER];

fn shown_address(value: &HeaderValue, base: &Url) -> HeaderValue {
    let url = value.to_str().ok().and_then(|text| base.join(text.trim()).ok());
    // In ASCII, so that listeners can read it as text.
    let shown = url.and_then(|url| HeaderValue::try_from(redacted(&url).replace('…', "...")).ok());
    // What can't be read may hold anything.
    shown.unwrap_or_else(|| HeaderValue::from_static("(not a URL)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redaction_hides_query_values() {
        for (url, shown) in [
            ("https://u:p@h/a?token=secret&x=1#f", "https://h/a?token=…&x=…"),
            ("https://h/a?secret", "https://h/a?…"),
            ("https://h/a?x=1&secret;secret", "https://h/a?x=…&…"),
            ("https://h/a?x%0Ay=1", "https://h/a?x%0Ay=…"),
            ("https://h/a?", "https://h/a?…"),
            ("https://h/a", "https://h/a"),
        ] {
            assert_eq!(redacted(&url.parse().unwrap()), shown);
        }
    }

    #[test]
    fn what_is_shown_of_a_response_has_no_secrets() {
        let base = "https://h/a/b?c".parse().unwrap();
        for (name, value, shown) in [
            ("set-cookie", "session=s3cret", None),
            ("location", "/c?token=s3cret&x", Some("https://h/c?token=...&...")),
            ("location", "https://me:s3cret@g/c#s3cret", Some("https://g/c")),
            ("location", "http://[s3cret", Some("(not a URL)")),
            ("content-location", "c?token=s3cret", Some("https://h/a/c?token=...")),
            ("etag", "\"v1\"", Some("\"v1\"")),
        ] {
            let headers = [(name.parse().unwrap(), value.parse().unwrap())].into_iter().collect();
            let headers = without_secrets(&headers, &base);
            let text = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            assert_eq!(text.as_deref(), shown, "{name}: {value}");
        }
    }
}

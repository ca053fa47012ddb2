//! The URL of a proxy.

use okdownload_types::{Error, Result};
use url::Url;

const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// Reads the URL of a proxy: `http://`, `https://`, `socks4://`, `socks4a://`, `socks5://` or `socks5h://`, a host, and
/// `user:password@` and a port if they are needed.
///
/// # Errors
/// [`Misuse`](okdownload_types::ErrorKind::Misuse) if it is none. The text is not shown, because it may hold a password,
/// and in a wrong URL nobody knows where.
pub fn proxy_url(text: &str) -> Result<Url> {
    // A URL parser takes line breaks out, and goes on with what is left.
    let whole = Some(text).filter(|text| !text.contains(char::is_control));
    let url = whole.and_then(|text| Url::parse(text).ok());
    let url = url.filter(|url| SCHEMES.contains(&url.scheme()) && url.has_host());
    url.ok_or_else(|| {
        let advice = "give it like http://host:port or socks5h://user:password@host:port";
        Error::misuse("this is not the URL of a proxy", advice)
    })
}

#[cfg(test)]
mod tests {
    use okdownload_types::ErrorKind;

    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    #[test]
    fn proxies_have_a_scheme_and_a_host() {
        for url in
            ["http://h:1", "HTTPS://h", "socks4://h:1", "socks4a://h", "socks5://u:p@h", "socks5h://[::1]:9"]
        {
            assert!(proxy_url(url).is_ok(), "{url}");
        }
        for url in [
            "",
            "h:1",
            "h",
            "ftp://h",
            "http://",
            "http://u:s3cret@",
            "s3cret@h:1",
            "http://h:99999",
            "http://h\r\ns3cret",
        ] {
            let error = proxy_url(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse, "{url}");
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{url}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 8_000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default()
        })]

        #[test]
        fn any_text_is_a_proxy_or_is_not_shown(
            pieces in prop::collection::vec(
                prop_oneof![
                    4 => prop::sample::select(vec!["http", "socks5h", "://", ":", "@", "/", "h", "[::1]", "%0a", "\r\n", "99999"])
                        .prop_map(str::to_owned),
                    1 => any::<char>().prop_map(String::from),
                ],
                0..8,
            ),
        ) {
            let text = pieces.concat();
            match proxy_url(&text) {
                Ok(url) => {
                    assert!(SCHEMES.contains(&url.scheme()) && url.has_host(), "{text:?}");
                    assert!(!text.contains(['\r', '\n']), "{text:?}");
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Misuse),
            }
        }
    }
}

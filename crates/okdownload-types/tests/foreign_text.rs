//! What others write (servers, users, earlier versions): read, or refused, and never a panic. Each property says in its
//! configuration how many inputs are tried; they are the same in every run.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use http::{HeaderMap, HeaderName, HeaderValue, Version};
use okdownload_types::{
    BreakpointInfo, ByteRange, ContentRange, Digest, DigestAlgorithm, DownloadTask, EntityTag, ErrorKind,
    Location, ResponseHead, Target, TaskId, redacted,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use url::Url;

fn tried(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    }
}

/// Text made of these pieces, of numbers near to limits, and of anything.
fn soup(pieces: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    let number = prop_oneof![
        0..300_u64,
        prop::sample::select(vec![i64::MAX as u64 - 1, i64::MAX as u64, 1 << 63, u64::MAX - 1, u64::MAX]),
        any::<u64>(),
    ];
    let piece = prop_oneof![
        6 => prop::sample::select(pieces).prop_map(str::to_owned),
        3 => number.prop_map(|number| number.to_string()),
        1 => any::<char>().prop_map(String::from),
        1 => prop::collection::vec(any::<char>(), 0..6).prop_map(String::from_iter),
    ];
    prop::collection::vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

fn head(status: u16, headers: &[(&'static str, String)]) -> ResponseHead {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        // What can't come in a header does not.
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            map.append(HeaderName::from_static(name), value);
        }
    }
    ResponseHead::new("http://h/a".parse().unwrap(), status, Version::HTTP_11, map)
}

/// The longest that a file may be.
const LONGEST: u64 = i64::MAX as u64;

proptest! {
    #![proptest_config(tried(8_000))]

    #[test]
    fn content_ranges_are_sound(text in soup(&["bytes", " ", "\t", "-", "/", "*", "bytes ", "+", ",", "="], 10)) {
        match ContentRange::parse(&text) {
            Some(ContentRange::Bytes { start, end, total }) => {
                assert!(start < end && total.is_none_or(|total| end <= total), "{text}");
                let total_text = total.map_or("*".to_owned(), |total| total.to_string());
                let again = format!("bytes {start}-{}/{total_text}", end - 1);
                assert_eq!(ContentRange::parse(&again), Some(ContentRange::Bytes { start, end, total }));
            }
            Some(ContentRange::Unsatisfied { .. }) => assert!(text.contains('*')),
            None => {}
        }
        let headers = head(206, &[("content-range", text)]);
        if let Err(error) = headers.content_range() {
            assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Protocol, false));
        }
    }

    #[test]
    fn sound_content_ranges_are_read(start in 0..LONGEST, length in 1..=LONGEST, beyond in 0..=LONGEST) {
        let end = start.saturating_add(length).min(LONGEST);
        let total = end.saturating_add(beyond).min(LONGEST);
        let read = ContentRange::parse(&format!("bytes {start}-{}/{total}", end - 1));
        assert_eq!(read, Some(ContentRange::Bytes { start, end, total: Some(total) }));
    }

    #[test]
    fn ranges_are_one_header_value(start in any::<u64>(), end in any::<Option<u64>>()) {
        let text = ByteRange { start, end }.to_string();
        let (first, last) = text.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        assert_eq!(first.parse(), Ok(start));
        assert_eq!(last.parse::<u64>().ok(), end.map(|end| end.saturating_sub(1)));
    }

    #[test]
    fn content_lengths_are_one_number(values in prop::collection::vec(soup(&[",", " ", "-", "+", "0", "7"], 4), 0..3)) {
        let headers: Vec<_> = values.iter().map(|value| ("content-length", value.clone())).collect();
        let head = head(200, &headers);
        match head.content_length() {
            Ok(Some(length)) => {
                assert!(length <= i64::MAX as u64);
                for value in head.headers.get_all("content-length") {
                    let mut parts = value.to_str().unwrap().split(',').map(str::trim);
                    assert!(parts.all(|part| part.parse() == Ok(length)), "{values:?}");
                }
            }
            Ok(None) => assert!(!head.headers.contains_key("content-length")),
            Err(error) => assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Protocol, false)),
        }
    }

    #[test]
    fn entity_tags_can_be_sent_back(text in soup(&["\"", "W/", "w/", " ", "\\", "\r\n", "a"], 8)) {
        if let Some(tag) = EntityTag::parse(&text) {
            assert_eq!(EntityTag::parse(&tag.to_string()), Some(tag.clone()), "{text:?}");
            assert!(HeaderValue::try_from(tag.to_string()).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn validators_are_sent_only_if_strong(
        etag in soup(&["\"", "W/", "a"], 5),
        dates in prop::collection::vec(date(), 2),
    ) {
        let head = head(200, &[("etag", etag), ("last-modified", dates[0].clone()), ("date", dates[1].clone())]);
        let validators = head.validators();
        if let Some(value) = validators.if_range() {
            assert!(HeaderValue::try_from(value.as_str()).is_ok() && !value.starts_with("W/"), "{value:?}");
        }
        assert_eq!(validators.if_range().is_some(), validators.is_strong());
    }

    #[test]
    fn waits_are_read_or_passed_over(
        wait in prop_oneof![date(), soup(&["-", "+", " ", ".", "e"], 3)],
        sent in date(),
    ) {
        let head = head(503, &[("retry-after", wait.clone()), ("date", sent)]);
        let seconds = wait.trim().parse::<u64>().ok().filter(|_| !wait.contains('+'));
        let seconds = seconds.filter(|_| head.headers.contains_key("retry-after"));
        let read = head.retry_after();
        if let Some(seconds) = seconds {
            assert_eq!(read.map(|wait| wait.as_secs()), Some(seconds));
        }
    }

    #[test]
    fn digests_of_servers_have_their_length(
        name in prop::sample::select(vec!["repr-digest", "content-digest", "content-md5"]),
        text in soup(
            &["sha-256=", "sha-512=", "sha=", "md5=", "crc32c=", ":", ", ", ";", "(", ")", "=", "AAAA", "YWJj",
              ":kAFQmDzST7DWlj99KOF/cg==:", ":ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:", "?1", "\""],
            8,
        ),
    ) {
        if let Some(digest) = head(200, &[(name, text)]).digest() {
            assert_eq!(digest.value().len(), digest.algorithm().length());
        }
    }

    #[test]
    fn digests_of_users_are_read_as_shown(
        text in soup(&["sha-256", "SHA256", "md5", "crc32c", "sha-1", "=", "00", "0f", "AB", " ", "zz"], 10),
        algorithm in prop::sample::select(DigestAlgorithm::ALL.to_vec()),
        bytes in prop::collection::vec(any::<u8>(), 64),
    ) {
        if let Ok(digest) = text.parse::<Digest>() {
            assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        }
        let digest = Digest::new(algorithm, &bytes[..algorithm.length()]).unwrap();
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
    }

    #[test]
    fn places_are_read_as_written(bytes in prop::collection::vec(any::<u8>(), 0..40), tag in any::<bool>()) {
        let tagged = [if tag { b"p" } else { b"u" }, &bytes[..]].concat();
        for bytes in [bytes, tagged] {
            match Location::from_bytes(&bytes) {
                Ok(location) => assert_eq!(location.to_bytes(), bytes),
                Err(error) => assert_eq!(error.kind(), ErrorKind::StoreCorrupt),
            }
        }
    }

    #[test]
    fn what_a_url_hides_is_not_shown(
        pairs in prop::collection::vec((any::<bool>(), "[a-z%&;=\n ]{0,4}", any::<char>()), 0..5),
        userinfo in any::<bool>(),
        fragment in any::<bool>(),
    ) {
        let pairs: Vec<_> = pairs.iter().map(|(named, name, end)| match named {
            true => format!("{}=s3cret{end}", name.replace(['&', '\n'], "")),
            false => "s3cret".to_owned(),
        }).collect();
        let text = format!(
            "http://{}h/a?{}{}",
            if userinfo { "s3cret:s3cret@" } else { "" },
            pairs.join("&").replace('#', ""),
            if fragment { "#s3cret" } else { "" },
        );
        let url: Url = text.parse().unwrap();
        let shown = redacted(&url);
        // A second `&` in a value makes a name of what is behind it.
        prop_assume!(!pairs.iter().any(|pair| pair.contains('&')));
        assert!(!shown.contains("s3cret") && !shown.contains(char::is_control), "{text:?}: {shown:?}");
    }

    #[test]
    fn urls_of_users_are_taken_apart_or_refused(
        text in soup(&["http://", "https:", "//", "/", "@", ":", "?", "#", "h", "[::1]", "%0a", "%", "\r\n", "ftp"], 10),
    ) {
        match DownloadTask::to_file(&text, "/a") {
            Ok(task) => {
                let url = task.url();
                assert!(matches!(url.scheme(), "http" | "https") && url.has_host(), "{text:?}");
                assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none(), "{text:?}");
                assert!(!text.trim().contains(char::is_control), "{text:?}");
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Misuse, "{text:?}"),
        }
    }

    #[test]
    fn headers_of_users_are_one_line(
        name in soup(&["x-a", "-", ":", "\r\n", " ", "\0"], 4),
        value in soup(&["v", "\r\n", "\n", "\0", "\t", " ", "X: y"], 6),
    ) {
        let task = DownloadTask::builder("http://h/a", Target::file("/a")).header(&name, &value).build();
        if task.is_ok() {
            assert!(!format!("{name}{value}").contains(['\r', '\n', '\0']), "{name:?}: {value:?}");
        }
    }
}

proptest! {
    #![proptest_config(tried(5_000))]

    #[test]
    fn kept_options_are_a_task_or_an_error(
        lines in prop::collection::vec(
            (
                prop::sample::select(vec![
                    "file", "directory", "method", "header x-a", "header", "body", "priority", "connections", "preallocate",
                    "progress-interval", "pass-if-already-completed", "on-exists", "durability", "digest", "trust-length",
                    "rate-limit", "retries", "redirects", "allow-insecure-redirects", "connect-timeout", "total-timeout", "?",
                ]),
                soup(
                    &["true", "skip", "power", "p%2Fa", "u", "%0D%0A", "%", "GET", "md5=", ".", "-", "0", "1.000000000",
                      "not-kept", "\n", " "],
                    3,
                ),
            ),
            0..6,
        ),
        whole in any::<bool>(),
    ) {
        let task = DownloadTask::to_file("http://h/a", "/d/a").unwrap();
        let mut text: String = lines.iter().map(|(name, value)| format!("{name} {value}\n")).collect();
        if whole {
            // Behind them the right target, so that it is the right task.
            text.push_str(&task.to_stored());
        }
        let place = Location::Path("/d/a".into());
        let mut info = BreakpointInfo::new(task.id(), task.url().clone(), place.clone(), place);
        info.options = Some(text);
        match info.task() {
            Ok(read) => {
                assert_eq!((read.id(), read.target()), (task.id(), task.target()));
                info.options = Some(read.to_stored());
                let again = info.task().unwrap();
                assert_eq!(again.to_stored(), read.to_stored());
                assert_eq!(again.headers(), read.headers());
            }
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::StoreCorrupt | ErrorKind::Misuse),
                "{error}"
            ),
        }
    }

    #[test]
    fn options_are_read_as_kept(
        place in prop::collection::vec(any::<u8>().prop_filter("a path has no NUL", |byte| *byte != 0), 1..20),
        (priority, retries, redirects) in any::<(i32, u32, u32)>(),
        (connections, rate) in any::<(Option<std::num::NonZeroU32>, Option<std::num::NonZeroU64>)>(),
        interval in any::<std::time::Duration>(),
        value in prop::collection::vec(32..127_u8, 0..20),
        switches in any::<[bool; 4]>(),
    ) {
        let bytes = [b"p/", &place[..]].concat();
        let Location::Path(path) = Location::from_bytes(&bytes).unwrap() else { panic!("not a path") };
        // A path may end in no name; then it is no file's.
        let target = if switches[0] { Target::file(path.join("f")) } else { Target::directory(path) };
        let mut builder = DownloadTask::builder("http://h/a?b", target)
            .priority(priority).retries(retries).redirects(redirects).rate_limit(rate)
            .progress_interval(interval).trust_length(switches[1]).preallocate(switches[2])
            .pass_if_already_completed(switches[3]).header("x-a", HeaderValue::from_bytes(&value).unwrap());
        if let Some(connections) = connections {
            builder = builder.connection_count(connections);
        }
        let task = builder.build().unwrap();
        let info = BreakpointInfo::of(&task);
        let read = info.task().unwrap();
        assert_eq!((read.id(), read.to_stored()), (task.id(), task.to_stored()));
        assert_eq!((read.headers(), read.progress_interval()), (task.headers(), interval));
        assert_eq!((read.priority(), read.retries(), read.rate_limit()), (priority, retries, rate));
    }

    #[test]
    fn ids_are_read_as_shown(number in any::<u128>(), text in soup(&["0", "f", "-", "g"], 40)) {
        let id = TaskId::from_u128(number);
        assert_eq!(id.to_string().parse::<TaskId>().unwrap(), id);
        if let Ok(id) = text.parse::<TaskId>() {
            assert_eq!(id.to_string().parse::<TaskId>().unwrap(), id);
        }
    }
}

/// Dates as servers send them, right and wrong.
fn date() -> impl Strategy<Value = String> {
    let right = (0..253_402_300_800_u64).prop_map(|seconds| {
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        httpdate::fmt_http_date(time)
    });
    let wrong =
        soup(&["Sun, ", "06", " Nov ", "1994", " 08:49:37", " GMT", "99:99:99", "9999", "-", "Sunday, "], 7);
    prop_oneof![right, wrong]
}

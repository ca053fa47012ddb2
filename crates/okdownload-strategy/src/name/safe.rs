//! A name that a server made up, made harmless.

use std::ops::RangeInclusive;

use crate::process::{cut, split_extension};

/// The most bytes of a name: with `.okdownload` behind it, it still fits into the 255 that file systems take.
const LONGEST: usize = 244;

/// The name reduced to one component that is safe on every system; `None` if nothing is left of it.
///
/// It is what comes after the last separator of any system, without characters that control or format (Unicode Cc, Cf,
/// Zl, Zp), without dots in front and without dots and blanks at the end. What Windows forbids is replaced by `_`;
/// names of its devices get one in front. It is at most 244 bytes long, cut before its extension. A safe name
/// stays as it is.
pub fn safe_file_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let harmless: String = last.chars().filter(|c| !is_invisible(*c)).map(replace).collect();
    let mut name = limit(harmless.trim_start_matches(is_padding));
    if is_device(&name) {
        name = limit(&format!("_{name}"));
    }
    Some(name).filter(|name| !name.is_empty())
}

fn is_padding(c: char) -> bool {
    c == '.' || c.is_whitespace()
}

/// Cuts, if it must, the name in front of its extension; never leaves dots and blanks at the end.
fn limit(name: &str) -> String {
    let name = name.trim_end_matches(is_padding);
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let (stem, extension) = split_extension(name);
    let cut = format!("{}{extension}", cut(stem, LONGEST - extension.len()));
    cut.trim_end_matches(is_padding).to_owned()
}

fn replace(c: char) -> char {
    if matches!(c, ':' | '*' | '?' | '"' | '<' | '>' | '|') { '_' } else { c }
}

/// Whether Windows takes this for a device, whatever the extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |port| {
        let number = stem.strip_prefix(port);
        number.is_some_and(|n| {
            matches!(n, "\u{b9}" | "\u{b2}" | "\u{b3}") || matches!(n.as_bytes(), [b'0'..=b'9'])
        })
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || numbered("COM")
        || numbered("LPT")
}

/// Control characters, and those that change how the others look.
fn is_invisible(c: char) -> bool {
    c.is_control() || FORMAT.iter().any(|range| range.contains(&c))
}

/// Unicode's categories Cf, Zl and Zp (version 16).
const FORMAT: &[RangeInclusive<char>] = &[
    '\u{ad}'..='\u{ad}',
    '\u{600}'..='\u{605}',
    '\u{61c}'..='\u{61c}',
    '\u{6dd}'..='\u{6dd}',
    '\u{70f}'..='\u{70f}',
    '\u{890}'..='\u{891}',
    '\u{8e2}'..='\u{8e2}',
    '\u{180e}'..='\u{180e}',
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{feff}'..='\u{feff}',
    '\u{fff9}'..='\u{fffb}',
    '\u{110bd}'..='\u{110bd}',
    '\u{110cd}'..='\u{110cd}',
    '\u{13430}'..='\u{1343f}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0001}'..='\u{e007f}',
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    #[test]
    fn table() {
        for (name, expected) in [
            ("a.bin", Some("a.bin")),
            ("", None),
            (".", None),
            ("..", None),
            ("...", None),
            (" . . ", None),
            ("a/", None),
            ("\u{0}\u{7f}\u{200b}", None),
            ("/etc/passwd", Some("passwd")),
            ("..\\..\\a\\b.exe", Some("b.exe")),
            ("a/b\\c/d", Some("d")),
            ("C:\\a", Some("a")),
            ("C:a", Some("C_a")),
            ("a:stream", Some("a_stream")),
            ("a*?\"<>|b", Some("a______b")),
            (".bashrc", Some("bashrc")),
            ("  ..a.txt", Some("a.txt")),
            ("a.txt. . ", Some("a.txt")),
            ("a\r\nb\u{0}c\u{85}", Some("abc")),
            ("gpj.\u{202e}exe\u{2066}", Some("gpj.exe")),
            ("\u{feff}a\u{ad}b\u{2028}c", Some("abc")),
            ("a b", Some("a b")),
            ("\u{4f60}\u{597d}.txt", Some("\u{4f60}\u{597d}.txt")),
        ] {
            assert_eq!(safe_file_name(name).as_deref(), expected, "{name:?}");
        }
    }

    #[test]
    fn devices_of_windows() {
        for name in ["CON", "prn", "Aux", "nul", "com0", "COM9", "lpt1", "COM\u{b9}", "LPT\u{b3}", "conin$"] {
            for name in
                [name.to_owned(), format!("{name}.txt"), format!("{name}.tar.gz"), format!("{name} .txt")]
            {
                assert_eq!(safe_file_name(&name), Some(format!("_{name}")));
            }
        }
        for name in ["CONS", "COM", "COM10", "COMX", "ACON", "_CON", "a.CON", "LPT\u{b4}"] {
            assert_eq!(safe_file_name(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let long = "x".repeat(300);
        for (name, end) in [
            (format!("{long}.tar.gz"), "xx.tar.gz"),
            (format!("{long}.\u{e9}"), "xx.\u{e9}"),
            (long.clone(), "xxx"),
            (format!("a.{long}"), "xxx"),
            (format!("{}.txt", "\u{1f600}".repeat(100)), "\u{1f600}.txt"),
            (format!("CON.{long}"), "xxx"),
            (format!("{}b", "CON".to_owned() + &" ".repeat(300)), "_CON"),
        ] {
            let safe = safe_file_name(&name).unwrap();
            assert!(safe.len() <= LONGEST && safe.ends_with(end), "{safe}");
            assert!(crate::default_part_name(&safe).len() <= 255);
            assert_eq!(crate::default_part_name(&safe), format!("{safe}.okdownload"));
        }
        assert_eq!(safe_file_name(&"x".repeat(LONGEST)), Some("x".repeat(LONGEST)));
    }

    /// What must hold of every safe name.
    fn assert_safe(name: &str) {
        assert!(!name.is_empty() && name.len() <= LONGEST, "{name:?}");
        assert!(!name.starts_with('.') && !name.ends_with(is_padding), "{name:?}");
        assert!(!name.contains(|c| "/\\:*?\"<>|".contains(c) || is_invisible(c)), "{name:?}");
        assert!(!is_device(name), "{name:?}");
        assert_eq!(std::path::Path::new(name).components().count(), 1, "{name:?}");
        assert_eq!(safe_file_name(name).as_deref(), Some(name));
        assert!(crate::default_part_name(name).len() <= 255, "{name:?}");
        for attempt in [1, u32::MAX] {
            let numbered = crate::default_numbered_name(name, attempt);
            assert!(numbered.len() <= 255 && numbered != name, "{numbered:?}");
            assert!(!numbered.contains(['/', '\\']) && crate::default_part_name(&numbered).len() <= 255);
        }
    }

    /// Names with much of what is dangerous in them.
    fn nasty() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            prop::sample::select(vec![
                "/", "\\", "..", ".", " ", "CON", "com1", "\u{b2}", ":", "\0", "\u{202e}", "\u{e9}", ".tar",
                ".gz", "\u{2003}",
            ])
            .prop_map(str::to_owned),
            any::<char>().prop_map(String::from),
            (0..130_usize).prop_map(|n| "\u{e9}".repeat(n)),
            (0..260_usize).prop_map(|n| " ".repeat(n)),
        ];
        prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 4_000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default()
        })]

        #[test]
        fn names_are_safe(name in nasty()) {
            if let Some(safe) = safe_file_name(&name) {
                assert_safe(&safe);
            }
        }

        #[test]
        fn names_of_responses_are_safe(path in nasty(), value in nasty(), encoded in any::<bool>()) {
            let path = path.replace(['?', '#'], "");
            let path = if encoded { percent_encoding::utf8_percent_encode(&path, percent_encoding::NON_ALPHANUMERIC).to_string() } else { path };
            let Ok(url) = format!("http://h/{path}").parse() else { return Ok(()) };
            let mut headers = http::HeaderMap::new();
            if let Ok(value) = http::HeaderValue::from_bytes(format!("attachment; filename=\"{value}\"").as_bytes()) {
                headers.insert(http::header::CONTENT_DISPOSITION, value);
            }
            let head = okdownload_types::ResponseHead::new(url, 200, http::Version::HTTP_11, headers);
            assert_safe(&crate::default_file_name(&crate::NameFacts::new(&head.url, &head)));
        }

        #[test]
        fn plain_names_are_taken_as_they_are(name in "[A-Za-z0-9é][A-Za-z0-9é _-]{0,40}[A-Za-z0-9é]\\.[a-z]{1,5}") {
            prop_assume!(!is_device(&name));
            let escaped = percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC).to_string();
            for value in [
                format!("attachment; filename=\"{name}\""),
                format!("inline;filename*=UTF-8''{escaped};filename=other"),
                format!("x; FILENAME = {name} ; y=z"),
            ] {
                assert_eq!(crate::disposition_file_name(value.as_bytes()).as_deref(), Some(name.as_str()), "{value}");
            }
            assert_eq!(safe_file_name(&name), Some(name));
        }

        #[test]
        fn header_names_are_safe(value in prop::collection::vec(any::<u8>(), 0..400)) {
            let whole = [b"attachment; filename*=UTF-8''", value.as_slice(), b"; filename=\"", &value].concat();
            for value in [&value, &whole] {
                if let Some(safe) = crate::disposition_file_name(value).and_then(|name| safe_file_name(&name)) {
                    assert_safe(&safe);
                }
            }
        }
    }
}

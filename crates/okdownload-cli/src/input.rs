//! Input files: one file a line, and indented below it what is said about it. With tabs between them, a line has several
//! URLs of the one file: the first is its own, the others are mirrors.
//!
//! ```text
//! # comment
//! https://example.com/a
//!   out=first.bin
//!   dir=somewhere/else
//!   checksum=sha-256=900150983cd24fb0…
//!   header=X-Key: value
//!   mirror=https://mirror.example/a
//! https://example.com/b<TAB>https://mirror.example/b
//! ```
//!
//! `header` and `mirror` may stand more than once.

use std::io::Read;
use std::path::Path;

use crate::report::Failure;

/// One file of a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// The line it is on, from 1.
    pub(crate) line: usize,
    pub(crate) url: &'a str,
    pub(crate) mirrors: Vec<&'a str>,
    pub(crate) out: Option<&'a str>,
    pub(crate) directory: Option<&'a str>,
    pub(crate) checksum: Option<&'a str>,
    pub(crate) headers: Vec<&'a str>,
}

/// What is wrong on which line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadLine {
    pub(crate) line: usize,
    pub(crate) problem: String,
}

/// What is in a file, or comes from standard input.
pub(crate) fn read(what: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut content)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut content))
    };
    match read {
        Ok(_) => Ok(content),
        Err(error) => Err(Failure::Usage(format!("cannot read the {what} {}: {error}", path.display()))),
    }
}

/// Reads a list. Neither URLs nor names are judged here.
pub(crate) fn parse(text: &str) -> Result<Vec<Entry<'_>>, BadLine> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut entries = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        let trimmed = content.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if content.starts_with([' ', '\t']) {
            option(entries.last_mut(), trimmed).map_err(|problem| BadLine { line, problem })?;
        } else {
            let mut urls = trimmed.split('\t').map(str::trim).filter(|url| !url.is_empty());
            let url = urls.next().unwrap_or(trimmed);
            entries.push(Entry { line, url, mirrors: urls.collect(), ..Entry::default() });
        }
    }
    Ok(entries)
}

fn option<'a>(entry: Option<&mut Entry<'a>>, text: &'a str) -> Result<(), String> {
    let entry = entry.ok_or("an indented line needs a URL above it; a URL begins at the line's start")?;
    let (key, value) = text.split_once('=').ok_or("an indented line is an option, as out=NAME")?;
    let (key, value) = (key.trim(), value.trim());
    if value.is_empty() {
        return Err("the option has no value".into());
    }
    let set = |slot: &mut Option<&'a str>| match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("the URL above has {key}= already")),
    };
    match key {
        "out" => set(&mut entry.out)?,
        "dir" => set(&mut entry.directory)?,
        "checksum" => set(&mut entry.checksum)?,
        "header" => entry.headers.push(value),
        "mirror" => entry.mirrors.push(value),
        // What else stands there may be a URL with a secret in it.
        _ => return Err("the options are out=, dir=, checksum=, header= and mirror=".into()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    fn entry<'a>(line: usize, url: &'a str, out: Option<&'a str>) -> Entry<'a> {
        Entry { line, url, out, ..Entry::default() }
    }

    #[test]
    fn lists() {
        for (text, expected) in [
            ("", vec![]),
            ("\n \n# a\n  # b\n", vec![]),
            ("http://h/a", vec![entry(1, "http://h/a", None)]),
            ("\u{feff}http://h/a\r\n", vec![entry(1, "http://h/a", None)]),
            ("http://h/a\n  out=x y\n", vec![entry(1, "http://h/a", Some("x y"))]),
            ("http://h/a \n\tout = d/x=1\n", vec![entry(1, "http://h/a", Some("d/x=1"))]),
            (
                "# two\nhttp://h/a\n\n# named:\n out=x\nhttp://h/b\n",
                vec![entry(2, "http://h/a", Some("x")), entry(6, "http://h/b", None)],
            ),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn tabs_stand_before_mirrors() {
        let text = "http://h/a\thttp://m/a\t\t http://n/a\t\n  out=x\nhttp://h/b\t\n";
        let mirrored =
            Entry { mirrors: vec!["http://m/a", "http://n/a"], ..entry(1, "http://h/a", Some("x")) };
        assert_eq!(parse(text).unwrap(), [mirrored, entry(3, "http://h/b", None)]);
    }

    #[test]
    fn a_file_has_options_of_its_own() {
        let text = "http://h/a\n dir=d\n checksum=md5=00\n header=A: b=c\n header=D: e\n mirror=http://m/a\n";
        let expected = Entry {
            directory: Some("d"),
            checksum: Some("md5=00"),
            headers: vec!["A: b=c", "D: e"],
            mirrors: vec!["http://m/a"],
            ..entry(1, "http://h/a", None)
        };
        assert_eq!(parse(text).unwrap(), [expected]);
    }

    #[test]
    fn bad_lines_are_named() {
        for (text, line) in [
            (" out=x\nhttp://h/a\n", 1),
            ("http://h/a\n out=\n", 2),
            ("http://h/a\n out=x\n out=y\n", 3),
            ("http://h/a\n dir=x\n dir=y\n", 3),
            ("http://h/a\n header=\n", 2),
            ("http://h/a\n what=x\n", 2),
            ("http://h/a\n http://h/b\n", 2),
        ] {
            assert_eq!(parse(text).unwrap_err().line, line, "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 5_000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default()
        })]

        #[test]
        fn any_text_is_a_list_or_has_a_bad_line(
            pieces in prop::collection::vec(
                prop_oneof![
                    4 => prop::sample::select(vec![
                        "http://h/a", "\n", "\r\n", " ", "\t", "out=", "out", "=", "#", "\u{feff}", "\0", "\u{2028}",
                    ])
                    .prop_map(str::to_owned),
                    1 => any::<char>().prop_map(String::from),
                ],
                0..20,
            ),
        ) {
            let text = pieces.concat();
            let lines = text.lines().count();
            match parse(&text) {
                Ok(entries) => for entry in entries {
                    assert!((1..=lines).contains(&entry.line), "{text:?}: {entry:?}");
                    let names = [Some(entry.url), entry.out];
                    assert!(names.into_iter().flatten().all(|name| !name.is_empty() && !name.contains('\n')), "{text:?}");
                    assert!(!entry.url.contains('\t'), "{text:?}");
                },
                Err(bad) => assert!((1..=lines).contains(&bad.line), "{text:?}: {bad:?}"),
            }
        }
    }
}

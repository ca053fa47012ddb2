//! Lists of digests, as `sha256sum` and its like write them: `HEX  NAME`, `HEX *NAME`, or `SHA256 (NAME) = HEX`.
//!
//! Other lines mean nothing, as for those programs: such files have comments and signatures in them. A file that is to
//! be checked has to be listed, so a line that can't be read is missed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use okdownload::{Digest, DigestAlgorithm};
use percent_encoding::percent_decode_str;
use url::Url;

use crate::report::Failure;

/// A list of digests.
#[derive(Debug)]
pub(crate) struct Checksums {
    path: PathBuf,
    /// By the last part of the name, which is all that a URL may have of it.
    files: BTreeMap<String, Vec<(String, Digest)>>,
}

impl Checksums {
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let wrong =
            |problem: String| Failure::Usage(format!("--checksum-file {}: {problem}", path.display()));
        let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let text = String::from_utf8_lossy(&text);
        let files = parse(&text);
        if is_blake2(path) || (files.is_empty() && text.lines().any(|line| line.starts_with("BLAKE2"))) {
            return Err(wrong(
                "it has BLAKE2 digests, which are not known here; take those of SHA-256 or SHA-512".into(),
            ));
        }
        if files.is_empty() {
            return Err(wrong("there is no line of the form HEX  NAME or ALGORITHM (NAME) = HEX".into()));
        }
        Ok(Self { path: path.to_path_buf(), files })
    }

    /// The digest of what is at this URL: it is listed by the name that the URL has, or by that which it gets here.
    pub(crate) fn find(&self, url: &str, out: Option<&Path>) -> Result<Digest, String> {
        let path = Url::parse(url.trim()).map(|url| url.path().to_owned()).unwrap_or_default();
        let path = percent_decode_str(&path).decode_utf8_lossy().into_owned();
        let out = out.map(|out| out.to_string_lossy().into_owned());
        let list = self.path.display();
        for name in [Some(&path), out.as_ref()].into_iter().flatten() {
            if let Some(listed) = self.files.get(last_part(name)) {
                return pick(listed, name)
                    .map_err(|problem| format!("{} {problem} in {list}", last_part(name)));
            }
        }
        Err(format!("{} is not listed in {list}, so it can't be checked", last_part(&path)))
    }
}

/// Whether a list has a name as those of `b2sum` have: its digits look like those of SHA-512.
fn is_blake2(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    name.contains("b2sum") || name.contains("blake2")
}

/// The strongest digest of those that are of this file.
fn pick(listed: &[(String, Digest)], full: &str) -> Result<Digest, &'static str> {
    let one_place = listed.iter().all(|(name, _)| *name == listed[0].0);
    let full = full.replace('\\', "/");
    let is_meant = |name: &str| one_place || format!("/{full}").ends_with(&format!("/{name}"));
    let meant: Vec<&(String, Digest)> = listed.iter().filter(|(name, _)| is_meant(name)).collect();
    let strength =
        |digest: &Digest| DigestAlgorithm::ALL.iter().position(|known| *known == digest.algorithm());
    let best = meant.iter().max_by_key(|(name, digest)| (name.len(), strength(digest)));
    let (name, digest) = best.ok_or("is listed in several directories, none of them the URL's,")?;
    let rival = |other: &&&(String, Digest)| other.0 == *name && other.1.algorithm() == digest.algorithm();
    if meant.iter().filter(rival).any(|other| other.1 != *digest) {
        return Err("is listed with several digests");
    }
    Ok(digest.clone())
}

fn last_part(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

fn parse(text: &str) -> BTreeMap<String, Vec<(String, Digest)>> {
    let mut files: BTreeMap<String, Vec<(String, Digest)>> = BTreeMap::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (name, digest) in text.lines().filter_map(line) {
        // A list that was made on Windows has the other separators.
        let name = name.replace('\\', "/");
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        files.entry(last_part(&name).to_owned()).or_default().push((name, digest));
    }
    files
}

/// A name and its digest.
fn line(text: &str) -> Option<(String, Digest)> {
    // A name that can't stand as it is has escapes in it, and the line says so at its beginning.
    let (escaped, text) = text.strip_prefix('\\').map_or((false, text), |text| (true, text));
    let (name, digest) = tagged(text).or_else(|| plain(text))?;
    let name = if escaped { unescaped(name)? } else { name.to_owned() };
    (!name.is_empty()).then_some((name, digest))
}

/// `SHA256 (NAME) = HEX`
fn tagged(text: &str) -> Option<(&str, Digest)> {
    let (algorithm, rest) = text.split_once(" (")?;
    let (name, digits) = rest.rsplit_once(") = ")?;
    Some((name, Digest::new(algorithm.parse().ok()?, hex::decode(digits.trim_end()).ok()?).ok()?))
}

/// `HEX  NAME` or `HEX *NAME`; the algorithm shows by the number of digits.
fn plain(text: &str) -> Option<(&str, Digest)> {
    let (digits, name) = text.split_once(' ')?;
    let value = hex::decode(digits).ok()?;
    // Eight digits are some CRC-32, but hardly the one that is known here.
    let known =
        DigestAlgorithm::ALL.iter().copied().filter(|algorithm| *algorithm != DigestAlgorithm::Crc32c);
    let algorithm = known.into_iter().find(|algorithm| algorithm.length() == value.len())?;
    Some((name.strip_prefix([' ', '*']).unwrap_or(name), Digest::new(algorithm, value).ok()?))
}

fn unescaped(name: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = name.chars();
    while let Some(c) = rest.next() {
        plain.push(match c {
            '\\' => match rest.next()? {
                'n' => '\n',
                'r' => '\r',
                '\\' => '\\',
                _ => return None,
            },
            c => c,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    const A: &str = "900150983cd24fb0d6963f7d28e17f72";
    const B: &str = "d41d8cd98f00b204e9800998ecf8427e";

    fn list(text: &str) -> Checksums {
        Checksums { path: "SUMS".into(), files: parse(text) }
    }

    #[test]
    fn lines() {
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for (text, name, digest) in [
            (format!("{A}  a.iso"), "a.iso", format!("md5={A}")),
            (format!("{A} *a.iso"), "a.iso", format!("md5={A}")),
            (format!("{} a.iso", A.to_uppercase()), "a.iso", format!("md5={A}")),
            (format!("{A}   a"), " a", format!("md5={A}")),
            (format!("{A}  **"), "**", format!("md5={A}")),
            (format!("{sha}  a b (c) = d"), "a b (c) = d", format!("sha-256={sha}")),
            (format!("MD5 (a (1).iso) = {A}"), "a (1).iso", format!("md5={A}")),
            (format!("SHA256 (a) = {sha}"), "a", format!("sha-256={sha}")),
            (format!("\\{A}  a\\nb\\\\c"), "a\nb\\c", format!("md5={A}")),
            (format!("\\MD5 (a\\nb) = {A}"), "a\nb", format!("md5={A}")),
        ] {
            let (found, value) = line(&text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((found.as_str(), value.to_string()), (name, digest), "{text}");
        }
    }

    #[test]
    fn other_lines_mean_nothing() {
        for text in [
            "",
            "# comment",
            "-----BEGIN PGP SIGNED MESSAGE-----",
            "Hash: SHA256",
            A,
            "xyz  a",
            "9001  a",
            "01020304  a",
            "SHA224 (a) = 00",
            "MD5 (a) = 00",
            "iQIzBAEBCAAdFiEE==",
        ] {
            assert_eq!(line(text), None, "{text}");
        }
        assert_eq!(line(&format!("\\{A}  a\\qb")), None);
        assert_eq!(line(&format!("{A}  ")), None);
    }

    #[test]
    fn files_are_found_by_the_name_of_the_url_or_their_own() {
        let list = list(&format!("{A}  ./x/a b\n{B} *x\\c\n{A}  y/c\n{A}  twice\n{B}  twice\n"));
        let find = |url: &str, out: Option<&str>| {
            list.find(url, out.map(Path::new)).map(|digest| hex::encode(digest.value()))
        };
        assert_eq!(find("http://h/p/a%20b?q", None).as_deref(), Ok(A));
        assert_eq!(find("http://h/get?id=1", Some("d/a b")).as_deref(), Ok(A));
        assert_eq!(find("http://h/p/x/c", None).as_deref(), Ok(B));
        assert_eq!(find("http://h/y/c", None).as_deref(), Ok(A));
        for (url, word) in [
            ("http://h/z/c", "several directories"),
            ("http://h/xx/c", "several directories"),
            ("http://h/other", "other is not listed in SUMS"),
            ("http://h/twice", "several digests"),
        ] {
            assert!(find(url, None).unwrap_err().contains(word), "{url}: {:?}", find(url, None));
        }
    }

    #[test]
    fn lists_of_blake2_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let long = "0".repeat(128);
        for (name, text, is_read) in [
            ("B2SUMS", format!("{long}  a\n"), false),
            ("a.blake2b", format!("{long}  a\n"), false),
            ("SUMS", format!("BLAKE2b (a) = {long}\n"), false),
            ("SUMS", format!("BLAKE2b-256 (a) = {A}{B}\n"), false),
            ("SUMS", format!("BLAKE2b (a) = {long}\nMD5 (a) = {A}\n"), true),
            ("SUMS", format!("{long}  a\n"), true),
        ] {
            let path = directory.path().join(name);
            std::fs::write(&path, &text).unwrap();
            match Checksums::read(&path) {
                Err(Failure::Usage(told)) => assert!(!is_read && told.contains("BLAKE2"), "{text}: {told}"),
                other => assert!(is_read && other.is_ok(), "{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_strongest_digest_counts() {
        let sha = "a9993e364706816aba3e25717850c26c9cd0d89d";
        let list = list(&format!("MD5 (a) = {A}\nSHA1 (a) = {sha}\nSIZE (a) = 3\n"));
        assert_eq!(list.find("http://h/a", None).unwrap().to_string(), format!("sha-1={sha}"));
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 3_000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default()
        })]

        #[test]
        fn what_is_written_is_read(name in "[^\r\n\\\\]{1,20}", any in "(?s).{0,60}") {
            let (found, _) = line(&format!("{A} *{name}")).unwrap();
            assert_eq!(found, name);
            drop(parse(&any));
        }
    }
}

//! What the store has, and which of it somebody means.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use okdownload::{BreakpointInfo, CompletionRecord, Location, TaskId};
use url::Url;

use crate::report::Failure;

/// What records have in common.
pub(crate) trait Record {
    fn id(&self) -> TaskId;
    fn url(&self) -> &Url;
    fn location(&self) -> &Location;
}

impl Record for BreakpointInfo {
    fn id(&self) -> TaskId {
        self.id
    }
    fn url(&self) -> &Url {
        &self.url
    }
    fn location(&self) -> &Location {
        &self.location
    }
}

impl Record for CompletionRecord {
    fn id(&self) -> TaskId {
        self.id
    }
    fn url(&self) -> &Url {
        &self.url
    }
    fn location(&self) -> &Location {
        &self.location
    }
}

/// The least digits of an id that are shown.
const DIGITS: usize = 8;

/// So many digits tell these ids apart.
pub(crate) fn digits(ids: impl Iterator<Item = TaskId>) -> usize {
    let mut texts: Vec<String> = ids.map(|id| id.to_string()).collect();
    texts.sort();
    texts.dedup();
    let common = |pair: &[String]| pair[0].bytes().zip(pair[1].bytes()).take_while(|(a, b)| a == b).count();
    texts.windows(2).map(common).max().map_or(DIGITS, |common| (common + 1).max(DIGITS))
}

/// The places of the records that these words mean, each once and in the records' order. A word is the beginning of an
/// id, a URL, or a path of the file or of its part.
pub(crate) fn select<R: Record>(words: &[String], records: &[R]) -> Result<Vec<usize>, Failure> {
    let mut chosen = BTreeSet::new();
    for word in words {
        chosen.extend(meant(word, records)?);
    }
    Ok(chosen.into_iter().collect())
}

fn meant<R: Record>(word: &str, records: &[R]) -> Result<Vec<usize>, Failure> {
    let all = |fits: &dyn Fn(&R) -> bool| -> Vec<usize> {
        records.iter().enumerate().filter(|(_, record)| fits(record)).map(|(index, _)| index).collect()
    };
    let start = word.to_ascii_lowercase();
    let is_hex = word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let ids = if is_hex { all(&|record| record.id().to_string().starts_with(&start)) } else { Vec::new() };
    let url = Url::parse(word).ok().filter(|url| url.has_host()).map(plain);
    let path = std::path::absolute(word).unwrap_or_default();
    let is_named = |record: &R| {
        url.as_ref().is_some_and(|url| record.url() == url)
            || record.location().to_string() == word
            || record.location().path().is_some_and(|location| location == path || is_part(location, &path))
    };
    let named = all(&is_named);
    // A download that is known as complete and as begun anew has one id, and two records.
    let different =
        |places: &[usize]| places.iter().map(|place| records[*place].id()).collect::<BTreeSet<_>>().len();
    let either = [&ids[..], &named].concat();
    match (different(&ids), named.is_empty()) {
        (0, true) => Err(Failure::Usage(unknown(word, url.as_ref()))),
        (0, false) => Ok(named),
        (_, false) if different(&either) > 1 => Err(Failure::Usage(format!(
            "{word} is a file and the beginning of another's id; write ./{word} for the file, or more of the id"
        ))),
        (1, _) => Ok(either),
        (count, _) => {
            Err(Failure::Usage(format!("{word} is the beginning of {count} ids; write more of it")))
        }
    }
}

/// A word may be a URL with a secret in it, whole or mistyped.
fn unknown(word: &str, url: Option<&Url>) -> String {
    let shown = match url {
        Some(url) => okdownload::redacted(url),
        None if word.contains("://") || word.contains('@') => {
            "what is given (not shown here: it may hold a password)".into()
        }
        None => word.to_owned(),
    };
    format!("nothing is known of {shown}; okdl list shows what there is")
}

fn is_part(location: &Path, path: &Path) -> bool {
    let name = location.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    location.with_file_name(okdownload::strategy::default_part_name(&name)) == path
}

/// A URL as records have it.
fn plain(mut url: Url) -> Url {
    url.set_fragment(None);
    // What has a host can have, and not have, a user.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url
}

/// How long ago a file was written to.
pub(crate) fn age(place: &Location) -> Option<Duration> {
    let modified = std::fs::metadata(place.path()?).ok()?.modified().ok()?;
    Some(SystemTime::now().duration_since(modified).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: u128, url: &str, path: &str) -> CompletionRecord {
        let place = Location::Path(std::path::absolute(path).unwrap());
        CompletionRecord::new(TaskId::from_u128(id << 96), url.parse().unwrap(), place, 1)
    }

    #[test]
    fn ids_are_as_long_as_they_must_be() {
        let of = |ids: &[u128]| digits(ids.iter().map(|id| TaskId::from_u128(id << 92)));
        assert_eq!((of(&[]), of(&[1]), of(&[1, 1]), of(&[1, 2])), (8, 8, 8, 9));
        assert_eq!(of(&[1, 1 << 30]), 8);
    }

    #[test]
    fn words_mean_ids_urls_and_paths() {
        let records = [
            record(0xabcd_0001, "http://h/a?x=1", "d/a"),
            record(0xabcd_0002, "http://h/b", "beef"),
            record(0x1234_0000, "http://h/b", "c"),
            // A file whose name begins another one's id, one that is known twice, and one whose name begins its own id.
            record(0x5678_0000, "http://h/e", "cafe"),
            record(0xcafe_0000, "http://h/d", "e"),
            record(0xcafe_0000, "http://h/d", "e"),
            record(0xfade_0000, "http://h/f", "fade"),
        ];
        for (word, places) in [
            ("abcd0001", Some(&[0][..])),
            ("ABCD0002", Some(&[1])),
            ("abcd", None),
            ("12340", Some(&[2])),
            ("123", None),
            ("beef", Some(&[1])),
            ("./cafe", Some(&[3])),
            ("cafe", None),
            ("cafe0", Some(&[4, 5])),
            ("fade", Some(&[6])),
            ("./d/a", Some(&[0])),
            ("d/a.okdownload", Some(&[0])),
            ("http://u:p@h/a?x=1#f", Some(&[0])),
            ("http://h/b", Some(&[1, 2])),
            ("http://h/", None),
            ("nothing", None),
        ] {
            assert_eq!(select(&[word.into()], &records).ok().as_deref(), places, "{word}");
        }
        for word in ["http://u:s3cret@h/x?k=s3cret", "http://u:s3cret@h:99999/x", "u:s3cret@h/x"] {
            let Err(Failure::Usage(message)) = select(&[word.into()], &records) else { panic!("found") };
            assert!(!message.contains("s3cret"), "{message}");
        }
        assert_eq!(select(&["c".into(), "12340".into(), "d/a".into()], &records).unwrap(), [0, 2]);
    }
}

//! `okdl list`: what is unfinished, or complete.

use std::time::Duration;

use okdownload::{BreakpointInfo, CompletionRecord, redacted};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::records::{age, digits};
use super::{json_line, print};
use crate::args::ListArgs;
use crate::bars::fitted;
use crate::report::{Failure, bytes, describe, place, printable};
use crate::run::Outcome;
use crate::state::StoreChoice;
use crate::terminal::{self, Looks};

/// A line of the list. Its fields are those of the JSON form.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    state: &'static str,
    pub(super) id: String,
    url: String,
    pub(super) path: String,
    written: u64,
    total: Option<u64>,
    /// Seconds since the last byte was written.
    age: Option<u64>,
    needs_credentials: bool,
    /// Whether the file is where it was put.
    there: bool,
    /// The path as it is shown.
    #[serde(skip)]
    shown: String,
}

impl From<&BreakpointInfo> for Listed {
    fn from(info: &BreakpointInfo) -> Self {
        Self {
            state: "unfinished",
            id: info.id.to_string(),
            url: redacted(&info.url),
            path: info.location.to_string(),
            written: info.written(),
            total: info.total,
            age: age(&info.part).map(|age| age.as_secs()),
            needs_credentials: info.needs_credentials,
            there: info.part.path().is_none_or(std::path::Path::exists),
            shown: place(&info.location),
        }
    }
}

impl From<&CompletionRecord> for Listed {
    fn from(record: &CompletionRecord) -> Self {
        let length = |path| std::fs::metadata(path).map(|file| file.len()).ok();
        Self {
            state: "completed",
            id: record.id.to_string(),
            url: redacted(&record.url),
            path: record.location.to_string(),
            written: record.length,
            total: Some(record.length),
            age: None,
            needs_credentials: false,
            there: record.location.path().is_none_or(|path| length(path) == Some(record.length)),
            shown: place(&record.location),
        }
    }
}

pub(crate) fn list(args: &ListArgs) -> Result<Outcome, Failure> {
    let store = StoreChoice::parse(args.state.store.as_deref())?;
    crate::work(&args.common, async |console| {
        let store = store.open(console).await?.store;
        let failure = |error| Failure::Other(describe(&error));
        let (rows, length): (Vec<Listed>, usize) = if args.completed {
            let records = store.completed().await.map_err(failure)?;
            (records.iter().map(Listed::from).collect(), digits(records.iter().map(|record| record.id)))
        } else {
            let infos = store.unfinished().await.map_err(failure)?;
            (infos.iter().map(Listed::from).collect(), digits(infos.iter().map(|info| info.id)))
        };
        store.close().await.map_err(failure)?;
        if args.common.json {
            return print(rows.iter().map(json_line).collect::<String>().as_bytes(), Outcome::Complete);
        }
        if rows.is_empty() {
            console
                .note(|| if args.completed { "nothing is complete" } else { "nothing is unfinished" }.into());
        }
        let text = table(&rows, length, terminal::width_of_stdout(), console.looks());
        print(text.as_bytes(), Outcome::Complete)
    })
}

/// Less of an address tells nothing.
const ADDRESS: usize = 12;

/// The rows as columns, with a heading. On a terminal of this width addresses are shortened, so that no row is folded.
fn table(rows: &[Listed], digits: usize, width: Option<usize>, looks: Looks) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!("{:digits$}  DONE        SIZE       AGE  FILE\n", "ID");
    for row in rows {
        let size = row.total.map_or_else(|| "?".into(), bytes);
        let age = row.age.map_or_else(|| "-".into(), |age| ago(Duration::from_secs(age)));
        let hint = match row {
            Listed { needs_credentials: true, .. } => "  (needs credentials)",
            Listed { there: false, state: "completed", .. } => "  (gone or changed)",
            Listed { there: false, .. } => "  (its part is gone)",
            _ => "",
        };
        let (id, file) = (&row.id[..digits], printable(&row.shown));
        let front = format!("{id}  {}  {size:>10}  {age:>8}  {file}", done(row));
        // A column stays free, as many terminals fold a line that is as wide as they are.
        let room = width.map_or(usize::MAX, |width| width.saturating_sub(front.width() + hint.len() + 1));
        text += &format!("{front}{}{hint}\n", address(&row.url, room, looks));
    }
    text
}

/// The address with what stands around it, in as much room as there is.
fn address(url: &str, room: usize, looks: Looks) -> String {
    match room.saturating_sub("  <>".len()) {
        room if url.width() <= room => format!("  <{url}>"),
        room if room < ADDRESS => String::new(),
        room => format!("  <{}>", fitted(url, room, looks).trim_end()),
    }
}

/// ` 42%`, rounded down.
fn done(row: &Listed) -> String {
    match row.total {
        Some(0) => "100%".into(),
        Some(total) => format!("{:>3}%", u128::from(row.written) * 100 / u128::from(total)),
        None => "   ?".into(),
    }
}

/// `5 s`, `3 min`, `2 h`, `12 days`.
fn ago(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Looks = Looks { colours: false, unicode: true };

    fn row(written: u64, total: Option<u64>) -> Listed {
        Listed {
            state: "unfinished",
            id: "48fbe634c257f702edd9b02e232d30fc".into(),
            url: "http://h/a".into(),
            path: "/d/a".into(),
            written,
            total,
            age: Some(200),
            needs_credentials: false,
            there: true,
            shown: "a".into(),
        }
    }

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [
            row(512, Some(1024)),
            Listed { age: None, needs_credentials: true, ..row(7, None) },
            Listed { shown: "\u{1b}[2Jb".into(), there: false, ..row(0, Some(0)) },
        ];
        assert_eq!(
            table(&rows, 8, None, PLAIN),
            "\
ID        DONE        SIZE       AGE  FILE
48fbe634   50%     1.0 KiB     3 min  a  <http://h/a>
48fbe634     ?           ?         -  a  <http://h/a>  (needs credentials)
48fbe634  100%         0 B     3 min  \u{fffd}[2Jb  <http://h/a>  (its part is gone)
"
        );
        assert_eq!(table(&[], 8, None, PLAIN), "");
    }

    #[test]
    fn no_row_is_folded() {
        let rows =
            [Listed { needs_credentials: true, url: "http://mirror.example/a.iso".into(), ..row(1, None) }];
        for (width, end) in [
            (92, "a  <http://mirror.example/a.iso>  (needs credentials)"),
            (91, "a  <http://mirro…example/a.iso>  (needs credentials)"),
            (77, "a  <http:…/a.iso>  (needs credentials)"),
            (76, "a  (needs credentials)"),
        ] {
            let text = table(&rows, 8, Some(width), PLAIN);
            let row = text.lines().nth(1).unwrap();
            assert!(row.ends_with(&format!("  {end}")) && row.width() < width, "{width}: {row}");
        }
    }

    #[test]
    fn ages() {
        for (seconds, text) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7200, "2 h"),
            (172_799, "47 h"),
            (864_000, "10 days"),
        ] {
            assert_eq!(ago(Duration::from_secs(seconds)), text);
        }
    }
}

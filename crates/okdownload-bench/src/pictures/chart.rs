//! The comparison as bars, from the tables of `docs/performance.md`.

use std::fmt::Write;

use super::svg::{escaped, head};
use crate::Result;

/// The tables that are shown, in this order.
const WORKS: [&str; 4] = ["one-1", "one-4", "small", "medium"];
/// The rows that are shown, in this order, and what a bar is called if not as its row.
const PROGRAMS: [(&str, Option<&str>); 5] = [
    ("okdl, power", Some("okdl (default: synced)")),
    ("okdl", Some("okdl, no sync")),
    ("curl", None),
    ("aria2c", None),
    ("wget2", None),
];

const WIDTH: usize = 752;
/// Two by two panels: how wide one is, its names, and its longest bar. The rest is for figures.
const PANEL: usize = 360;
const NAMES: usize = 164;
const LONGEST: usize = 148;
const ROW: usize = 22;
const HEAD: usize = 48;
const PANEL_HEIGHT: usize = 28 + ROW * PROGRAMS.len() + 18;
const HEIGHT: usize = HEAD + 2 * PANEL_HEIGHT + 56;

const LOOK: &str = "\
text{font:13px -apple-system,'Segoe UI','Noto Sans',Helvetica,Arial,sans-serif;fill:#1f2328}\
.w{fill:#fff;stroke:#d1d9e0}.t{font-weight:600}.s{fill:#59636e}.n{text-anchor:end}\
.o{fill:#0969da}.p{fill:#0969da;opacity:.6}.x{fill:#afb8c1}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.w{fill:#0d1117;stroke:#3d444d}.s{fill:#9198a1}\
.o,.p{fill:#4493f8}.x{fill:#656c76}}";

/// One table.
#[derive(Debug, PartialEq)]
struct Panel {
    title: String,
    /// Names, and seconds.
    bars: Vec<(String, f64)>,
}

/// The chart of what these docs say.
pub(super) fn chart(docs: &str) -> Result<String> {
    let panels = WORKS.iter().map(|work| panel(docs, work)).collect::<Result<Vec<_>>>()?;
    // One scale for all: what looks twice as long takes twice as long.
    let most = panels.iter().flat_map(|panel| &panel.bars).map(|bar| bar.1).fold(0.0, f64::max);
    let words: String = panels.iter().map(words).collect();
    let title = "Wall time in seconds, the least of all runs; shorter is better";
    let mut text = head(title, (WIDTH, HEIGHT), words.trim_end());
    // Writing to a string does not fail.
    let _ = writeln!(text, "<style>{LOOK}</style>");
    let (width, height) = (WIDTH - 1, HEIGHT - 1);
    let _ = writeln!(
        text,
        "<rect class=\"w\" x=\".5\" y=\".5\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>"
    );
    let _ = writeln!(text, "<text class=\"t\" x=\"16\" y=\"28\">{title}</text>");
    for (number, panel) in panels.iter().enumerate() {
        let (x, y) = (16 + number % 2 * PANEL, HEAD + number / 2 * PANEL_HEIGHT);
        let _ = write!(text, "<g transform=\"translate({x} {y})\">\n{}</g>\n", drawn(panel, most));
    }
    let notes = [
        "By default okdl syncs each file to the disk before it counts as complete; the other programs don't.",
        "2 cores, with the server on the same machine.",
    ];
    for (note, rise) in notes.iter().zip([38, 20]) {
        let _ = writeln!(text, "<text class=\"s\" x=\"16\" y=\"{}\">{note}</text>", HEIGHT - rise);
    }
    Ok(text + "</svg>\n")
}

fn words(panel: &Panel) -> String {
    let bars: Vec<_> = panel.bars.iter().map(|(name, seconds)| format!("{name} {seconds:.2}")).collect();
    format!("{}: {}\n", panel.title, bars.join("; "))
}

fn drawn(panel: &Panel, most: f64) -> String {
    let mut text = format!("<text class=\"t\" y=\"16\">{}</text>\n", escaped(&panel.title));
    for (number, (name, seconds)) in panel.bars.iter().enumerate() {
        let class = ["o", "p"].get(number).unwrap_or(&"x");
        let (y, width) = (28 + number * ROW, LONGEST as f64 * seconds / most);
        let (base, end) = (y + 13, NAMES as f64 + width + 6.0);
        let _ = writeln!(
            text,
            "<text class=\"n\" x=\"{}\" y=\"{base}\">{}</text>\
             <rect class=\"{class}\" x=\"{NAMES}\" y=\"{y}\" width=\"{width:.1}\" height=\"16\" rx=\"2\"/>\
             <text class=\"s\" x=\"{end:.1}\" y=\"{base}\">{seconds:.2}</text>",
            NAMES - 8,
            escaped(name),
        );
    }
    text
}

/// The table of a work, read back.
fn panel(docs: &str, work: &str) -> Result<Panel> {
    let missing = |what: &str| format!("the tables have no {what} of `{work}`");
    let mark = format!("### `{work}`: ");
    let mut lines = docs.lines().skip_while(|line| !line.starts_with(&mark));
    let title = lines.next().and_then(|line| line.strip_prefix(&mark)).ok_or_else(|| missing("heading"))?;
    let rows: Vec<_> = lines.take_while(|line| !line.starts_with('#')).filter_map(cells).collect();
    let heads = rows.first().ok_or_else(|| missing("table"))?;
    let wall = heads
        .iter()
        .position(|head| head.starts_with("wall, s: min"))
        .ok_or_else(|| missing("wall times"))?;
    let bar = |(program, label): &(&str, Option<&str>)| {
        let row = rows.iter().find(|row| is_of(&row[0], program));
        let seconds = row.and_then(|row| row.get(wall)?.split(" / ").next()?.parse().ok());
        let name = |row: &Vec<String>| label.map_or_else(|| row[0].clone(), str::to_owned);
        row.zip(seconds).map(|(row, seconds)| (name(row), seconds)).ok_or_else(|| missing(program))
    };
    Ok(Panel { title: title.to_owned(), bars: PROGRAMS.iter().map(bar).collect::<Result<_>>()? })
}

/// Whether a row is of this program: it may have had fewer connections than were asked for.
fn is_of(row: &str, program: &str) -> bool {
    row.strip_prefix(program).is_some_and(|rest| rest.is_empty() || rest == ", 1 connection")
}

/// The cells of a row of a table, without what makes them bold or code.
fn cells(line: &str) -> Option<Vec<String>> {
    let row = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(row.split('|').map(|cell| cell.trim().replace(['*', '`'], "")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCS: &str = "\
### `one-1`: 1 GiB, 1 connection

| program | CPU | wall, s: min / median / max |
|---|---|---|
| `okdl` of the commit before | 1 | 9.00 / 9.00 / 9.00 |
| **`okdl`** | 1 | 1.04 / 1.15 / 1.42 |
| `okdl`, *power* | 1 | 1.73 / 1.93 / 2.06 |
| curl, 1 connection | 1 | 1.77 / 2.01 / 2.61 |
| aria2c | 1 | 3.38 / 4.18 / 4.91 |
| wget2 | 1 | 1.25 / 1.70 / 1.89 |

Met: all.

### `one-4`: next

| program | wall, s: min / median / max |
|---|---|
| **`okdl`** | – |
";

    #[test]
    fn tables_are_read_back() {
        let bars = [
            ("okdl (default: synced)", 1.73),
            ("okdl, no sync", 1.04),
            ("curl, 1 connection", 1.77),
            ("aria2c", 3.38),
            ("wget2", 1.25),
        ];
        let bars = bars.map(|(name, seconds)| (name.to_owned(), seconds)).to_vec();
        assert_eq!(panel(DOCS, "one-1"), Ok(Panel { title: "1 GiB, 1 connection".into(), bars }));
        assert_eq!(panel(DOCS, "one-4"), Err("the tables have no okdl, power of `one-4`".into()));
        assert_eq!(panel(DOCS, "small"), Err("the tables have no heading of `small`".into()));
    }
}

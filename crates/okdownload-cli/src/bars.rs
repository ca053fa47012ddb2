//! What a file's progress looks like: functions from figures to a line.

use std::time::Duration;

use okdownload::BlockInfo;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::report::{bytes, clock, speed};
use crate::terminal::{Colour, Line, Looks};

/// How far a file is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileFigures<'a> {
    pub(crate) name: &'a str,
    pub(crate) written: u64,
    pub(crate) total: Option<u64>,
    pub(crate) speed: u64,
    pub(crate) eta: Option<Duration>,
    pub(crate) connections: usize,
    pub(crate) blocks: &'a [BlockInfo],
    /// When it is tried again, and why, if it waits for that.
    pub(crate) retry: Option<&'a str>,
}

/// How far all are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AllFigures {
    pub(crate) files: usize,
    pub(crate) ended: usize,
    pub(crate) failed: usize,
    /// Those that run and have no line of their own.
    pub(crate) unseen: usize,
    /// Bytes of all of them.
    pub(crate) there: u64,
    /// How many there will be, once that is known of each.
    pub(crate) total: Option<u64>,
    /// Until the one is there that takes longest.
    pub(crate) longest: Duration,
    pub(crate) speed: u64,
    pub(crate) elapsed: Duration,
}

/// What a cell of a map shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    There,
    Coming,
    Missing,
}

/// The columns of a name that nothing is left out of for the sake of what stands behind it.
pub(crate) const WIDEST_NAME: usize = 40;

/// The least and the most columns of a name, and those of a map: the least, and what no name takes from it.
const NAME: (usize, usize) = (12, WIDEST_NAME);
const MAP: (usize, usize) = (8, 12);
/// `100%`, and what comes behind the map; each with the room before it.
const PERCENT: usize = 5;
const SPEED: usize = 14;
const ETA: usize = 9;
const SIZE: usize = 12;
const CONNECTIONS: usize = 5;

/// The line of a file, of `width` columns at most, below others whose names take up to `names` columns. What there is
/// no room for is left out: connections first, then the size, the time that is left, the speed, and the map.
pub(crate) fn file_line(file: &FileFigures<'_>, names: usize, width: usize, looks: Looks) -> Line {
    if let Some(retry) = file.retry {
        return waiting_line(file, retry, names, width, looks);
    }
    let columns = [SPEED, ETA, SIZE, CONNECTIONS];
    let least = NAME.0 + PERCENT + 1 + MAP.0;
    let fits = |count: &usize| least + columns[..*count].iter().sum::<usize>() <= width;
    let Some(shown) = (0..=columns.len()).rev().find(fits) else {
        return narrow(file, width, looks);
    };
    let tail: usize = columns[..shown].iter().sum();
    let room = width - tail - PERCENT - 1;
    let name = names.clamp(NAME.0, NAME.1).min(room.saturating_sub(MAP.1).max(NAME.0));
    let mut line = Line::plain(fitted(file.name, name, looks));
    push_map(&mut line, file, room - name, looks);
    let size = bytes(file.total.unwrap_or(file.written));
    let eta = file.eta.map(left).unwrap_or_default();
    let connections = match file.connections {
        0 => String::new(),
        count => format!("{count}{}", if looks.unicode { '×' } else { 'x' }),
    };
    // In the order in which they stand.
    for (rank, text) in [(2, size), (0, speed(file.speed)), (1, eta), (3, connections)] {
        if rank < shown {
            line.push(&pad_left(&text, columns[rank]), None);
        }
    }
    line
}

/// The time that is left. More than four days is a guess that nobody waits for, and has no room.
fn left(eta: Duration) -> String {
    const LONG: Duration = Duration::from_secs(100 * 3600);
    let eta = eta.saturating_add(Duration::from_secs(1));
    if eta < LONG { clock(eta) } else { ">99 h".into() }
}

/// The line of a file that nothing comes of now: why stands in the place of the map, and ends where there is no more room.
fn waiting_line(file: &FileFigures<'_>, retry: &str, names: usize, width: usize, looks: Looks) -> Line {
    let name = names.clamp(NAME.0, NAME.1).min(width / 3);
    let (mut line, gap) = match file.total {
        Some(_) => (narrow(file, (name + PERCENT).min(width), looks), " "),
        None => (Line::plain(fitted(file.name, name, looks)), "  "),
    };
    let room = width.saturating_sub(line.width + gap.len());
    if room > 0 {
        let cut = retry.width() > room;
        let shown = front(retry, room - usize::from(cut));
        line.push(
            &format!("{gap}{shown}{}", if cut { looks.mark() } else { "" }),
            looks.colour(Colour::Yellow),
        );
    }
    line
}

/// Name and percent, where there is no room for more.
fn narrow(file: &FileFigures<'_>, width: usize, looks: Looks) -> Line {
    if width < PERCENT + 3 {
        return Line::plain(fitted(file.name, width, looks));
    }
    let mut line = Line::plain(fitted(file.name, width - PERCENT, looks));
    line.push(&percent(file), None);
    line
}

/// Percent and map, if the length is known; else room.
fn push_map(line: &mut Line, file: &FileFigures<'_>, cells: usize, looks: Looks) {
    line.push(&percent(file), None);
    line.push(" ", None);
    let Some(total) = file.total else { return line.push(&" ".repeat(cells), None) };
    let map = map(file.blocks, file.written, total, file.connections > 0, cells);
    let mut rest = &map[..];
    while let Some(first) = rest.first() {
        let count = rest.iter().take_while(|cell| *cell == first).count();
        let (glyph, colour) = match (first, looks.unicode) {
            (Cell::There, true) => ("█", Colour::Green),
            (Cell::There, false) => ("#", Colour::Green),
            (Cell::Coming, true) => ("▓", Colour::Cyan),
            (Cell::Coming, false) => (">", Colour::Cyan),
            (Cell::Missing, true) => ("░", Colour::Dim),
            (Cell::Missing, false) => (".", Colour::Dim),
        };
        line.push(&glyph.repeat(count), looks.colour(colour));
        rest = &rest[count..];
    }
}

/// ` 42%`, one space before it; rounded down, so that 100 is all.
fn percent(file: &FileFigures<'_>) -> String {
    let percent = match file.total {
        Some(0) => Some(100),
        Some(total) => Some((u128::from(file.written) * 100 / u128::from(total)).min(100)),
        None => None,
    };
    percent.map_or_else(|| " ".repeat(PERCENT), |percent| format!("{percent:>4}%"))
}

/// Which part of a file is there, which is being fetched, and which is missing, in this many cells.
pub(crate) fn map(blocks: &[BlockInfo], written: u64, total: u64, runs: bool, cells: usize) -> Vec<Cell> {
    let whole = [BlockInfo::new(0, Some(total)).with_progress(written.min(total), 0)];
    let blocks = if blocks.is_empty() { &whole } else { blocks };
    let at = |cell: usize| (u128::from(total) * cell as u128 / cells.max(1) as u128) as u64;
    let state = |cell: usize| {
        let (from, to) = (at(cell), at(cell + 1).max(at(cell) + 1));
        let there: u64 =
            blocks.iter().map(|block| block.position().min(to).saturating_sub(block.start.max(from))).sum();
        let is_coming = |block: &BlockInfo| !block.is_full() && (from..to).contains(&block.position());
        match () {
            () if there >= to - from => Cell::There,
            () if runs && blocks.iter().any(is_coming) => Cell::Coming,
            () if there > (to - from) / 2 => Cell::There,
            () => Cell::Missing,
        }
    };
    (0..cells).map(state).collect()
}

/// The line of all files, of `width` columns at most.
pub(crate) fn total_line(all: &AllFigures, width: usize, looks: Looks) -> Line {
    let mut parts = vec![format!("{}/{} files", all.ended, all.files)];
    if all.failed > 0 {
        parts.push(format!("{} failed", all.failed));
    }
    let there = bytes(all.there);
    parts.push(all.total.map_or_else(|| there.clone(), |total| format!("{there} of {}", bytes(total))));
    parts.push(speed(all.speed));
    let rest = all.total.and_then(|total| total.saturating_sub(all.there).checked_div(all.speed));
    // It says which of the two it is, and is never shorter than that of one of its files.
    parts.push(match rest {
        Some(seconds) => format!("{} left", left(Duration::from_secs(seconds).max(all.longest))),
        None => format!("{} elapsed", clock(all.elapsed)),
    });
    if all.unseen > 0 {
        parts.push(format!("{} more at work", all.unseen));
    }
    while parts.len() > 1 && parts.join("  ").width() > width {
        parts.pop();
    }
    let mut line = Line::default();
    line.push(fitted(&parts.join("  "), width, looks).trim_end(), looks.colour(Colour::Bold));
    line
}

/// A name or an address in exactly this many columns. Of one that is too long the middle is left out: names often differ at their
/// ends.
pub(crate) fn fitted(name: &str, width: usize, looks: Looks) -> String {
    let have = name.width();
    if have <= width {
        return format!("{name}{}", " ".repeat(width - have));
    }
    let mark = looks.mark();
    let room = width.saturating_sub(1);
    let front = front(name, room / 2);
    let back = back(name, room - front.width());
    let text = if width == 0 { String::new() } else { format!("{front}{mark}{back}") };
    let missing = width.saturating_sub(text.width());
    text + &" ".repeat(missing)
}

/// As many signs of the beginning as fit. They are measured together: a selector behind a character can make it wider, and
/// characters that are joined take the room of one.
fn front(text: &str, width: usize) -> &str {
    let ends = text.char_indices().map(|(start, c)| start + c.len_utf8());
    let fitting =
        ends.take_while(|end| text[..*end].width() <= width).filter(|end| begins_sign(&text[*end..]));
    fitting.last().map_or("", |end| &text[..end])
}

/// As many signs of the end as fit.
fn back(text: &str, width: usize) -> &str {
    let starts = text.char_indices().rev().map(|(start, _)| start);
    let fitting = starts
        .take_while(|start| text[*start..].width() <= width)
        .filter(|start| begins_sign(&text[*start..]));
    fitting.last().map_or("", |start| &text[start..])
}

/// Whether what comes is no part of a sign that was there before: accents and selectors take no room of their own.
fn begins_sign(rest: &str) -> bool {
    rest.chars().next().is_none_or(|c| c.width() != Some(0))
}

fn pad_left(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const PLAIN: Looks = Looks { colours: false, unicode: true };
    const ASCII: Looks = Looks { colours: false, unicode: false };

    fn block(start: u64, length: u64, written: u64) -> BlockInfo {
        BlockInfo::new(start, Some(length)).with_progress(written, 0)
    }

    fn figures<'a>(name: &'a str, blocks: &'a [BlockInfo]) -> FileFigures<'a> {
        FileFigures {
            name,
            written: 30 * MIB,
            total: Some(100 * MIB),
            speed: 5 * MIB,
            eta: Some(Duration::from_secs(13)),
            connections: 4,
            blocks,
            retry: None,
        }
    }

    #[test]
    fn a_file_at_any_width() {
        let blocks = [block(0, 50 * MIB, 20 * MIB), block(50 * MIB, 50 * MIB, 10 * MIB)];
        let file = figures("out/debian-13.iso", &blocks);
        for (width, line) in [
            (
                100,
                "out/debian-13.iso  30% ███████▓░░░░░░░░░░░███▓░░░░░░░░░░░░░░   100.0 MiB     5.0 MiB/s     0:14   4×",
            ),
            (80, "out/debian-13.iso  30% ███▓░░░░░█▓░░░░░░   100.0 MiB     5.0 MiB/s     0:14   4×"),
            (60, "out/debian-13.iso  30% ██▓░░░░█▓░░░░░     5.0 MiB/s     0:14"),
            (40, "out/d…13.iso  30% █▓░░▓░░░     5.0 MiB/s"),
            (30, "out/d…13.iso  30% ██▓░░░█▓░░░░"),
            (20, "out/deb…-13.iso  30%"),
            (8, "o…o  30%"),
            (3, "o…o"),
            (0, ""),
        ] {
            let shown = file_line(&file, file.name.width(), width, PLAIN);
            assert!(shown.width <= width && shown.text.width() == shown.width, "{width}: {shown:?}");
            assert_eq!(shown.text, line, "{width}");
        }
    }

    #[test]
    fn a_file_that_waits_says_why() {
        let retry = Some("retry 2 in 3 s: exmaple.com: the host name cannot be resolved");
        let file = FileFigures { retry, ..figures("a.iso", &[]) };
        for (width, line) in [
            (80, "a.iso         30% retry 2 in 3 s: exmaple.com: the host name cannot be resolved"),
            (60, "a.iso         30% retry 2 in 3 s: exmaple.com: the host nam…"),
            (40, "a.iso         30% retry 2 in 3 s: exmap…"),
            (20, "a.iso   30% retry 2…"),
            (8, "a.iso  "),
            (3, "a…o"),
            (0, ""),
        ] {
            let shown = file_line(&file, file.name.width(), width, PLAIN);
            assert!(shown.width <= width && shown.text.width() == shown.width, "{width}: {shown:?}");
            assert_eq!(shown.text, line, "{width}");
        }
        // Whose length is not known has no percent.
        let unknown = FileFigures { total: None, retry: Some("retry 1"), ..file };
        assert_eq!(file_line(&unknown, 5, 80, ASCII).text, "a.iso         retry 1");
    }

    #[test]
    fn every_line_fits() {
        let names = [
            "",
            "a",
            "日本語の名前のファイル.tar.gz",
            "☁\u{fe0f} 👩\u{200d}🔬 🇩🇪 1\u{fe0f}\u{20e3} and ☁\u{fe0f}☁\u{fe0f}☁\u{fe0f}☁\u{fe0f} 👍🏽.iso",
            "a-rather-long-name-of-a-file-that-has-no-end-at-all.iso",
        ];
        let blocks = [block(0, 100 * MIB, 30 * MIB)];
        for (name, width) in names.iter().flat_map(|name| (0..200).map(move |width| (name, width))) {
            for total in [None, Some(0), Some(1), Some(100 * MIB), Some(u64::MAX)] {
                let etas = [None, Some(359_998), Some(359_999), Some(u64::MAX)];
                for (looks, eta) in [PLAIN, ASCII].into_iter().flat_map(|looks| etas.map(|eta| (looks, eta)))
                {
                    let eta = eta.map(Duration::from_secs);
                    for retry in [None, Some("retry 2 in 3 s: it broke")] {
                        let figures = FileFigures { total, eta, retry, ..figures(name, &blocks) };
                        let line = file_line(&figures, name.width(), width, looks);
                        assert!(
                            line.width <= width && line.text.width() == line.width,
                            "{width} {total:?}: {line:?}"
                        );
                        assert!(looks.unicode || !name.is_ascii() || line.text.is_ascii(), "{line:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn maps() {
        let of = |blocks: &[BlockInfo], runs| -> String {
            let written = blocks.iter().map(|block| block.written).sum();
            let cells = map(blocks, written, 100, runs, 10);
            cells.iter().map(|cell| ['#', '>', '.'][*cell as usize]).collect()
        };
        for (blocks, runs, shown) in [
            (&[][..], true, ">........."),
            (&[block(0, 100, 0)], false, ".........."),
            (&[block(0, 100, 35)], true, "###>......"),
            (&[block(0, 100, 37)], false, "####......"),
            (&[block(0, 100, 100)], true, "##########"),
            (&[block(0, 50, 50), block(50, 50, 10)], true, "######>..."),
            (&[block(0, 30, 10), block(30, 70, 0)], true, "#>.>......"),
            (&[block(0, 100, 100), block(200, 10, 1)], true, "##########"),
        ] {
            assert_eq!(of(blocks, runs), shown, "{blocks:?}");
        }
        // More cells than bytes, and a length of nothing.
        assert_eq!(map(&[], 2, 2, true, 4), [Cell::There; 4]);
        assert_eq!(map(&[], 0, 0, false, 2).len(), 2);
    }

    #[test]
    fn all_at_any_width() {
        let all = AllFigures {
            files: 10_000,
            ended: 120,
            failed: 3,
            unseen: 4,
            there: 3 << 30,
            total: None,
            longest: Duration::ZERO,
            speed: 56 * MIB,
            elapsed: Duration::from_secs(75),
        };
        for (width, line) in [
            (80, "120/10000 files  3 failed  3.0 GiB  56.0 MiB/s  1:15 elapsed  4 more at work"),
            (60, "120/10000 files  3 failed  3.0 GiB  56.0 MiB/s  1:15 elapsed"),
            (20, "120/10000 files"),
            (8, "120…iles"),
        ] {
            assert_eq!(total_line(&all, width, PLAIN).text, line, "{width}");
        }
        let known = AllFigures { total: Some(4 << 30), unseen: 0, ..all };
        for (speed, line) in [
            (56 * MIB, "120/10000 files  3 failed  3.0 GiB of 4.0 GiB  56.0 MiB/s  0:19 left"),
            (0, "120/10000 files  3 failed  3.0 GiB of 4.0 GiB  0 B/s  1:15 elapsed"),
        ] {
            assert_eq!(total_line(&AllFigures { speed, ..known }, 80, PLAIN).text, line);
        }
        let slow = AllFigures { longest: Duration::from_secs(99), ..known };
        assert!(total_line(&slow, 80, PLAIN).text.ends_with("  1:40 left"));
    }

    #[test]
    fn names_lose_their_middle() {
        for (name, width, shown) in [
            ("abc", 5, "abc  "),
            ("abcdef", 5, "ab…ef"),
            ("abcdef", 1, "…"),
            ("日本語", 5, "日…語"),
            ("日本語", 4, "…語 "),
        ] {
            assert_eq!(fitted(name, width, PLAIN), shown, "{name} {width}");
        }
    }

    #[test]
    fn signs_of_several_characters_take_their_room() {
        for (name, width, shown) in [
            // A selector makes a sign of one column one of two, and one of two one of one.
            ("☁\u{fe0f}☁\u{fe0f}☁\u{fe0f}☁\u{fe0f}", 7, "☁\u{fe0f}…☁\u{fe0f}☁\u{fe0f}"),
            ("☁\u{fe0f}☁\u{fe0f}☁\u{fe0f}☁\u{fe0f}", 6, "☁\u{fe0f}…☁\u{fe0f} "),
            ("☁\u{fe0f}☁\u{fe0f}☁\u{fe0f}", 3, "…☁\u{fe0f}"),
            ("a1\u{fe0f}\u{20e3}b1\u{fe0f}\u{20e3}", 5, "a…b1\u{fe0f}\u{20e3}"),
            ("ab⌚\u{fe0e}⌚\u{fe0e}c", 4, "a…⌚\u{fe0e}c"),
            // Joined ones, flags and those with a colour are one.
            ("👩\u{200d}🔬👩\u{200d}🔬👩\u{200d}🔬", 5, "👩\u{200d}🔬…👩\u{200d}🔬"),
            ("🇩🇪🇫🇷🇮🇹", 5, "🇩🇪…🇮🇹"),
            ("👍🏽👍🏽👍🏽", 5, "👍🏽…👍🏽"),
            // An accent stays with its letter.
            ("e\u{301}e\u{301}e\u{301}e\u{301}", 3, "e\u{301}…e\u{301}"),
        ] {
            let fitted = fitted(name, width, PLAIN);
            assert_eq!((fitted.as_str(), fitted.width()), (shown, width), "{name} {width}");
        }
    }
}

//! Screens as SVG: each glyph in its cell, whatever font there is.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use vt100::{Cell, Color, Screen};

use super::stage::Frame;
use super::terminal::rows;
use crate::Result;

/// A cell's width and height, and where its baseline is: those of most fonts of 15 px.
const CELL: (usize, usize) = (9, 20);
const BASE: usize = 15;
/// The frame's room beside the cells, and above them.
const SIDE: usize = 16;
const BAR: usize = 36;

/// How long the last picture of a film stands.
const LAST: Duration = Duration::from_secs(5);

/// The window is dark on any page. Colours by their numbers, as a terminal has them.
const LOOK: &str = "\
text{font:15px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace}\
text,rect{fill:#e6edf3}.b{font-weight:700}.d{opacity:.55}\
.c1{fill:#ff7b72}.c2{fill:#3fb950}.c3{fill:#d29922}.c4{fill:#58a6ff}.c5{fill:#bc8cff}.c6{fill:#39c5cf}\
.w{fill:#0d1117;stroke:#484f58}.o{fill:#484f58}";

/// The last of these frames; those before it too if it `moves`.
pub(super) fn picture(title: &str, film: &[Frame], moves: bool) -> Result<String> {
    let film = if moves { film } else { &film[film.len().saturating_sub(1)..] };
    let Some(last) = film.last() else { return Err("nothing was seen".into()) };
    let height = film.iter().map(|frame| rows(&frame.screen).len()).max().unwrap_or(0);
    let columns = usize::from(last.screen.size().1.get());
    let (inner, outer) = ((columns * CELL.0, height * CELL.1), columns * CELL.0 + 2 * SIDE);
    let mut drawn = Rows::default();
    let frames = film.iter().map(|frame| drawn.frame(&frame.screen)).collect::<Result<Vec<_>>>()?;
    let mut text = head(title, (outer, BAR + inner.1 + SIDE), &rows(&last.screen).join("\n"));
    let style = if moves { motion(film, inner.1) } else { String::new() };
    let _ = write!(text, "<style>{LOOK}{style}</style>\n<defs>\n{}</defs>\n", drawn.text);
    text += &window((outer, BAR + inner.1 + SIDE));
    let (width, height) = inner;
    let _ =
        writeln!(text, "<svg x=\"{SIDE}\" y=\"{BAR}\" width=\"{width}\" height=\"{height}\"><g class=\"f\">");
    for (number, frame) in frames.iter().enumerate() {
        let _ = writeln!(text, "<g transform=\"translate(0 {})\">{frame}</g>", number * height);
    }
    Ok(text + "</g></svg>\n</svg>\n")
}

/// The beginning of a picture, with what it shows in words.
pub(super) fn head(title: &str, (width, height): (usize, usize), words: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{}</title>\n<desc>{}</desc>\n",
        escaped(title),
        escaped(words),
    )
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn window((width, height): (usize, usize)) -> String {
    let edge = format!(
        "<rect class=\"w\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        width - 1,
        height - 1
    );
    let buttons = [SIDE + 4, SIDE + 24, SIDE + 44]
        .map(|x| format!("<circle class=\"o\" cx=\"{x}\" cy=\"18\" r=\"6\"/>"));
    edge + &buttons.concat() + "\n"
}

/// Frames stand below each other, and move up one at a time. Who shows no motion, or wants none, sees the last one.
fn motion(film: &[Frame], height: usize) -> String {
    let begin = film.first().map_or(Duration::ZERO, |frame| frame.at);
    let end = film.last().map_or(Duration::ZERO, |frame| frame.at) + LAST - begin;
    let mut text = format!(
        ".f{{transform:translateY(-{}px);animation:f {:.1}s step-end infinite}}\
         @media(prefers-reduced-motion:reduce){{.f{{animation:none}}}}@keyframes f{{",
        height * film.len().saturating_sub(1),
        end.as_secs_f64(),
    );
    for (number, frame) in film.iter().enumerate() {
        let part = (frame.at - begin).as_secs_f64() / end.as_secs_f64();
        // Writing to a string does not fail.
        let _ = write!(text, "{:.2}%{{transform:translateY(-{}px)}}", 100.0 * part, number * height);
    }
    text + "}"
}

/// All rows that are not equal, each drawn once.
#[derive(Debug, Default)]
struct Rows {
    numbers: BTreeMap<String, usize>,
    text: String,
}

impl Rows {
    fn frame(&mut self, screen: &Screen) -> Result<String> {
        let mut frame = String::new();
        for row in 0..screen.size().0.get() {
            let drawn = row_of(screen, row)?;
            if drawn.is_empty() {
                continue;
            }
            let next = self.numbers.len();
            let number = *self.numbers.entry(drawn).or_insert_with_key(|drawn| {
                let _ = writeln!(self.text, "<g id=\"r{next}\">{drawn}</g>");
                next
            });
            let _ = write!(frame, "<use href=\"#r{number}\" y=\"{}\"/>", usize::from(row) * CELL.1);
        }
        Ok(frame)
    }
}

fn row_of(screen: &Screen, row: u16) -> Result<String> {
    let mut runs: Vec<Run> = Vec::new();
    for column in 0..screen.size().1.get() {
        let Some(cell) = screen.cell(row, column).filter(|cell| !cell.contents().trim().is_empty()) else {
            continue;
        };
        let next = Run::of(cell, column.into())?;
        match runs.last_mut() {
            Some(run) if run.is_followed_by(&next) => run.add(&next),
            _ => runs.push(next),
        }
    }
    Ok(runs.iter().map(Run::svg).collect())
}

/// What stands together in a row and looks alike.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    column: usize,
    cells: usize,
    text: String,
    look: String,
    /// Of a block element: how dark it is. Terminals draw these themselves too, so that they touch each other.
    block: Option<&'static str>,
}

impl Run {
    fn of(cell: &Cell, column: usize) -> Result<Self> {
        let mut look = match cell.fgcolor() {
            Color::Default => String::new(),
            Color::Idx(number @ 1..=6) => format!("c{number} "),
            other => return Err(format!("there is no colour for {other:?}")),
        };
        if cell.inverse() || cell.underline() || cell.italic() || cell.bgcolor() != Color::Default {
            return Err(format!("there is no way to show how {:?} looks", cell.contents()));
        }
        look += if cell.bold() { "b " } else { "" };
        look += if cell.dim() { "d " } else { "" };
        let block = match cell.contents() {
            "░" => Some(" fill-opacity=\".25\""),
            "▒" => Some(" fill-opacity=\".5\""),
            "▓" => Some(" fill-opacity=\".75\""),
            "█" => Some(""),
            _ => None,
        };
        let cells = if cell.is_wide() { 2 } else { 1 };
        Ok(Self { column, cells, text: cell.contents().to_owned(), look: look.trim_end().to_owned(), block })
    }

    /// A blank between two words changes nothing; there is none between blocks.
    fn is_followed_by(&self, next: &Self) -> bool {
        let gap = next.column - self.column - self.cells;
        self.look == next.look && self.block == next.block && gap <= usize::from(self.block.is_none())
    }

    fn add(&mut self, next: &Self) {
        if next.column > self.column + self.cells {
            self.text.push(' ');
        }
        self.text += &next.text;
        self.cells = next.column + next.cells - self.column;
    }

    fn svg(&self) -> String {
        let class = if self.look.is_empty() { String::new() } else { format!(" class=\"{}\"", self.look) };
        let (x, width) = (self.column * CELL.0, self.cells * CELL.0);
        match self.block {
            Some(dark) => {
                format!("<rect{class} x=\"{x}\" width=\"{width}\" height=\"{}\"{dark}/>", CELL.1)
            }
            None => format!(
                "<text{class} x=\"{x}\" y=\"{BASE}\" textLength=\"{width}\">{}</text>",
                escaped(&self.text)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(written: &str, millis: u64) -> Frame {
        let mut emulator = vt100::Parser::new(24.try_into().unwrap(), 20.try_into().unwrap(), 0);
        emulator.process(written.as_bytes());
        Frame { at: Duration::from_millis(millis), screen: emulator.screen().clone() }
    }

    fn row(written: &str) -> Result<String> {
        row_of(&frame(written, 0).screen, 0)
    }

    #[test]
    fn glyphs_stand_in_their_cells() {
        for (written, drawn) in [
            ("", ""),
            (
                "a b  c",
                "<text x=\"0\" y=\"15\" textLength=\"27\">a b</text><text x=\"45\" y=\"15\" textLength=\"9\">c</text>",
            ),
            (
                "a\x1b[31m<b",
                "<text x=\"0\" y=\"15\" textLength=\"9\">a</text><text class=\"c1\" x=\"9\" y=\"15\" textLength=\"18\">&lt;b</text>",
            ),
            ("日a", "<text x=\"0\" y=\"15\" textLength=\"27\">日a</text>"),
            (
                "\x1b[32m██\x1b[2;39m░",
                "<rect class=\"c2\" x=\"0\" width=\"18\" height=\"20\"/><rect class=\"d\" x=\"18\" width=\"9\" height=\"20\" fill-opacity=\".25\"/>",
            ),
        ] {
            assert_eq!(row(written).as_deref(), Ok(drawn), "{written:?}");
        }
    }

    #[test]
    fn what_cannot_be_shown_is_not_left_out() {
        for written in ["\x1b[7ma", "\x1b[41ma", "\x1b[97ma", "\x1b[4ma"] {
            assert!(row(written).is_err(), "{written:?}");
        }
    }

    #[test]
    fn a_film_without_motion_is_its_last_frame() {
        let film = [frame("$ a", 100), frame("$ a\r\nb", 600), frame("$ a\r\nc", 1100)];
        let text = picture("x & y", &film, true).unwrap();
        assert!(text.contains("<title>x &amp; y</title>\n<desc>$ a\nc</desc>"), "{text}");
        assert!(
            text.contains(".f{transform:translateY(-80px);animation:f 6.0s step-end infinite}"),
            "{text}"
        );
        assert!(
            text.contains("0.00%{transform:translateY(-0px)}8.33%{transform:translateY(-40px)}16.67%"),
            "{text}"
        );
        assert_eq!(text.matches(">$ a<").count(), 1, "{text}");
        let still = picture("x", &film, false).unwrap();
        assert!(!still.contains("animation") && !still.contains(">b<") && still.contains(">c<"), "{still}");
        assert!(picture("x", &[], false).is_err());
    }
}

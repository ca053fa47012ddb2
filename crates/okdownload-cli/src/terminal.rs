//! Lines at the bottom of a terminal that change, and what is said above them.

use std::io::IsTerminal;

use unicode_width::UnicodeWidthStr;

/// A line as it is shown: its text with colours, and how wide that is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) width: usize,
}

impl Line {
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { width: text.width(), text }
    }

    /// Adds text in a colour.
    pub(crate) fn push(&mut self, text: &str, colour: Option<Colour>) {
        self.width += text.width();
        match colour {
            Some(colour) if !text.is_empty() => {
                self.text += &format!("\x1b[{}m{text}\x1b[0m", colour as u8);
            }
            _ => self.text += text,
        }
    }
}

/// Colours, by their numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Colour {
    Bold = 1,
    Dim = 2,
    Red = 31,
    Green = 32,
    Yellow = 33,
    Cyan = 36,
}

/// How things may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Looks {
    pub(crate) colours: bool,
    /// Whether there is more than ASCII.
    pub(crate) unicode: bool,
}

impl Looks {
    /// Those of standard error, from the environment: `NO_COLOR`, `CLICOLOR` and the locale.
    pub(crate) fn of_stderr() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let wanted = !anstyle_query::no_color() && anstyle_query::clicolor() != Some(false);
        let able = anstyle_query::term_supports_ansi_color();
        Self { colours: terminal && wanted && able, unicode: is_unicode(|name| std::env::var(name).ok()) }
    }

    /// The colour, if there are colours.
    pub(crate) fn colour(self, colour: Colour) -> Option<Colour> {
        self.colours.then_some(colour)
    }

    /// What stands where something is left out.
    pub(crate) fn mark(self) -> &'static str {
        if self.unicode { "…" } else { "~" }
    }
}

/// Whether the locale that the environment names is one of UTF-8. The first variable that is set decides.
fn is_unicode(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    let locale = set.unwrap_or_default().to_ascii_lowercase();
    cfg!(windows) || locale.contains("utf-8") || locale.contains("utf8")
}

/// The end of a terminal: lines that are painted again and again.
#[derive(Debug, Default)]
pub(crate) struct Bottom {
    /// What stands there, and where the cursor is at the end.
    drawn: Vec<Line>,
    /// What is to be said above it.
    above: Vec<Line>,
}

impl Bottom {
    pub(crate) fn is_empty(&self) -> bool {
        self.drawn.is_empty()
    }

    /// Says a line above, when it is painted next.
    pub(crate) fn say(&mut self, line: Line) {
        self.above.push(line);
    }

    /// What puts these lines there, to be written at once; nothing if nothing is new.
    pub(crate) fn paint(&mut self, lines: Vec<Line>, width: usize) -> String {
        if self.above.is_empty() && lines == self.drawn {
            return String::new();
        }
        let text = repaint(&self.drawn, &self.above, &lines, width);
        self.above.clear();
        self.drawn = lines;
        text
    }
}

/// What takes away what was drawn, and puts other lines there. The terminal may be narrower than it was: then what was
/// drawn is folded, and takes more rows.
fn repaint(drawn: &[Line], above: &[Line], lines: &[Line], width: usize) -> String {
    let mut text = String::new();
    if !drawn.is_empty() {
        let rows: usize = drawn.iter().map(|line| line.width.div_ceil(width.max(1)).max(1)).sum();
        text += "\r";
        if rows > 1 {
            text += &format!("\x1b[{}A", rows - 1);
        }
        text += "\x1b[J";
    }
    for line in above {
        text += &line.text;
        text += "\n";
    }
    let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    text + &texts.join("\n")
}

/// Columns and rows of the terminal that standard error is; 80 by 24 where nobody says.
pub(crate) fn size() -> (usize, usize) {
    let size = terminal_size::terminal_size_of(std::io::stderr());
    size.map_or((80, 24), |(width, height)| (width.0.into(), height.0.into()))
}

/// Columns of the terminal that standard error is, if it is one.
pub(crate) fn width_of_stderr() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stderr()).map(|(width, _)| width.0.into())
}

/// Columns of the terminal that standard output is, if it is one.
pub(crate) fn width_of_stdout() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0.into())
}

/// Whether standard error can be painted on. On Windows, this asks it to understand escapes.
pub(crate) fn can_paint() -> bool {
    #[cfg(windows)]
    let able = anstyle_query::windows::enable_ansi_colors().unwrap_or(false);
    #[cfg(not(windows))]
    let able = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    std::io::stderr().is_terminal() && able
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Vec<Line> {
        texts.iter().map(|text| Line::plain(*text)).collect()
    }

    #[test]
    fn what_was_drawn_is_taken_away() {
        for (drawn, above, new, width, text) in [
            (&[][..], &[][..], &["a"][..], 80, "a"),
            (&["a"], &[], &["b"], 80, "\r\x1b[Jb"),
            (&["a", "b"], &["x"], &["c", "d"], 80, "\r\x1b[1A\x1b[Jx\nc\nd"),
            (&["a", "b"], &["x", "y"], &[], 80, "\r\x1b[1A\x1b[Jx\ny\n"),
            // The terminal was made narrower: ten columns take three rows of four.
            (&["0123456789", "b"], &[], &["c"], 4, "\r\x1b[3A\x1b[Jc"),
            (&["", ""], &[], &[], 80, "\r\x1b[1A\x1b[J"),
            (&["a"], &[], &[], 0, "\r\x1b[J"),
        ] {
            assert_eq!(repaint(&lines(drawn), &lines(above), &lines(new), width), text, "{drawn:?} {new:?}");
        }
    }

    #[test]
    fn nothing_new_is_not_painted() {
        let mut bottom = Bottom::default();
        for painted in ["a", "", ""] {
            assert_eq!(bottom.paint(lines(&["a"]), 80), painted);
        }
        bottom.say(Line::plain("x"));
        assert_eq!(bottom.paint(lines(&["a"]), 80), "\r\x1b[Jx\na");
    }

    #[test]
    fn colours_take_no_room() {
        let mut line = Line::plain("a");
        line.push("日本", Some(Colour::Cyan));
        line.push("", Some(Colour::Red));
        line.push("b", None);
        assert_eq!((line.text.as_str(), line.width), ("a\x1b[36m日本\x1b[0mb", 6));
    }

    #[test]
    fn locales() {
        let of = |set: &[(&str, &str)]| {
            is_unicode(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        if cfg!(unix) {
            assert!(of(&[("LANG", "de_DE.UTF-8")]) && of(&[("LC_ALL", ""), ("LANG", "C.utf8")]));
            assert!(!of(&[]) && !of(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]));
        }
    }
}

//! What is said on standard error, and how it is worded.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use indicatif::{BinaryBytes, MultiProgress, ProgressDrawTarget};
use okdownload::{EndCause, Error, Location, TaskEnd, redacted};
use url::Url;

/// Why the program can't do what it was asked to, as a whole.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was asked in a wrong way: exit code 2.
    Usage(String),
    /// It was asked in the right way: exit code 1.
    Other(String),
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }
}

/// Standard error. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Console {
    /// The progress bars, above which lines are told; `None` where there are none.
    bars: Option<MultiProgress>,
    quiet: bool,
}

/// So often a second bars may be drawn.
pub(crate) const DRAWS: u8 = 10;

impl Console {
    /// For errors only.
    pub(crate) fn plain() -> Self {
        Self { bars: None, quiet: true }
    }

    /// `quiet`: no progress even on a terminal.
    pub(crate) fn new(quiet: bool) -> Self {
        let wanted = !quiet && std::io::stderr().is_terminal();
        let bars = || MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(DRAWS));
        Self { bars: wanted.then(bars), quiet: !wanted }
    }

    pub(crate) fn bars(&self) -> Option<&MultiProgress> {
        self.bars.as_ref()
    }

    /// Says what must be heard.
    pub(crate) fn error(&self, message: &str) {
        self.line(&format!("okdl: {message}"));
    }

    /// Says what is good to know, if somebody is watching.
    pub(crate) fn note(&self, message: impl FnOnce() -> String) {
        if !self.quiet {
            self.line(&message());
        }
    }

    fn line(&self, text: &str) {
        let text = printable(text);
        let told = match &self.bars {
            Some(bars) => bars.println(&text),
            None => writeln!(std::io::stderr().lock(), "{text}"),
        };
        // There is nowhere left to say that standard error is closed.
        drop(told);
    }
}

/// One line without control characters: names and messages may come from a server, and could steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A file as the user knows it: relative to where he is, if it is below that.
pub(crate) fn place(location: &Location) -> String {
    let Some(path) = location.path() else {
        let text = location.to_string();
        return if text.starts_with("reader:") { "standard output".into() } else { text };
    };
    let here = std::env::current_dir().ok();
    let relative = here.as_deref().and_then(|here| path.strip_prefix(here).ok());
    relative.filter(|path| *path != Path::new("")).unwrap_or(path).display().to_string()
}

/// What to call a file in an error: its name where one was found, else its URL without secrets.
pub(crate) fn label(end: &TaskEnd, url: &Url) -> String {
    end.location.as_ref().map_or_else(|| redacted(url), place)
}

/// Why a file is not complete.
pub(crate) fn reason(end: &TaskEnd) -> String {
    match (&end.error, end.cause) {
        (Some(error), _) => describe(error),
        (None, EndCause::Canceled) => "it was stopped".into(),
        (None, EndCause::SameTaskBusy) => "it is being downloaded already".into(),
        (None, cause) => format!("it did not complete ({cause})"),
    }
}

pub(crate) fn describe(error: &Error) -> String {
    error.to_string()
}

/// The line about a file that is complete.
pub(crate) fn completed(end: &TaskEnd, url: &Url) -> String {
    let name = label(end, url);
    let size = end.length.map(|length| BinaryBytes(length).to_string()).unwrap_or_default();
    if was_there(end) {
        return format!("{name}  {size}  already there");
    }
    let seconds = end.elapsed.as_secs_f64();
    let speed = if seconds > 0.0 { end.fetched as f64 / seconds } else { 0.0 };
    let resumed = match end.resumed {
        0 => String::new(),
        bytes => format!("  ({} were there)", BinaryBytes(bytes)),
    };
    format!("{name}  {size}  {}  {}/s{resumed}", time(end.elapsed), BinaryBytes(speed as u64))
}

/// Whether the file was complete before this run.
pub(crate) fn was_there(end: &TaskEnd) -> bool {
    end.is_completed() && end.fetched == 0 && end.resumed == 0 && end.length != Some(0)
}

/// As [`clock`], but `4.5 s` below a minute.
fn time(duration: Duration) -> String {
    if duration.as_secs() < 60 { format!("{:.1} s", duration.as_secs_f64()) } else { clock(duration) }
}

/// `1:02:03`, `2:03`, `0:04`.
pub(crate) fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(printable("a\u{1b}[2J\nb\tc\u{9b}é"), "a\u{fffd}[2J\u{fffd}b\u{fffd}c\u{fffd}é");
    }

    #[test]
    fn times() {
        for (seconds, text) in [(0.04, "0.0 s"), (59.0, "59.0 s"), (61.0, "1:01"), (3723.0, "1:02:03")] {
            assert_eq!(time(Duration::from_secs_f64(seconds)), text);
        }
    }
}

//! What is said on standard error, and how it is worded.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use okdownload::monitor::HumanBytes;
use okdownload::{DownloadTask, EndCause, Error, Location, TaskEnd, redacted};
use tokio::task::block_in_place;
use unicode_width::UnicodeWidthStr;
use url::Url;

use crate::terminal::{self, Bottom, Colour, Line, Looks};

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
///
/// A terminal can be held, and a pipe be full: who writes says to the runtime that it may take long (`block_in_place`),
/// so that no download waits for it.
#[derive(Debug, Clone)]
pub(crate) struct Console {
    /// The lines that change, above which others are told; `None` where there are none.
    bottom: Option<Arc<Mutex<Bottom>>>,
    /// Whether nobody is watching.
    unwatched: bool,
    /// Whether only errors are wanted.
    silent: bool,
    looks: Looks,
}

impl Console {
    /// For errors only.
    pub(crate) fn plain() -> Self {
        Self { bottom: None, unwatched: true, silent: true, looks: Looks::of_stderr() }
    }

    /// `silent`: no progress even on a terminal.
    pub(crate) fn new(silent: bool) -> Self {
        let wanted = !silent && terminal::can_paint();
        let unwatched = silent || !std::io::stderr().is_terminal();
        Self { bottom: wanted.then(Arc::default), unwatched, silent, looks: Looks::of_stderr() }
    }

    /// Whether somebody is watching lines that change.
    pub(crate) fn is_painted(&self) -> bool {
        self.bottom.is_some()
    }

    pub(crate) fn looks(&self) -> Looks {
        self.looks
    }

    /// Says what must be heard.
    pub(crate) fn error(&self, message: &str) {
        let message = printable(message);
        // Only a terminal has an end where to fold.
        let message = match terminal::width_of_stderr() {
            Some(width) => folded(&message, width),
            None => message,
        };
        self.line(told(&message, self.looks));
    }

    /// Says what is good to know, if somebody is watching.
    pub(crate) fn note(&self, message: impl FnOnce() -> String) {
        if !self.unwatched {
            self.line(Line::plain(printable(&message())));
        }
    }

    /// Says what lines that change show, where there are none.
    pub(crate) fn remark(&self, message: impl FnOnce() -> String) {
        if !self.silent && !self.is_painted() {
            self.error(&message());
        }
    }

    /// Puts these lines where lines change, and what was said above them.
    pub(crate) fn paint(&self, lines: Vec<Line>) {
        if let Some(bottom) = &self.bottom {
            // The lock is not held while it is written: who logs must not wait for a terminal that is held.
            let text = locked(bottom).paint(lines, terminal::size().0);
            block_in_place(|| write(&text));
        }
    }

    /// Says what is still to be said, and takes away what stands below it, for good; waits no longer than this for it.
    pub(crate) fn leave(&self, patience: Duration) {
        let Some(bottom) = self.bottom.clone() else { return };
        let (tell, done) = std::sync::mpsc::channel::<()>();
        // On a thread of its own: whoever paints may hang in a terminal that takes nothing, and we must not.
        let painter = std::thread::Builder::new().spawn(move || {
            let mut bottom = locked(&bottom);
            write(&bottom.paint(Vec::new(), terminal::size().0));
            // Nobody paints after this.
            std::mem::forget(bottom);
            drop(tell);
        });
        if painter.is_ok() {
            // It sends nothing: either it is done, or it takes too long.
            let _ = done.recv_timeout(patience);
        }
    }

    fn line(&self, line: Line) {
        if let Some(bottom) = &self.bottom {
            let mut bottom = locked(bottom);
            // With the next change of what stands below, so that many lines cost no more than one.
            if !bottom.is_empty() {
                return bottom.say(line);
            }
        }
        block_in_place(|| write(&(line.text + "\n")));
    }
}

fn locked(bottom: &Mutex<Bottom>) -> MutexGuard<'_, Bottom> {
    bottom.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(text: &str) {
    // There is nowhere left to say that standard error is closed.
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

/// What is logged is said line by line.
impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for text in String::from_utf8_lossy(bytes).lines() {
            self.line(Line::plain(printable(text)));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Tells on standard error what the engine does, as far as it was asked to by so many `-v`.
pub(crate) fn log(console: &Console, verbose: u8) {
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    let level = match verbose {
        0 => return,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // Only we are known to keep secrets out of what is logged.
    let filter = Targets::new().with_default(LevelFilter::WARN).with_target("okdownload", level);
    let console = console.clone();
    let lines =
        tracing_subscriber::fmt::layer().without_time().with_ansi(false).with_writer(move || console.clone());
    // It is the only one of this program.
    drop(tracing_subscriber::registry().with(lines).with(filter).try_init());
}

/// What stands before a message, and before its further lines.
const NAME: &str = "okdl: ";
const INDENT: &str = "  ";

/// A message on lines of so many columns. A terminal folds within words, and a digest can be compared, and copied, only
/// whole. What no line has room for is left to the terminal.
fn folded(message: &str, width: usize) -> String {
    let (mut text, mut column) = (String::new(), NAME.width());
    for (index, word) in message.split(' ').enumerate() {
        let taken = word.width();
        if index > 0 && column + 1 + taken > width && INDENT.width() + taken <= width {
            text += "\n";
            text += INDENT;
            column = INDENT.width();
        } else if index > 0 {
            text += " ";
            column += 1;
        }
        text += word;
        column += taken;
        // Where the terminal folds a long word, it goes on from there.
        column = if column > width { column % width.max(1) } else { column };
    }
    text
}

/// A message with its kind in colour: of a warning that word, which may stand behind the name of a file.
fn told(message: &str, looks: Looks) -> Line {
    const WORD: &str = "warning:";
    // Or on the next line, if the name has filled one.
    let is_kind = |before: &str| {
        before.is_empty() || (before.ends_with(' ') && before.trim_end_matches([' ', '\n']).ends_with(':'))
    };
    let place = message.find(WORD).filter(|place| is_kind(&message[..*place]));
    let mut line = Line::default();
    line.push(NAME.trim_end(), looks.colour(Colour::Red).filter(|_| place.is_none()));
    line.push(" ", None);
    match place {
        Some(place) => {
            line.push(&message[..place], None);
            line.push(WORD, looks.colour(Colour::Yellow));
            line.push(&message[place + WORD.len()..], None);
        }
        None => line.push(message, None),
    }
    line
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

/// What to call a file: its name where one was found, else its URL without secrets.
fn label(end: &TaskEnd, url: &Url) -> String {
    end.location.as_ref().map_or_else(|| redacted(url), place)
}

/// The line about a file that is not complete.
pub(crate) fn failed(end: &TaskEnd, url: &Url) -> String {
    about(&label(end, url), url, reason(end))
}

/// Something about a file, with what to call it.
pub(crate) fn about(name: &str, url: &Url, message: String) -> String {
    // It may say already where.
    let is_said = name == redacted(url) && message.contains(name);
    if is_said { message } else { format!("{name}: {message}") }
}

/// Why a file is not complete.
fn reason(end: &TaskEnd) -> String {
    match (&end.error, end.cause) {
        (_, EndCause::SameTaskBusy) => "it is being downloaded already".into(),
        (Some(error), _) => describe(error),
        (None, EndCause::Canceled) => "it was stopped".into(),
        (None, cause) => format!("it did not complete ({cause})"),
    }
}

pub(crate) fn describe(error: &Error) -> String {
    error.to_string()
}

/// The line about a file that is complete; of several, in columns, the first of which is so wide.
pub(crate) fn completed(end: &TaskEnd, task: &DownloadTask, names: Option<usize>) -> String {
    let name = label(end, task.url());
    let widths = names.map_or([0; 4], |names| [names, 10, 7, 12]);
    let name = format!("{name}{}", " ".repeat(widths[0].saturating_sub(name.width())));
    let size = format!("{:>1$}", end.length.map(bytes).unwrap_or_default(), widths[1]);
    if was_there(end) {
        return format!("{name}  {size}  already there");
    }
    let seconds = end.elapsed.as_secs_f64();
    let average = if seconds > 0.0 { end.fetched as f64 / seconds } else { 0.0 };
    let (time, average) = (time(end.elapsed), speed(average as u64));
    let resumed = match end.resumed {
        0 => String::new(),
        there => format!("  ({} were there)", bytes(there)),
    };
    let checked = task.digest().map(|digest| format!("  {} is right", digest.algorithm().name()));
    let checked = checked.unwrap_or_default();
    format!("{name}  {size}  {time:>0$}  {average:>1$}{resumed}{checked}", widths[2], widths[3])
}

/// Whether the file was complete before this run.
pub(crate) fn was_there(end: &TaskEnd) -> bool {
    end.is_completed() && end.fetched == 0 && end.resumed == 0 && end.length != Some(0)
}

/// `1.5 MiB`
pub(crate) fn bytes(bytes: u64) -> String {
    format!("{:#}", HumanBytes(bytes))
}

/// `1.5 MiB/s`
pub(crate) fn speed(bytes_per_second: u64) -> String {
    format!("{}/s", bytes(bytes_per_second))
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
    fn messages_fold_between_words() {
        for (message, width, lines) in [
            ("", 20, &["okdl: "][..]),
            ("one two three", 20, &["okdl: one two three"]),
            ("one two three", 19, &["okdl: one two three"]),
            ("one two three", 18, &["okdl: one two", "  three"]),
            ("one two three", 9, &["okdl: one", "  two", "  three"]),
            ("one  two", 80, &["okdl: one  two"]),
            ("a: 12345678 b", 10, &["okdl: a:", "  12345678", "  b"]),
            // A word that fits nowhere stays where it is, and the next one follows it.
            ("a: 123456789 b", 10, &["okdl: a: 123456789 b"]),
            ("日本 日本", 12, &["okdl: 日本", "  日本"]),
            ("one two", 0, &["okdl: one two"]),
        ] {
            assert_eq!(format!("{NAME}{}", folded(message, width)), lines.join("\n"), "{message} {width}");
        }
    }

    #[test]
    fn kinds_have_colours() {
        let looks = Looks { colours: true, unicode: true };
        for (message, text) in [
            ("no", "\u{1b}[31mokdl:\u{1b}[0m no"),
            ("warning: so", "okdl: \u{1b}[33mwarning:\u{1b}[0m so"),
            ("a: warning: so", "okdl: a: \u{1b}[33mwarning:\u{1b}[0m so"),
            ("a:\n  warning: so", "okdl: a:\n  \u{1b}[33mwarning:\u{1b}[0m so"),
            ("no warning: here", "\u{1b}[31mokdl:\u{1b}[0m no warning: here"),
        ] {
            assert_eq!(told(message, looks).text, text);
            assert_eq!(told(message, Looks { colours: false, ..looks }).text, format!("okdl: {message}"));
        }
    }

    #[test]
    fn times() {
        for (seconds, text) in [(0.04, "0.0 s"), (59.0, "59.0 s"), (61.0, "1:01"), (3723.0, "1:02:03")] {
            assert_eq!(time(Duration::from_secs_f64(seconds)), text);
        }
    }
}

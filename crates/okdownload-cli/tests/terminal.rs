//! What is seen at a terminal.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "that is how a test fails")]

mod common;

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{HALF, Place, WHOLE, leave_half, signal, tagged};
use okdownload_testkit::server::{Body, Gate, Reply};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::process::{Child, Command};

/// A terminal, and all that was written to it.
struct Terminal {
    master: OwnedFd,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn new(columns: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let terminal = Self { master, written: Arc::default() };
        terminal.resize(columns);
        terminal
    }

    fn resize(&self, columns: u16) {
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).unwrap();
    }

    /// What a program has as its stream.
    fn stream(&self) -> File {
        let name = ptsname(&self.master, Vec::new()).unwrap().into_string().unwrap();
        File::options().read(true).write(true).open(name).unwrap()
    }

    /// Runs a command with this as its standard error.
    fn run(&self, command: &mut Command) -> Child {
        let child = command.stderr(self.stream()).spawn().unwrap();
        command.stderr(std::process::Stdio::null());
        let (mut reader, written) = (File::from(self.master.try_clone().unwrap()), self.written.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // It ends with an error once nobody has the other side any more.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                written.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        child
    }

    /// What has come so far; it may end within a character or an escape, which is left out.
    fn text(&self) -> String {
        let written = self.written.lock().unwrap();
        let whole = match std::str::from_utf8(&written) {
            Ok(text) => text,
            Err(error) => {
                assert_eq!(error.error_len(), None, "no text: {written:?}");
                std::str::from_utf8(&written[..error.valid_up_to()]).unwrap()
            }
        };
        let broken = whole.rfind('\u{1b}').filter(|start| !whole[*start..].contains(char::is_alphabetic));
        whole[..broken.unwrap_or(whole.len())].to_owned()
    }

    /// Waits until what is seen is so.
    async fn wait(&self, columns: usize, is_so: impl Fn(&[String]) -> bool) -> Vec<String> {
        let begin = Instant::now();
        loop {
            let seen = seen(&self.text(), columns);
            if is_so(&seen) {
                return seen;
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "{seen:?}\n{:?}", self.text());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The rows of a terminal this wide after this text, without blanks at their ends and empty rows at the end.
fn seen(text: &str, columns: usize) -> Vec<String> {
    let (mut rows, mut row, mut column) = (vec![Vec::new()], 0_usize, 0_usize);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\r' => column = 0,
            '\n' => row += 1,
            '\u{1b}' => {
                let mut digits = String::new();
                let end = rest.by_ref().skip(1).find(|c| {
                    c.is_alphabetic() || {
                        digits.push(*c);
                        false
                    }
                });
                match (end, digits.parse::<usize>()) {
                    (Some('A'), Ok(count)) => row = row.saturating_sub(count),
                    (Some('J'), _) => {
                        rows.truncate(row + 1);
                        rows[row].truncate(column);
                    }
                    (Some('m'), _) => {}
                    _ => panic!("an unknown escape: {end:?} {digits:?}"),
                }
            }
            c => {
                if column == columns {
                    (row, column) = (row + 1, 0);
                }
                rows.resize(rows.len().max(row + 1), Vec::new());
                let length = rows[row].len().max(column + 1);
                rows[row].resize(length, ' ');
                rows[row][column] = c;
                column += 1;
            }
        }
        rows.resize(rows.len().max(row + 1), Vec::new());
    }
    let mut rows: Vec<String> =
        rows.into_iter().map(|row| row.into_iter().collect::<String>().trim_end().to_owned()).collect();
    while rows.last().is_some_and(String::is_empty) {
        rows.pop();
    }
    rows
}

/// A file that is held in its middle.
fn half(place: &Place) -> Gate {
    place.server.serve("/a", tagged(&Body::pattern(1, WHOLE)));
    let gate = Gate::new();
    place.server.script("/a", [Reply::resource().gate_after(HALF, &gate)]);
    gate
}

#[tokio::test]
async fn a_file_has_a_line_that_gives_way_to_its_end() {
    let place = Place::new().await;
    let (gate, terminal) = (half(&place), Terminal::new(80));
    let mut child = terminal.run(&mut place.command(["-x1", &place.url("/a")]));
    let is_half = |row: &String| {
        let has = |text: &str| row.contains(text);
        has(" 50% ")
            && has(" #########>.........     8.0 MiB")
            && row.starts_with("a    ")
            && row.ends_with(" 1x")
    };
    let rows = terminal.wait(80, |rows| rows.iter().any(is_half)).await;
    assert!(rows.len() == 1 && rows[0].len() < 80, "{rows:?}");
    gate.open();
    assert!(child.wait().await.unwrap().success());
    let rows = terminal.wait(80, |rows| rows.iter().any(|row| row.contains("8.0 MiB  "))).await;
    assert!(rows.len() == 1 && rows[0].starts_with("a  8.0 MiB  "), "{rows:?}");
    // No colours: nobody says that this terminal has them.
    assert!(!terminal.text().contains("\u{1b}[3"), "{:?}", terminal.text());
}

#[tokio::test]
async fn what_is_poured_out_has_a_line_too() {
    let place = Place::new().await;
    let (gate, terminal) = (half(&place), Terminal::new(80));
    let mut command = place.command(["-x1", "-o", "-", &place.url("/a")]);
    let mut child = terminal.run(command.stdout(std::process::Stdio::null()));
    let is_half = |row: &String| row.contains("50%") && row.contains(" ########>.......  ");
    let rows = terminal.wait(80, |rows| rows.iter().any(is_half)).await;
    assert!(rows[0].starts_with("standard output "), "{rows:?}");
    gate.open();
    assert!(child.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_terminal_may_become_narrower() {
    let place = Place::new().await;
    let (gate, terminal) = (half(&place), Terminal::new(120));
    let mut child = terminal.run(&mut place.command(["-x1", &place.url("/a")]));
    terminal.wait(120, |rows| rows.iter().any(|row| row.contains("50%"))).await;
    let before = terminal.text().len();
    terminal.resize(40);
    gate.open();
    assert!(child.wait().await.unwrap().success());
    terminal.wait(120, |rows| rows.iter().any(|row| row.contains("8.0 MiB  "))).await;
    // The line of 117 columns had been folded to three rows, which are taken away.
    let after = terminal.text()[before..].to_owned();
    assert!(after.contains("\r\u{1b}[2A\u{1b}[J"), "{after:?}");
}

#[tokio::test]
async fn many_files_have_a_line_together() {
    let place = Place::new().await;
    let terminal = Terminal::new(80);
    let gate = half(&place);
    for number in 0..20 {
        place.server.serve(&format!("/{number}"), tagged(&Body::pattern(number, 1000)));
    }
    place.server.fallback(|_, _| Reply::status(404));
    let mut urls: Vec<String> = (0..21).map(|number| place.url(&format!("/{number}"))).collect();
    urls.push(place.url("/a"));
    let mut command = place.command([&["-x1".to_owned()][..], &urls].concat());
    let mut child = terminal.run(command.env("TERM", "xterm").env("LANG", "C.UTF-8"));
    let is_total = |row: &String| {
        row.starts_with("21/22 files  1 failed  4.0 MiB of 8.0 MiB  ") && !row.contains("more")
    };
    let is_half = |row: &String| row.contains("50%") && row.contains("█▓");
    let rows = terminal.wait(80, |rows| rows.iter().any(is_half) && rows.last().is_some_and(is_total)).await;
    // The line about the failure takes two rows.
    assert_eq!(rows.len(), 24, "{rows:?}");
    assert_eq!(rows.iter().filter(|row| row.contains("404")).count(), 1, "{rows:?}");
    assert!(is_half(&rows[22]), "{rows:?}");
    assert!(terminal.text().contains("\u{1b}[36m▓") && terminal.text().contains("\u{1b}[31mokdl:"));
    gate.open();
    assert_eq!(child.wait().await.unwrap().code(), Some(1));
    let rows =
        terminal.wait(80, |rows| rows.last().is_some_and(|row| row == "okdl: 1 of 22 files failed")).await;
    assert_eq!(rows.len(), 24, "{rows:?}");
}

#[tokio::test]
async fn ends_of_several_files_stand_below_each_other() {
    let place = Place::new().await;
    for path in ["/a", "/longer"] {
        place.server.serve(path, tagged(&Body::pattern(1, 1000)));
    }
    let terminal = Terminal::new(80);
    // One at a time, and both again: the second time they are there.
    for told in ["", "already there"] {
        let mut command = place.command(["-j1", &place.url("/longer"), &place.url("/a")]);
        assert!(terminal.run(&mut command).wait().await.unwrap().success());
        let is_end = |row: &String| row.starts_with("a  ") && row.ends_with(told);
        let rows = terminal.wait(80, |rows| rows.last().is_some_and(is_end)).await;
        let (longer, short) = (&rows[rows.len() - 2], &rows[rows.len() - 1]);
        assert!(longer.starts_with("longer  ") && longer.ends_with(told), "{rows:?}");
        assert_eq!(longer.find("1000 B"), short.find("1000 B"), "{rows:?}");
    }
}

#[tokio::test]
async fn what_was_there_of_a_failed_file_counts() {
    let place = Place::new().await;
    leave_half(&place, &[]).await;
    place.server.handle("/a", |_, _| Reply::status(404));
    place.server.serve("/b", tagged(&Body::pattern(1, WHOLE)));
    let (gate, terminal) = (Gate::new(), Terminal::new(80));
    place.server.script("/b", [Reply::resource().gate_after(HALF, &gate)]);
    let mut child = terminal.run(&mut place.command(["-x1", &place.url("/a"), &place.url("/b")]));
    let is_total = |row: &String| row.starts_with("1/2 files  1 failed  8.0 MiB of 12.0 MiB  ");
    terminal.wait(80, |rows| rows.last().is_some_and(is_total)).await;
    gate.open();
    assert_eq!(child.wait().await.unwrap().code(), Some(1));
}

#[tokio::test]
async fn who_is_stopped_is_told_how_to_go_on() {
    for (options, told) in [
        (&[][..], "okdl: stopped; the same command goes on from here, and so does okdl resume"),
        (&["--store", "memory"], "okdl: stopped; the same command begins anew"),
        (&["-o", "-"], "okdl: stopped; the same command begins anew"),
    ] {
        let place = Place::new().await;
        let (_gate, terminal) = (half(&place), Terminal::new(80));
        let mut command = place.command([&["-x1"], options, &[&place.url("/a")]].concat());
        let mut child = terminal.run(command.stdout(std::process::Stdio::null()));
        terminal.wait(80, |rows| rows.iter().any(|row| row.contains("50%"))).await;
        // The terminal shows the key behind the line.
        rustix::io::write(&terminal.master, b"\x03").unwrap();
        terminal.wait(80, |rows| rows[0].ends_with("^C")).await;
        signal(&child, Signal::INT);
        assert_eq!(child.wait().await.unwrap().code(), Some(130));
        let rows = terminal.wait(80, |rows| rows.last().is_some_and(|row| row.contains("stopped;"))).await;
        assert_eq!(rows, [told], "{options:?}");
    }
}

#[tokio::test]
async fn two_signals_leave_the_terminal_in_order() {
    let place = Place::new().await;
    let (_gate, terminal) = (half(&place), Terminal::new(80));
    let mut child = terminal.run(&mut place.command(["-x1", &place.url("/a")]));
    terminal.wait(80, |rows| rows.iter().any(|row| row.contains("50%"))).await;
    // Both are there when it goes on.
    for number in [Signal::STOP, Signal::INT, Signal::TERM, Signal::CONT] {
        signal(&child, number);
    }
    // Either may be heard first.
    assert!(matches!(child.wait().await.unwrap().code(), Some(130 | 143)));
    terminal.wait(80, |rows| !rows.iter().any(|row| row.contains("50%"))).await;
}

#[tokio::test]
async fn a_list_has_a_row_for_each_file() {
    let place = Place::new().await;
    leave_half(&place, &[]).await;
    let terminal = Terminal::new(60);
    let mut command = place.command(["list"]);
    let mut child = terminal.run(command.stdout(terminal.stream()));
    assert!(child.wait().await.unwrap().success());
    drop(command);
    let rows = terminal.wait(60, |rows| rows.len() == 2 && rows[1].ends_with('>')).await;
    assert!(
        rows[1].contains("  a  <http:/") && rows[1].contains('~') && rows[1].ends_with("/a>"),
        "{rows:?}"
    );
}

#[tokio::test]
async fn colours_can_be_refused() {
    let place = Place::new().await;
    let (gate, terminal) = (half(&place), Terminal::new(80));
    let mut command = place.command(["-x1", &place.url("/a")]);
    let mut child = terminal.run(command.env("TERM", "xterm").env("NO_COLOR", "1"));
    terminal.wait(80, |rows| rows.iter().any(|row| row.contains("50%"))).await;
    gate.open();
    assert!(child.wait().await.unwrap().success());
    assert!(!terminal.text().contains("\u{1b}[3"), "{:?}", terminal.text());
}

#[tokio::test]
async fn nothing_moves_on_a_terminal_that_cannot() {
    let place = Place::new().await;
    let (gate, terminal) = (half(&place), Terminal::new(80));
    let mut command = place.command(["-x1", &place.url("/a")]);
    let mut child = terminal.run(command.env("TERM", "dumb"));
    gate.reached().await;
    gate.open();
    assert!(child.wait().await.unwrap().success());
    let rows = terminal.wait(80, |rows| !rows.is_empty()).await;
    assert!(rows[0].starts_with("a  8.0 MiB  ") && !terminal.text().contains('\u{1b}'), "{rows:?}");
}

#[tokio::test]
async fn what_is_done_is_told_when_asked_for() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(1, 1000)));
    let url = place.url_with("me:s3cret", "/a?key=s3cret");
    let ended = place.run(["-v", "-o", "a", &url]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.err.contains("request url=") && ended.err.contains("status=20"), "{ended:?}");
    let more = place.run(["-vv", "-o", "b", &url]).await;
    assert!(more.err.len() > ended.err.len() && more.err.contains("TRACE"), "{more:?}");
    assert!(!(ended.err + &more.err).contains("s3cret"));
}

#[tokio::test]
async fn a_file_that_waits_says_why() {
    let place = Place::new().await;
    let url = place.url("/a");
    place.server.handle("/a", |_, _| Reply::status(503).header("Retry-After", "100"));
    let terminal = Terminal::new(80);
    let mut child = terminal.run(&mut place.command(["-o", "named", &url]));
    let words = [" retry 1 in ", " s: 127.0.0.1:"];
    let is_told = |row: &String| row.starts_with("named  ") && words.iter().all(|word| row.contains(word));
    let rows = terminal.wait(80, |rows| rows.iter().any(is_told)).await;
    assert!(rows.len() == 1 && rows[0].contains("the server answered 503"), "{rows:?}");
    child.kill().await.unwrap();
}

#[tokio::test]
async fn digests_that_differ_can_be_read_whole() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(1, 1000)));
    let (expected, terminal) = ("0".repeat(64), Terminal::new(80));
    let checksum = format!("--checksum=sha-256={expected}");
    let mut child = terminal.run(&mut place.command([&checksum, &place.url("/a")]));
    assert_eq!(child.wait().await.unwrap().code(), Some(1));
    let rows = terminal.wait(80, |rows| rows.iter().any(|row| row.contains("check the digest"))).await;
    let digits = |row: &String| row.split("sha-256=").nth(1)?.get(..64).map(str::to_owned);
    let digits: Vec<_> = rows.iter().filter_map(digits).collect();
    assert!(digits.len() == 2 && digits[0] == expected && !digits[1].contains(')'), "{rows:?}");
}

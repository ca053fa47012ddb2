//! A shell at a terminal: what is typed there, and what is seen.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use vt100::{Parser, Screen};

use crate::{Result, tell};

/// Rows of each terminal.
const ROWS: u16 = 24;

/// Who has written nothing for so long is in the middle of nothing: okdl paints ten times a second, in one go.
const REST: Duration = Duration::from_millis(20);

/// A shell whose standard streams and controlling terminal are an emulated one.
#[derive(Debug)]
pub(super) struct Terminal {
    keyboard: File,
    shell: Child,
    seen: Arc<Mutex<Seen>>,
}

struct Seen {
    emulator: Parser,
    /// When something came last.
    last: Instant,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").field("contents", &self.emulator.screen().contents()).finish_non_exhaustive()
    }
}

impl Terminal {
    /// A shell in this folder with nothing but this environment, whose prompt is `$`.
    pub(super) fn start(columns: u16, folder: &Path, environment: &[(&str, OsString)]) -> Result<Self> {
        let (master, slave) = pair(columns).map_err(|error| format!("cannot make a terminal: {error}"))?;
        let cannot = |error| format!("cannot start a shell: {error}");
        let stream = || slave.try_clone().map(Stdio::from).map_err(cannot);
        // With a terminal of its own, so that ^C reaches what the shell runs, as it does for everybody.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "sh", "-i"]).current_dir(folder).env_clear();
        command.envs(environment.iter().map(|(name, value)| (name, value))).env("PS1", "$ ");
        command.stdin(stream()?).stdout(stream()?).stderr(stream()?);
        let shell = command.spawn().map_err(cannot)?;
        let size = |count| NonZero::new(count).ok_or("a terminal has rows and columns");
        let emulator = Parser::new(size(ROWS)?, size(columns)?, 0);
        let seen = Arc::new(Mutex::new(Seen { emulator, last: Instant::now() }));
        let screen = File::from(master.try_clone().map_err(cannot)?);
        std::thread::spawn({
            let seen = Arc::clone(&seen);
            move || watch(screen, &seen)
        });
        Ok(Self { keyboard: master.into(), shell, seen })
    }

    /// Presses these keys.
    pub(super) fn press(&mut self, keys: &str) -> Result<()> {
        self.keyboard.write_all(keys.as_bytes()).map_err(|error| format!("cannot type {keys:?}: {error}"))
    }

    /// What is seen; `None` while that changes.
    pub(super) fn at_rest(&self) -> Option<Screen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.last.elapsed() >= REST).then(|| seen.emulator.screen().clone())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // What it still runs is told by the kernel that its terminal has gone.
        if let Err(error) = self.shell.kill().and_then(|()| self.shell.wait()) {
            tell(&format!("cannot end the shell: {error}"));
        }
    }
}

/// Both ends of a terminal: that of who types and looks, and that of programs.
fn pair(columns: u16) -> std::io::Result<(OwnedFd, OwnedFd)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    tcsetwinsize(&master, Winsize { ws_row: ROWS, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?;
    let name = ptsname(&master, Vec::new())?;
    let slave = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    Ok((master, slave))
}

/// Shows what is written, until nobody has the other end any more, which is an error to who reads.
fn watch(mut written: File, seen: &Mutex<Seen>) {
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = written.read(&mut piece) {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.emulator.process(&piece[..length]);
        seen.last = Instant::now();
    }
}

/// The rows of a screen as text, without blanks at their ends and without empty ones at the end.
pub(super) fn rows(screen: &Screen) -> Vec<String> {
    let (_, columns) = screen.size();
    let mut rows: Vec<_> = screen.rows(0, columns.get()).map(|row| row.trim_end().to_owned()).collect();
    while rows.last().is_some_and(String::is_empty) {
        rows.pop();
    }
    rows
}

//! Where a scene is played: a server, a folder, a terminal, and a film of what is seen there.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use vt100::Screen;

use super::terminal::{Terminal, rows};
use crate::servers::Shaped;
use crate::works::Shape;
use crate::{Result, content, programs};

/// The host of all URLs. Names below `example` are nobody's; the server is reached as the proxy for all of them.
const HOST: &str = "http://mirror.example";

/// Nothing that is waited for takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// How often a frame is taken.
const FRAME: Duration = Duration::from_millis(400);

/// What is seen at a moment.
#[derive(Debug)]
pub(super) struct Frame {
    /// Since the beginning.
    pub(super) at: Duration,
    pub(super) screen: Screen,
}

/// The fields are ended in their order: first who writes into the folder.
#[derive(Debug)]
pub(super) struct Stage {
    terminal: Terminal,
    _server: Shaped,
    folder: TempDir,
    begin: Instant,
    film: Vec<Frame>,
}

impl Stage {
    /// With an `okdl` on the path, whose connections get these rates in turn.
    pub(super) fn new(okdl: &Path, columns: u16, rates: &'static [u64]) -> Result<Self> {
        let place = programs::beside("")?;
        let cannot = |error| format!("cannot make a folder in {}: {error}", place.display());
        let folder =
            tempfile::Builder::new().prefix("okdownload-pictures-").tempdir_in(&place).map_err(cannot)?;
        for name in ["served", "home", "work"] {
            std::fs::create_dir(folder.path().join(name)).map_err(cannot)?;
        }
        let (first_byte, round_trip) = (Duration::ZERO, Duration::from_millis(20));
        let server = Shaped::start(&folder.path().join("served"), Shape { rates, first_byte, round_trip })?;
        let environment = [
            ("HOME", folder.path().join("home").into()),
            ("LANG", "C.UTF-8".into()),
            ("PATH", path(okdl)),
            ("TERM", "xterm-256color".into()),
            ("http_proxy", server.url("").into()),
        ];
        let terminal = Terminal::start(columns, &folder.path().join("work"), &environment)?;
        let mut stage = Self { terminal, _server: server, folder, begin: Instant::now(), film: Vec::new() };
        stage.see(is_prompt)?;
        Ok(stage)
    }

    /// Serves a file of so many MiB, and tells its URL. It is one hole: its length is all that is seen of it.
    pub(super) fn serve(&self, name: &str, mebibytes: u64) -> Result<String> {
        let path = self.served(name);
        File::create(&path)
            .and_then(|file| file.set_len(mebibytes << 20))
            .map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        Ok(url(name))
    }

    /// The sha-256 of a file that is served.
    pub(super) fn digest(&self, name: &str) -> Result<String> {
        content::digest(&self.served(name))
    }

    fn served(&self, name: &str) -> PathBuf {
        self.folder.path().join("served").join(name)
    }

    /// Puts a file where the shell is.
    pub(super) fn write(&self, name: &str, lines: &[String]) -> Result<()> {
        let path = self.folder.path().join("work").join(name);
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    }

    /// Types a command, and lets it run.
    pub(super) fn run(&mut self, command: &str) -> Result<()> {
        self.terminal.press(command)?;
        self.pause(Duration::from_millis(800))?;
        self.terminal.press("\n")
    }

    pub(super) fn press(&mut self, keys: &str) -> Result<()> {
        self.terminal.press(keys)
    }

    /// Looks on for as long as it takes to read what is there.
    pub(super) fn pause(&mut self, time: Duration) -> Result<()> {
        let begin = Instant::now();
        self.see(|_| begin.elapsed() >= time)
    }

    /// Looks on until what is seen is so, which is the last frame then.
    pub(super) fn see(&mut self, is_so: impl Fn(&[String]) -> bool) -> Result<()> {
        let begin = Instant::now();
        loop {
            if let Some(screen) = self.terminal.at_rest() {
                let rows = rows(&screen);
                let (is_so, at) = (is_so(&rows), self.begin.elapsed());
                if is_so || self.film.last().is_none_or(|last| at >= last.at + FRAME) {
                    self.film.push(Frame { at, screen });
                }
                if is_so {
                    return Ok(());
                }
                if begin.elapsed() > LIMIT {
                    return Err(format!("this does not become what it should:\n{}", rows.join("\n")));
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends what still runs, and gives what was seen until now.
    pub(super) fn end(mut self) -> Result<Vec<Frame>> {
        let film = std::mem::take(&mut self.film);
        self.terminal.press("\u{3}")?;
        self.see(is_prompt)?;
        Ok(film)
    }
}

/// Where a file is that the server has, or does not have.
pub(super) fn url(name: &str) -> String {
    format!("{HOST}/{name}")
}

/// Whether the shell waits for a command.
pub(super) fn is_prompt(rows: &[String]) -> bool {
    rows.last().is_some_and(|row| row == "$")
}

/// The usual path, with okdl's folder before it.
fn path(okdl: &Path) -> OsString {
    let mut path = okdl.parent().unwrap_or(Path::new(".")).as_os_str().to_owned();
    path.push(":/usr/local/bin:/usr/bin:/bin");
    path
}

//! A process that runs the same test again, in another role, and can be killed.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::StoreFixture;

/// Names the directory; a process that has it is a child.
const PLACE: &str = "OKDOWNLOAD_STORE_SUITE_PLACE";

/// What a child's lines begin with, so that the test harness's own output is told from them.
const MARK: &str = "store-suite-child:";

/// Whose child this process is, if it is one: the parent's directory.
pub(super) fn place() -> Option<PathBuf> {
    env::var_os(PLACE).map(PathBuf::from)
}

/// Says a word to the parent.
pub(super) fn say(word: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{MARK}{word}").and_then(|()| out.flush()).expect("the parent listens");
}

/// Ends with the one who has it: no child outlives its test.
pub(super) struct Process {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub(super) fn start(fixture: &StoreFixture) -> Self {
        let mut child = Command::new(env::current_exe().expect("the path of the test"))
            .args(["--exact", fixture.test(), "--nocapture", "--test-threads=1"])
            .env(PLACE, fixture.directory())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { child, lines }
    }

    /// What it says next; `None` once it is gone.
    pub(super) fn hear(&mut self) -> Option<String> {
        let said = |line: std::io::Result<String>| Some(line.ok()?.strip_prefix(MARK)?.to_owned());
        self.lines.by_ref().find_map(said)
    }

    /// Ends it at once, without a chance to tidy up, and gives the last word that it got out, if there is one that was
    /// not heard yet.
    pub(super) fn kill(mut self) -> Option<String> {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it is gone");
        std::iter::from_fn(|| self.hear()).last()
    }

    /// Waits for its end; whether that was a good one.
    pub(super) fn join(mut self) -> bool {
        self.child.wait().expect("it ends").success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail if it has been waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

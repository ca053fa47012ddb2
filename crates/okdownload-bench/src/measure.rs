//! A process, and what it took.

use std::fs::File;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use wait4::Wait4;

use crate::Result;

/// What a process, or several one after the other, took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Spent {
    /// From before the start to after the end.
    pub(crate) wall: Duration,
    /// In user and in system mode together, its own children included.
    pub(crate) cpu: Duration,
    /// The most memory, bytes.
    pub(crate) peak: u64,
}

impl Spent {
    /// Both, one after the other.
    pub(crate) fn and(self, later: Self) -> Self {
        Self { wall: self.wall + later.wall, cpu: self.cpu + later.cpu, peak: self.peak.max(later.peak) }
    }
}

/// A process that runs.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    since: Instant,
    said: File,
}

/// Longer than any program should take for any work.
pub(crate) const LIMIT: Duration = Duration::from_secs(180);

impl Running {
    /// Starts it; what it says on standard error can be read once it has ended.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let cannot = |error| format!("cannot run {name}: {error}");
        let said = tempfile::tempfile().map_err(cannot)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said.try_clone().map_err(cannot)?);
        let since = Instant::now();
        Ok(Self { child: command.spawn().map_err(cannot)?, since, said })
    }

    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        // It is our child and not waited for yet, so its id is its own.
        kill_process(Pid::from_child(&self.child), signal)
            .map_err(|error| format!("cannot send a signal: {error}"))
    }

    /// Whether it has ended already; it must still be waited for.
    pub(crate) fn has_ended(&mut self) -> bool {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::Pid(Pid::from_child(&self.child)), options), Ok(Some(_)))
    }

    /// Waits for its end; kills it if it takes too long.
    pub(crate) fn wait(self) -> Result<(Spent, Ended)> {
        let Self { mut child, since, said } = self;
        let (ended, watched) = channel::<()>();
        let pid = Pid::from_child(&child);
        let watch = std::thread::spawn(move || kill_after(LIMIT, pid, &watched));
        let waited = child.wait4();
        let wall = since.elapsed();
        drop(ended);
        let was_killed = watch.join().unwrap_or(false);
        let waited = waited.map_err(|error| format!("cannot wait for a process: {error}"))?;
        let usage = waited.rusage;
        let spent = Spent { wall, cpu: usage.utime + usage.stime, peak: usage.maxrss };
        Ok((spent, Ended { status: waited.status, was_killed, said }))
    }
}

fn kill_after(limit: Duration, pid: Pid, ended: &Receiver<()>) -> bool {
    let is_late = ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
    is_late && kill_process(pid, Signal::KILL).is_ok()
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    status: ExitStatus,
    was_killed: bool,
    said: File,
}

impl Ended {
    /// An error if it failed, with what it said last.
    pub(crate) fn success(mut self) -> Result<()> {
        use std::io::{Read, Seek};
        if self.status.success() {
            return Ok(());
        }
        let mut said = Vec::new();
        // What can't be read can't be told either; that it failed is the news.
        let _ = self.said.rewind().and_then(|()| (&self.said).take(4096).read_to_end(&mut said));
        let late = if self.was_killed { ", as it took too long" } else { "" };
        Err(format!("{}{late}: {}", self.status, String::from_utf8_lossy(&said).trim()))
    }
}

/// What this process had at most: less can't be measured of a child, which counts from what its parent had.
pub(crate) fn own_peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str) -> (Spent, Ended) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Running::start(command).unwrap().wait().unwrap()
    }

    #[test]
    fn time_and_memory_are_the_childs() {
        let (spent, ended) = run("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
        assert_eq!(ended.success(), Ok(()));
        assert!(spent.cpu > Duration::ZERO && spent.peak > 100 << 10, "{spent:?}");
    }

    #[test]
    fn a_failure_says_what_the_program_said() {
        let message = run("echo no such thing >&2; exit 3").1.success().unwrap_err();
        assert!(message.contains("exit status: 3") && message.contains("no such thing"), "{message}");
    }

    #[test]
    fn sums_keep_the_highest_peak() {
        let second = Duration::from_secs(1);
        let one = Spent { wall: second, cpu: second, peak: 7 };
        assert_eq!(one.and(Spent { peak: 5, ..one }), Spent { wall: 2 * second, cpu: 2 * second, peak: 7 });
    }
}

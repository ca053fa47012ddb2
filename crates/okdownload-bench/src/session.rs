//! One run of one program: set up, measured, counted, checked, and cleaned up.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde::Serialize;

use crate::measure::{LIMIT, Running, Spent};
use crate::programs::{Program, Site};
use crate::servers::{Counts, Server};
use crate::works::{Kind, Work};
use crate::{Result, content};

/// What one run took.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sample {
    /// Seconds: of the whole run, or of what the work measures of it.
    pub(crate) wall: f64,
    /// Seconds.
    pub(crate) cpu: f64,
    /// Bytes.
    pub(crate) peak: u64,
    pub(crate) requests: u64,
    pub(crate) connections: u64,
    /// Bytes of bodies that the server sent.
    pub(crate) sent: u64,
}

/// A work that is set up: its files are there, and its server runs.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    work: &'a Work,
    server: Server<'a>,
    root: &'a Path,
    /// Where runs leave their files, each in its turn.
    runs: &'a Path,
    names: Vec<String>,
    urls: Vec<String>,
    digest: Option<String>,
    /// How many folders were put aside.
    spent: u32,
}

impl<'a> Session<'a> {
    pub(crate) fn new(work: &'a Work, server: Server<'a>, root: &'a Path, runs: &'a Path) -> Result<Self> {
        content::make(root, work.files)?;
        let names = content::names(work.files);
        let urls = names.iter().map(|name| server.url(name)).collect();
        let digest = match work.kind {
            Kind::Digest => Some(content::digest(&root.join(&names[0]))?),
            _ => None,
        };
        Ok(Self { work, server, root, runs, names, urls, digest, spent: 0 })
    }

    /// Runs the program once.
    pub(crate) fn run(&mut self, program: &Program) -> Result<Sample> {
        let (out, home) = (self.runs.join("out"), self.runs.join("home"));
        for folder in [&out, &home] {
            std::fs::create_dir_all(folder)
                .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        }
        let sample = self.measure(program, &out, &home);
        self.clear(&out)?;
        self.clear(&home)?;
        sample
    }

    /// Removes a folder of the last run, or puts it aside if many files are in it: ext4 without a journal gives no inode
    /// away that was in use five minutes ago, and looks for others at the cost of who makes files next.
    fn clear(&mut self, folder: &Path) -> Result<()> {
        let cleared = if self.work.files.count > 1 {
            self.spent += 1;
            std::fs::rename(folder, self.runs.join(format!("spent-{}-{}", self.work.name, self.spent)))
        } else {
            std::fs::remove_dir_all(folder)
        };
        cleared.map_err(|error| format!("cannot clear {}: {error}", folder.display()))
    }

    fn measure(&mut self, program: &Program, out: &Path, home: &Path) -> Result<Sample> {
        let before = self.server.counts()?;
        let spent = match self.work.kind {
            Kind::Download | Kind::Digest => self.whole(program, out, home)?,
            Kind::Resume => {
                let first = self.stopped(program, out, home, 2, Signal::KILL)?.0;
                first.and(self.whole(program, out, home)?)
            }
            Kind::Start => self.first_request(program, out, home)?,
            Kind::Cancel => {
                let (spent, stopping) = self.stopped(program, out, home, 16, Signal::INT)?;
                Spent { wall: stopping, ..spent }
            }
        };
        let counts = self.server.counts()? - before;
        if !matches!(self.work.kind, Kind::Start | Kind::Cancel) {
            content::check(self.root, out, self.work.files)?;
        }
        Ok(sample(spent, counts))
    }

    /// The commands of a run; `urls` stands for the server's.
    fn commands(
        &self,
        program: &Program,
        urls: &[String],
        out: &Path,
        home: &Path,
    ) -> Result<Vec<std::process::Command>> {
        let (names, digest) = (&self.names[..], self.digest.as_deref());
        let site = Site { urls, names, digest, ca: self.server.ca(), out, home };
        program.commands(self.work, &site)
    }

    /// From the start to the end.
    fn whole(&self, program: &Program, out: &Path, home: &Path) -> Result<Spent> {
        let mut all = Spent::default();
        for command in self.commands(program, &self.urls, out, home)? {
            let (spent, ended) = Running::start(command)?.wait()?;
            ended.success()?;
            all = all.and(spent);
        }
        Ok(all)
    }

    /// Sends the signal once a part of the bytes were sent; also tells how long it then took to end.
    fn stopped(
        &mut self,
        program: &Program,
        out: &Path,
        home: &Path,
        part: u64,
        signal: Signal,
    ) -> Result<(Spent, Duration)> {
        let enough = self.server.counts()?.bytes + self.work.files.total() / part;
        let mut running = self.start(program, &self.urls, out, home)?;
        while self.server.counts()?.bytes < enough {
            if running.has_ended() {
                running.wait()?.1.success()?;
                return Err("it ended before it was stopped".into());
            }
            if running.since().elapsed() > LIMIT {
                running.signal(Signal::KILL)?;
                running.wait()?;
                return Err("it took too long to get as far as where it is stopped".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let asked = Instant::now();
        running.signal(signal)?;
        let spent = running.wait()?.0;
        Ok((spent, asked.elapsed()))
    }

    fn start(&self, program: &Program, urls: &[String], out: &Path, home: &Path) -> Result<Running> {
        let mut commands = self.commands(program, urls, out, home)?;
        Running::start(commands.remove(0))
    }

    /// The wall time is that until its first request is there, whole; then it is killed.
    fn first_request(&self, program: &Program, out: &Path, home: &Path) -> Result<Spent> {
        let cannot = |error: std::io::Error| format!("cannot hear the first request: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(cannot)?;
        let port = listener.local_addr().map_err(cannot)?.port();
        let url = format!("http://127.0.0.1:{port}/{}", self.names[0]);
        let running = self.start(program, &[url], out, home)?;
        let heard = hear(&listener);
        let wall = running.since().elapsed();
        running.signal(Signal::KILL)?;
        let spent = running.wait()?.0;
        heard.map_err(cannot)?;
        Ok(Spent { wall, ..spent })
    }
}

/// Waits until the head of a request is there.
fn hear(listener: &TcpListener) -> std::io::Result<()> {
    // A program that never connects is heard of by poll, as accept has no limit of time.
    let mut ready = [rustix::event::PollFd::new(listener, rustix::event::PollFlags::IN)];
    let limit = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
    if rustix::event::poll(&mut ready, Some(&limit))? == 0 {
        return Err(std::io::ErrorKind::TimedOut.into());
    }
    let (mut socket, _) = listener.accept()?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read(&mut piece)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => head.extend_from_slice(&piece[..read]),
        }
    }
    Ok(())
}

fn sample(spent: Spent, counts: Counts) -> Sample {
    Sample {
        wall: spent.wall.as_secs_f64(),
        cpu: spent.cpu.as_secs_f64(),
        peak: spent.peak,
        requests: counts.requests,
        connections: counts.connections,
        sent: counts.bytes,
    }
}

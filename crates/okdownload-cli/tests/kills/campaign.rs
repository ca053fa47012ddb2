//! A campaign: one program with one set of parts, run and killed until it is done, and begun anew until it was killed
//! often enough.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use okdownload_testkit::server::Body;
use sha2::{Digest as _, Sha256};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::common::{Ended, MIB, Place, tagged};
use crate::evidence::Evidence;
use crate::figures::Figures;
use crate::program;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// The command, with one file.
    Okdl,
    /// [A program](crate::program) with some dozens of files, most of them small.
    ManyTasks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    Sled,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Campaign {
    pub(crate) program: Program,
    pub(crate) store: Store,
    pub(crate) connections: u32,
    /// Whether files are to survive a loss of power; else they survive the process only.
    pub(crate) power: bool,
    pub(crate) digest: bool,
    /// Other files have the final names already, and may be replaced. The server tells no dates.
    pub(crate) overwrite: bool,
    pub(crate) kills: usize,
    /// The length of the larger files.
    length: u64,
    /// How many small files the program of many tasks has.
    small: u64,
}

/// A file of a round.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) body: Body,
    /// What had its name before.
    pub(crate) old: Option<Body>,
}

/// When a program is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after its start.
    After(Duration),
    /// So long after the server has sent this share of what was missing.
    Sent(f64, Duration),
    Never,
}

impl Store {
    pub(crate) fn has_log(self) -> bool {
        self == Self::Sqlite
    }

    pub(crate) fn path(self, place: &Place) -> PathBuf {
        place.root().join(if self == Self::Sqlite { "state/kills.db" } else { "state/kills.sled" })
    }

    /// As `okdl --store` has it.
    pub(crate) fn word(self, place: &Place) -> String {
        let name = if self == Self::Sqlite { "sqlite" } else { "sled" };
        format!("{name}:{}", self.path(place).display())
    }
}

impl Campaign {
    fn new(program: Program, store: Store, connections: u32) -> Self {
        Self {
            program,
            store,
            connections,
            power: true,
            digest: false,
            overwrite: false,
            kills: 25,
            length: 24 * MIB,
            small: 50,
        }
    }

    pub(crate) fn quick(program: Program, store: Store, connections: u32) -> Self {
        Self { kills: 10, length: 6 * MIB, small: 20, ..Self::new(program, store, connections) }
    }

    pub(crate) fn all(kills: usize) -> Vec<Self> {
        let mut all = Vec::new();
        for program in [Program::Okdl, Program::ManyTasks] {
            for store in [Store::Sqlite, Store::Sled] {
                for connections in [1, 8] {
                    let plain = Self { kills, ..Self::new(program, store, connections) };
                    all.extend([plain, Self { power: false, ..plain }]);
                }
                let plain = Self { kills, ..Self::new(program, store, 8) };
                // Without optimisation a digest takes longer than the download.
                let checked = Self { digest: true, length: plain.length / 4, ..plain };
                all.extend([checked, Self { overwrite: true, ..plain }]);
            }
        }
        all
    }

    pub(crate) fn durability(&self) -> &'static str {
        if self.power { "power" } else { "process" }
    }

    /// Runs the program until it was killed often enough, and done each time in the end.
    pub(crate) async fn run(&self, seed: u64) -> Figures {
        let _said = SaidOnPanic(format!("{self}, seed {seed}"));
        let mut random = Rng::with_seed(seed);
        let mut figures = Figures::default();
        while figures.kills < self.kills {
            let round = Round::new(*self, &mut random).await;
            round.run(&mut random, &mut figures).await;
            figures.rounds += 1;
        }
        figures
    }

    fn files(&self, random: &mut Rng) -> Vec<File> {
        let lengths: Vec<u64> = match self.program {
            Program::Okdl => vec![self.length],
            Program::ManyTasks => {
                let small = (0..self.small).map(|_| random.u64(0..64 << 10));
                let middle = [self.length / 20, self.length / 10, self.length / 10];
                let mut lengths: Vec<u64> = small.chain(middle).chain([self.length / 4; 2]).collect();
                random.shuffle(&mut lengths);
                lengths
            }
        };
        let file = |(number, length): (usize, u64)| File {
            name: format!("f{number}"),
            body: Body::pattern(random.u64(..), length),
            old: self.overwrite.then(|| Body::pattern(random.u64(..), length / 2 + 1)),
        };
        lengths.into_iter().enumerate().map(file).collect()
    }
}

impl fmt::Display for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = if self.program == Program::Okdl { "`okdl`, one file" } else { "many tasks" };
        let store = if self.store == Store::Sqlite { "SQLite" } else { "sled" };
        let also = match (self.digest, self.overwrite) {
            (true, _) => "digest",
            (_, true) => "overwrite",
            _ => "",
        };
        write!(f, "{program} | {store} | {} | {} | {also}", self.connections, self.durability())
    }
}

/// Names the campaign if it fails: the harness shows what a failed test has printed.
struct SaidOnPanic(String);

impl Drop for SaidOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was: {}", self.0);
        }
    }
}

impl Moment {
    /// Often at the beginning and at the end. Where nothing is missing any more, all that is left is an end.
    fn random(random: &mut Rng, missing: u64) -> Self {
        let millis = |random: &mut Rng, most: u64| Duration::from_micros(random.u64(0..most * 1000));
        match random.u32(0..10) {
            _ if missing == 0 => Self::After(millis(random, 400)),
            0..2 => Self::After(millis(random, 150)),
            2..7 => Self::Sent(random.f64(), millis(random, 5)),
            _ => Self::Sent(1.0, millis(random, 100)),
        }
    }
}

/// One time from the first byte to the last file.
struct Round {
    campaign: Campaign,
    place: Place,
    files: Vec<File>,
}

impl Round {
    async fn new(campaign: Campaign, random: &mut Rng) -> Self {
        let (place, files) = (Place::new().await, campaign.files(random));
        let largest = files.iter().map(|file| file.body.len()).max().unwrap();
        // The largest file takes half a second.
        let rate = largest * 2 / u64::from(campaign.connections);
        let mut list = String::new();
        for File { name, body, old } in &files {
            let mut resource = tagged(body).rate(rate);
            if let Some(old) = old {
                place.write(name, old.slice(..));
            } else {
                resource =
                    resource.last_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
            }
            place.server.serve(&format!("/{name}"), resource);
            let digest = if campaign.digest { sha256(body) } else { String::new() };
            list += &format!("{name}\t{}\t{digest}\n", place.url(&format!("/{name}")));
        }
        std::fs::write(place.root().join(program::LIST), list).unwrap();
        Self { campaign, place, files }
    }

    fn command(&self) -> Command {
        let Campaign { program, store, connections, digest, overwrite, .. } = self.campaign;
        if program == Program::ManyTasks {
            let mut command = program::command(&self.place, &self.campaign);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            command.kill_on_drop(true);
            return command;
        }
        let File { name, body, .. } = &self.files[0];
        let mut arguments: Vec<String> = ["-q", "-o", name, "--store"].map(String::from).into();
        arguments.extend([store.word(&self.place), "-x".into(), connections.to_string()]);
        arguments.extend(["--durability".into(), self.campaign.durability().into()]);
        if digest {
            arguments.extend(["--checksum".into(), format!("sha-256={}", sha256(body))]);
        }
        if overwrite {
            arguments.extend(["--on-exists".into(), "overwrite".into()]);
        }
        arguments.push(self.place.url(&format!("/{name}")));
        self.place.command(arguments)
    }

    async fn run(&self, random: &mut Rng, figures: &mut Figures) {
        let size = self.files.iter().map(|file| file.body.len()).sum();
        (figures.size, figures.enough) = (size, figures.enough + size);
        let mut before = Evidence::gather(&self.place, self.campaign.store, &self.files).await;
        loop {
            let (kills, done) = self.run_and_kill(&before, random, self.campaign.kills - figures.kills).await;
            let after = Evidence::gather(&self.place, self.campaign.store, &self.files).await;
            before.assert_nothing_asked_again(&self.place, &self.files);
            let sent = self.place.server.bytes_sent();
            self.place.server.clear_log();
            figures.kills += kills;
            figures.sent += sent;
            if kills > 0 {
                let lost = (sent + before.kept(&self.files)).saturating_sub(after.kept(&self.files));
                figures.lost.extend((sent > 0).then_some(lost));
                figures.with_log += usize::from(after.has_log);
                figures.unrecorded += after.unrecorded;
            }
            if done {
                return self.assert_done(&after).await;
            }
            before = after;
        }
    }

    /// Runs the program until it is killed, or done. It may be killed a second time at once; nobody looks in between.
    /// Returns how often it was killed, and whether it is done.
    async fn run_and_kill(&self, before: &Evidence, random: &mut Rng, most: usize) -> (usize, bool) {
        let missing = before.missing(&self.files);
        let first = if most == 0 { Moment::Never } else { Moment::random(random, missing) };
        let second = (most > 1 && random.u32(0..5) == 0)
            .then(|| Moment::After(Duration::from_micros(random.u64(0..30_000))));
        let mut kills = 0;
        for moment in [Some(first), second].into_iter().flatten() {
            if self.run_once(moment, missing).await {
                return (kills, true);
            }
            kills += 1;
        }
        (kills, false)
    }

    /// Runs the program until this moment; whether it was done before.
    async fn run_once(&self, moment: Moment, missing: u64) -> bool {
        let mut child = self.command().spawn().unwrap();
        self.wait(&mut child, moment, missing).await;
        // It fails if it is over.
        let _ = child.start_kill();
        let output = child.wait_with_output().await.unwrap();
        self.place.server.wait_until_idle().await;
        if output.status.signal() == Some(9) {
            return false;
        }
        let ended: Ended = output.into();
        assert_eq!(ended.code, Some(0), "{moment:?}: {ended:?}");
        true
    }

    async fn wait(&self, child: &mut Child, moment: Moment, missing: u64) {
        const STEP: Duration = Duration::from_micros(500);
        let (server, started) = (&self.place.server, Instant::now());
        let sent = server.bytes_sent();
        let mut kill = match moment {
            Moment::After(time) => Some(started + time),
            _ => None,
        };
        while child.try_wait().unwrap().is_none() && kill.is_none_or(|kill| Instant::now() < kill) {
            if let Moment::Sent(share, then) = moment
                && kill.is_none()
                && (server.bytes_sent() - sent) as f64 >= missing as f64 * share
            {
                kill = Some(Instant::now() + then);
            }
            assert!(started.elapsed() < Duration::from_secs(120), "it does not end: {moment:?}");
            tokio::time::sleep(STEP).await;
        }
    }

    /// After the last run: each file is there, nothing else is, all is recorded, and another run asks for nothing.
    async fn assert_done(&self, evidence: &Evidence) {
        for File { name, body, .. } in &self.files {
            self.place.assert_content(name, body);
        }
        let mut names: Vec<_> = self.files.iter().map(|file| file.name.clone()).collect();
        names.sort();
        assert_eq!(self.place.files(), names);
        evidence.assert_all_recorded(&self.files);
        assert!(self.run_once(Moment::Never, 0).await);
        assert_eq!(self.place.server.requests().len(), 0, "what is complete is asked for again");
    }
}

fn sha256(body: &Body) -> String {
    Sha256::digest(body.slice(..)).iter().map(|byte| format!("{byte:02x}")).collect()
}

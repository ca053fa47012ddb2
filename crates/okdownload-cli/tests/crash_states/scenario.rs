//! A run to record, and what is done with each state that it can leave.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;

use okdownload_testkit::server::{Body, Resource};
use tokio::runtime::{Builder, Runtime};

use super::choose::{Choice, choose};
use super::claims::{Claims, Kind, Records, There};
use super::common::{Ended, Place};
use super::disk::{Crash, Recording, Survivors, Tree};
use super::rebuild::rebuild;
use super::recorder::{EARLIER_BOOT, Ground, record};

/// A file to download.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    /// What had the name before.
    pub(crate) old: Option<Vec<u8>>,
    url: String,
}

/// What is downloaded, and how.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) files: u64,
    pub(crate) length: u64,
    /// Bytes a second on each connection, while the run is recorded.
    pub(crate) rate: u64,
    pub(crate) sled: bool,
    pub(crate) connections: &'static str,
    /// More of the command line.
    pub(crate) arguments: &'static [&'static str],
    /// Whether other files have the final names before.
    pub(crate) overwrites: bool,
    /// Whether the recorded run goes on with what an earlier one has left.
    pub(crate) resumes: bool,
}

/// What became of the states.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    moments: u32,
    examined: usize,
    restarted: usize,
    /// Files in restarted states that were there already, those of which a part was there, and the others.
    whole: usize,
    resumed: usize,
    anew: usize,
    /// States in which sled has lost its database with the power, which it may.
    damaged: usize,
    /// States in which something was wrong.
    wrong: usize,
}

pub(crate) struct Scenario {
    plan: Plan,
    crash: Crash,
    runtime: Runtime,
    place: Place,
    ground: Ground,
    targets: Vec<Target>,
    store: Kind,
}

impl Scenario {
    pub(crate) fn new(plan: Plan, crash: Crash) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let place = runtime.block_on(Place::new());
        let root = place.root().canonicalize().unwrap();
        let kept = root.join("kept");
        std::fs::create_dir(&kept).unwrap();
        let roots = ["files", "state", "home"].map(|name| root.join(name)).to_vec();
        let store = if plan.sled {
            Kind::Sled(root.join("state/sled"))
        } else {
            Kind::Sqlite(root.join("state/okdownload/okdl.db"))
        };
        let target = |number: u64| {
            let body = Body::pattern(number + 1, plan.length);
            let (name, bytes) = (format!("{number}"), body.slice(..));
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
            place.server.serve(&format!("/{name}"), Resource::new(body).etag("\"v1\"").last_modified(time));
            let old = plan.overwrites.then(|| b"old".repeat(1000 + number as usize));
            Target { path: root.join("files").join(&name), bytes, old, url: place.url(&format!("/{name}")) }
        };
        let targets: Vec<Target> = (0..plan.files).map(target).collect();
        for target in &targets {
            if let Some(old) = &target.old {
                std::fs::write(&target.path, old).unwrap();
            }
        }
        Self { plan, crash, runtime, place, ground: Ground { roots, kept }, targets, store }
    }

    fn command(&self) -> Command {
        let mut arguments: Vec<String> = vec!["--json".into(), "-x".into(), self.plan.connections.into()];
        if let Kind::Sled(path) = &self.store {
            arguments.extend(["--store".into(), format!("sled:{}", path.display())]);
        }
        arguments.extend(self.plan.arguments.iter().map(|argument| (*argument).to_owned()));
        arguments.extend(self.targets.iter().map(|target| target.url.clone()));
        self.place.command(arguments).into_std()
    }

    fn set_rate(&self, rate: u64) {
        for number in 0..self.plan.files {
            self.place.server.set_rate(&format!("/{number}"), rate);
        }
    }

    fn record(&self) -> Recording {
        let boot = (self.crash == Crash::Power).then_some(EARLIER_BOOT);
        self.set_rate(self.plan.rate);
        let mut recording = record(&self.ground, &self.command(), boot);
        if self.plan.resumes {
            // The run before this one was killed late, with most of the file written, and a good part of it synced.
            let now = recording.moments / 6 * 5;
            let all = recording.moment(now, Crash::Process);
            rebuild(
                &self.ground,
                &recording.tree(&recording.survivors(&all, &BTreeMap::new()), &self.ground.roots),
            );
            recording = record(&self.ground, &self.command(), boot);
        }
        self.set_rate(u64::MAX);
        recording
    }

    /// Records the run, and restarts it on at most so many states that it can leave. Returns what was wrong.
    pub(crate) fn run(&self, most: usize, seed: u64) -> (Counts, Vec<String>) {
        let recording = self.record();
        let mut counts = Counts { moments: recording.moments, ..Counts::default() };
        let mut wrongs = Vec::new();
        // Looking costs little, so many more are looked at than are tried.
        let choices = choose(&recording, self.crash, 10 * most, seed);
        let step = choices.len().div_ceil(most);
        for (number, choice) in choices.iter().enumerate() {
            let tree = recording.tree(&choice.survivors, &self.ground.roots);
            counts.examined += 1;
            let mut tried = self.examine(&tree, &recording.told(choice.moment));
            if number % step == 0 {
                tried = tried.and_then(|()| self.restart(&recording, &tree, &mut counts));
            }
            if let Err(wrong) = tried {
                counts.wrong += 1;
                wrongs.push(self.describe(&recording, choice, &wrong));
            }
        }
        (counts, wrongs)
    }

    /// Whether what has a final name is whole, and what was told complete is there.
    fn examine(&self, tree: &Tree, told: &str) -> Result<(), String> {
        for target in &self.targets {
            let there = tree.file(&target.path).map(|image| &image.bytes);
            let is_new = there == Some(&target.bytes);
            if told_complete(told, target) && !is_new {
                return Err(format!("{} was told complete, and is not there", target.path.display()));
            }
            if there.is_some() && !is_new && there != target.old.as_ref() {
                return Err(format!("{} has its final name, and is wrong", target.path.display()));
            }
        }
        Ok(())
    }

    /// Rebuilds the state, and runs the program on it.
    fn restart(&self, recording: &Recording, tree: &Tree, counts: &mut Counts) -> Result<(), String> {
        rebuild(&self.ground, tree);
        counts.restarted += 1;
        let scratch = self.ground.kept.with_file_name("scratch");
        let records = match self.runtime.block_on(self.store.read_copy(&scratch)) {
            Err(_) if self.plan.sled && self.crash == Crash::Power => {
                counts.damaged += 1;
                Records::default()
            }
            records => records?,
        };
        let claims = Claims { ground: &self.ground, recording, tree, crash: self.crash };
        let there: Vec<There> =
            self.targets.iter().map(|target| claims.check(&records, target)).collect::<Result<_, _>>()?;
        self.place.server.clear_log();
        let ended: Ended = self.command().output().unwrap().into();
        // The record may be lost, and its part not.
        let may_be_damaged = self.plan.sled && self.crash == Crash::Power;
        let is_usual = |line: &str| {
            line.contains("warning: taking over ") || may_be_damaged && line.contains("it was moved to ")
        };
        if ended.code != Some(0) || !ended.err.lines().all(is_usual) {
            return Err(format!("the restart ended with {:?} and said {}", ended.code, ended.err));
        }
        for (target, there) in self.targets.iter().zip(there) {
            let (resumed, fetched) = figures(&ended, target)?;
            match (fetched, resumed) {
                (0, _) => counts.whole += 1,
                (_, 0) => counts.anew += 1,
                _ => counts.resumed += 1,
            }
            let is_wasteful = match &there {
                There::Whole => fetched > 0,
                There::Ranges(ranges) => self.asked(target).iter().any(|asked| {
                    ranges.iter().any(|there| there.start < asked.end && asked.start < there.end)
                }),
            };
            if is_wasteful {
                return Err(format!("{:?} were asked for although there were {there:?}", self.asked(target)));
            }
        }
        self.check_end()
    }

    /// The bytes that the server was asked for.
    fn asked(&self, target: &Target) -> Vec<Range<u64>> {
        let name = target.path.file_name().unwrap().to_string_lossy();
        let requests = self.place.server.requests_for(&format!("/{name}"));
        let range = |header: &str| {
            let (first, last) = header.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            first.parse().unwrap()..last.parse().map_or(u64::MAX, |last: u64| last + 1)
        };
        requests.iter().map(|request| request.range().map_or(0..u64::MAX, range)).collect()
    }

    /// Whether the files are there, nothing else is, and the store says so.
    fn check_end(&self) -> Result<(), String> {
        let names = super::common::names(&self.ground.roots[0]);
        let expected: Vec<String> = (0..self.plan.files).map(|number| number.to_string()).collect();
        if names != expected {
            return Err(format!("after the restart there are {names:?}"));
        }
        for target in &self.targets {
            if std::fs::read(&target.path).unwrap() != target.bytes {
                return Err(format!("{} is wrong after the restart", target.path.display()));
            }
        }
        let records = self.runtime.block_on(self.store.read())?;
        if records.unfinished.is_empty() && records.completed.len() == self.targets.len() {
            return Ok(());
        }
        Err(format!("after the restart the store has {records:?}"))
    }

    /// A state in words.
    fn describe(&self, recording: &Recording, choice: &Choice, wrong: &str) -> String {
        let moment = recording.moment(choice.moment, self.crash);
        let Survivors(left) = &choice.survivors;
        let line = |place: &usize| {
            let left = left.get(place).map_or("lost".into(), |left| format!("{left:?}"));
            format!("  {left}: {:?}\n", recording.events[*place].what)
        };
        // The last ones say most.
        let open: String = moment.open.iter().rev().take(20).map(line).collect();
        format!(
            "{} ({:?}), moment {} of {}: {wrong}\n{} changes were not safe; the last of them, and what is left of them:\n{open}",
            self.plan.name,
            self.crash,
            choice.moment,
            recording.moments,
            moment.open.len(),
        )
    }
}

/// The lines about a target's end.
fn ends<'a>(said: &'a str, target: &'a Target) -> impl Iterator<Item = serde_json::Value> + 'a {
    let lines = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter(|line| line["event"] == "end" && line["url"] == target.url)
}

fn told_complete(told: &str, target: &Target) -> bool {
    ends(told, target).any(|line| line["cause"] == "completed")
}

/// How many bytes were gone on from, and fetched.
fn figures(ended: &Ended, target: &Target) -> Result<(u64, u64), String> {
    let line = ends(&ended.out, target).next().ok_or("its end was not told")?;
    let figure = |name: &str| line[name].as_u64().ok_or("a figure is missing");
    Ok((figure("resumed")?, figure("fetched")?))
}

impl Counts {
    /// Whether the restarts had something to go on from: else nothing would be tested.
    pub(crate) fn assert_strong(&self, least: usize) {
        assert!(self.resumed * 100 >= least * self.restarted, "too few states were gone on from: {self:?}");
    }

    pub(crate) fn line(&self, scenario: &str, crash: Crash) -> String {
        format!(
            "| {scenario} | {crash:?} | {} | {} | {} | {} | {} | {} | {} | {} |",
            self.moments,
            self.examined,
            self.restarted,
            self.whole,
            self.resumed,
            self.anew,
            self.damaged,
            self.wrong
        )
    }
}

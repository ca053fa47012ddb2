//! What must hold in every history.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::time::Duration;

use okdownload::{
    BlockInfo, BreakpointInfo, DownloadTask, EndCause, ErrorKind, FileIdentity, Location, TaskEnd,
};
use okdownload_testkit::sim::{Believed, Crash, SimDisk, SimNetwork, World, believed, check_claims};

use crate::play::{Stage, path};
use crate::scenario::Scenario;

pub(crate) fn name(task: usize) -> String {
    format!("/disk/f{task}")
}

fn place(task: usize) -> Location {
    Location::Path(name(task).into())
}

pub(crate) fn part(task: usize) -> Location {
    Location::Path(format!("{}.okdownload", name(task)).into())
}

/// How far the claims of a file's blocks were found to be true, by block and by what they claim to survive.
#[derive(Debug, Default)]
struct Verified {
    identity: Option<FileIdentity>,
    ends: BTreeMap<(u64, bool), u64>,
}

impl Verified {
    /// What of these claims has not been looked at yet. What is claimed again after a life is looked at after its end.
    fn news(&self, info: &BreakpointInfo, power: bool) -> Vec<Range<u64>> {
        let news = info.blocks.iter().map(|block| {
            let end = block.start + if power { block.synced } else { block.written };
            let known = self.ends.get(&(block.start, power)).filter(|_| self.identity == info.identity);
            known.copied().unwrap_or(block.start).min(end)..end
        });
        news.filter(|range| !range.is_empty()).collect()
    }

    fn learn(&mut self, info: &BreakpointInfo) {
        let ends = info.blocks.iter().flat_map(|block| {
            let end = |claimed| block.start + claimed;
            [((block.start, false), end(block.written)), ((block.start, true), end(block.synced))]
        });
        *self = Self { identity: info.identity, ends: ends.collect() };
    }
}

/// At every commit: what is about to be claimed as *written* is there for programs, and what is about to be claimed as
/// *synced* is on the disk, under its name.
pub(crate) fn claims(
    scenario: &Scenario,
    tasks: &[DownloadTask],
    world: &World,
    network: &SimNetwork,
    disk: &SimDisk,
) -> impl Fn(&BreakpointInfo) + Send + Sync + 'static {
    let numbers = Stage::numbers(tasks);
    let digests: Vec<bool> = scenario.tasks.iter().map(|plan| plan.digest).collect();
    let (world, network, disk) = (world.clone(), network.clone(), disk.clone());
    let verified: Mutex<BTreeMap<usize, Verified>> = Mutex::default();
    move |info| {
        let Some(task) = numbers.get(&info.id).copied() else { return };
        let versions = network.versions(&path(task));
        let mut verified = verified.lock().unwrap();
        let verified = verified.entry(task).or_default();
        for (power, crash) in [(false, Crash::Process), (true, Crash::Power)] {
            let news = verified.news(info, power);
            let checked = check_claims(info, &news, &disk, crash, &versions, digests[task]);
            if let Err(wrong) = checked {
                world.fail(|| format!("a claim that would not survive ({crash:?}): {wrong}"));
            }
        }
        verified.learn(info);
    }
}

/// At the end of a life, asked for or not: what was written some time ago is recorded, and what was written longer ago
/// is synced, if the file is still open, and so is its record.
pub(crate) fn at_the_end(stage: &Stage) {
    let Stage { scenario, world, disk, store, .. } = stage;
    let faults = &scenario.faults;
    if faults.disk_fails() || faults.store_fails() {
        return;
    }
    let (recorded, safe) = (store.breakpoints(), store.safe_breakpoints());
    let tick = scenario.record_interval * 2 + faults.store_delay * 8 + Duration::from_millis(20);
    let sync = tick + scenario.sync_interval * 2 + faults.disk_delay * 8;
    for (number, task) in stage.tasks.iter().enumerate() {
        let identity = disk.look(&part(number)).map(|(identity, _)| identity);
        let is_its = |info: &&BreakpointInfo| info.id == task.id() && info.identity == identity;
        let record = recorded.iter().find(is_its);
        let held = if record.is_some() { Duration::ZERO } else { scenario.remit_delay };
        let same_boot = record.is_some_and(|info| info.boot == Some(disk.boot()));
        let counts = |block: &BlockInfo| if same_boot { block.written } else { block.synced };
        check_lateness(stage, number, tick + held, &claimed(record, counts), "recorded");
        // Whoever pauses leaves the last bytes unsynced.
        let is_synced =
            scenario.power && scenario.tasks[number].actions.is_empty() && disk.is_open(&part(number));
        if is_synced {
            check_lateness(
                stage,
                number,
                sync + held,
                &claimed(safe.iter().find(is_its), |block| block.synced),
                "recorded as synced, by a record that is safe itself",
            );
        }
    }
    world.note(format_args!("at the end, all was recorded"));
}

fn check_lateness(stage: &Stage, task: usize, patience: Duration, claimed: &Believed, what: &str) {
    let late = |(when, range): &(Duration, Range<u64>)| {
        *when + patience < stage.world.now() && !claimed.covers(range)
    };
    if let Some((when, range)) = stage.disk.written(&part(task)).into_iter().find(late) {
        stage.world.fail(|| format!("task {task}: {range:?} was written at {when:?}, and is not {what} yet"));
    }
}

fn claimed(record: Option<&BreakpointInfo>, claims: impl Fn(&BlockInfo) -> u64) -> Believed {
    let blocks = record.into_iter().flat_map(|info| &info.blocks);
    let ranges =
        blocks.map(|block| block.start..block.start + claims(block)).filter(|range| !range.is_empty());
    Believed { ranges: ranges.collect(), is_whole: false }
}

/// After a crash: what the next run would believe is there, of one version; and whatever has a final name is whole.
pub(crate) fn after_a_crash(stage: &Stage) {
    let Stage { world, network, disk, store, .. } = stage;
    for info in store.breakpoints() {
        let Some(task) = stage.tasks.iter().position(|task| task.id() == info.id) else { continue };
        let digest = stage.scenario.tasks[task].digest;
        let there = believed(&info, disk);
        if !(info.validators.is_strong() || digest || there.is_whole) {
            continue;
        }
        let versions = network.versions(&path(task));
        let checked = check_claims(&info, &there.ranges, disk, Crash::Process, &versions, digest);
        if let Err(wrong) = checked {
            world.fail(|| format!("after the crash: {wrong}"));
        }
    }
    for task in 0..stage.tasks.len() {
        let is_told = stage.told.lock().unwrap().contains(&task);
        let is_whole = whole(stage, task, Crash::Process);
        if is_whole == Some(false) || (is_told && is_whole.is_none()) {
            let there = if is_told { "which was complete" } else { "which appeared" };
            world.fail(|| format!("after the crash: {}, {there}, is whole: {is_whole:?}", name(task)));
        }
    }
}

/// What has survived need not be asked for again.
pub(crate) fn spare(stage: &Stage) {
    let Stage { scenario, network, disk, store, .. } = stage;
    if scenario.faults.disk_fails() || scenario.faults.store_fails() {
        return;
    }
    for info in store.breakpoints() {
        let Some(task) = stage.tasks.iter().position(|task| task.id() == info.id) else { continue };
        let there = believed(&info, disk);
        let is_alone = disk.look(&place(task)).is_none();
        // A server that has lied about the length will be found to say otherwise.
        let mut lengths = network.versions(&path(task)).into_iter().map(|version| version.length);
        let is_true = info.total.is_none_or(|total| lengths.any(|length| length == total));
        if is_alone
            && is_true
            && info.validators.is_strong()
            && !scenario.tasks[task].digest
            && there.bytes() > 0
        {
            network.spare(&path(task), &info.validators, there.ranges);
        }
    }
}

/// Whether the file of this name is one version of its resource, to the byte; `None` if there is none.
fn whole(stage: &Stage, task: usize, crash: Crash) -> Option<bool> {
    let versions = stage.network.versions(&path(task));
    let is_it = |bytes: &[u8]| {
        versions.iter().any(|version| version.length == bytes.len() as u64 && version.content.is(0, bytes))
    };
    stage.disk.read(&place(task), crash, is_it)
}

/// When completion is told: the file is whole, and has its name; also on the disk, where that was asked for.
pub(crate) fn completed(stage: &Stage, task: usize) {
    let crash = if stage.scenario.power { Crash::Power } else { Crash::Process };
    for crash in [Crash::Process, crash] {
        let is_whole = whole(stage, task, crash);
        if is_whole != Some(true) {
            stage.world.fail(|| {
                format!("task {task} is said to be complete, and is whole ({crash:?}): {is_whole:?}")
            });
        }
    }
}

/// Once the engine says that it is shut down: whatever completed is recorded, and nothing else is.
pub(crate) fn shut_down(stage: &Stage, ends: &[TaskEnd]) {
    let (unfinished, complete) = (stage.store.breakpoints(), stage.store.completions());
    for (task, _) in ends.iter().enumerate().filter(|(_, end)| end.is_completed()) {
        let id = stage.tasks[task].id();
        let is_recorded = complete.iter().any(|record| record.id == id);
        if !is_recorded || unfinished.iter().any(|info| info.id == id) {
            stage.world.fail(|| format!("task {task} is complete, and that is recorded: {is_recorded}"));
        }
    }
}

/// After the last life, in which nothing went wrong: every task is complete, or there is a good reason.
pub(crate) fn in_the_end(stage: &Stage, ends: &[TaskEnd]) {
    let Stage { world, disk, store, .. } = stage;
    for (task, end) in ends.iter().enumerate() {
        let kind = end.error.as_ref().map(okdownload::Error::kind);
        let reason = match (end.cause, kind) {
            (EndCause::Completed, _) => true,
            // The user knows another version's digest.
            (_, Some(ErrorKind::Checksum)) => {
                stage.scenario.tasks[task].digest && stage.network.versions(&path(task)).len() > 1
            }
            // A whole file is there, of which nobody can tell any more that it is ours.
            (_, Some(ErrorKind::AlreadyExists)) => whole(stage, task, Crash::Process) == Some(true),
            _ => false,
        };
        if !reason {
            world.fail(|| format!("in the end, task {task} is {end:?}"));
        }
        if end.cause == EndCause::Completed {
            completed(stage, task);
            let left = disk.look(&part(task)).is_some();
            let recorded = store.breakpoints().iter().any(|info| info.id == stage.tasks[task].id());
            if left || recorded {
                world.fail(|| {
                    format!("task {task} is complete, and left a part ({left}) or a record ({recorded})")
                });
            }
        }
    }
}

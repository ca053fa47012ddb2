//! What must hold in every history.

use std::time::Duration;

use okdownload::{BlockInfo, BreakpointInfo, DownloadTask, EndCause, ErrorKind, Location, TaskEnd};
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
    move |info| {
        let Some(task) = numbers.get(&info.id).copied() else { return };
        let versions = network.versions(&path(task));
        let is_new = |claims: fn(&BlockInfo) -> u64| -> Vec<_> {
            let claimed = info.blocks.iter().map(|block| block.start..block.start + claims(block));
            claimed.filter(|range| !range.is_empty()).collect()
        };
        for (ranges, crash) in
            [(is_new(|block| block.written), Crash::Process), (is_new(|block| block.synced), Crash::Power)]
        {
            let checked = check_claims(info, &ranges, &disk, crash, &versions, digests[task]);
            if let Err(wrong) = checked {
                world.fail(|| format!("a claim that would not survive ({crash:?}): {wrong}"));
            }
        }
    }
}

/// At the end of a life, asked for or not: what was written some time ago is recorded.
pub(crate) fn at_the_end(stage: &Stage) {
    let Stage { scenario, world, disk, store, .. } = stage;
    let faults = &scenario.faults;
    if faults.disk_fails() || faults.store_fails() {
        return;
    }
    let recorded = store.breakpoints();
    let tick = scenario.record_interval * 2 + faults.store_delay * 8 + Duration::from_millis(20);
    for (number, task) in stage.tasks.iter().enumerate() {
        let identity = disk.look(&part(number)).map(|(identity, _)| identity);
        let record = recorded.iter().find(|info| info.id == task.id() && info.identity == identity);
        let patience = if record.is_some() { tick } else { tick + scenario.remit_delay };
        let claimed = claimed(record, |block| block.written);
        let late = |(when, range): &(Duration, std::ops::Range<u64>)| {
            *when + patience < world.now() && !claimed.covers(range)
        };
        if let Some((when, range)) = disk.written(&part(number)).into_iter().find(late) {
            world.fail(|| {
                format!("task {number}: {range:?} was written at {when:?}, and is not recorded yet")
            });
        }
    }
}

fn claimed(record: Option<&BreakpointInfo>, claims: fn(&BlockInfo) -> u64) -> Believed {
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
        if is_alone && info.validators.is_strong() && !scenario.tasks[task].digest && there.bytes() > 0 {
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

//! One simulation from its first life to its last.

use std::sync::{Arc, Mutex};

use okdownload::store::DownloadStore;
use okdownload::{Digest, DigestAlgorithm, DownloadTask, Durability, Target, Timeouts};
use okdownload_store_memory::MemoryStore;
use okdownload_testkit::sim::{Accident, Faults, SimDisk, SimNetwork, SimStore, World};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use crate::checks;
use crate::life::live;
use crate::scenario::{Plan, Scenario};

/// How a simulation went.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) failure: Option<String>,
    pub(crate) fingerprint: u64,
    pub(crate) events: u64,
    pub(crate) trace: Vec<String>,
}

/// All that a simulation consists of.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) world: World,
    pub(crate) network: SimNetwork,
    pub(crate) disk: SimDisk,
    pub(crate) store: SimStore,
    pub(crate) tasks: Vec<DownloadTask>,
    /// The numbers of the tasks whose completion was told.
    pub(crate) told: Arc<Mutex<BTreeSet<usize>>>,
}

pub(crate) fn path(task: usize) -> String {
    format!("/r{task}")
}

/// Plays the whole of it.
pub(crate) fn play(scenario: &Scenario, trace: bool) -> Outcome {
    let stage = Stage::new(scenario);
    if trace {
        stage.world.keep_trace();
    }
    for end in &scenario.lives {
        in_runtime(&stage, scenario.faults, Some(end.at), false);
        checks::at_the_end(&stage);
        stage.world.note(format_args!("{:?} crash", end.crash));
        stage.disk.crash(end.crash);
        stage.network.crash();
        in_paused_time(stage.store.crash(end.crash));
        checks::after_a_crash(&stage);
        for (task, accident) in &end.accidents {
            // Without times of birth nobody could tell.
            let unseen = *accident == Accident::Replaced && !scenario.births;
            let (part, accident) = (checks::part(*task), if unseen { Accident::Removed } else { *accident });
            stage.world.note(format_args!("accident: {part} {accident:?}"));
            stage.disk.suffer(&part, accident);
        }
        checks::spare(&stage);
        if stage.world.failure().is_some() {
            break;
        }
    }
    if stage.world.failure().is_none() {
        stage.network.rest();
        if stage.disk.any_will_fail() {
            // One more fault, which comes from before.
            in_runtime(&stage, Faults::default(), None, false);
        }
        in_runtime(&stage, Faults::default(), None, true);
    }
    let world = &stage.world;
    Outcome {
        failure: world.failure(),
        fingerprint: world.fingerprint(),
        events: world.events(),
        trace: world.trace(),
    }
}

fn in_paused_time(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future);
}

/// One life of a process. When its runtime is gone, so is everything of it.
fn in_runtime(stage: &Stage, faults: Faults, end_at: Option<u64>, is_last: bool) {
    in_paused_time(async {
        stage.world.begin(faults, end_at);
        tokio::select! {
            biased;
            () = stage.world.over() => {}
            () = live(stage, is_last) => {}
        }
        stage.world.end();
    });
}

impl Stage {
    fn new(scenario: &Scenario) -> Self {
        let world = World::new(scenario.seed);
        let network = SimNetwork::new(&world);
        for (number, plan) in scenario.tasks.iter().enumerate() {
            network.serve(&path(number), plan.resource.clone());
        }
        let tasks: Vec<_> = scenario
            .tasks
            .iter()
            .enumerate()
            .map(|(number, plan)| task(scenario, number, plan, &network))
            .collect();
        let disk = SimDisk::new(&world, scenario.births);
        let check = checks::claims(scenario, &tasks, &world, &network, &disk);
        let store = SimStore::new(&world, || Arc::new(MemoryStore::new()) as Arc<dyn DownloadStore>, check);
        let scenario = Arc::new(scenario.clone());
        Self { scenario, world, network, disk, store, tasks, told: Arc::default() }
    }

    /// The number of each task, by its id.
    pub(crate) fn numbers(tasks: &[DownloadTask]) -> BTreeMap<okdownload::TaskId, usize> {
        tasks.iter().enumerate().map(|(number, task)| (task.id(), number)).collect()
    }
}

fn task(scenario: &Scenario, number: usize, plan: &Plan, network: &SimNetwork) -> DownloadTask {
    let mut timeouts = Timeouts::default();
    timeouts.connect = Duration::from_secs(2);
    timeouts.head = Duration::from_secs(1);
    timeouts.stall = Duration::from_secs(3);
    let url = format!("http://server{}", path(number));
    let durability = if scenario.power { Durability::Power } else { Durability::Process };
    let mut task = DownloadTask::builder(url, Target::file(checks::name(number)))
        .durability(durability)
        .timeouts(timeouts)
        .retries(plan.retries)
        .on_exists(plan.on_exists);
    if let Some(connections) = plan.connections.and_then(NonZeroU32::new) {
        task = task.connection_count(connections);
    }
    if plan.digest {
        let first = &network.versions(&path(number))[0];
        let mut sum = 0;
        let mut position = 0;
        while position < first.length {
            let bytes = first.content.bytes(position, first.length - position);
            sum = crc32c::crc32c_append(sum, &bytes);
            position += bytes.len() as u64;
        }
        task = task.digest(Digest::new(DigestAlgorithm::Crc32c, sum.to_be_bytes()).unwrap());
    }
    task.build().unwrap()
}

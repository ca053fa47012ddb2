//! What happens in one simulation, as plain data that comes out of its seed.

use std::time::Duration;

use fastrand::Rng;
use okdownload::OnExists;
use okdownload_testkit::sim::{Accident, Changes, Crash, Dates, Faults, ResourceSpec, Tags};

#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    /// Whether downloads are to survive the loss of power.
    pub(crate) power: bool,
    /// Whether files have a time of birth.
    pub(crate) births: bool,
    pub(crate) parallel: usize,
    pub(crate) record_interval: Duration,
    pub(crate) sync_interval: Duration,
    pub(crate) remit_delay: Duration,
    pub(crate) faults: Faults,
    pub(crate) tasks: Vec<Plan>,
    /// The lives that end badly; one more follows, in which nothing goes wrong.
    pub(crate) lives: Vec<End>,
}

/// A task, and what its user does about it.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) resource: ResourceSpec,
    pub(crate) connections: Option<u32>,
    pub(crate) smallest_block: u64,
    /// Whether the user knows the digest of the first version.
    pub(crate) digest: bool,
    pub(crate) on_exists: OnExists,
    pub(crate) retries: u32,
    pub(crate) actions: Vec<(Duration, Action)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Pause,
    Resume,
    Cancel,
    EnqueueAgain,
}

/// How a life ends: at which event, and what happens to parts before the next one.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) at: u64,
    pub(crate) crash: Crash,
    pub(crate) accidents: Vec<(usize, Accident)>,
}

const MIB: u64 = 1 << 20;

impl Scenario {
    /// The scenario of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        // The world has the same seed, and should not throw the same dice.
        let random = &mut Rng::with_seed(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5eed);
        let power = random.u8(0..4) > 0;
        let tasks: Vec<Plan> = (0..pick(random, &[1, 1, 2, 3])).map(|_| plan(random)).collect();
        let lives = (0..pick(random, &[1, 1, 2, 3])).map(|_| end(random, power, tasks.len())).collect();
        Self {
            seed,
            power,
            births: random.u8(0..4) > 0,
            parallel: random.usize(1..4),
            record_interval: Duration::from_millis(pick(random, &[5, 20, 100])),
            sync_interval: Duration::from_millis(pick(random, &[50, 300, 2000])),
            remit_delay: Duration::from_millis(pick(random, &[0, 100, 1500])),
            faults: faults(random),
            tasks,
            lives,
        }
    }
}

fn pick<T: Copy>(random: &mut Rng, choices: &[T]) -> T {
    choices[random.usize(0..choices.len())]
}

/// Often nothing, else something.
fn now_and_then(random: &mut Rng, most: u32) -> u32 {
    if random.u8(0..3) == 0 { random.u32(1..=most) } else { 0 }
}

fn faults(random: &mut Rng) -> Faults {
    // A third of all worlds has a good disk and a good store, so that claims can be held to their time as well.
    let broken = random.u8(0..3) > 0;
    let local = |random: &mut Rng, most| if broken { now_and_then(random, most) } else { 0 };
    Faults {
        refusals: now_and_then(random, 100),
        statuses: now_and_then(random, 150),
        stalls: now_and_then(random, 50),
        cuts: now_and_then(random, 400),
        lies: now_and_then(random, 300),
        most_connections: if random.u8(0..4) == 0 { random.u32(1..4) } else { 0 },
        writes: local(random, 60),
        syncs: local(random, 300),
        commits: local(random, 300),
        store_writes: local(random, 100),
        store_reads: local(random, 50),
        network_delay: Duration::from_millis(pick(random, &[1, 20, 100])),
        disk_delay: Duration::from_millis(pick(random, &[0, 1, 30, 300])),
        store_delay: Duration::from_millis(pick(random, &[0, 1, 10, 50])),
        chunk: pick(random, &[40_000, 100_000, 0]),
    }
}

fn length(random: &mut Rng) -> u64 {
    match random.u8(0..10) {
        0 => random.u64(0..3),
        1 => MIB - 1 + random.u64(0..3),
        2 => random.u64(1..20_000),
        3..6 => random.u64(0..MIB),
        _ => random.u64(MIB..3 * MIB),
    }
}

fn resource(random: &mut Rng) -> ResourceSpec {
    let changes = match random.u8(0..10) {
        0..5 => Changes::Never,
        5..7 => {
            Changes::At((0..random.usize(1..4)).map(|_| Duration::from_millis(random.u64(0..4000))).collect())
        }
        7..9 => Changes::AtRequest(random.u64(1..8)),
        _ => Changes::Always,
    };
    ResourceSpec {
        length: length(random),
        length_changes: random.u8(0..3) == 0,
        tags: pick(
            random,
            &[Tags::Strong, Tags::Strong, Tags::Strong, Tags::Weak, Tags::WeakAndStable, Tags::None],
        ),
        dates: pick(random, &[Dates::Strong, Dates::SameSecond, Dates::None]),
        changes,
        ranges: random.u8(0..8) > 0,
        tells_length: random.u8(0..8) > 0,
        heeds_if_range: random.u8(0..3) > 0,
        is_terse: random.u8(0..4) == 0,
    }
}

fn plan(random: &mut Rng) -> Plan {
    let resource = resource(random);
    let digest = random.u8(0..6) == 0;
    let actions = if random.u8(0..3) == 0 { random.usize(1..5) } else { 0 };
    let moment = |random: &mut Rng| Duration::from_millis(random.u64(0..2000));
    let kinds = [Action::Pause, Action::Resume, Action::Cancel, Action::EnqueueAgain];
    let mut actions: Vec<_> = (0..actions).map(|_| (moment(random), pick(random, &kinds))).collect();
    actions.sort_by_key(|(moment, _)| *moment);
    Plan {
        resource,
        connections: pick(random, &[None, Some(1), Some(2), Some(4)]),
        smallest_block: pick(random, &[10_000, 100_000, MIB]),
        digest,
        on_exists: pick(random, &[OnExists::Error, OnExists::Overwrite, OnExists::Update]),
        retries: pick(random, &[0, 3, 8]),
        actions,
    }
}

fn end(random: &mut Rng, power: bool, tasks: usize) -> End {
    // Lives have some dozens to some hundreds of events.
    let most = 1 << random.u32(3..10);
    let at = random.u64(1..most);
    let crash = if power && random.bool() { Crash::Power } else { Crash::Process };
    let accidents = if random.u8(0..5) == 0 {
        vec![(
            random.usize(0..tasks),
            pick(random, &[Accident::Cut, Accident::Cut, Accident::Replaced, Accident::Removed]),
        )]
    } else {
        Vec::new()
    };
    End { at, crash, accidents }
}

//! Makes a failing scenario smaller. A scenario is named by its seed and the words of what was taken away, so that its
//! name replays it.

use okdownload_testkit::sim::Changes;

use crate::play::play;
use crate::scenario::Scenario;

/// The scenario of this name.
pub(crate) fn scenario(words: &str) -> Scenario {
    let mut words = words.split_whitespace();
    let mut scenario = Scenario::of(words.next().unwrap().parse().unwrap());
    for word in words {
        reduce(&mut scenario, word);
    }
    scenario
}

/// All words there are. They are tried in this order, and some of them again and again.
const WORDS: [&str; 36] = [
    "no-life-0",
    "no-life-1",
    "no-life-2",
    "no-task-2",
    "no-task-1",
    "no-task-0",
    "no-actions",
    "no-accidents",
    "no-changes",
    "no-digests",
    "no-refusals",
    "no-statuses",
    "no-stalls",
    "no-cuts",
    "no-lies",
    "no-crowd",
    "no-write-errors",
    "no-sync-errors",
    "no-commit-errors",
    "no-store-write-errors",
    "no-store-read-errors",
    "no-network-delay",
    "no-disk-delay",
    "no-store-delay",
    "one-connection",
    "with-births",
    "half",
    "half",
    "half",
    "half",
    "half",
    "sooner-0",
    "sooner-1",
    "sooner-2",
    "big-chunks",
    "other-dice",
];

fn reduce(scenario: &mut Scenario, word: &str) {
    let Scenario { tasks, lives, faults, .. } = scenario;
    let number = word.rsplit('-').next().and_then(|number| number.parse::<usize>().ok());
    match (word, number) {
        ("no-actions", _) => tasks.iter_mut().for_each(|task| task.actions.clear()),
        ("no-accidents", _) => lives.iter_mut().for_each(|life| life.accidents.clear()),
        ("no-changes", _) => tasks.iter_mut().for_each(|task| task.resource.changes = Changes::Never),
        ("no-digests", _) => tasks.iter_mut().for_each(|task| task.digest = false),
        ("no-refusals", _) => faults.refusals = 0,
        ("no-statuses", _) => faults.statuses = 0,
        ("no-stalls", _) => faults.stalls = 0,
        ("no-cuts", _) => faults.cuts = 0,
        ("no-lies", _) => faults.lies = 0,
        ("no-crowd", _) => faults.most_connections = 0,
        ("no-write-errors", _) => faults.writes = 0,
        ("no-sync-errors", _) => faults.syncs = 0,
        ("no-commit-errors", _) => faults.commits = 0,
        ("no-store-write-errors", _) => faults.store_writes = 0,
        ("no-store-read-errors", _) => faults.store_reads = 0,
        ("no-network-delay", _) => faults.network_delay = std::time::Duration::ZERO,
        ("no-disk-delay", _) => faults.disk_delay = std::time::Duration::ZERO,
        ("no-store-delay", _) => faults.store_delay = std::time::Duration::ZERO,
        ("one-connection", _) => tasks.iter_mut().for_each(|task| task.connections = Some(1)),
        ("with-births", _) => scenario.births = true,
        ("half", _) => tasks.iter_mut().for_each(|task| task.resource.length /= 2),
        ("big-chunks", _) => faults.chunk = 0,
        ("other-dice", _) => scenario.seed = scenario.seed.wrapping_add(1 << 40),
        (word, Some(life)) if word.starts_with("no-life") && life < lives.len() => drop(lives.remove(life)),
        (word, Some(life)) if word.starts_with("sooner") && life < lives.len() => {
            lives[life].at = (lives[life].at * 3 / 4).max(1);
        }
        (word, Some(task)) if word.starts_with("no-task") && task < tasks.len() && tasks.len() > 1 => {
            tasks.remove(task);
            for life in lives {
                life.accidents.retain_mut(|(number, _)| {
                    let is_other = *number != task;
                    *number -= usize::from(*number > task);
                    is_other
                });
            }
        }
        _ => {}
    }
}

/// The smallest scenario that was found to fail still, and its name. `words` names one that fails.
pub(crate) fn shrink(words: &str) -> (String, Scenario) {
    let mut words = words.to_owned();
    loop {
        let before = words.clone();
        for word in WORDS {
            let smaller = format!("{words} {word}");
            let changes = format!("{:?}", scenario(&smaller)) != format!("{:?}", scenario(&words));
            let is_new = word != "other-dice";
            if changes && is_new && play(&scenario(&smaller), false).failure.is_some() {
                words = smaller;
            }
        }
        if words == before {
            let smallest = scenario(&words);
            return (words, smallest);
        }
    }
}

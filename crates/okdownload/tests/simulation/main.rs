//! The whole engine in a simulated world, over and over, each time with another seed: processes die, power fails, the
//! network lies, and nothing may ever be wrong, lost or stuck. `docs/crash-consistency.md` says what is checked, and how to
//! replay a failure.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod checks;
mod life;
mod play;
mod scenario;
mod shrink;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use play::{Outcome, play};
use scenario::Scenario;

/// How many seeds are tried unless `SIMULATION_SEEDS` says otherwise.
const SEEDS: u64 = 2000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// The first seed that fails, with all tried so far, over so many threads.
fn search(first: u64, seeds: u64) -> Option<u64> {
    let next = AtomicU64::new(first);
    let failed = AtomicU64::new(u64::MAX);
    let worker = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= (first + seeds).min(failed.load(Ordering::Relaxed)) {
                return;
            }
            if play(&Scenario::of(seed), false).failure.is_some() {
                failed.fetch_min(seed, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..number("SIMULATION_THREADS").unwrap_or(2) {
            scope.spawn(worker);
        }
    });
    Some(failed.into_inner()).filter(|seed| *seed != u64::MAX)
}

/// What there is to say of a failure: the smallest scenario that still fails, and how to see it again.
fn report(words: &str) -> String {
    let (words, scenario) = match number("SIMULATION_SHRINK") {
        Some(0) => (words.to_owned(), shrink::scenario(words)),
        _ => shrink::shrink(words),
    };
    let Outcome { failure, trace, .. } = play(&scenario, true);
    let tail = &trace[trace.len().saturating_sub(60)..];
    format!(
        "{}\nreplay it with\n  SIMULATION_REPLAY=\"{words}\" cargo test -p okdownload --test simulation one\n{scenario:#?}\n{}",
        failure.unwrap_or_default(),
        tail.join("\n")
    )
}

#[test]
fn no_history_loses_or_spoils_anything() {
    let seeds = number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let first = number("SIMULATION_FIRST").unwrap_or(0);
    let begun = Instant::now();
    let failed = search(first, seeds);
    if let Some(seed) = failed {
        println!("found in {} seeds", seed - first + 1);
        panic!("seed {seed}: {}", report(&seed.to_string()));
    }
    println!("{seeds} seeds in {:.1} s", begun.elapsed().as_secs_f64());
}

#[test]
fn one_seed_is_one_history() {
    for seed in 0..20 {
        let scenario = Scenario::of(seed);
        let (first, again) = (play(&scenario, false), play(&scenario, false));
        assert_eq!((first.fingerprint, first.events), (again.fingerprint, again.events), "seed {seed}");
    }
}

/// Replays what `SIMULATION_REPLAY` names, and prints all of it.
#[test]
fn one_history_is_replayed() {
    let Ok(words) = std::env::var("SIMULATION_REPLAY") else { return };
    let scenario = shrink::scenario(&words);
    println!("{scenario:#?}");
    let outcome = play(&scenario, true);
    println!("{}", outcome.trace.join("\n"));
    assert_eq!(outcome.failure, None);
}

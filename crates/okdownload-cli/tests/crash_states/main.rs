//! The real program is started on the states that a crash can leave of it.
//!
//! A run of `okdl` is recorded, system call by system call. Then states that the disk may be in after a crash at any moment
//! of it are made: of what was not synced, any part may be missing or torn. On each the program is started again.
//!
//! `CRASH_STATES` says how many restarts there are of each recording; `CRASH_STATES_SEED` chooses other states.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
// Elsewhere there is nothing: system calls are followed by ptrace, and told apart by number.
#![allow(clippy::unwrap_used, clippy::panic, reason = "that is how a test fails")]
#![allow(clippy::print_stdout, reason = "the counts are worth reading")]

mod calls;
mod choose;
mod claims;
#[path = "../common/mod.rs"]
mod common;
mod disk;
mod rebuild;
mod recorder;
mod scenario;
mod trace;

use std::path::Path;

use common::MIB;
use disk::Crash;
use okdownload_testkit::mutants::{Mutants, check_patches, patches};
use scenario::{Plan, Scenario};

/// One file that is recorded and synced in its middle.
const LARGE: Plan = Plan {
    name: "one connection",
    files: 1,
    length: 3 * MIB,
    rate: MIB,
    sled: false,
    connections: "1",
    arguments: &[],
    overwrites: false,
    resumes: false,
};

/// Tries a plan with both kinds of crash, side by side. Of a hundred restarts at least so many must have gone on from bytes
/// that were there: else little would be tested.
fn check(plan: &Plan, crashes: &[(Crash, usize)]) {
    let most = std::env::var("CRASH_STATES").map_or(12, |number| number.parse().unwrap());
    let seed = std::env::var("CRASH_STATES_SEED").map_or(1, |seed| seed.parse().unwrap());
    let try_one = |(crash, least): (Crash, usize)| {
        let (counts, wrongs) = Scenario::new(plan.clone(), crash).run(most, seed);
        println!("{}", counts.line(plan.name, crash));
        wrongs.iter().take(3).for_each(|wrong| println!("{wrong}"));
        assert!(wrongs.is_empty(), "{} states are wrong", wrongs.len());
        counts.assert_strong(least);
    };
    std::thread::scope(|scope| {
        for crash in crashes {
            scope.spawn(move || try_one(*crash));
        }
    });
}

#[test]
fn one_connection() {
    check(&LARGE, &[(Crash::Process, 25), (Crash::Power, 8)]);
}

#[test]
fn four_connections() {
    let plan = Plan { name: "four connections", connections: "4", length: 5 * MIB, rate: MIB / 2, ..LARGE };
    check(&plan, &[(Crash::Process, 25), (Crash::Power, 8)]);
}

#[test]
fn over_an_old_file() {
    let plan = Plan {
        name: "over an old file",
        length: 3 * MIB / 2,
        rate: 4 * MIB,
        overwrites: true,
        arguments: &["--on-exists", "overwrite"],
        ..LARGE
    };
    check(&plan, &[(Crash::Process, 0), (Crash::Power, 0)]);
}

/// They have no records of their own, and are completed together.
#[test]
fn small_files() {
    let plan = Plan {
        name: "six small files",
        files: 6,
        length: 40_000,
        rate: 200_000,
        arguments: &["-j", "6"],
        ..LARGE
    };
    check(&plan, &[(Crash::Process, 0), (Crash::Power, 0)]);
}

#[test]
fn a_run_that_goes_on() {
    let plan = Plan { name: "a run that goes on", resumes: true, ..LARGE };
    check(&plan, &[(Crash::Process, 40), (Crash::Power, 20)]);
}

#[test]
fn sled() {
    let plan = Plan { name: "sled", sled: true, ..LARGE };
    check(&plan, &[(Crash::Process, 25), (Crash::Power, 8)]);
}

#[test]
fn sled_and_four_connections() {
    let plan = Plan {
        name: "sled, four connections",
        sled: true,
        connections: "4",
        length: 5 * MIB,
        rate: MIB / 2,
        ..LARGE
    };
    check(&plan, &[(Crash::Process, 25), (Crash::Power, 8)]);
}

/// With this durability nothing is promised of the loss of power.
#[test]
fn without_syncs() {
    let plan = Plan { name: "durability process", arguments: &["--durability", "process"], ..LARGE };
    check(&plan, &[(Crash::Process, 25)]);
}

/// The patches that are for this test: what they break is in the real backends, which no simulation runs.
const MUTANTS: &str = "crash-states";

#[test]
fn every_mutant_applies() {
    check_patches(MUTANTS, 2);
}

/// `cargo test -p okdownload-cli --test crash_states -- --ignored --nocapture`; with `CRASH_STATES`, on so many states of
/// each recording.
#[test]
#[ignore = "builds the command once for each mutant"]
fn the_crash_states_find_every_mutant() {
    let mutants = Mutants::new(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants"));
    let mut missed = Vec::new();
    for (name, patch) in patches(MUTANTS) {
        let output = mutants.cargo(&patch, |cargo| {
            cargo.args(["test", "-p", "okdownload-cli", "--test", "crash_states", "--", "--nocapture"]);
        });
        let (text, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
        assert!(!lines.is_empty(), "it does not compile: {errors}");
        let found = lines.iter().filter(|line| !line.ends_with("| 0 |"));
        let found: Vec<String> = found.map(|line| format!("{name} {line}")).collect();
        println!("{}", found.join("\n"));
        if found.is_empty() {
            missed.push(name);
        }
    }
    assert!(missed.is_empty(), "the states are too few for {missed:?}");
}

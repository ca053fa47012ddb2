//! The simulation has to find what it is there for: patches that break an order or a check, one at a time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use okdownload_testkit::mutants::{Mutants, check_patches, patches};

/// The patches that the simulation is for.
const FOLDER: &str = "";

#[test]
fn every_mutant_applies() {
    check_patches(FOLDER, 10);
}

/// In how many seeds the simulation of a mutant finds something, and what; `None` if it finds nothing.
fn simulate(mutants: &Mutants, patch: &str, seeds: u32) -> Option<(u32, String)> {
    let output = mutants.cargo(patch, |cargo| {
        cargo.args(["test", "-p", "okdownload", "--test", "simulation", "--", "--nocapture", "no_history"]);
        cargo.env("SIMULATION_SEEDS", seeds.to_string()).env("SIMULATION_SHRINK", "0");
    });
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("running 1 test"), "it does not compile: {errors}");
    let found = text.lines().find_map(|line| line.strip_prefix("found in ")?.strip_suffix(" seeds"));
    let what = errors.lines().find(|line| line.starts_with("seed ")).unwrap_or_default();
    found.map(|seeds| (seeds.parse().unwrap(), what.to_owned()))
}

/// `cargo test -p okdownload --test mutants -- --ignored --nocapture`; with `MUTANTS`, only those whose names have that
/// in them, and with `SIMULATION_SEEDS`, in at most so many seeds.
#[test]
#[ignore = "builds the engine once for each mutant"]
fn the_simulation_finds_every_mutant() {
    let seeds = std::env::var("SIMULATION_SEEDS").map_or(20_000, |seeds| seeds.parse().unwrap());
    let wanted = std::env::var("MUTANTS").unwrap_or_default();
    let mutants = Mutants::new(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants"));
    let mut missed = Vec::new();
    for (name, patch) in patches(FOLDER).into_iter().filter(|(name, _)| name.contains(&wanted)) {
        match simulate(&mutants, &patch, seeds) {
            Some((seed, what)) => println!("| {name} | {seed} | {what}"),
            None => {
                println!("| {name} | not in {seeds} |");
                missed.push(name);
            }
        }
    }
    assert!(missed.is_empty(), "the simulation is too weak for {missed:?}");
}

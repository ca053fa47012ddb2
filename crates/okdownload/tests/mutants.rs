//! The simulation has to find what it is there for: patches that break an order or a check, one at a time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// All patches, by name.
fn mutants() -> BTreeMap<String, String> {
    let folder = root().join("crates/okdownload-testkit/mutants");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = files.map(|path| {
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap())
    });
    named.collect()
}

/// The files that a patch changes, as it leaves them.
fn patched(tree: &Path, patch: &str) -> BTreeMap<PathBuf, String> {
    let mut changed = BTreeMap::new();
    for file in patch.split("--- a/").skip(1) {
        let patch = format!("--- a/{file}");
        let path = tree.join(file.lines().next().unwrap());
        let old = std::fs::read_to_string(&path).unwrap();
        let new = diffy::apply(&old, &diffy::Patch::from_str(&patch).unwrap()).unwrap();
        assert_ne!(old, new, "{patch}");
        changed.insert(path, new);
    }
    changed
}

#[test]
fn every_mutant_applies() {
    let mutants = mutants();
    for (name, patch) in &mutants {
        assert!(!patched(&root(), patch).is_empty(), "{name} changes nothing");
    }
    assert!(mutants.len() >= 10);
}

/// Copies what a build needs.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
        if name == "target" || name == ".git" {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// In how many seeds the simulation of this tree finds something, and what; `None` if it finds nothing.
fn simulate(tree: &Path, seeds: u32) -> Option<(u32, String)> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutants");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "-p", "okdownload", "--test", "simulation", "--", "--nocapture", "no_history"]);
    cargo.current_dir(tree).env("CARGO_TARGET_DIR", target);
    cargo.env("SIMULATION_SEEDS", seeds.to_string()).env("SIMULATION_SHRINK", "0");
    let output = cargo.output().unwrap();
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
    let tree = tempfile::tempdir().unwrap();
    copy(&root(), tree.path());
    let mut missed = Vec::new();
    for (name, patch) in mutants().into_iter().filter(|(name, _)| name.contains(&wanted)) {
        let changed = patched(tree.path(), &patch);
        let originals: Vec<_> =
            changed.keys().map(|path| (path, std::fs::read_to_string(path).unwrap())).collect();
        changed.iter().for_each(|(path, text)| std::fs::write(path, text).unwrap());
        let found = simulate(tree.path(), seeds);
        originals.iter().for_each(|(path, text)| std::fs::write(path, text).unwrap());
        match found {
            Some((seed, what)) => println!("| {name} | {seed} | {what}"),
            None => {
                println!("| {name} | not in {seeds} |");
                missed.push(name);
            }
        }
    }
    assert!(missed.is_empty(), "the simulation is too weak for {missed:?}");
}

//! Holds `docs/porting.md` to the sources: the tests that it names are there, so are the names, and nothing that it
//! counts is missing or told twice.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn page() -> String {
    std::fs::read_to_string(root().join("docs/porting.md")).unwrap()
}

/// The lines below a heading of the second level.
fn section(heading: &str) -> Vec<String> {
    let page = page();
    let section = page.split("\n## ").find(|section| section.lines().next() == Some(heading));
    let lines = section.unwrap_or_else(|| panic!("no section {heading}")).lines();
    lines.skip(1).map(str::to_owned).collect()
}

fn cells(row: &str) -> Vec<String> {
    row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The rows of the tables below a heading, without their heads.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let lines = section(heading);
    let is_rule = |line: &String| line.starts_with("|---");
    let after_rules = lines.split(is_rule).skip(1);
    let rows = after_rules.flat_map(|lines| lines.iter().take_while(|line| line.starts_with('|')));
    rows.map(|row| cells(row)).collect()
}

/// What is printed as code.
fn code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The folders of crates, by the crates' names in Rust.
fn crates() -> BTreeMap<String, PathBuf> {
    let folders = ["crates", "examples"].map(|above| std::fs::read_dir(root().join(above)).unwrap());
    let folders = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    folders.map(|path| (path.file_name().unwrap().to_str().unwrap().replace('-', "_"), path)).collect()
}

/// All Rust files below a folder, with the modules that they are.
fn files(folder: &Path, module: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let inner = if ["lib", "main", "mod"].contains(&name) {
            module.to_owned()
        } else {
            format!("{module}::{name}")
        };
        if path.is_dir() {
            found.extend(files(&path, &inner));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((inner, std::fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

/// The name of the function that begins in this line.
fn function(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("pub ").unwrap_or(line);
    line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?.split(['(', '<']).next()
}

/// All tests of the workspace. The behaviours of a suite, of which a macro makes the tests of each backend, have the
/// names of their functions.
fn tests() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for (name, folder) in crates() {
        for (module, text) in ["src", "tests"].iter().flat_map(|below| files(&folder.join(below), &name)) {
            let (mut inside, mut is_test) = ("", false);
            for line in text.lines() {
                if line.starts_with("mod tests {") {
                    inside = "::tests";
                }
                is_test |=
                    ["#[test]", "#[tokio::test"].iter().any(|test| line.trim_start().starts_with(test));
                let is_behaviour =
                    module.starts_with("okdownload_testkit::suite::") && line.starts_with("pub ");
                if let Some(function) = function(line)
                    && (std::mem::take(&mut is_test) || is_behaviour)
                {
                    tests.insert(format!("{module}{inside}::{function}"));
                }
            }
        }
    }
    tests
}

/// The tests that a text names.
fn named(text: &str) -> Vec<&str> {
    let crates = crates();
    let is_test = |code: &&str| code.split_once("::").is_some_and(|(first, _)| crates.contains_key(first));
    code(text).into_iter().filter(is_test).collect()
}

#[test]
fn every_test_that_is_named_exists() {
    let (tests, page) = (tests(), page());
    let missing: Vec<_> = named(&page).into_iter().filter(|name| !tests.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(named(&page).len() > 250 && tests.len() > 500, "{} {}", named(&page).len(), tests.len());
}

/// The numbers of the behaviours; where one was refined, letters follow it.
fn numbers() -> Vec<String> {
    let letters = BTreeMap::from([(149, "bc"), (159, "bc"), (165, "bc"), (166, "bc"), (170, "bcde")]);
    let numbers = (1..=196).flat_map(|number| {
        let letters = letters.get(&number).into_iter().flat_map(|letters| letters.chars());
        std::iter::once(number.to_string()).chain(letters.map(move |letter| format!("{number}{letter}")))
    });
    numbers.collect()
}

#[test]
fn every_behaviour_has_one_row_and_what_is_kept_is_shown() {
    let rows = rows("Behaviours");
    assert_eq!(rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>(), numbers());
    let mut counts = BTreeMap::from([("kept", 0), ("different", 0), ("not applicable", 0)]);
    for row in &rows {
        let [number, _, verdict, why] = &row[..] else { panic!("{row:?}") };
        *counts.get_mut(verdict.as_str()).unwrap_or_else(|| panic!("{number} is {verdict}")) += 1;
        match verdict.as_str() {
            "kept" => assert!(!named(why).is_empty(), "no test shows {number}"),
            "different" => assert!(!why.is_empty(), "it is not said why {number} is different"),
            _ => {}
        }
    }
    println!("{} behaviours of OkDownload for Java: {counts:?}", rows.len());
}

#[test]
fn every_bug_has_one_row_and_a_test() {
    let rows = rows("Its bugs");
    let expected: Vec<_> = (1..=28).map(|number| number.to_string()).collect();
    assert_eq!(rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>(), expected);
    assert!(rows.iter().all(|row| !named(&row[2]).is_empty()));
}

#[test]
fn every_wish_has_one_row() {
    let rows = rows("What its users asked for");
    let expected: Vec<_> = (1..=20).map(|number| number.to_string()).collect();
    assert_eq!(rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>(), expected);
    assert!(rows.iter().all(|row| !named(&row[3]).is_empty()));
}

#[test]
fn every_example_has_one_row() {
    let listed: Vec<_> = rows("Examples").iter().map(|row| code(&row[0])[0].replace('-', "_")).collect();
    let there = crates().into_iter().filter(|(_, folder)| folder.parent().unwrap().ends_with("examples"));
    let there: BTreeSet<_> = there.map(|(name, _)| name).collect();
    assert_eq!((listed.len(), listed.into_iter().collect()), (there.len(), there));
}

/// The identifiers in what is printed as our side of a name: those of paths, and those that stand alone.
fn identifiers(code: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    if code.chars().all(is_word) {
        return vec![code];
    }
    let paths = code.split(|c| !is_word(c) && c != ':').filter(|path| path.contains("::"));
    paths.flat_map(|path| path.split("::")).filter(|word| !word.is_empty()).collect()
}

#[test]
fn every_name_on_our_side_is_in_the_sources() {
    let mut words = BTreeSet::new();
    for (name, folder) in crates().into_iter().filter(|(name, _)| name.starts_with("okdownload")) {
        for (_, text) in files(&folder.join("src"), &name) {
            let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let split = lines.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'));
            words.extend(split.map(str::to_owned));
        }
    }
    // The first column has Java's names.
    let ours = section("Names").into_iter().map(|line| match line.starts_with('|') {
        true => cells(&line)[1..].join(" "),
        false => line,
    });
    for line in ours {
        for word in code(&line).into_iter().flat_map(identifiers) {
            assert!(words.contains(word), "{word} is no name: {line}");
        }
    }
}

//! Holds the tree to what `docs/architecture.md` says of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, Package};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// Asked for once: Cargo takes a second, and lets nobody else ask meanwhile.
fn metadata() -> &'static Metadata {
    static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
        let mut command = MetadataCommand::new();
        command.current_dir(root()).features(CargoOpt::AllFeatures).other_options(vec!["--locked".into()]);
        command.exec().unwrap()
    });
    &METADATA
}

const SEAMS: [&str; 5] = [
    "okdownload-connection",
    "okdownload-monitor",
    "okdownload-output",
    "okdownload-store",
    "okdownload-strategy",
];

type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Which crates of ours each crate of ours builds on.
fn arrows(metadata: &Metadata) -> Arrows {
    let is_ours = |name: &str| name == "okdownload" || name.starts_with("okdownload-");
    let packages = metadata.workspace_packages().into_iter().filter(|package| is_ours(&package.name));
    let arrows = packages.map(|package| {
        let normal =
            package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
        let ours = normal.map(|dependency| dependency.name.clone()).filter(|name| is_ours(name)).collect();
        (package.name.to_string(), ours)
    });
    arrows.collect()
}

/// The table of crates in the docs, read back.
fn documented() -> Arrows {
    let text = read("docs/architecture.md");
    let rows = text.lines().filter(|line| line.starts_with("| `okdownload"));
    let arrows = rows.map(|row| {
        let cells = cells(row);
        (names(cells[0]).remove(0), names(cells[2]).iter().map(|name| full(name)).collect())
    });
    arrows.collect()
}

fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The cells of a table's row.
fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

/// What stands between backticks.
fn names(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A crate's name, from that in the tables.
fn full(short: &str) -> String {
    if short == "okdownload" { short.to_owned() } else { format!("okdownload-{short}") }
}

#[test]
fn the_documented_arrows_are_the_real_ones() {
    assert_eq!(documented(), arrows(metadata()));
}

#[test]
fn arrows_lead_only_where_they_may() {
    for (name, ours) in arrows(metadata()) {
        let seam = SEAMS.iter().find(|seam| name.starts_with(&format!("{seam}-")));
        let allowed: Option<Vec<&str>> = match (name.as_str(), seam) {
            ("okdownload-types", _) => Some(vec![]),
            (seam, _) if SEAMS.contains(&seam) => Some(vec!["okdownload-types"]),
            (_, Some(seam)) => Some(vec!["okdownload-types", seam]),
            _ => None,
        };
        if let Some(allowed) = allowed {
            assert!(ours.iter().all(|other| allowed.contains(&other.as_str())), "{name} builds on {ours:?}");
        }
    }
}

/// Everything in the tree of a package, without what only its tests use.
fn tree(metadata: &Metadata, name: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let start = metadata.packages.iter().find(|package| package.name == name).unwrap();
    let (mut seen, mut open) = (BTreeSet::new(), vec![start.id.clone()]);
    while let Some(id) = open.pop() {
        if seen.insert(id.clone()) {
            let node = resolve.nodes.iter().find(|node| node.id == id).unwrap();
            let normal = node.deps.iter().filter(|dependency| {
                dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development)
            });
            open.extend(normal.map(|dependency| dependency.pkg.clone()));
        }
    }
    metadata
        .packages
        .iter()
        .filter(|package| seen.contains(&package.id))
        .map(|package| package.name.to_string())
        .collect()
}

#[test]
fn seams_bring_neither_a_runtime_nor_a_backend() {
    let metadata = metadata();
    for seam in SEAMS {
        let tree = tree(metadata, seam);
        for heavy in ["tokio", "reqwest", "hyper", "rusqlite", "rustls", "async-std", "smol"] {
            assert!(!tree.contains(heavy), "{seam} brings {heavy}");
        }
    }
}

/// All Rust files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// A file's lines that are neither comments nor tests, with their numbers.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    lines.map(|(number, line)| (number + 1, line.to_owned())).collect()
}

fn is_test(path: &Path) -> bool {
    path.components()
        .any(|component| matches!(component.as_os_str().to_str(), Some("tests" | "tests.rs" | "benches")))
}

#[test]
fn core_can_be_simulated() {
    const FORBIDDEN: [&str; 13] = [
        "std::thread",
        "thread::spawn",
        "thread::sleep",
        "spawn_blocking",
        "std::time::Instant",
        "time::{Duration, Instant}",
        "SystemTime::now",
        "RandomState",
        "HashMap",
        "HashSet",
        "std::fs",
        "std::net",
        "rand::random",
    ];
    for path in sources(&root().join("crates/okdownload-core/src")).into_iter().filter(|path| !is_test(path))
    {
        let lines = code(&path);
        for (number, line) in &lines {
            let place = format!("{}:{number}: {line}", path.display());
            // Tokio's own clock has the same name.
            let line = line.replace("tokio::time::{Duration, Instant}", "");
            assert!(FORBIDDEN.iter().all(|word| !line.contains(word)), "{place}");
            if line.contains("select! {") {
                let next = lines.iter().find(|(next, _)| next > number).unwrap();
                assert_eq!(next.1.trim(), "biased;", "{place}");
            }
        }
    }
}

/// Clocks jump. What is kept, and what is trusted, is told by nobody's time of day.
#[test]
fn no_system_clock_decides_anything() {
    // The one plays with time; the other says how old a part is, which decides nothing.
    let allowed =
        ["okdownload-testkit", "okdownload-cli/src/commands"].map(|at| root().join("crates").join(at));
    for path in sources(&root().join("crates")).into_iter().filter(|path| !is_test(path)) {
        if allowed.iter().any(|allowed| path.starts_with(allowed)) {
            continue;
        }
        for (number, line) in code(&path) {
            let words =
                ["SystemTime::now", "UNIX_EPOCH.elapsed", "CURRENT_TIMESTAMP", "strftime", "datetime("];
            assert!(words.iter().all(|word| !line.contains(word)), "{}:{number}: {line}", path.display());
        }
    }
}

#[test]
fn only_the_singletons_module_is_global() {
    for path in sources(&root().join("crates")).into_iter().filter(|path| !is_test(path)) {
        if path.ends_with("okdownload-core/src/singleton.rs") {
            continue;
        }
        for (number, line) in code(&path) {
            let place = format!("{}:{number}: {line}", path.display());
            let words: Vec<_> = line.split_whitespace().take(3).collect();
            // What is made once and never changes is no state.
            let changes = ["Atomic", "Cell", "Lock<Mutex", "Mutex<", "OnceLock", "RwLock"];
            let is_constant = line.contains(": LazyLock<") && !changes.iter().any(|word| line.contains(word));
            assert!(!words.contains(&"static") || is_constant, "{place}");
            assert!(!line.contains("OkDownload::with("), "{place}");
        }
    }
}

#[test]
fn only_windows_needs_what_the_compiler_cannot_check() {
    let unsafe_lines = |path: &Path| code(path).iter().filter(|(_, line)| line.contains("unsafe {")).count();
    let sources = sources(&root().join("crates"));
    let files = sources.iter().filter(|path| !is_test(path) && unsafe_lines(path) > 0);
    let counts: Vec<_> = files.map(|path| (path.strip_prefix(root()).unwrap(), unsafe_lines(path))).collect();
    assert_eq!(counts, [(Path::new("crates/okdownload-output-file/src/windows.rs"), 3)]);
}

#[test]
fn files_have_one_job() {
    const MOST: usize = 600;
    for path in sources(&root().join("crates")) {
        let lines = code(&path).len();
        assert!(lines <= MOST, "{} has {lines} lines of code", path.display());
    }
}

/// What is at the top: what git tracks, as anybody may have downloads of his own beside it. An unpacked archive knows no
/// git, so there it is what lies there, but for what is ignored.
fn top_level() -> BTreeSet<String> {
    let tracked = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    match tracked {
        Ok(tracked) if root().join(".git").exists() && tracked.status.success() => {
            let paths = String::from_utf8(tracked.stdout).unwrap();
            let names = paths.split_terminator('\0').filter_map(|path| path.split('/').next());
            names.map(str::to_owned).collect()
        }
        _ => {
            let ignored = read(".gitignore");
            let ignored: Vec<_> = ignored.lines().map(|line| line.trim_matches('/')).collect();
            let entries = std::fs::read_dir(root()).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.filter(|name| !ignored.contains(&name.as_str())).collect()
        }
    }
}

#[test]
fn the_top_level_is_what_it_was_agreed_to_be() {
    let agreed =
        ["CHANGELOG.md", "Cargo.lock", "Cargo.toml", "README.md", "crates", "deny.toml", "docs", "examples"];
    let names = top_level();
    assert!(names.contains("Cargo.toml"), "{names:?}");
    for name in names {
        assert!(
            agreed.contains(&name.as_str()) || name.starts_with('.') || name.starts_with("LICENSE"),
            "{name}"
        );
    }
}

#[test]
fn every_folder_has_its_crates_name() {
    for package in metadata().workspace_packages() {
        let folder = package.manifest_path.parent().unwrap().file_name().unwrap();
        assert_eq!(folder, package.name.as_str());
    }
}

/// The code that the docs print, in their order: where it is from, whether that is the whole of it, and the code. Code
/// that is from nowhere would never be compiled, so it is an error.
fn printed() -> Vec<(String, bool, String)> {
    let docs = ["", "docs", "docs/decisions"].map(|folder| files(&root().join(folder), "md"));
    let mut printed = Vec::new();
    for path in docs.concat() {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut before = "";
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line == "```toml" || line.trim_start().starts_with("```rust") {
                let comment = before.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
                let source = comment
                    .unwrap_or_else(|| panic!("{}: where is {line} after {before:?} from?", path.display()));
                let code = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n"));
                let part = source.strip_prefix("part of ");
                printed.push((part.unwrap_or(source).to_owned(), part.is_none(), code.collect()));
            }
            before = line;
        }
    }
    printed
}

/// The files of this kind in a folder, without those in folders below it.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    found.sort();
    found
}

/// Its examples are doctests; what is not marked as Rust, or as not to be run, would be none.
#[test]
fn each_page_of_the_guide_begins_with_an_example_that_runs() {
    let pages = files(&root().join("crates/okdownload/src/guide"), "md");
    for page in &pages {
        let text = std::fs::read_to_string(page).unwrap();
        let fences: Vec<_> = text.lines().filter(|line| line.trim_start().starts_with("```")).collect();
        let page = page.display();
        assert!(fences.chunks(2).all(|pair| pair == ["```rust", "```"]), "{page}: {fences:?}");
        let first = text.split("\n\n").nth(1).unwrap();
        assert!(first.starts_with("```rust\n"), "{page} begins with {first}");
        let (_, example) = text.split_once("```rust\n").unwrap();
        let shown = example.lines().take_while(|line| *line != "```").filter(|line| !line.starts_with('#'));
        assert!((3..=20).contains(&shown.filter(|line| !line.is_empty()).count()), "{page}");
    }
    assert_eq!(pages.len(), 8);
}

/// The one manifest that is printed and is no file: a backend's, elsewhere than in this tree.
#[test]
fn the_manifest_for_elsewhere_has_what_ours_has() {
    let (metadata, text) = (metadata(), read("docs/writing-a-backend.md"));
    let (_, rest) = text.split_once("   ```toml,ignore\n").unwrap();
    let lines = rest.lines().map(str::trim).take_while(|line| *line != "```");
    let printed: BTreeMap<_, _> = lines
        .skip_while(|line| *line != "[dependencies]")
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, version)| (name.to_owned(), version.trim_matches('"').to_owned()))
        .collect();
    let ours = metadata.packages.iter().find(|package| package.name == "custom-store").unwrap();
    let names: BTreeSet<_> = ours.dependencies.iter().map(|dependency| dependency.name.clone()).collect();
    assert_eq!(printed.keys().cloned().collect::<BTreeSet<_>>(), names);
    for (name, version) in printed {
        let there: Vec<_> = metadata.packages.iter().filter(|package| package.name == name).collect();
        let has_it =
            there.iter().any(|package| package.version.to_string().starts_with(&format!("{version}.")));
        assert!(has_it, "there is no {name} {version}");
    }
}

#[test]
fn the_docs_print_real_files() {
    let (mut wholes, mut parts) = (BTreeMap::<_, Vec<_>>::new(), Vec::new());
    for (path, is_whole, code) in printed() {
        if is_whole {
            wholes.entry(path).or_default().push(code);
        } else {
            parts.push((path, code));
        }
    }
    // With words between its pieces, where the file has an empty line.
    for (path, pieces) in &wholes {
        assert_eq!(pieces.join("\n"), read(path), "{path}");
    }
    for (path, code) in &parts {
        assert!(read(path).contains(code), "this is not in {path}:\n{code}");
    }
    assert!(wholes.len() >= 6 && !parts.is_empty(), "{:?}", wholes.keys());
}

/// The crates that go to crates.io.
fn published(metadata: &Metadata) -> Vec<&Package> {
    let packages = metadata.workspace_packages().into_iter();
    // `publish = false` is an empty list of registries.
    packages.filter(|package| package.publish.as_ref().is_none_or(|to| !to.is_empty())).collect()
}

#[test]
fn what_is_published_says_what_it_is() {
    let metadata = metadata();
    for package in published(metadata) {
        let name = &package.name;
        assert!(package.description.is_some() && package.repository.is_some(), "{name}");
        assert_eq!(package.license.as_deref(), Some("MIT OR Apache-2.0"), "{name}");
        assert!(package.readme.as_ref().is_some_and(|path| path.as_str() == "README.md"), "{name}");
        // What crates.io takes.
        let (keywords, categories) = (&package.keywords, &package.categories);
        assert!((1..=5).contains(&keywords.len()), "{name}: {keywords:?}");
        assert!(keywords.iter().all(|keyword| keyword.len() <= 20), "{name}: {keywords:?}");
        assert!((1..=5).contains(&categories.len()), "{name}: {categories:?}");
        // Else docs.rs shows less than there is.
        let all_features = package.metadata["docs"]["rs"]["all-features"].as_bool() == Some(true);
        assert!(package.features.is_empty() || all_features, "{name}");
    }
}

#[test]
fn what_is_published_has_its_papers_beside_it() {
    let metadata = metadata();
    for package in published(metadata) {
        let name = &package.name;
        let paper = |file: &str| read(&format!("crates/{name}/{file}"));
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            assert_eq!(paper(licence), read(licence), "{name}");
        }
        let readme = paper("README.md");
        let rust = package.rust_version.as_ref().unwrap();
        assert!(readme.starts_with(&format!("# {name}\n")), "{name}");
        assert!(
            readme.contains(&format!("\nRust {}.{} or later. Licensed", rust.major, rust.minor)),
            "{name}"
        );
        for feature in package.features.keys().filter(|feature| *feature != "default") {
            let is_told = feature.starts_with('_') || readme.contains(&format!("`{feature}`"));
            assert!(is_told, "{name}: its README says nothing of {feature}");
        }
        let version = format!("\n## [{}] - ", package.version);
        assert!(paper("CHANGELOG.md").contains(&version), "{name}: what is new in {}?", package.version);
    }
}

/// A dependency of tests that has a version is in the published manifest, so it has to be there before.
#[test]
fn what_is_published_is_in_no_circle() {
    let metadata = metadata();
    let published = published(metadata);
    for package in &published {
        let tests = package.dependencies.iter().filter(|dependency| {
            dependency.kind == DependencyKind::Development && dependency.req.to_string() != "*"
        });
        for other in tests.filter(|other| published.iter().any(|package| package.name == other.name)) {
            let needed = tree(metadata, &other.name);
            assert!(!needed.contains(package.name.as_str()), "{} needs {}", other.name, package.name);
        }
    }
}

#[test]
fn the_documented_order_of_publishing_follows_the_arrows() {
    let metadata = metadata();
    let all: BTreeSet<_> = published(metadata).iter().map(|package| package.name.to_string()).collect();
    let (arrows, mut there) = (arrows(metadata), BTreeSet::new());
    let text = read("docs/releasing.md");
    for row in text.lines().filter(|line| line.starts_with("| ") && line.contains("| `okdownload")) {
        let step = names(row);
        for name in &step {
            assert!(arrows[name].is_subset(&there), "{name} comes too early");
        }
        there.extend(step);
    }
    assert_eq!(there, all);
}

#[test]
fn the_types_of_others_are_of_dependencies() {
    let metadata = metadata();
    let text = read("docs/architecture.md");
    let (_, section) = text.split_once("## Others' types in our API").unwrap();
    let rows = section.split("\n## ").next().unwrap().lines().filter(|line| line.starts_with("| `"));
    let mut count = 0;
    for row in rows {
        let cells = cells(row);
        let other = names(cells[0]).remove(0);
        for name in names(cells[2]).iter().map(|name| full(name)) {
            let package = metadata.packages.iter().find(|package| package.name == name).unwrap();
            let is_there = package
                .dependencies
                .iter()
                .any(|dependency| dependency.kind == DependencyKind::Normal && dependency.name == other);
            assert!(is_there, "{name} does not depend on {other}");
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}

#[test]
fn contributors_run_what_ci_runs() {
    let (docs, script) = (read("docs/CONTRIBUTING.md"), read(".ci/run"));
    let (_, rest) = docs.split_once("## Six commands\n").unwrap();
    let (_, rest) = rest.split_once("\n```sh\n").unwrap();
    let commands: Vec<_> = rest.lines().take_while(|line| *line != "```").collect();
    assert_eq!(commands.len(), 6);
    for command in commands {
        assert!(script.lines().any(|line| line.trim() == command), "`.ci/run` does not run {command}");
    }
    assert!(read(".github/workflows/ci.yml").contains("- run: .ci/run\n"));
}

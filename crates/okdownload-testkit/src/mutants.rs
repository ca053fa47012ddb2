//! Mutants: patches that each break one order or one check of the engine, so that tests can be tested.

#![allow(clippy::expect_used, reason = "a panic here is a test that failed")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A copy of the workspace, to be broken.
#[derive(Debug)]
pub struct Mutants {
    tree: tempfile::TempDir,
    target: PathBuf,
}

/// The workspace's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates lie in a workspace").to_owned()
}

/// All patches of a folder of `okdownload-testkit/mutants`, by name.
///
/// # Panics
/// If they can't be read.
pub fn patches(folder: &str) -> BTreeMap<String, String> {
    let folder = root().join("crates/okdownload-testkit/mutants").join(folder);
    let entries =
        std::fs::read_dir(folder).expect("a folder of patches").map(|entry| entry.expect("an entry"));
    let files =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "patch"));
    let name = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
    files.map(|path| (name(&path), std::fs::read_to_string(&path).expect("a patch"))).collect()
}

/// The files that a patch changes in a tree, as it leaves them.
fn patched(tree: &Path, patch: &str) -> BTreeMap<PathBuf, String> {
    let mut changed = BTreeMap::new();
    for file in patch.split("--- a/").skip(1) {
        let patch = format!("--- a/{file}");
        let path = tree.join(file.lines().next().expect("a path"));
        let old = std::fs::read_to_string(&path).expect("the file to patch");
        let parsed = diffy::Patch::from_str(&patch).expect("a patch");
        let new = diffy::apply(&old, &parsed).expect("it applies");
        assert_ne!(old, new, "{patch}");
        changed.insert(path, new);
    }
    changed
}

/// Checks that all patches of a folder apply to the tree as it is, and that there are at least so many.
///
/// # Panics
/// If one does not.
pub fn check_patches(folder: &str, least: usize) {
    let patches = patches(folder);
    for (name, patch) in &patches {
        assert!(!patched(&root(), patch).is_empty(), "{name} changes nothing");
    }
    assert!(patches.len() >= least, "{} patches in {folder:?}", patches.len());
}

impl Mutants {
    /// A copy of the tree. It is built in `target`, which keeps what is built.
    ///
    /// # Panics
    /// If it can't be copied.
    pub fn new(target: &Path) -> Self {
        let tree = tempfile::tempdir().expect("a temporary directory");
        copy(&root(), tree.path());
        Self { tree, target: target.to_owned() }
    }

    /// Runs Cargo in the tree as this patch leaves it; `set` says with which arguments and variables. The tree is put back.
    ///
    /// # Panics
    /// If the patch does not apply, or Cargo can't be run.
    pub fn cargo(&self, patch: &str, set: impl FnOnce(&mut Command)) -> Output {
        let changed = patched(self.tree.path(), patch);
        let read = |path: &PathBuf| std::fs::read_to_string(path).expect("a file");
        let originals: Vec<_> = changed.keys().map(|path| (path, read(path))).collect();
        let write = |path: &Path, text: &str| std::fs::write(path, text).expect("the file can be written");
        changed.iter().for_each(|(path, text)| write(path, text));
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(self.tree.path()).env("CARGO_TARGET_DIR", &self.target);
        set(&mut cargo);
        let output = cargo.output();
        originals.iter().for_each(|(path, text)| write(path, text));
        output.expect("cargo can be run")
    }
}

/// Copies what a build needs.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let (path, name) = (entry.path(), entry.file_name());
        if name == "target" || name == ".git" {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            std::fs::copy(&path, to.join(name)).expect("a file can be copied");
        }
    }
}

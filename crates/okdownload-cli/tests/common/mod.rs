//! What the tests of the command share: the real binary in a home of its own, and a server.
#![allow(dead_code, reason = "each test file uses its own share")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "that is how a test fails")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use okdownload_testkit::server::{Body, Gate, Reply, Resource, Server};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

pub(crate) const MIB: u64 = 1 << 20;

/// A home, a state directory, a target directory, and a server.
pub(crate) struct Place {
    directory: TempDir,
    pub(crate) server: Server,
}

/// What a run of the command left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) async fn new() -> Self {
        Self::around(Server::start().await.unwrap())
    }

    pub(crate) fn around(server: Server) -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap(), server };
        for name in ["home", "state", "files"] {
            std::fs::create_dir(place.root().join(name)).unwrap();
        }
        place
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    /// A path in the directory that the command runs in, where files go.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root().join("files").join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.root().join("state/okdownload/okdl.db")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.server.url(path).into()
    }

    /// The same with a name and a password in it.
    pub(crate) fn url_with(&self, userinfo: &str, path: &str) -> String {
        self.url(path).replacen("://", &format!("://{userinfo}@"), 1)
    }

    /// The command, with nothing of the tests' own environment.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        // Whoever runs the tests may ignore signals, and a child inherits that; `env` takes it back.
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP,INT,TERM", env!("CARGO_BIN_EXE_okdl")]).args(arguments);
        command.env_clear();
        for name in ["PATH", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("HOME", self.root().join("home"));
        command.env("XDG_STATE_HOME", self.root().join("state"));
        command.current_dir(self.path(""));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    pub(crate) async fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ended {
        self.command(arguments).output().await.unwrap().into()
    }

    pub(crate) async fn run_with_input(&self, arguments: &[&str], input: &str) -> Ended {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
        child.wait_with_output().await.unwrap().into()
    }

    /// Runs it, and expects success and silence.
    pub(crate) async fn succeed<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) {
        let ended = self.run(arguments).await;
        assert_eq!((ended.code, ended.err.as_str(), ended.out.as_str()), (Some(0), "", ""));
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The names in the target directory.
    pub(crate) fn files(&self) -> Vec<String> {
        names(&self.path(""))
    }

    pub(crate) fn assert_content(&self, name: &str, body: &Body) {
        let content = std::fs::read(self.path(name)).unwrap();
        assert_eq!(content.len() as u64, body.len(), "length of {name}");
        assert!(body.matches(0, &content), "content of {name}");
    }

    /// All that lies outside of the target directory, as paths.
    pub(crate) fn elsewhere(&self) -> Vec<String> {
        let mut found = Vec::new();
        for top in ["home", "state"] {
            collect(&self.root().join(top), &mut found);
        }
        let strip = |path: PathBuf| path.strip_prefix(self.root()).unwrap().to_string_lossy().into_owned();
        found.into_iter().map(strip).collect()
    }
}

impl Ended {
    /// The only line on standard error.
    pub(crate) fn line(&self) -> &str {
        let line = self.err.strip_suffix('\n').unwrap_or_else(|| panic!("no whole line: {self:?}"));
        assert!(!line.contains('\n'), "more than one line: {self:?}");
        line.strip_prefix("okdl: ").unwrap_or_else(|| panic!("nobody speaks: {self:?}"))
    }

    /// Standard output as JSON, a value for each line.
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

pub(crate) fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    for name in names(directory) {
        let path = directory.join(name);
        if path.is_dir() {
            collect(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// A resource with a strong validator.
pub(crate) fn tagged(body: &Body) -> Resource {
    Resource::new(body.clone()).etag("\"v1\"")
}

/// What [`held`] has of a file, and what there is.
pub(crate) const HALF: u64 = 4 * MIB;
pub(crate) const WHOLE: u64 = 8 * MIB;

/// Starts a download of `/a` that is held in the middle, with half of it recorded.
pub(crate) async fn held(place: &Place, more: &[&str]) -> (Child, Gate) {
    place.server.serve("/a", tagged(&Body::pattern(1, WHOLE)));
    let gate = Gate::new();
    place.server.script("/a", [Reply::resource().gate_after(HALF, &gate)]);
    let url = place.url("/a");
    let arguments = [&["--json", "-x", "1"], more, &[&url]].concat();
    let mut child = place.command(arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // What is told as written is in the store.
    while let Some(line) = lines.next_line().await.unwrap() {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        if event["written"].as_u64() == Some(HALF) {
            break;
        }
    }
    // Somebody must go on reading.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, gate)
}

/// Leaves half of `/a` behind.
pub(crate) async fn leave_half(place: &Place, more: &[&str]) {
    let (mut child, _gate) = held(place, more).await;
    child.kill().await.unwrap();
    place.server.clear_log();
}

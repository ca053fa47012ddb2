//! Disks that are full, too small, not ours to write to, or written to by others.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use common::{MIB, Place, assert_content, run_to, tagged};
use okdownload::output::*;
use okdownload::prelude::*;
use okdownload::*;
use okdownload_testkit::server::{Body, Gate, Reply};

const SIZE: u64 = 12 * MIB;

/// A disk of a few MiB: the real one underneath, with the space counted.
#[derive(Debug, Clone)]
struct SmallDisk {
    inner: Arc<dyn OutputStreamFactory>,
    space: Arc<Mutex<Space>>,
}

#[derive(Debug)]
struct Space {
    capacity: u64,
    /// Whether it can reserve space, as ext4 can and some others can't.
    reserves: bool,
    /// What the system says when it is full.
    errno: i32,
    /// By part: what is reserved, and what is written.
    taken: BTreeMap<Location, (u64, u64)>,
}

const ENOSPC: i32 = 28;
const EDQUOT: i32 = 122;

impl SmallDisk {
    fn new(capacity: u64, reserves: bool) -> Self {
        let space = Space { capacity, reserves, errno: ENOSPC, taken: BTreeMap::new() };
        Self { inner: Arc::new(FileOutput::new()), space: Arc::new(Mutex::new(space)) }
    }

    fn set(&self, change: impl FnOnce(&mut Space)) {
        change(&mut self.space.lock().unwrap());
    }

    fn engine(&self, place: &Place) -> OkDownload {
        place.builder().output_stream_factory(self.clone()).build().unwrap()
    }
}

impl Space {
    fn free(&self) -> u64 {
        let taken: u64 = self.taken.values().map(|(reserved, written)| reserved.max(written)).sum();
        self.capacity.saturating_sub(taken)
    }

    fn full(&self) -> Error {
        Error::io("cannot write", std::io::Error::from_raw_os_error(self.errno))
    }

    fn take(&mut self, part: &Location, change: impl FnOnce(&mut (u64, u64))) -> Result<()> {
        let before = self.taken.get(part).copied().unwrap_or_default();
        let mut after = before;
        change(&mut after);
        if after.0.max(after.1) - before.0.max(before.1) > self.free() {
            return Err(self.full());
        }
        self.taken.insert(part.clone(), after);
        Ok(())
    }
}

#[derive(Debug)]
struct SmallPart {
    inner: Arc<dyn OutputStream>,
    part: Location,
    disk: SmallDisk,
}

#[async_trait]
impl OutputStreamFactory for SmallDisk {
    fn capability(&self, location: &Location) -> OutputCapability {
        self.inner.capability(location)
    }
    async fn boot_id(&self) -> Option<String> {
        self.inner.boot_id().await
    }
    async fn stat(&self, location: &Location) -> Result<Option<Stat>> {
        self.inner.stat(location).await
    }
    async fn open_part(&self, part: &Location, mode: OpenMode) -> Result<Option<Arc<dyn OutputStream>>> {
        let Some(inner) = self.inner.open_part(part, mode).await? else { return Ok(None) };
        Ok(Some(Arc::new(SmallPart { inner, part: part.clone(), disk: self.clone() })))
    }
    async fn free_space(&self, _: &Location) -> Result<Option<FreeSpace>> {
        Ok(Some(FreeSpace::new(self.space.lock().unwrap().free(), Some(1))))
    }
    async fn remove(&self, location: &Location) -> Result<bool> {
        self.inner.remove(location).await
    }
}

#[async_trait]
impl OutputStream for SmallPart {
    fn identity(&self) -> Option<FileIdentity> {
        self.inner.identity()
    }
    fn initial_length(&self) -> u64 {
        self.inner.initial_length()
    }
    async fn write_at(&self, offset: u64, data: Vec<Bytes>) -> Result<()> {
        let bytes: u64 = data.iter().map(|piece| piece.len() as u64).sum();
        self.disk.space.lock().unwrap().take(&self.part, |taken| taken.1 += bytes)?;
        self.inner.write_at(offset, data).await
    }
    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        self.inner.read_at(offset, length).await
    }
    async fn scan(&self, range: std::ops::Range<u64>, consumer: Consumer) -> Result<()> {
        self.inner.scan(range, consumer).await
    }
    async fn preallocate(&self, length: u64) -> Result<()> {
        let mut space = self.disk.space.lock().unwrap();
        if space.reserves { space.take(&self.part, |taken| taken.0 = taken.0.max(length)) } else { Ok(()) }
    }
    async fn allocated(&self) -> Result<u64> {
        let space = self.disk.space.lock().unwrap();
        Ok(space.taken.get(&self.part).map_or(0, |(reserved, written)| *reserved.max(written)))
    }
    async fn set_length(&self, length: u64) -> Result<()> {
        self.inner.set_length(length).await
    }
    async fn flush_and_sync(&self) -> Result<()> {
        self.inner.flush_and_sync().await
    }
    async fn commit(&self, to: &Location, options: CommitOptions) -> Result<()> {
        self.inner.commit(to, options).await
    }
    async fn abort(&self) -> Result<()> {
        self.disk.set(|space| space.taken.retain(|part, _| *part != self.part));
        self.inner.abort().await
    }
    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

fn one(place: &Place, name: &str) -> DownloadTask {
    place.task(&format!("/{name}"), name).connection_count(NonZeroU32::MIN).build().unwrap()
}

/// Two resources of one length, at `/a` and `/b`.
async fn place() -> (Place, Body) {
    let (place, body) = (Place::new().await, Body::pattern(1, SIZE));
    for path in ["/a", "/b"] {
        place.server.serve(path, tagged(body.clone()));
    }
    (place, body)
}

fn assert_short(end: &TaskEnd, words: &[&str]) {
    let error = end.error.as_ref().unwrap();
    assert_eq!((end.cause, error.kind()), (EndCause::PreAllocateFailed, ErrorKind::NoSpace), "{error}");
    let text = error.to_string();
    assert!(words.iter().all(|word| text.contains(word)) && error.advice().is_some(), "{text}");
}

#[tokio::test]
async fn two_downloads_are_not_promised_the_same_space() {
    let (place, body) = place().await;
    let ok = SmallDisk::new(20 * MIB, false).engine(&place);
    let first = run_to(&place, &ok, one(&place, "a"), 2 * MIB).await;
    // 18 MiB are free, of which the first one takes ten more.
    let missing = format!("missing: {}, needed: {SIZE}, free: {}", 4 * MIB, 18 * MIB);
    let reserved = format!("reserved for other downloads: {}", 10 * MIB);
    let second = ok.task(one(&place, "b")).enqueue().await;
    assert_short(&second, &[&missing, &reserved, "files/b"]);
    // It heard so before it fetched.
    assert_eq!((place.server.requests_for("/b").len(), second.fetched), (1, 0));
    assert_eq!(place.files(), ["a.okdownload"]);
    // However the first one ends, what it was promised is free again.
    first.cancel();
    first.await;
    assert!(ok.task(one(&place, "b")).enqueue().await.is_completed());
    assert_content(&place.path("b"), &body);
    ok.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_is_allocated_is_not_promised_as_well() {
    let (place, body) = place().await;
    let ok = SmallDisk::new(25 * MIB, true).engine(&place);
    let first = run_to(&place, &ok, one(&place, "a"), 2 * MIB).await;
    assert!(ok.task(one(&place, "b")).enqueue().await.is_completed());
    assert_content(&place.path("b"), &body);
    first.cancel();
    first.await;
    ok.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_disk_that_becomes_full_keeps_what_is_there() {
    for errno in [ENOSPC, EDQUOT] {
        let (place, body) = place().await;
        let disk = SmallDisk::new(20 * MIB, false);
        disk.set(|space| space.errno = errno);
        let ok = disk.engine(&place);
        let gate = Gate::new();
        place.server.script("/a", [Reply::resource().gate_after(6 * MIB, &gate)]);
        let handle = ok.task(one(&place, "a")).enqueue();
        handle.progress().wait_for(|progress| progress.written == 6 * MIB).await.unwrap();
        // Somebody else takes all but one MiB.
        disk.set(|space| space.capacity = 7 * MIB);
        gate.open();
        let end = handle.await;
        assert_short(&end, &["needed: ", "free: ", "path: "]);
        assert_eq!(place.files(), ["a.okdownload"]);
        // As long as nothing changes, it is said before anything is fetched.
        place.server.clear_log();
        let end = ok.task(one(&place, "a")).enqueue().await;
        assert_short(&end, &["missing: ", "files/a"]);
        assert_eq!((place.server.requests().len(), end.fetched), (1, 0));
        ok.shutdown().await.unwrap();
        disk.set(|space| space.capacity = 20 * MIB);
        let ok = disk.engine(&place);
        let end = ok.download(one(&place, "a")).await.unwrap();
        assert!(end.resumed >= 6 * MIB, "{end:?}");
        assert_content(&place.path("a"), &body);
        ok.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn what_was_allocated_can_be_gone_on_with_on_a_full_disk() {
    let (place, body) = place().await;
    let disk = SmallDisk::new(20 * MIB, true);
    let ok = disk.engine(&place);
    let first = run_to(&place, &ok, one(&place, "a"), 2 * MIB).await;
    first.cancel();
    first.await;
    disk.set(|space| space.capacity = SIZE);
    assert_eq!(ok.download(one(&place, "a")).await.unwrap().resumed, 2 * MIB);
    assert_content(&place.path("a"), &body);
    ok.shutdown().await.unwrap();
}

/// What others do to a part that is being written.
fn by_others(what: &str, part: &std::path::Path) {
    let open = || std::fs::OpenOptions::new().write(true).open(part).unwrap();
    match what {
        "removed" => std::fs::remove_file(part).unwrap(),
        "emptied" => open().set_len(0).unwrap(),
        "cut" => open().set_len(MIB / 4).unwrap(),
        "replaced" => {
            std::fs::write(part.with_extension("other"), vec![7; SIZE as usize]).unwrap();
            std::fs::rename(part.with_extension("other"), part).unwrap();
        }
        "moved" => std::fs::rename(part, part.with_extension("moved")).unwrap(),
        "directory removed" => std::fs::remove_dir_all(part.parent().unwrap()).unwrap(),
        _ => panic!("{what}"),
    }
}

#[tokio::test]
async fn a_part_that_others_change_never_becomes_the_file() {
    for what in ["removed", "emptied", "cut", "replaced", "moved", "directory removed"] {
        for connections in [1, 4] {
            let (place, body) = place().await;
            let ok = place.engine();
            let gate = Gate::new();
            place.server.script("/a", [Reply::resource().gate_after(MIB / 2, &gate)]);
            let task = place.task("/a", "a").connection_count(NonZeroU32::new(connections).unwrap());
            let task = task.build().unwrap();
            let handle = ok.task(task.clone()).enqueue();
            gate.reached().await;
            // With several connections, all the others' bytes are there.
            let there = if connections == 1 { MIB / 2 } else { 4 * MIB };
            handle.progress().wait_for(|progress| progress.written >= there).await.unwrap();
            by_others(what, &place.path("a.okdownload"));
            gate.open();
            let end = handle.await;
            let error = end.error.unwrap_or_else(|| panic!("{what} with {connections}"));
            assert!(error.kind() == ErrorKind::Io && error.advice().is_some(), "{what}: {error}");
            assert!(!place.path("a").exists(), "{what}");
            ok.shutdown().await.unwrap();
            let ok = place.engine();
            ok.download(task).await.unwrap();
            assert_content(&place.path("a"), &body);
            ok.shutdown().await.unwrap();
        }
    }
}

/// Another engine, with another store, as another program has it.
fn other_program() -> OkDownload {
    OkDownload::builder().download_store(okdownload_store_memory::MemoryStore::new()).build().unwrap()
}

#[tokio::test]
async fn the_second_program_on_a_file_is_refused_or_finds_it_complete() {
    let (place, body) = place().await;
    let day = SystemTime::now() - Duration::from_secs(86_400);
    place.server.serve("/a", tagged(body.clone()).last_modified(day));
    let ok = place.engine();
    let first = run_to(&place, &ok, one(&place, "a"), 2 * MIB).await;
    let second = other_program().task(one(&place, "a")).enqueue().await;
    assert_eq!(second.cause, EndCause::FileBusy, "{:?}", second.error);
    first.cancel();
    first.await;
    // Now the other one has asked already when the first one ends.
    let gate = Gate::new();
    place.server.script("/a", [Reply::resource().gate_head(&gate)]);
    let late = other_program();
    place.server.clear_log();
    let second = late.task(one(&place, "a")).enqueue();
    place.server.wait_for_requests(1).await;
    ok.download(one(&place, "a")).await.unwrap();
    gate.open();
    let second = second.await;
    assert!(second.is_completed(), "{second:?}");
    assert_eq!(place.files(), ["a"]);
    assert_content(&place.path("a"), &body);
    ok.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_file_that_appears_meanwhile_and_is_another_one_stays() {
    let (place, _) = place().await;
    let ok = place.engine();
    let gate = Gate::new();
    place.server.script("/a", [Reply::resource().gate_after(2 * MIB, &gate)]);
    let handle = ok.task(one(&place, "a")).enqueue();
    handle.progress().wait_for(|progress| progress.written == 2 * MIB).await.unwrap();
    std::fs::write(place.path("a"), "another").unwrap();
    gate.open();
    assert_eq!(handle.await.error.unwrap().kind(), ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(place.path("a")).unwrap(), b"another");
    ok.shutdown().await.unwrap();
}

#[tokio::test]
async fn places_where_no_file_can_be() {
    let (place, _) = place().await;
    std::fs::create_dir_all(place.path("directory")).unwrap();
    std::fs::write(place.path("file"), "x").unwrap();
    let ok = place.engine();
    for (name, kind) in [
        ("directory", ErrorKind::AlreadyExists),
        ("file/a", ErrorKind::Misuse),
        ("file/b/a", ErrorKind::Misuse),
        (&"n".repeat(300), ErrorKind::Misuse),
    ] {
        let task = place.task("/a", name).build().unwrap();
        let error = ok.task(task).enqueue().await.error.unwrap();
        assert!(error.kind() == kind && error.advice().is_some(), "{name}: {error:?}");
    }
    assert_eq!(place.files(), ["directory", "file"]);
    ok.shutdown().await.unwrap();
}

#[cfg(unix)]
mod processes {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    /// The process that downloads what its parent says, and says how that ended.
    #[tokio::test]
    async fn child() {
        let Ok(told) = std::env::var("OKDOWNLOAD_DISK") else { return };
        let [url, path, state, preallocate] = told.split('\n').collect::<Vec<_>>()[..] else {
            panic!("{told}")
        };
        let task = DownloadTask::builder(url, Target::file(path)).connection_count(NonZeroU32::MIN);
        let task = task.preallocate(preallocate == "true").build().unwrap();
        let store = okdownload::store::SqliteStore::new(state);
        let ok = OkDownload::builder().download_store(store).build().unwrap();
        let end = ok.task(task).enqueue().await;
        ok.shutdown().await.unwrap();
        println!("it ended: {:?}", end.into_result());
    }

    /// How a download ends in a process of its own, which `change` may restrict.
    fn in_a_child(
        place: &Place,
        preallocate: bool,
        limit: &str,
        change: impl FnOnce(&mut Command),
    ) -> String {
        let state = place.directory.path().join("child");
        std::fs::create_dir_all(&state).unwrap();
        std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o777)).unwrap();
        let told = [
            place.server.url("/a").as_str(),
            place.path("a").to_str().unwrap(),
            state.join("test.db").to_str().unwrap(),
            &preallocate.to_string(),
        ]
        .join("\n");
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{limit} exec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "processes::child"])
            .env("OKDOWNLOAD_DISK", told)
            .stdin(Stdio::null());
        change(&mut command);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.split_once("it ended: "));
        line.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr))).1.to_owned()
    }

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_directory_that_may_not_be_written_to() {
        let (place, _) = place().await;
        std::fs::create_dir_all(place.path("")).unwrap();
        set_mode(place.directory.path(), 0o755);
        set_mode(&place.path(""), 0o555);
        // Root may write everywhere.
        let root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        let ended = in_a_child(&place, true, "", |command| {
            if root {
                command.uid(65_534).gid(65_534);
            }
        });
        assert!(ended.starts_with("Err(PermissionDenied: "), "{ended}");
        assert!(ended.contains("a.okdownload") && ended.contains("that you may write to"), "{ended}");
        set_mode(&place.path(""), 0o755);
        assert!(place.files().is_empty());
    }

    /// The kernel itself refuses bytes in the middle: a process may be told how long its files may be.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_write_that_the_system_refuses_in_the_middle_keeps_what_is_there() {
        let (place, body) = place().await;
        // 4 MiB in units of 512 bytes; some shells count in KiB. The signal must not kill.
        let limit = "trap '' XFSZ; ulimit -f 8192;";
        let ended = in_a_child(&place, false, limit, |_| {});
        assert!(ended.starts_with("Err(Unsupported: cannot write the part"), "{ended}");
        assert_eq!(place.files(), ["a.okdownload"]);
        place.server.clear_log();
        let ended = in_a_child(&place, false, "", |_| {});
        assert!(ended.starts_with("Ok("), "{ended}");
        assert!(place.server.bytes_sent() < SIZE - 2 * MIB, "{}", place.server.bytes_sent());
        assert_content(&place.path("a"), &body);
    }
}

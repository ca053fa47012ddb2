//! What stands in the way of a local file, and what others do to it meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic here is a test that failed"
)]
#![cfg(unix)]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use okdownload_output::{CommitOptions, OpenMode, OutputStream, OutputStreamFactory, StatKind};
use okdownload_output_file::FileOutput;
use okdownload_types::{Error, ErrorKind, Location, Result};
use tempfile::TempDir;

struct Place(TempDir, FileOutput);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap(), FileOutput::new())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    async fn open(&self, path: impl AsRef<Path>, mode: OpenMode) -> Result<Option<Arc<dyn OutputStream>>> {
        self.1.open_part(&Location::Path(self.0.path().join(path)), mode).await
    }

    async fn part(&self, name: &str) -> Arc<dyn OutputStream> {
        let part = self.open(name, OpenMode::Create).await.unwrap().unwrap();
        part.write_at(0, vec!["new".into()]).await.unwrap();
        part
    }

    async fn commit(&self, part: &dyn OutputStream, name: &str, replace: bool) -> Result<()> {
        part.commit(&Location::Path(self.path(name)), CommitOptions::new(replace, false, None)).await
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
}

#[track_caller]
fn assert_error<T>(result: Result<T>, kind: ErrorKind, words: &[&str]) {
    let Err(error) = result else { panic!("it succeeded") };
    let text = error.to_string();
    assert!(error.kind() == kind && words.iter().all(|word| text.contains(word)), "{error:?}");
}

fn fifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[tokio::test]
async fn only_regular_files_are_parts() {
    let place = Place::new();
    std::fs::write(place.path("file"), "old").unwrap();
    std::fs::create_dir(place.path("directory")).unwrap();
    fifo(&place.path("fifo"));
    let _socket = UnixListener::bind(place.path("socket")).unwrap();
    symlink(place.path("file"), place.path("link")).unwrap();
    symlink(place.path("nowhere"), place.path("dangling")).unwrap();
    for (name, is) in [
        ("directory", "a directory"),
        ("fifo", "a named pipe"),
        ("socket", "a socket"),
        ("link", "a symbolic link"),
        ("dangling", "a symbolic link"),
        ("/dev/null", "a device"),
    ] {
        for mode in [OpenMode::Existing, OpenMode::Create] {
            let part = place.open(name, mode).await;
            assert_error(part, ErrorKind::AlreadyExists, &[name, is, "remove it"]);
        }
    }
    assert_eq!(place.read("file"), "old");
    assert!(!place.path("nowhere").exists());
}

#[tokio::test]
async fn paths_that_cannot_be() {
    let place = Place::new();
    std::fs::write(place.path("file"), "old").unwrap();
    symlink(place.path("a"), place.path("b")).unwrap();
    symlink(place.path("b"), place.path("a")).unwrap();
    symlink(place.path("nowhere"), place.path("dangling")).unwrap();
    let long = "x".repeat(256);
    for path in ["file/part", "file/a/b/part", "a/part", "dangling/part", "nul\0", &long, "..", "file/"] {
        assert_error(place.open(path, OpenMode::Create).await, ErrorKind::Misuse, &["path: "]);
    }
    assert!(place.open("file/part", OpenMode::Existing).await.unwrap().is_none());
    let empty = place.1.open_part(&Location::Path(PathBuf::new()), OpenMode::Create).await;
    assert_error(empty, ErrorKind::Misuse, &["names no file"]);

    let below = Location::Path(place.path("file/part"));
    assert_error(
        place.1.stat(&below).await,
        ErrorKind::Misuse,
        &["file/part", "a part of this path is a file"],
    );
    assert!(!place.1.remove(&below).await.unwrap());
    assert!(place.1.free_space(&below).await.unwrap().is_some());
}

#[tokio::test]
async fn directories_are_not_removed() {
    let place = Place::new();
    let directory = Location::Path(place.0.path().to_owned());
    assert_error(place.1.remove(&directory).await, ErrorKind::Misuse, &["directory"]);
}

#[tokio::test]
async fn stat_follows_links() {
    let place = Place::new();
    std::fs::write(place.path("file"), "four").unwrap();
    symlink(place.path("file"), place.path("link")).unwrap();
    symlink(place.path("nowhere"), place.path("dangling")).unwrap();
    fifo(&place.path("fifo"));
    let stat = async |name| place.1.stat(&Location::Path(place.path(name))).await.unwrap();
    assert_eq!(stat("link").await, stat("file").await);
    assert_eq!(stat("link").await.unwrap().length, 4);
    // It has the name all the same, so nothing else can take it.
    assert_eq!(stat("dangling").await.unwrap().kind, StatKind::Other);
    assert_eq!(stat("fifo").await.unwrap().kind, StatKind::Other);
    assert_eq!(stat("").await.unwrap().kind, StatKind::Directory);
}

#[tokio::test]
async fn a_directory_that_may_not_be_written() {
    let place = Place::new();
    std::fs::create_dir(place.path("closed")).unwrap();
    let mode = |mode| {
        std::fs::set_permissions(place.path("closed"), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o555);
    // To root nothing is closed; then all that can be seen is that it works. The error's mapping has a table of its own.
    let closed = std::fs::write(place.path("closed/try"), "").is_err();
    for name in ["closed/part", "closed/directory/part"] {
        let opened = place.open(name, OpenMode::Create).await;
        if closed {
            assert_error(opened, ErrorKind::PermissionDenied, &["closed", "may write to"]);
        } else {
            opened.unwrap().unwrap().abort().await.unwrap();
        }
    }
    mode(0o755);
}

#[tokio::test]
async fn a_directory_that_may_not_be_read_is_durable_too() {
    let place = Place::new();
    let part = place.part("hidden/part").await;
    let hidden = place.path("hidden");
    std::fs::set_permissions(&hidden, std::fs::Permissions::from_mode(0o333)).unwrap();
    part.flush_and_sync().await.unwrap();
    let to = Location::Path(hidden.join("done"));
    part.commit(&to, CommitOptions::new(false, true, None)).await.unwrap();
    std::fs::set_permissions(&hidden, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(place.read("hidden/done"), "new");
}

#[tokio::test]
async fn only_files_and_links_are_replaced() {
    let place = Place::new();
    std::fs::create_dir(place.path("directory")).unwrap();
    fifo(&place.path("fifo"));
    let part = place.part("part").await;
    for (name, is) in [("directory", "a directory"), ("fifo", "a named pipe")] {
        for replace in [false, true] {
            let words = [name, is, "another name"];
            assert_error(place.commit(&*part, name, replace).await, ErrorKind::AlreadyExists, &words);
        }
    }
    std::fs::write(place.path("file"), "old").unwrap();
    symlink(place.path("file"), place.path("link")).unwrap();
    assert_error(place.commit(&*part, "link", false).await, ErrorKind::AlreadyExists, &["a symbolic link"]);
    place.commit(&*part, "link", true).await.unwrap();
    assert_eq!((place.read("link"), place.read("file")), ("new".into(), "old".into()));
}

#[tokio::test]
async fn a_refused_commit_can_be_repeated_elsewhere() {
    let place = Place::new();
    std::fs::write(place.path("done"), "old").unwrap();
    let part = place.part("part").await;
    assert_error(place.commit(&*part, "done", false).await, ErrorKind::AlreadyExists, &["a regular file"]);
    assert_error(place.commit(&*part, "no/done", false).await, ErrorKind::NotFound, &["no/done"]);
    assert_error(place.commit(&*part, "..", false).await, ErrorKind::Misuse, &["names no file"]);
    assert_error(place.open("part", OpenMode::Create).await, ErrorKind::FileBusy, &[]);
    place.commit(&*part, "done (1)", false).await.unwrap();
    assert_eq!((place.read("done"), place.read("done (1)")), ("old".into(), "new".into()));
}

#[tokio::test]
async fn a_stranger_in_the_parts_place_is_not_touched() {
    for stranger in [None, Some("stranger")] {
        let place = Place::new();
        let part = place.part("part").await;
        std::fs::remove_file(place.path("part")).unwrap();
        if let Some(bytes) = stranger {
            std::fs::write(place.path("part"), bytes).unwrap();
        }
        let words = ["removed or replaced", "download it again"];
        assert_error(place.commit(&*part, "done", true).await, ErrorKind::Io, &words);
        part.abort().await.unwrap();
        assert!(!place.path("done").exists());
        assert_eq!(std::fs::read_to_string(place.path("part")).ok().as_deref(), stranger);
    }
}

#[tokio::test]
async fn a_part_that_others_cut_gets_no_name() {
    let place = Place::new();
    let part = place.part("part").await;
    std::fs::OpenOptions::new().write(true).open(place.path("part")).unwrap().set_len(1).unwrap();
    let words = ["shortened", "length: 1", "expected: 3"];
    assert_error(place.commit(&*part, "done", false).await, ErrorKind::Io, &words);
    // Cut by ourselves it is what was wanted.
    part.set_length(1).await.unwrap();
    place.commit(&*part, "done", false).await.unwrap();
    assert_eq!(place.read("done"), "n");
}

/// The hole would make it look whole.
#[tokio::test]
async fn nothing_is_written_behind_what_others_cut_off() {
    let place = Place::new();
    let part = place.part("part").await;
    std::fs::OpenOptions::new().write(true).open(place.path("part")).unwrap().set_len(1).unwrap();
    let written = part.write_at(3, vec!["more".into()]).await;
    assert_error(written, ErrorKind::Io, &["shortened", "length: 1", "expected: 3"]);
    // Where it was cut nobody knows for certain, so nothing of it is kept.
    part.close().await.unwrap();
    assert_eq!(place.read("part"), "");
}

#[tokio::test]
async fn what_is_written_is_allocated() {
    const LENGTH: u64 = 1 << 20;
    let place = Place::new();
    let part = place.part("part").await;
    let noise = (0..LENGTH).map(|n| (n.wrapping_mul(n).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8);
    part.write_at(0, vec![noise.collect()]).await.unwrap();
    part.flush_and_sync().await.unwrap();
    let allocated = part.allocated().await.unwrap();
    assert!((LENGTH..2 * LENGTH).contains(&allocated), "{allocated}");
    part.close().await.unwrap();
}

#[tokio::test]
async fn more_than_any_file_can_hold_is_not_reserved() {
    let place = Place::new();
    let part = place.part("part").await;
    for length in [(1 << 63) - 1, 1 << 63, u64::MAX] {
        let refused = part.preallocate(length).await.map_err(|error: Error| error.kind());
        // File systems without reservation take any length that a file could have.
        let kinds = [Err(ErrorKind::NoSpace), Err(ErrorKind::Unsupported), Ok(())];
        assert!(if length < 1 << 63 { kinds.contains(&refused) } else { refused == Err(ErrorKind::Misuse) });
    }
    assert_eq!(std::fs::metadata(place.path("part")).unwrap().len(), 3);
}

#[tokio::test]
async fn identities_tell_files_apart() {
    let place = Place::new();
    let (a, b) = (place.part("a").await, place.part("b").await);
    assert_ne!(a.identity(), b.identity());
    assert!(a.identity().is_some_and(|identity| identity.number != 0));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn reserved_space_is_there() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let part = place.part("part").await;
    part.preallocate(1 << 20).await.unwrap();
    let metadata = std::fs::metadata(place.path("part")).unwrap();
    let reserved = metadata.blocks() * 512;
    // Where the file system reserves nothing, nothing was written either.
    assert!(metadata.len() == 3 && !(64 << 10..1 << 20).contains(&reserved), "{reserved}");
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(place.1.boot_id().await.as_deref(), Some(id.trim()));
}

/// Runs a program from this file, which lasts until its standard input is closed.
#[cfg(target_os = "linux")]
fn run(program: &Path) -> std::process::Child {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};
    loop {
        // One that is many programs in one looks at the name that it was called by.
        match Command::new(program).arg0("sh").args(["-c", "read line"]).stdin(Stdio::piped()).spawn() {
            // A child of another test has just been forked, and still holds what we wrote it through.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            started => return started.unwrap(),
        }
    }
}

/// Nobody may write it then; to read it and to sync it is another matter.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_program_that_is_being_run_can_be_read_and_synced() {
    let place = Place::new();
    std::fs::copy("/bin/sh", place.path("program")).unwrap();
    let mut running = run(&place.path("program"));
    let words = ["program", "is being run"];
    assert_error(place.open("program", OpenMode::Create).await, ErrorKind::FileBusy, &words);
    let part = place.open("program", OpenMode::Existing).await.unwrap().unwrap();
    assert_eq!(part.read_at(1, 3).await.unwrap(), "ELF");
    part.flush_and_sync().await.unwrap();
    assert_error(place.open("program", OpenMode::Existing).await, ErrorKind::FileBusy, &["another download"]);
    for changed in [
        part.write_at(0, vec!["new".into()]).await,
        part.set_length(0).await,
        part.preallocate(1).await,
        part.abort().await,
    ] {
        assert_error(changed, ErrorKind::FileBusy, &words);
    }
    assert_eq!(std::fs::read(place.path("program")).unwrap(), std::fs::read("/bin/sh").unwrap());
    drop(running.stdin.take());
    running.wait().unwrap();
    place.open("program", OpenMode::Existing).await.unwrap().unwrap().abort().await.unwrap();
}

//! Makes a [`Recording`] of a run.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::libc;
use okdownload_testkit::disk::{Edit, Image, NameChange};
use rustix::fs::{AtFlags, CWD, linkat};

use super::calls::{Meaning, meaning};
use super::disk::{Event, Recording, Tree, What};
use super::trace::{self, Call, Thread, Watcher};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The boot that a run believes to be on, if the next one is to be after a loss of power.
pub(crate) const EARLIER_BOOT: &str = "00000000-1111-2222-3333-444444444444\n";

/// The directories that are watched, and where the files in them are kept once nobody names them.
///
/// A part is known again by its inode and its time of birth, so a state can't be made of new files: each file that a run
/// made gets one more name, in `kept`, and is given its bytes and names of a state again later.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub(crate) roots: Vec<PathBuf>,
    pub(crate) kept: PathBuf,
}

struct Recorder<'a> {
    ground: &'a Ground,
    boot: Option<&'static str>,
    boot_ids: u32,
    out: PathBuf,
    recording: Recording,
    /// What it must look like now.
    tree: Tree,
    now: u32,
    under_way: HashMap<Thread, (u32, Step)>,
}

/// What a call will have done when it is over.
#[derive(Debug)]
enum Step {
    Nothing,
    Open { path: PathBuf, was_there: bool, truncates: bool },
    Does(What),
    Boot { buffer: u64, position: u64 },
}

/// Runs the program to its end, which must be a good one. With `boot`, the program believes to be on that boot.
pub(crate) fn record(ground: &Ground, program: &Command, boot: Option<&'static str>) -> Recording {
    let begin = scan(ground);
    let out = ground.kept.with_file_name("out");
    let mut recorder = Recorder {
        ground,
        boot,
        boot_ids: 0,
        out,
        tree: begin.clone(),
        recording: Recording { begin, events: Vec::new(), moments: 0 },
        now: 0,
        under_way: HashMap::new(),
    };
    let code = trace::run(program, &mut recorder);
    let said = |name: &str| std::fs::read_to_string(ground.kept.with_file_name(name)).unwrap();
    assert_eq!((code, said("err")), (0, String::new()), "{}", said("out"));
    assert!(recorder.boot_ids > 0, "it did not ask which boot this is");
    recorder.finish()
}

/// What is there, with one more name for each file.
pub(crate) fn scan(ground: &Ground) -> Tree {
    let mut tree = Tree::default();
    let mut open: Vec<PathBuf> = ground.roots.clone();
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = std::fs::symlink_metadata(&path).unwrap();
            tree.names.insert(path.clone(), metadata.ino());
            if metadata.is_dir() {
                tree.directories.insert(metadata.ino());
                open.push(path);
            } else {
                keep(ground, &path, &metadata);
                let image =
                    Image { bytes: std::fs::read(&path).unwrap(), modified: metadata.modified().ok() };
                tree.files.insert(metadata.ino(), image);
            }
        }
    }
    tree
}

/// Gives a file one more name. With its old one open, or gone, the way is that of the descriptor.
fn keep(ground: &Ground, path: &Path, metadata: &Metadata) {
    let kept = ground.kept.join(metadata.ino().to_string());
    if !kept.exists() {
        linkat(CWD, path, CWD, kept, AtFlags::SYMLINK_FOLLOW).unwrap();
    }
}

impl Watcher for Recorder<'_> {
    fn enters(&mut self, thread: &Thread, call: Call) {
        let step = self.step(*thread, call);
        if !matches!(step, Step::Nothing) {
            self.now += 1;
            self.under_way.insert(*thread, (self.now, step));
        }
    }

    fn leaves(&mut self, thread: &Thread, returned: i64) {
        let Some((entered, step)) = self.under_way.remove(thread) else { return };
        self.now += 1;
        if returned < 0 {
            return;
        }
        let left = self.now;
        match step {
            Step::Nothing => {}
            Step::Open { path, was_there, truncates } => {
                let descriptor = thread.descriptor(returned.cast_unsigned());
                // A thread that is gone tells no more; what it did is seen in the end.
                let Ok(metadata) = std::fs::metadata(&descriptor) else { return };
                if !was_there {
                    keep(self.ground, &descriptor, &metadata);
                    let change = NameChange { from: None, to: Some(path), file: metadata.ino() };
                    self.add(Event { entered, left, what: What::Name(change) });
                } else if truncates {
                    self.add(Event { entered, left, what: What::Edit(metadata.ino(), Edit::Length(0)) });
                }
            }
            Step::Does(What::Edit(file, Edit::Data(offset, data))) => {
                // It may have taken less than it was given.
                let data = data.slice(..returned as usize);
                self.add(Event { entered, left, what: What::Edit(file, Edit::Data(offset, data)) });
            }
            Step::Does(What::Name(mut change)) if change.file == 0 => {
                // A directory that was made.
                change.file = std::fs::metadata(change.to.as_ref().unwrap()).unwrap().ino();
                self.tree.directories.insert(change.file);
                self.recording.begin.directories.insert(change.file);
                self.add(Event { entered, left, what: What::Name(change) });
            }
            Step::Does(what) => self.add(Event { entered, left, what }),
            Step::Boot { buffer, position } => {
                if let Some(boot) = self.boot {
                    let end = (position + returned.cast_unsigned()) as usize;
                    // A thread that is gone reads nothing either.
                    let _ = thread.write(buffer, &boot.as_bytes()[position as usize..end]);
                }
                self.boot_ids += 1;
            }
        }
    }
}

impl Recorder<'_> {
    fn add(&mut self, event: Event) {
        self.tree.apply(&event.what);
        if !matches!(event.what, What::Edit(file, _) if self.is_index(file)) {
            self.recording.events.push(event);
        }
    }

    fn is_index(&self, file: u64) -> bool {
        self.tree.names.iter().any(|(path, named)| *named == file && is_index(path))
    }

    fn is_ours(&self, path: &Path) -> bool {
        self.ground.roots.iter().any(|root| path.starts_with(root))
    }

    /// Which of our files it is, and its present name.
    fn ours(&self, thread: Thread, descriptor: u64) -> Option<(u64, PathBuf)> {
        let way = thread.descriptor(descriptor);
        let (metadata, name) = (std::fs::metadata(&way).ok()?, std::fs::read_link(&way).ok()?);
        let is_known = self.tree.files.contains_key(&metadata.ino()) || self.is_ours(&name);
        (is_known && (metadata.is_file() || metadata.is_dir())).then(|| (metadata.ino(), name))
    }

    fn step(&self, thread: Thread, call: Call) -> Step {
        // A thread that is gone does nothing any more.
        let Some(meaning) = meaning(thread, call) else { return Step::Nothing };
        match meaning {
            Meaning::Nothing | Meaning::Reserve { .. } => Step::Nothing,
            Meaning::Unknown => panic!(
                "system call {} ({:x?}) may change files, and the recorder does not know how: teach it",
                call.number, call.arguments
            ),
            Meaning::Open { path, flags } => self.open(path, flags),
            Meaning::Write { descriptor, position, data } => self.write(thread, descriptor, position, data),
            Meaning::Read { descriptor, buffer } => {
                let is_id =
                    std::fs::read_link(thread.descriptor(descriptor)).is_ok_and(|path| path == *BOOT_ID);
                match thread.position(descriptor).filter(|_| is_id) {
                    Some(position) => Step::Boot { buffer, position },
                    None => Step::Nothing,
                }
            }
            Meaning::SetLength { descriptor, length } => self.edit(thread, descriptor, Edit::Length(length)),
            Meaning::SetModified { descriptor, time } => self.edit(thread, descriptor, Edit::Modified(time)),
            Meaning::Sync { descriptor, data_only } => match self.ours(thread, descriptor) {
                Some((file, _)) if self.tree.files.contains_key(&file) => {
                    Step::Does(What::Sync { file, data_only })
                }
                Some((_, directory)) => Step::Does(What::SyncNames(directory)),
                None => Step::Nothing,
            },
            Meaning::Share { descriptor } => self.share(thread, descriptor),
            Meaning::Rename { from, to } => {
                assert_eq!(from.parent(), to.parent(), "renaming between directories is not modelled");
                self.name(Some(from), Some(to))
            }
            Meaning::Link { from, to } => {
                let file = self.tree.names.get(&from).copied();
                let change = |file| NameChange { from: None, to: Some(to), file };
                file.map_or(Step::Nothing, |file| Step::Does(What::Name(change(file))))
            }
            Meaning::Remove { path } => self.name(Some(path), None),
            Meaning::MakeDirectory { path } if self.is_ours(&path) => {
                Step::Does(What::Name(NameChange { from: None, to: Some(path), file: 0 }))
            }
            Meaning::MakeDirectory { .. } => Step::Nothing,
        }
    }

    fn open(&self, path: PathBuf, flags: i32) -> Step {
        if !self.is_ours(&path) {
            return Step::Nothing;
        }
        let has = |flag: i32| flags & flag == flag;
        assert!(
            !has(libc::O_DSYNC) && !has(libc::O_TMPFILE) && !has(libc::O_APPEND),
            "{flags:o} is not modelled"
        );
        let was_there = path.exists();
        let truncates = has(libc::O_TRUNC);
        if (has(libc::O_CREAT) && !was_there) || truncates {
            Step::Open { path, was_there, truncates }
        } else {
            Step::Nothing
        }
    }

    fn write(&self, thread: Thread, descriptor: u64, position: Option<u64>, data: Vec<u8>) -> Step {
        let way = thread.descriptor(descriptor);
        if std::fs::read_link(way).is_ok_and(|path| path == self.out) {
            return Step::Does(What::Told(String::from_utf8(data).unwrap()));
        }
        let Some((file, _)) = self.ours(thread, descriptor) else { return Step::Nothing };
        let Some(flags) = thread.flags(descriptor) else { return Step::Nothing };
        assert_eq!(flags & libc::O_APPEND, 0, "appending is not modelled");
        let Some(position) = position.or_else(|| thread.position(descriptor)) else { return Step::Nothing };
        Step::Does(What::Edit(file, Edit::Data(position, data.into())))
    }

    fn edit(&self, thread: Thread, descriptor: u64, edit: Edit) -> Step {
        self.ours(thread, descriptor).map_or(Step::Nothing, |(file, _)| Step::Does(What::Edit(file, edit)))
    }

    fn name(&self, from: Option<PathBuf>, to: Option<PathBuf>) -> Step {
        let file = from.as_ref().and_then(|from| self.tree.names.get(from)).copied();
        file.map_or(Step::Nothing, |file| Step::Does(What::Name(NameChange { from, to, file })))
    }

    /// Of our files only SQLite's index of its log may be shared memory. It is made anew by whoever opens the database
    /// first, so nothing in it has to survive: a state has noise there.
    fn share(&self, thread: Thread, descriptor: u64) -> Step {
        if let Some((_, name)) = self.ours(thread, descriptor) {
            assert!(is_index(&name), "{} is changed through memory, which is not modelled", name.display());
        }
        Step::Nothing
    }

    /// What was under way when the run ended may have been done, or not. And what was recorded must be what is there.
    fn finish(mut self) -> Recording {
        for (entered, step) in std::mem::take(&mut self.under_way).into_values() {
            if let Step::Does(what) = step {
                self.recording.events.push(Event { entered, left: u32::MAX, what });
            }
        }
        self.recording.moments = self.now + 1;
        let there = scan(self.ground);
        assert_eq!(there.names, self.tree.names, "the recorder has missed changes of names");
        for (path, file) in there.names.iter().filter(|(path, _)| !is_index(path)) {
            let (there, ours) = (there.files.get(file), self.tree.files.get(file));
            let bytes = |image: Option<&Image>| image.map(|image| image.bytes.clone());
            assert!(bytes(there) == bytes(ours), "the recorder has missed changes of {}", path.display());
        }
        self.recording
    }
}

/// Whether it is SQLite's index of its log.
pub(crate) fn is_index(path: &Path) -> bool {
    path.to_string_lossy().ends_with("-shm")
}

//! An open part.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use okdownload_output::{CommitOptions, Consumer, OutputStream};
use okdownload_types::{FileIdentity, Location, Result};

use crate::directories::NewDirectories;
use crate::factory::local;
use crate::patience::patiently;
use crate::sys::Seen;
use crate::work::{Length, ShortWork};
use crate::{error, sys};

/// How much [`scan`](OutputStream::scan) reads at a time: enough to make the calls cheap, and it stays in the cache.
const SCAN_BUFFER: usize = 256 << 10;

/// The stream: sends each call to a thread that may block, but for short work that may be done in place.
#[derive(Debug)]
pub(crate) struct FileStream {
    part: Arc<Part>,
    short_work: Arc<ShortWork>,
}

/// A file, and why it may not be written, if so.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) refusal: Option<io::ErrorKind>,
}

/// What the calls work on.
#[derive(Debug)]
pub(crate) struct Part {
    path: PathBuf,
    /// Read while it is used, written to close it: so closing waits for what is under way.
    file: RwLock<Option<File>>,
    /// Why it may not be written, if so.
    refusal: Option<io::ErrorKind>,
    identity: FileIdentity,
    initial_length: u64,
    /// The length that it must have at least, by what we did to it.
    length: AtomicU64,
    /// Whether somebody has cut it: what is written behind that leaves a hole, so nothing of it is believed any more.
    damaged: AtomicBool,
    /// The file's time of modification, from when it was committed.
    modified: OnceLock<SystemTime>,
    /// Whether the part's own name, and the directories above it, are on disk.
    name_synced: AtomicBool,
    directories: Arc<NewDirectories>,
}

impl FileStream {
    pub(crate) fn new(part: Part, short_work: Arc<ShortWork>) -> Self {
        Self { part: Arc::new(part), short_work }
    }

    /// Runs `work` on the open file.
    async fn run<T: Send + 'static>(
        &self,
        length: Length,
        work: impl FnOnce(&Part, &File) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let part = Arc::clone(&self.part);
        let work = move || {
            let file = part.file.read().unwrap_or_else(PoisonError::into_inner);
            work(&part, file.as_ref().ok_or_else(|| error::closed(&part.path))?)
        };
        self.short_work.run(length, work).await
    }

    /// The same for work that changes it.
    async fn change(
        &self,
        length: Length,
        work: impl FnOnce(&Part, &File) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        self.run(length, |part, file| part.check_writable().and_then(|()| work(part, file))).await
    }

    /// Waits for what is under way, and runs `work`, which may close the file, with nothing beside it.
    async fn run_alone(
        &self,
        length: Length,
        work: impl FnOnce(&Part, &mut Option<File>) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let part = Arc::clone(&self.part);
        let work = move || work(&part, &mut part.file.write().unwrap_or_else(PoisonError::into_inner));
        self.short_work.run(length, work).await
    }
}

/// Closes the file, if it is open.
fn close(slot: &mut Option<File>) {
    if let Some(file) = slot.take() {
        sys::unlock(&file);
    }
}

#[async_trait]
impl OutputStream for FileStream {
    fn identity(&self) -> Option<FileIdentity> {
        Some(self.part.identity)
    }

    fn initial_length(&self) -> u64 {
        self.part.initial_length
    }

    async fn write_at(&self, offset: u64, data: Vec<Bytes>) -> Result<()> {
        let end = data.iter().try_fold(offset, |end, piece| end.checked_add(piece.len() as u64));
        let end =
            end.filter(|end| *end <= sys::LONGEST).ok_or_else(|| error::too_far(&self.part.path, offset))?;
        let length = Length::of(end - offset <= ShortWork::LONGEST_WRITE);
        self.change(length, move |part, file| {
            part.check_length(file)?;
            part.leave_hole(file, offset);
            sys::write_all_at(file, offset, &data).map_err(|source| {
                error::at("cannot write the part", &part.path, source).with_context("offset", offset)
            })?;
            if end > offset {
                part.length.fetch_max(end, Ordering::Release);
            }
            Ok(())
        })
        .await
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        self.run(Length::Long, move |part, file| {
            part.read(file, offset, length).map_err(|e| part.cannot("cannot read the part", e))
        })
        .await
    }

    async fn scan(&self, range: Range<u64>, consumer: Consumer) -> Result<()> {
        self.run(Length::Long, move |part, file| {
            scan(file, range, consumer).map_err(|e| part.cannot("cannot read the part", e))
        })
        .await
    }

    async fn preallocate(&self, length: u64) -> Result<()> {
        if length > sys::LONGEST {
            return Err(error::too_far(&self.part.path, length));
        }
        self.change(Length::Long, move |part, file| {
            sys::allocate(file, length).map_err(|e| part.cannot("cannot reserve the space for the file", e))
        })
        .await
    }

    async fn allocated(&self) -> Result<u64> {
        self.run(Length::Short, |part, file| {
            fs4::FileExt::allocated_size(file).map_err(|e| part.cannot("cannot look at the part", e))
        })
        .await
    }

    async fn set_length(&self, length: u64) -> Result<()> {
        if length > sys::LONGEST {
            return Err(error::too_far(&self.part.path, length));
        }
        self.change(Length::Long, move |part, file| {
            part.leave_hole(file, length);
            part.length.fetch_min(length, Ordering::AcqRel);
            file.set_len(length).map_err(|e| part.cannot("cannot change the part's length", e))?;
            part.length.store(length, Ordering::Release);
            part.damaged.store(false, Ordering::Release);
            Ok(())
        })
        .await
    }

    async fn flush_and_sync(&self) -> Result<()> {
        self.run(Length::Long, |part, file| {
            file.sync_data().map_err(|e| part.cannot("cannot bring the part to the disk", e))?;
            // Bytes whose file has no name after a loss of power are lost as well.
            if !part.name_synced.load(Ordering::Acquire) {
                part.sync_name(file, &part.path)?;
                part.name_synced.store(true, Ordering::Release);
            }
            Ok(())
        })
        .await
    }

    async fn commit(&self, to: &Location, options: CommitOptions) -> Result<()> {
        let to = local(to)?;
        if to.file_name().is_none() {
            return Err(error::no_name(&to));
        }
        // To replace a large file takes as long as to remove it; and on Windows the file may be held for a while.
        let length = Length::of(!options.durable && !options.replace && !cfg!(windows));
        // After an error the part stays open: it may be committed under another name.
        self.run_alone(length, move |part, slot| {
            part.commit(slot.as_ref().ok_or_else(|| error::closed(&part.path))?, &to, &options)?;
            close(slot);
            part.look_at_time(&to);
            Ok(())
        })
        .await
    }

    fn modified(&self) -> Option<SystemTime> {
        self.part.modified.get().copied()
    }

    async fn abort(&self) -> Result<()> {
        self.run_alone(Length::Long, |part, slot| {
            let removed = slot.as_ref().map_or(Ok(()), |file| part.remove(file));
            close(slot);
            removed
        })
        .await
    }

    async fn close(&self) -> Result<()> {
        self.run_alone(Length::Short, |part, slot| {
            let emptied = slot.as_ref().map_or(Ok(()), |file| part.empty_if_damaged(file));
            close(slot);
            emptied
        })
        .await
    }
}

impl Part {
    pub(crate) fn new(path: PathBuf, opened: Opened, seen: &Seen, directories: Arc<NewDirectories>) -> Self {
        Self {
            path,
            file: RwLock::new(Some(opened.file)),
            refusal: opened.refusal,
            identity: seen.identity(),
            initial_length: seen.metadata.len(),
            length: AtomicU64::new(seen.metadata.len()),
            damaged: AtomicBool::new(false),
            modified: OnceLock::new(),
            name_synced: AtomicBool::new(false),
            directories,
        }
    }

    fn cannot(&self, what: &'static str, source: io::Error) -> okdownload_types::Error {
        error::at(what, &self.path, source)
    }

    /// Also asked before it is removed. The system would ask for the right to the directory only; but that somebody has
    /// forbidden to write a file, or runs it, we take as his wish to keep it.
    fn check_writable(&self) -> Result<()> {
        self.refusal.map_or(Ok(()), |refusal| Err(error::not_writable(&self.path, refusal)))
    }

    fn read(&self, file: &File, offset: u64, length: usize) -> io::Result<Bytes> {
        // A caller may ask for "all there is"; only as much is set aside as there is.
        let there = file.metadata()?.len().saturating_sub(offset);
        let mut buffer = vec![0; length.min(usize::try_from(there).unwrap_or(usize::MAX))];
        let read = sys::read_full_at(file, offset, &mut buffer)?;
        buffer.truncate(read);
        Ok(buffer.into())
    }

    /// Nobody else may have cut the file: the next write behind the cut would make it look whole.
    fn check_length(&self, file: &File) -> Result<()> {
        // Looked up first: other writes go on making the file longer.
        let expected = self.length.load(Ordering::Acquire);
        let length = file.metadata().map_err(|e| self.cannot("cannot look at the part", e))?.len();
        if length >= expected && !self.damaged.load(Ordering::Acquire) {
            return Ok(());
        }
        self.damaged.store(true, Ordering::Release);
        Err(error::shortened(&self.path, length, expected))
    }

    /// Called before the file gets longer at `end`: what lies between is a hole, not zeros that are written.
    fn leave_hole(&self, file: &File, end: u64) {
        if end > self.length.load(Ordering::Acquire) {
            sys::allow_holes(file);
        }
    }

    /// How far it was cut before writes that were under way made it longer again, nobody knows.
    fn empty_if_damaged(&self, file: &File) -> Result<()> {
        if !self.damaged.load(Ordering::Acquire) {
            return Ok(());
        }
        file.set_len(0).map_err(|e| self.cannot("cannot change the part's length", e))
    }

    /// Whether the part's path still names our file.
    fn is_named(&self, file: &File) -> Result<bool> {
        let look = || -> io::Result<_> {
            let ours = Seen::of(file)?;
            match Seen::at(&self.path) {
                Ok(named) => Ok(named.is(&ours)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            }
        };
        look().map_err(|e| self.cannot("cannot look at the part", e))
    }

    fn remove(&self, file: &File) -> Result<()> {
        self.check_writable()?;
        if !self.is_named(file)? {
            return Ok(());
        }
        patiently(|| std::fs::remove_file(&self.path)).map_err(|e| self.cannot("cannot remove the part", e))
    }

    fn commit(&self, file: &File, to: &Path, options: &CommitOptions) -> Result<()> {
        // Nobody may give our final name to a file that is not the one we wrote.
        if !self.is_named(file)? {
            return Err(error::replaced(&self.path));
        }
        self.check_length(file)?;
        if let Some(modified) = options.modified {
            self.set_modified(file, modified)?;
        }
        if options.durable {
            // Not only the data: the time of modification is part of what a completion record is compared with.
            file.sync_all().map_err(|e| self.cannot("cannot bring the part to the disk", e))?;
        }
        self.rename(to, options.replace)?;
        if options.durable { self.sync_name(file, to) } else { Ok(()) }
    }

    /// Looks at the time of the closed file: some file systems keep another one than was set, and some set one at the end.
    fn look_at_time(&self, path: &Path) {
        if let Ok(modified) = std::fs::metadata(path).and_then(|metadata| metadata.modified()) {
            self.modified.get_or_init(|| modified);
        }
    }

    /// Some network and FUSE file systems can't do it. A download does not fail for that at its very end: the time of
    /// the file is what it is, and who wants to know can look.
    fn set_modified(&self, file: &File, modified: SystemTime) -> Result<()> {
        use io::ErrorKind as Io;
        match file.set_modified(modified) {
            Err(e) if !matches!(e.kind(), Io::Unsupported | Io::PermissionDenied | Io::InvalidInput) => {
                Err(self.cannot("cannot set the file's time of modification", e))
            }
            _ => Ok(()),
        }
    }

    fn rename(&self, to: &Path, replace: bool) -> Result<()> {
        let renamed = if replace {
            // A directory, a pipe or a device is nothing that "overwrite" was said of.
            match std::fs::symlink_metadata(to) {
                Ok(there) if !there.is_file() && !there.is_symlink() => {
                    return Err(error::taken(to, sys::describe(&there)));
                }
                _ => patiently(|| std::fs::rename(&self.path, to)),
            }
        } else {
            sys::rename_new(&self.path, to)
        };
        renamed.map_err(|source| match std::fs::symlink_metadata(to) {
            Ok(there) if source.kind() == io::ErrorKind::AlreadyExists => {
                error::taken(to, sys::describe(&there))
            }
            _ => error::at("cannot give the file its name", to, source),
        })
    }

    /// Puts the file's name, `path`, on disk.
    fn sync_name(&self, file: &File, path: &Path) -> Result<()> {
        use io::ErrorKind as Io;
        match self.directories.sync_name(path) {
            // A directory that may be written but not read can't be opened to be synced, and some file systems sync no
            // directories. Syncing the file again brings its new name along wherever names are journalled.
            Err(e) if matches!(e.kind(), Io::PermissionDenied | Io::InvalidInput | Io::Unsupported) => {
                file.sync_all()
            }
            done => done,
        }
        .map_err(|e| error::at("cannot bring the file's name to the disk", path, e))
    }
}

fn scan(file: &File, range: Range<u64>, mut consumer: Consumer) -> io::Result<()> {
    let mut offset = range.start;
    let longest = range.end.saturating_sub(offset).min(SCAN_BUFFER as u64);
    let mut buffer = vec![0; usize::try_from(longest).unwrap_or(SCAN_BUFFER)];
    while offset < range.end {
        let wanted = usize::try_from(range.end - offset).unwrap_or(SCAN_BUFFER).min(SCAN_BUFFER);
        let read = sys::read_full_at(file, offset, &mut buffer[..wanted])?;
        consumer(&buffer[..read]);
        if read < wanted {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends early"));
        }
        offset += read as u64;
    }
    Ok(())
}

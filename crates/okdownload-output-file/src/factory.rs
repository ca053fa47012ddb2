//! The factory: opens parts, and answers questions about the places around them.

use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use okdownload_output::{
    FreeSpace, OpenMode, OutputCapability, OutputStream, OutputStreamFactory, Stat, StatKind,
};
use okdownload_types::{Location, Result};

use crate::directories::{NewDirectories, parent};
use crate::patience::patiently;
use crate::stream::{FileStream, Opened, Part};
use crate::sys::Seen;
use crate::work::{Length, ShortWork};
use crate::{error, sys};

/// The output to local files: [`Location::Path`] and nothing else.
///
/// Clones are the same output. Parts are locked against other processes too.
#[derive(Debug, Clone)]
pub struct FileOutput {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    short_work: Arc<ShortWork>,
    boot_id: OnceLock<Option<String>>,
    directories: Arc<NewDirectories>,
}

impl FileOutput {
    /// An output. It touches no disk before it is asked to.
    pub fn new() -> Self {
        Self::working(ShortWork::away())
    }

    /// An output that does short work on the thread that polls the call: looking at a file, opening it, a write of at most
    /// 64 KiB, giving it its name. All else goes to other threads as ever, and so does short work once it is
    /// often slow, as on a network file system: if more than one in five calls takes more than half a millisecond.
    ///
    /// It is for programs whose runtime has nothing better to do, such as a command: thousands of small files take a
    /// fifth less time. A disk that hangs makes the thread hang, and all futures that it would have polled.
    pub fn in_place() -> Self {
        Self::working(ShortWork::in_place())
    }

    fn working(short_work: ShortWork) -> Self {
        let (short_work, boot_id, directories) = (Arc::new(short_work), OnceLock::new(), Arc::default());
        Self { shared: Arc::new(Shared { short_work, boot_id, directories }) }
    }

    /// Does work that is short on a disk that is well.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.shared.short_work.run(Length::Short, work).await
    }
}

impl Default for FileOutput {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl OutputStreamFactory for FileOutput {
    fn capability(&self, _: &Location) -> OutputCapability {
        OutputCapability::FULL
    }

    async fn boot_id(&self) -> Option<String> {
        if let Some(id) = self.shared.boot_id.get() {
            return id.clone();
        }
        let shared = Arc::clone(&self.shared);
        self.run(move || shared.boot_id.get_or_init(sys::boot_id).clone()).await
    }

    async fn stat(&self, location: &Location) -> Result<Option<Stat>> {
        let path = local(location)?;
        self.run(move || look(&path)).await
    }

    async fn open_part(&self, part: &Location, mode: OpenMode) -> Result<Option<Arc<dyn OutputStream>>> {
        let path = local(part)?;
        if path.file_name().is_none() {
            return Err(error::no_name(&path));
        }
        let directories = Arc::clone(&self.shared.directories);
        let short_work = Arc::clone(&self.shared.short_work);
        let work = move || {
            let Some((opened, seen)) = open_locked(&path, mode, &directories)? else { return Ok(None) };
            let part = Part::new(path, opened, &seen, directories);
            Ok(Some(Arc::new(FileStream::new(part, short_work)) as Arc<dyn OutputStream>))
        };
        self.run(work).await
    }

    async fn free_space(&self, location: &Location) -> Result<Option<FreeSpace>> {
        let path = local(location)?;
        self.run(move || free_space(&path)).await
    }

    async fn remove(&self, location: &Location) -> Result<bool> {
        let path = local(location)?;
        let work = move || match patiently(|| std::fs::remove_file(&path)) {
            Ok(()) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(error::at("cannot remove the file", &path, error)),
        };
        // A large one takes long.
        self.shared.short_work.run(Length::Long, work).await
    }
}

pub(crate) fn local(location: &Location) -> Result<PathBuf> {
    location.path().map(Path::to_path_buf).ok_or_else(|| error::not_local(location))
}

/// Nothing is there; below a regular file nothing can be.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn look(path: &Path) -> Result<Option<Stat>> {
    let cannot = |error| error::at("cannot look at the file", path, error);
    let named = match Seen::at(path) {
        Ok(named) if named.metadata.is_symlink() => named.metadata,
        Ok(named) => return Ok(Some(stat(&named))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot(error)),
    };
    match Seen::behind(path) {
        Ok(there) => Ok(Some(stat(&there))),
        // A link that leads nowhere is something all the same: it has the name.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(Some(Stat::new(StatKind::Other, named.len(), named.modified().ok(), None)))
        }
        Err(error) => Err(cannot(error)),
    }
}

fn stat(seen: &Seen) -> Stat {
    let metadata = &seen.metadata;
    let kind = if metadata.is_file() {
        StatKind::File
    } else if metadata.is_dir() {
        StatKind::Directory
    } else {
        StatKind::Other
    };
    Stat::new(kind, metadata.len(), metadata.modified().ok(), Some(seen.identity()))
}

/// The space where the path is, or will be: around the nearest thing above it that is there.
fn free_space(path: &Path) -> Result<Option<FreeSpace>> {
    for above in path.ancestors() {
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        match fs4::available_space(above) {
            Ok(bytes) => {
                let volume = Seen::behind(above).ok().map(|seen| seen.volume());
                return Ok(Some(FreeSpace::new(bytes, volume)));
            }
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error::at("cannot find out the free space", above, error)),
        }
    }
    Ok(None)
}

/// How often to open again what was moved away or removed between opening and locking. Each time means that someone
/// else finished or gave up at that very moment.
const TRIES: usize = 16;

/// Opens and locks; what is locked is what the path names, and a regular file.
fn open_locked(path: &Path, mode: OpenMode, directories: &NewDirectories) -> Result<Option<(Opened, Seen)>> {
    for _ in 0..TRIES {
        let Some(Opened { file, refusal }) = open(path, mode, directories)? else { return Ok(None) };
        let opened = Seen::of(&file).map_err(|e| error::at("cannot look at the part", path, e))?;
        if !opened.metadata.is_file() {
            return Err(error::not_regular(path, sys::describe(&opened.metadata)));
        }
        match sys::try_lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(error::busy(path)),
            Err(TryLockError::Error(e)) => return Err(cannot_lock(path, refusal, e)),
        }
        // Looked at again only now: whoever had the lock before may have written, renamed or removed the file. The
        // length counts from here.
        match Seen::at(path) {
            Ok(named) if named.is(&opened) => return Ok(Some((Opened { file, refusal }, named))),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(error::at("cannot look at the part", path, e)),
        }
    }
    Err(error::busy(path))
}

/// NFS locks only what may be written. Then that it may not is the reason, and what its caller knows to be harmless.
fn cannot_lock(path: &Path, refusal: Option<io::ErrorKind>, error: io::Error) -> okdownload_types::Error {
    match refusal {
        Some(refusal) => error::not_writable(path, refusal),
        None => error::at("cannot lock the part", path, error),
    }
}

/// Opens, with the directories above if it may make them. What is there and may only be read is of use as well: it can be
/// compared, and synced.
fn open(path: &Path, mode: OpenMode, directories: &NewDirectories) -> Result<Option<Opened>> {
    let create = mode == OpenMode::Create;
    let mut result = sys::open(path, create);
    if let (true, Err(error), Some(parent)) = (create, &result, parent(path))
        && error.kind() == io::ErrorKind::NotFound
    {
        directories.create(parent).map_err(|e| cannot_make(parent, e))?;
        result = sys::open(path, create);
    }
    if let (false, Err(error)) = (create, &result)
        && sys::may_be_read(error)
        && let Ok(file) = sys::open_to_read(path)
    {
        return Ok(Some(Opened { file, refusal: Some(error.kind()) }));
    }
    match result {
        Ok(file) => Ok(Some(Opened { file, refusal: None })),
        Err(error) if !create && is_absent(&error) => Ok(None),
        Err(error) => Err(match std::fs::symlink_metadata(path) {
            // Directories, sockets and links refuse in different ways; what stands there says more.
            Ok(there) if !there.is_file() => error::not_regular(path, sys::describe(&there)),
            Ok(_) if sys::may_be_read(&error) => error::not_writable(path, error.kind()),
            _ => error::at("cannot open the part", path, error),
        }),
    }
}

/// Where something that is no directory is in the way, the system says "exists" or, for a link to nowhere, "not
/// found"; neither helps.
fn cannot_make(directory: &Path, source: io::Error) -> okdownload_types::Error {
    let in_the_way = matches!(source.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound);
    let source = if in_the_way { io::ErrorKind::NotADirectory.into() } else { source };
    error::at("cannot make the directory", directory, source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use okdownload_types::ErrorKind;

    #[test]
    fn where_what_may_only_be_read_cannot_be_locked_that_is_the_reason() {
        let denied = Some(io::ErrorKind::PermissionDenied);
        for (refusal, kind) in [(denied, ErrorKind::PermissionDenied), (None, ErrorKind::Io)] {
            let error = cannot_lock(Path::new("/a"), refusal, io::Error::other("bad file descriptor"));
            assert_eq!(error.kind(), kind, "{error}");
        }
    }
}

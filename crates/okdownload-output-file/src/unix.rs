//! What [`sys`](crate::sys) needs of Unix. `windows.rs` has the same functions.

use std::fs::{File, FileType, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::sys::Seen;

/// A link is an error, and nothing (a pipe that nobody reads, a terminal) makes it wait or has a side effect.
pub(crate) fn take_no_links(options: &mut OpenOptions) {
    // The standard library adds O_CLOEXEC. On a regular file O_NONBLOCK means nothing.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    options.custom_flags(flags.bits().cast_signed());
}

pub(crate) fn seen(file: &File) -> io::Result<Seen> {
    file.metadata().map(known)
}

pub(crate) fn seen_at(path: &Path) -> io::Result<Seen> {
    std::fs::symlink_metadata(path).map(known)
}

pub(crate) fn seen_behind(path: &Path) -> io::Result<Seen> {
    std::fs::metadata(path).map(known)
}

fn known(metadata: Metadata) -> Seen {
    let place = (metadata.dev(), metadata.ino());
    Seen { metadata, place }
}

/// What only this system has, for people.
pub(crate) fn describe(kind: FileType) -> Option<&'static str> {
    if kind.is_fifo() {
        Some("a named pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else if kind.is_block_device() || kind.is_char_device() {
        Some("a device")
    } else {
        None
    }
}

pub(crate) fn try_lock(file: &File) -> Result<(), TryLockError> {
    file.try_lock()
}

pub(crate) fn unlock(file: &File) {
    // By hand: a child that another thread has just forked may hold a copy of the file a moment longer.
    let _ = file.unlock();
}

/// Never: who has a file open keeps nobody from renaming or removing it.
pub(crate) const fn is_held(_: &io::Error) -> bool {
    false
}

/// Whether a file that was refused to be written may yet be read, and synced: that needs no right to write. Somebody has
/// made it read-only, or it is a program that is being run.
pub(crate) fn may_be_read(error: &io::Error) -> bool {
    use io::ErrorKind as Io;
    matches!(error.kind(), Io::PermissionDenied | Io::ExecutableFileBusy | Io::ReadOnlyFilesystem)
}

/// Every file may.
pub(crate) const fn allow_holes(_: &File) {}

pub(crate) fn write_piece(file: &File, offset: u64, piece: &[u8]) -> io::Result<()> {
    file.write_all_at(piece, offset)
}

pub(crate) fn read_some_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    file.read_at(buffer, offset)
}

pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match rustix::io::retry_on_intr(|| renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {} // this file system does not know the flag
            done => return Ok(done?),
        }
    }
    rename_by_link(from, to)
}

/// A hard link never replaces anything either. Where there are none (exFAT, some FUSE file systems), look and rename
/// is what is left; between the two somebody else may take the name.
fn rename_by_link(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::hard_link(from, to) {
        Ok(()) => std::fs::remove_file(from),
        Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
            Err(error)
        }
        Err(_) => match std::fs::symlink_metadata(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => std::fs::rename(from, to),
            Err(error) => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_do_not_replace() {
        let root = tempfile::tempdir().unwrap();
        let (a, b, c) = (root.path().join("a"), root.path().join("b"), root.path().join("c"));
        std::fs::write(&a, "a").unwrap();
        std::fs::write(&b, "b").unwrap();
        assert_eq!(rename_by_link(&a, &b).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        rename_by_link(&a, &c).unwrap();
        assert_eq!((std::fs::read(&c).unwrap(), a.exists()), (b"a".to_vec(), false));
        assert_eq!(rename_by_link(&a, &c).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}

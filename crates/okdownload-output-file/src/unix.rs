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

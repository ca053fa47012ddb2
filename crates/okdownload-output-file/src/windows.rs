//! What [`sys`](crate::sys) needs of Windows. `unix.rs` has the same functions.
//!
//! The only three calls in okdownload that the compiler can't check are here. The standard library has none of them, and no
//! library that we know has them without `unsafe`.

use std::fs::{File, FileType, OpenOptions, TryLockError};
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::os::windows::io::AsRawHandle;
use std::path::{Component, Path, Prefix};
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_IO_PENDING, ERROR_LOCK_VIOLATION, ERROR_SHARING_VIOLATION,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, LOCKFILE_EXCLUSIVE_LOCK,
    LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, MOVEFILE_WRITE_THROUGH, MoveFileExW,
};
use windows_sys::Win32::System::IO::{DeviceIoControl, OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0};
use windows_sys::Win32::System::Ioctl::FSCTL_SET_SPARSE;

use crate::patience::patiently;
use crate::sys::Seen;

/// A link is opened itself; what is opened is then no regular file.
pub(crate) fn take_no_links(options: &mut OpenOptions) {
    options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
}

pub(crate) fn seen(file: &File) -> io::Result<Seen> {
    let information = winapi_util::file::information(file)?;
    let place = (information.volume_serial_number(), information.file_index());
    Ok(Seen { metadata: file.metadata()?, place })
}

pub(crate) fn seen_at(path: &Path) -> io::Result<Seen> {
    seen(&open_to_look(path, FILE_FLAG_OPEN_REPARSE_POINT)?)
}

pub(crate) fn seen_behind(path: &Path) -> io::Result<Seen> {
    seen(&open_to_look(path, 0)?)
}

/// Opens a file or a directory, without any right to its contents: so it does not matter who has it open.
fn open_to_look(path: &Path, flags: u32) -> io::Result<File> {
    OpenOptions::new().access_mode(0).custom_flags(FILE_FLAG_BACKUP_SEMANTICS | flags).open(path)
}

/// The rest has no names.
pub(crate) const fn describe(_: FileType) -> Option<&'static str> {
    None
}

fn code(error: &io::Error) -> Option<u32> {
    error.raw_os_error().map(i32::cast_unsigned)
}

/// Locks one byte, far behind the end of every file. Locks are mandatory here, and the standard library locks all bytes:
/// nobody else could read the part then, not even a check before it gets its final name.
#[expect(unsafe_code, reason = "a system call")]
pub(crate) fn try_lock(file: &File) -> Result<(), TryLockError> {
    let byte = OVERLAPPED_0_0 { Offset: 0, OffsetHigh: 0x7fff_ffff };
    let mut place = OVERLAPPED { Anonymous: OVERLAPPED_0 { Anonymous: byte }, ..OVERLAPPED::default() };
    let flags = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
    // SAFETY: the handle is open as long as `file`, and `place` is ours. The system keeps neither: the handle was opened
    // for synchronous calls, so this one is over when it returns.
    let locked = unsafe { LockFileEx(file.as_raw_handle(), flags, 0, 1, 0, &raw mut place) };
    if locked != 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match code(&error) {
        Some(ERROR_LOCK_VIOLATION | ERROR_IO_PENDING) => Err(TryLockError::WouldBlock),
        _ => Err(TryLockError::Error(error)),
    }
}

/// Closing the file does it: no child inherits it.
pub(crate) const fn unlock(_: &File) {}

/// Whether somebody has the file open in a way that forbids what was tried.
pub(crate) fn is_held(error: &io::Error) -> bool {
    matches!(code(error), Some(ERROR_ACCESS_DENIED | ERROR_SHARING_VIOLATION | ERROR_LOCK_VIOLATION))
}

/// No: to sync a file needs the right to write it.
pub(crate) const fn may_be_read(_: &io::Error) -> bool {
    false
}

/// Else a write behind the end would first write all the zeros in between: as much as a second download. A file system
/// that knows no holes (FAT, exFAT) refuses, and does that.
#[expect(unsafe_code, reason = "a system call")]
pub(crate) fn allow_holes(file: &File) {
    let mut returned = 0;
    // SAFETY: as above; the call is given no other memory than `returned`.
    let _ = unsafe {
        let handle = file.as_raw_handle();
        DeviceIoControl(handle, FSCTL_SET_SPARSE, null(), 0, null_mut(), 0, &raw mut returned, null_mut())
    };
}

pub(crate) fn write_piece(file: &File, mut offset: u64, mut piece: &[u8]) -> io::Result<()> {
    while !piece.is_empty() {
        match file.seek_write(piece, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                piece = &piece[written..];
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(crate) fn read_some_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    match file.seek_read(buffer, offset) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        done => done,
    }
}

/// There is no such call; the file systems keep the order of changes to names.
pub(crate) fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

/// One step on every file system: with no flag to replace, the system refuses a name that is taken. It is asked to have
/// written the name when it returns, which it promises of files that it has to copy; of others nothing is said.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (wide(from)?, wide(to)?);
    patiently(|| move_file(&from, &to))
}

#[expect(unsafe_code, reason = "a system call")]
fn move_file(from: &[u16], to: &[u16]) -> io::Result<()> {
    // SAFETY: both end in a zero and live until the call returns, and the system only reads them.
    let moved = unsafe { MoveFileExW(from.as_ptr(), to.as_ptr(), MOVEFILE_WRITE_THROUGH) };
    if moved != 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A path as the system takes it, with the zero at its end, and in the form that may have more than 260 characters. The
/// standard library does the same for its own calls.
fn wide(path: &Path) -> io::Result<Vec<u16>> {
    let path = std::path::absolute(path)?;
    let units: Vec<_> = path.as_os_str().encode_wide().collect();
    if units.contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let (before, rest) = match path.components().next() {
        Some(Component::Prefix(prefix)) => match prefix.kind() {
            Prefix::Disk(_) => (r"\\?\", &units[..]),
            // Instead of the first of the two characters before the server's name.
            Prefix::UNC(..) => (r"\\?\UNC", &units[1..]),
            _ => ("", &units[..]),
        },
        _ => ("", &units[..]),
    };
    Ok(before.encode_utf16().chain(rest.iter().copied()).chain([0]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_may_be_long() {
        for (path, expected) in [
            (r"C:\a\b", r"\\?\C:\a\b"),
            (r"C:/a/./b", r"\\?\C:\a\b"),
            (r"\\server\share\a", r"\\?\UNC\server\share\a"),
            (r"\\?\C:\a", r"\\?\C:\a"),
        ] {
            let wide = wide(Path::new(path)).unwrap_or_default();
            assert_eq!(String::from_utf16_lossy(&wide), format!("{expected}\0"), "{path}");
        }
        assert!(wide(Path::new("C:\\a\0b")).is_err());
    }
}

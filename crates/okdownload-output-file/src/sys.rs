//! What differs between operating systems, and the plain calls under [`FileStream`](crate::stream::FileStream).

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use okdownload_types::FileIdentity;

#[cfg(unix)]
use crate::unix as os;
#[cfg(windows)]
use crate::windows as os;

// `allow_holes` is called before a file gets longer by more than is written; `sync_directory` puts a directory's names
// on disk, and fails with `Unsupported` where that can't be done; `may_be_read` says whether a file that may not be
// written is of use all the same; `rename_new` fails with `AlreadyExists` if the new name is taken.
pub(crate) use os::{allow_holes, is_held, may_be_read, rename_new, sync_directory, try_lock, unlock};
use os::{read_some_at, write_piece};

/// The last position, plus one, that files can have.
pub(crate) const LONGEST: u64 = i64::MAX as u64;

/// Opens to read and write. A symbolic link is an error or is opened itself, and nothing (a pipe that nobody reads, a
/// terminal) makes it wait or has a side effect.
pub(crate) fn open(path: &Path, create: bool) -> io::Result<File> {
    open_with(path, OpenOptions::new().read(true).write(true).create(create).truncate(false))
}

/// The same to read alone, for a file that may not be written.
pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    open_with(path, OpenOptions::new().read(true))
}

fn open_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    os::take_no_links(options);
    options.open(path)
}

/// What it is, for people.
pub(crate) fn describe(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_file() {
        return "a regular file";
    } else if kind.is_dir() {
        return "a directory";
    } else if kind.is_symlink() {
        return "a symbolic link";
    }
    os::describe(kind).unwrap_or("something unknown")
}

/// What was looked at, and which file that is.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) metadata: Metadata,
    /// The file's volume, and its number there.
    pub(crate) place: (u64, u64),
}

impl Seen {
    /// An open file.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        os::seen(file)
    }

    /// What is at this path; of a link, the link.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        os::seen_at(path)
    }

    /// What this path leads to.
    pub(crate) fn behind(path: &Path) -> io::Result<Self> {
        os::seen_behind(path)
    }

    /// Whether both are one file.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.place == other.place
    }

    /// The file's number, and its time of birth.
    pub(crate) fn identity(&self) -> FileIdentity {
        FileIdentity::new(self.place.1, self.metadata.created().ok().and_then(nanoseconds))
    }

    /// The number of the volume that it is on.
    pub(crate) fn volume(&self) -> u64 {
        self.place.0
    }
}

fn nanoseconds(time: SystemTime) -> Option<i64> {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).ok(),
        Err(before) => i64::try_from(before.duration().as_nanos()).ok().map(|n| -n),
    }
}

/// The kernel's random name for its current run, which only Linux tells in a file.
pub(crate) fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// Writes all pieces, one after the other.
pub(crate) fn write_all_at(file: &File, offset: u64, pieces: &[Bytes]) -> io::Result<()> {
    match pieces {
        [] => Ok(()),
        [piece] => write_piece(file, offset, piece),
        pieces => write_gathered(file, offset, pieces),
    }
}

/// The systems on which rustix has `pwritev` and we know it.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn write_gathered(file: &File, mut offset: u64, pieces: &[Bytes]) -> io::Result<()> {
    use std::io::IoSlice;
    const IOV_MAX: usize = 1024; // more at once is an error on every system
    let mut slices: Vec<_> = pieces.iter().filter(|p| !p.is_empty()).map(|p| IoSlice::new(p)).collect();
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        let batch = &rest[..rest.len().min(IOV_MAX)];
        match rustix::io::retry_on_intr(|| rustix::io::pwritev(file, batch, offset))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                offset += written as u64;
                IoSlice::advance_slices(&mut rest, written);
            }
        }
    }
    Ok(())
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn write_gathered(file: &File, mut offset: u64, pieces: &[Bytes]) -> io::Result<()> {
    for piece in pieces {
        write_piece(file, offset, piece)?;
        offset += piece.len() as u64;
    }
    Ok(())
}

/// Fills the buffer as far as there are bytes; says how far.
pub(crate) fn read_full_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read_some_at(file, offset + filled as u64, &mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reserves blocks without changing the length. Does nothing where that would have to be emulated by writing zeros,
/// which costs the time of a second download, or would change the length.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn allocate(file: &File, length: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    if length == 0 {
        return Ok(());
    }
    match rustix::io::retry_on_intr(|| fallocate(file, FallocateFlags::KEEP_SIZE, 0, length)) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        done => Ok(done?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(crate) fn allocate(_file: &File, _length: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathered_writes_of_many_pieces() {
        let file = tempfile::tempfile().unwrap();
        let pieces: Vec<_> = (0..3000_u32).map(|n| Bytes::from(vec![n as u8; (n % 3) as usize])).collect();
        write_all_at(&file, 5, &pieces).unwrap();
        let expected = pieces.concat();
        let mut read = vec![0; expected.len() + 100];
        assert_eq!(read_full_at(&file, 5, &mut read).unwrap(), expected.len());
        assert_eq!(&read[..expected.len()], expected);
    }

    #[test]
    fn a_rename_to_a_new_name_does_not_replace() {
        let root = tempfile::tempdir().unwrap();
        let (a, b, c) = (root.path().join("a"), root.path().join("b"), root.path().join("c"));
        std::fs::write(&a, "a").unwrap();
        std::fs::write(&b, "b").unwrap();
        assert_eq!(rename_new(&a, &b).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        rename_new(&a, &c).unwrap();
        assert_eq!((std::fs::read(&c).unwrap(), a.exists()), (b"a".to_vec(), false));
        assert_eq!(rename_new(&a, &c).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn times_before_the_epoch() {
        let time = UNIX_EPOCH - std::time::Duration::from_nanos(7);
        assert_eq!(nanoseconds(time), Some(-7));
    }
}

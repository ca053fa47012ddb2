//! Errors of the operating system, with a kind, the path they are about, and what to do.

use std::io;
use std::path::Path;

use okdownload_types::{Error, ErrorKind, Location};

/// What is said of an error besides its source.
struct Verdict {
    kind: ErrorKind,
    advice: Option<&'static str>,
    temporary: bool,
}

impl Verdict {
    const fn new(kind: ErrorKind, advice: &'static str) -> Self {
        Self { kind, advice: Some(advice), temporary: false }
    }
}

/// The error of `what` (a sentence) on `path`.
pub(crate) fn at(what: &'static str, path: &Path, source: io::Error) -> Error {
    let Verdict { kind, advice, temporary } = judge(&source);
    let mut error = Error::new(kind, what).with_context("path", path.display()).with_source(source);
    if let Some(advice) = advice {
        error = error.with_advice(advice);
    }
    if temporary { error.temporary() } else { error }
}

fn judge(source: &io::Error) -> Verdict {
    use io::ErrorKind as Io;
    match source.kind() {
        Io::StorageFull => Verdict::new(
            ErrorKind::NoSpace,
            "free some space on this file system and start again; what is there is kept",
        ),
        Io::QuotaExceeded => Verdict::new(
            ErrorKind::NoSpace,
            "your disk quota is used up; remove files or have it raised, and start again",
        ),
        Io::FileTooLarge => Verdict::new(
            ErrorKind::Unsupported,
            "this file system, or a limit of this process, takes no file that long; choose another directory",
        ),
        Io::ReadOnlyFilesystem => Verdict::new(
            ErrorKind::PermissionDenied,
            "the file system is mounted read-only; choose another directory",
        ),
        Io::PermissionDenied => {
            Verdict::new(ErrorKind::PermissionDenied, "choose a directory that you may write to")
        }
        Io::ExecutableFileBusy => {
            Verdict::new(ErrorKind::FileBusy, "a program is being run from this file; wait until it ends")
        }
        Io::NotADirectory => {
            Verdict::new(ErrorKind::Misuse, "a part of this path is a file; choose another path")
        }
        Io::IsADirectory => {
            Verdict::new(ErrorKind::Misuse, "this is a directory; give the name of a file in it")
        }
        Io::InvalidFilename => Verdict::new(ErrorKind::Misuse, "give a shorter name"),
        Io::InvalidInput => Verdict::new(ErrorKind::Misuse, "give a path that this system can use"),
        Io::AlreadyExists => {
            Verdict::new(ErrorKind::AlreadyExists, "choose another name, or allow it to be overwritten")
        }
        Io::CrossesDevices => {
            Verdict::new(ErrorKind::Misuse, "the part and the file must be on one file system")
        }
        Io::NotFound => Verdict { kind: ErrorKind::NotFound, advice: None, temporary: false },
        _ => judge_code(source),
    }
}

/// For what the standard library has no stable kind.
#[cfg(unix)]
fn judge_code(source: &io::Error) -> Verdict {
    use rustix::io::Errno;
    match source.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::LOOP) => Verdict::new(
            ErrorKind::Misuse,
            "there is a symbolic link where none may be, or they lead in a circle; give another path",
        ),
        Some(Errno::MFILE | Errno::NFILE) => Verdict {
            temporary: true,
            ..Verdict::new(
                ErrorKind::Io,
                "too many files are open; raise the limit or download fewer at a time",
            )
        },
        Some(Errno::IO) => {
            Verdict::new(ErrorKind::Io, "the device reports a fault; check it before you trust it with more")
        }
        Some(Errno::NOTSUP | Errno::NOSYS | Errno::NOLCK) => {
            Verdict::new(ErrorKind::Unsupported, "this file system can't do that; choose another directory")
        }
        _ => other(),
    }
}

/// For what the standard library has no stable kind.
#[cfg(windows)]
fn judge_code(source: &io::Error) -> Verdict {
    if crate::sys::is_held(source) {
        return Verdict::new(
            ErrorKind::FileBusy,
            "another program has this file open; wait until it is done, or end it, and start again",
        );
    }
    other()
}

const fn other() -> Verdict {
    Verdict { kind: ErrorKind::Io, advice: None, temporary: false }
}

/// Something that is no regular file stands where the part belongs.
pub(crate) fn not_regular(path: &Path, is: &'static str) -> Error {
    Error::new(ErrorKind::AlreadyExists, "there is something that is no regular file in the part's place")
        .with_context("path", path.display())
        .with_context("it is", is)
        .with_advice("remove it, or choose another name")
}

/// The final name is taken.
pub(crate) fn taken(path: &Path, is: &'static str) -> Error {
    let advice = match is {
        "a directory" => "give the name of a file in it, or another name",
        "a regular file" => "choose another name, or allow it to be overwritten",
        _ => "choose another name",
    };
    Error::new(ErrorKind::AlreadyExists, "the file's name is taken")
        .with_context("path", path.display())
        .with_context("by", is)
        .with_advice(advice)
}

/// A part that is there, and that may not be written.
pub(crate) fn not_writable(path: &Path, refusal: io::ErrorKind) -> Error {
    let error = at("cannot write the part", path, refusal.into());
    match refusal {
        // Of a new file it is the directory that refuses.
        io::ErrorKind::PermissionDenied => error.with_advice("allow it to be written, or remove it"),
        _ => error,
    }
}

/// Someone else has the part open.
pub(crate) fn busy(path: &Path) -> Error {
    Error::new(ErrorKind::FileBusy, "another download is writing this file")
        .with_context("path", path.display())
        .with_advice("wait for it, or give this one another name")
}

/// Someone took the part away, or put another file in its place.
pub(crate) fn replaced(path: &Path) -> Error {
    Error::new(ErrorKind::Io, "the part was removed or replaced by someone else while it was open")
        .with_context("path", path.display())
        .with_advice("download it again")
}

/// Someone cut the part.
pub(crate) fn shortened(path: &Path, length: u64, expected: u64) -> Error {
    Error::new(ErrorKind::Io, "the part was shortened by someone else while it was open")
        .with_context("path", path.display())
        .with_context("length", length)
        .with_context("expected", expected)
        .with_advice("download it again")
}

/// A position that no file can have.
pub(crate) fn too_far(path: &Path, offset: u64) -> Error {
    Error::misuse("no file can be that long", "give an offset and a length below 2^63")
        .with_context("path", path.display())
        .with_context("offset", offset)
}

/// A location that is no local path.
pub(crate) fn not_local(location: &Location) -> Error {
    Error::new(ErrorKind::Unsupported, "the file output takes local paths only")
        .with_context("location", location)
        .with_advice("give a path, or build the engine with an output for such locations")
}

/// A path that names no file: empty, or ending in `..` or a separator.
pub(crate) fn no_name(path: &Path) -> Error {
    Error::misuse("this path names no file", "give a path that ends in the name of a file")
        .with_context("path", path.display())
}

/// A call after the part was closed: a bug of the caller.
pub(crate) fn closed(path: &Path) -> Error {
    Error::new(ErrorKind::Unexpected, "the part is closed already").with_context("path", path.display())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn table() {
        for (errno, kind) in [
            (Errno::NOSPC, ErrorKind::NoSpace),
            (Errno::DQUOT, ErrorKind::NoSpace),
            (Errno::FBIG, ErrorKind::Unsupported),
            (Errno::ROFS, ErrorKind::PermissionDenied),
            (Errno::ACCESS, ErrorKind::PermissionDenied),
            (Errno::PERM, ErrorKind::PermissionDenied),
            (Errno::NAMETOOLONG, ErrorKind::Misuse),
            (Errno::NOTDIR, ErrorKind::Misuse),
            (Errno::INVAL, ErrorKind::Misuse),
            (Errno::LOOP, ErrorKind::Misuse),
            (Errno::XDEV, ErrorKind::Misuse),
            (Errno::ISDIR, ErrorKind::Misuse),
            (Errno::EXIST, ErrorKind::AlreadyExists),
            (Errno::TXTBSY, ErrorKind::FileBusy),
            (Errno::IO, ErrorKind::Io),
            (Errno::MFILE, ErrorKind::Io),
            (Errno::NOLCK, ErrorKind::Unsupported),
            (Errno::OPNOTSUPP, ErrorKind::Unsupported),
        ] {
            let error = at("cannot do it", Path::new("/some/where"), errno.into());
            let text = error.to_string();
            assert_eq!(error.kind(), kind, "{text}");
            assert_eq!(error.is_temporary(), errno == Errno::MFILE, "{text}");
            assert!(error.advice().is_some() && text.contains("/some/where"), "{text}");
        }
        for (refusal, advice) in [
            (std::io::ErrorKind::PermissionDenied, "allow it"),
            (std::io::ErrorKind::ExecutableFileBusy, "is being run"),
            (std::io::ErrorKind::ReadOnlyFilesystem, "another directory"),
        ] {
            let error = not_writable(Path::new("/x"), refusal);
            assert!(error.advice().is_some_and(|text| text.contains(advice)), "{error}");
        }
        let missing = at("cannot do it", Path::new("/x"), Errno::NOENT.into());
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert_eq!(at("cannot do it", Path::new("/x"), Errno::STALE.into()).kind(), ErrorKind::Io);
    }
}

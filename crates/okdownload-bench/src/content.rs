//! The files that are served, and whether what came is the same.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::Result;
use crate::works::Files;

/// Where the files of a work are, below the root of the servers, and in the same order where they go.
pub(crate) fn names(files: Files) -> Vec<String> {
    let name = |number| match files.count {
        1 => format!("{}.bin", files.size),
        _ => format!("{}-{number:05}.bin", files.size),
    };
    (0..files.count).map(name).collect()
}

/// Makes what is not there yet. The bytes are noise, so that no compression helps anybody.
pub(crate) fn make(root: &Path, files: Files) -> Result<()> {
    for (name, seed) in names(files).iter().zip(1..) {
        let path = root.join(name);
        if !path.exists() {
            fill(&path, files.size, seed)
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
    }
    Ok(())
}

/// A small buffer: the peak memory of a child counts from what its parent had when it was started.
const PIECE: usize = 64 << 10;

fn fill(path: &Path, size: u64, seed: u64) -> std::io::Result<()> {
    let mut noise = fastrand::Rng::with_seed(seed);
    let mut piece = vec![0; PIECE];
    let mut file = BufWriter::new(File::create(path)?);
    let mut left = size;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        noise.fill(&mut piece[..length]);
        file.write_all(&piece[..length])?;
        left -= length as u64;
    }
    file.flush()
}

/// Whether every file of the work came whole and right.
pub(crate) fn check(root: &Path, came: &Path, files: Files) -> Result<()> {
    for name in names(files) {
        let (served, got) = (root.join(&name), came.join(&name));
        let same =
            is_same(&served, &got).map_err(|error| format!("cannot compare {}: {error}", got.display()))?;
        if !same {
            return Err(format!("{name} is not what was served"));
        }
    }
    Ok(())
}

fn is_same(one: &Path, other: &Path) -> std::io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let mut left = one.metadata()?.len();
    if other.metadata()?.len() != left {
        return Ok(false);
    }
    let (mut these, mut those) = (vec![0; PIECE], vec![0; PIECE]);
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        one.read_exact(&mut these[..length])?;
        other.read_exact(&mut those[..length])?;
        if these[..length] != those[..length] {
            return Ok(false);
        }
        left -= length as u64;
    }
    Ok(true)
}

/// The sha-256 of a file in hexadecimal, by the command that is also measured.
pub(crate) fn digest(path: &Path) -> Result<String> {
    let cannot = |why: String| format!("cannot run sha256sum on {}: {why}", path.display());
    let output = std::process::Command::new("sha256sum").arg(path).output();
    let output = output.map_err(|error| cannot(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.split_whitespace().next() {
        Some(digest) if output.status.success() => Ok(digest.to_owned()),
        _ => Err(cannot(output.status.to_string())),
    }
}

/// Where a program is, if it is installed.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")]);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_and_a_missing_one_are_seen() {
        let (served, came) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let files = Files { count: 2, size: 100_000 };
        make(served.path(), files).unwrap();
        make(came.path(), files).unwrap();
        assert_eq!(check(served.path(), came.path(), files), Ok(()));
        let path = came.path().join(&names(files)[1]);
        let right = std::fs::read(&path).unwrap();
        let mut wrong = right.clone();
        wrong[99_999] ^= 1;
        for bytes in [&wrong[..], &right[..99_999], &[&right[..], b"x"].concat()] {
            std::fs::write(&path, bytes).unwrap();
            assert!(check(served.path(), came.path(), files).unwrap_err().contains("not what was served"));
        }
        std::fs::remove_file(&path).unwrap();
        assert!(check(served.path(), came.path(), files).is_err());
    }

    #[test]
    fn files_differ_from_each_other() {
        let root = tempfile::tempdir().unwrap();
        let files = Files { count: 2, size: 16 };
        make(root.path(), files).unwrap();
        let read = |name: &String| std::fs::read(root.path().join(name)).unwrap();
        let all: Vec<_> = names(files).iter().map(read).collect();
        assert_ne!(all[0], all[1]);
    }
}

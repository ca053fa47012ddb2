//! Where a download goes.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use crate::{Error, Result};

/// Where the user wants the download: a name, or a place whose name the response gives.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Target {
    /// Exactly here.
    Named(Location),
    /// In this directory (or below this URI), under a name that the response or the URL gives.
    InDirectory(Location),
}

impl Target {
    /// A file of this name, taken as given.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::Named(Location::Path(path.into()))
    }

    /// A file in this directory, named by the response, else by the URL.
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Self::InDirectory(Location::Path(path.into()))
    }

    /// A URI-like place, for instance `s3://bucket/key`; one that ends in `/` is a directory. A `file:` URI (RFC 8089)
    /// is the local path that it names.
    pub fn uri(uri: impl Into<String>) -> Self {
        let uri = uri.into();
        if uri.ends_with('/') {
            Self::InDirectory(Location::Uri(uri))
        } else {
            Self::Named(Location::Uri(uri))
        }
    }

    /// Like `cp`: an existing directory, or a path that ends in a separator, is a directory; all else is a name.
    ///
    /// Asks the file system, so it may block for a moment.
    pub fn detect(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        if ends_in_separator(&path) || path.is_dir() { Self::directory(path) } else { Self::file(path) }
    }

    /// The place as given: the file's, or the directory's.
    pub fn location(&self) -> &Location {
        match self {
            Self::Named(location) | Self::InDirectory(location) => location,
        }
    }

    /// The final place, where it is known without asking the server.
    pub fn named(&self) -> Option<&Location> {
        match self {
            Self::Named(location) => Some(location),
            Self::InDirectory(_) => None,
        }
    }

    /// The final place, with `name` where the target leaves it open.
    pub fn resolve(&self, name: &str) -> Location {
        match self {
            Self::Named(location) => location.clone(),
            Self::InDirectory(directory) => directory.join(name),
        }
    }

    /// The same with an absolute path, also for a `file:` URI; other URIs are absolute already.
    ///
    /// # Errors
    /// [`Misuse`](crate::ErrorKind::Misuse) for an empty path, for a file's path that ends in no name, a `file:` URI that
    /// names no local path, or if the current directory is gone.
    pub fn absolute(self) -> Result<Self> {
        let local = self.local()?;
        if let Self::Named(Location::Path(path)) = &local
            && (ends_in_separator(path) || (path.file_name().is_none() && !path.as_os_str().is_empty()))
        {
            let advice = "make it the task's directory, or give a path that ends in the name of a file";
            return Err(Error::misuse("this path names no file", advice).with_context("path", path.display()));
        }
        local.map(|location| match location {
            Location::Path(path) => std::path::absolute(&path).map(Location::Path).map_err(|error| {
                Error::misuse("not a usable path", "give the path of a file or a directory")
                    .with_context("path", path.display())
                    .with_source(error)
            }),
            uri => Ok(uri),
        })
    }

    /// The same with a path for a `file:` URI.
    pub(crate) fn local(self) -> Result<Self> {
        self.map(|location| match location {
            Location::Uri(uri) if is_file_uri(&uri) => path_of(&uri).map(Location::Path),
            other => Ok(other),
        })
    }

    fn map(self, change: impl FnOnce(Location) -> Result<Location>) -> Result<Self> {
        Ok(match self {
            Self::Named(location) => Self::Named(change(location)?),
            Self::InDirectory(location) => Self::InDirectory(change(location)?),
        })
    }
}

fn ends_in_separator(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().last().is_some_and(|byte| std::path::is_separator(*byte as char))
}

fn is_file_uri(uri: &str) -> bool {
    uri.split_once(':').is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("file"))
}

/// RFC 8089: `file:/path`, `file:///path`, `file://localhost/path`.
fn path_of(uri: &str) -> Result<PathBuf> {
    let wrong = || {
        Error::misuse("this file URI names no local file", "write file:///directory/file, or just the path")
            .with_context("location", uri)
    };
    let is_absolute = uri.split_once(':').is_some_and(|(_, rest)| rest.starts_with('/'));
    let url = Url::parse(uri).ok().filter(|_| is_absolute).ok_or_else(wrong)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong());
    }
    url.to_file_path().map_err(|()| wrong())
}

/// One place that bytes can be written to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Location {
    /// A local path.
    Path(PathBuf),
    /// A URI that an output understands.
    Uri(String),
}

impl Location {
    /// The last component.
    pub fn file_name(&self) -> Option<String> {
        match self {
            Self::Path(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            Self::Uri(uri) => uri.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned),
        }
    }

    /// The same place with another last component.
    #[must_use]
    pub fn with_file_name(&self, name: &str) -> Self {
        match self {
            Self::Path(path) => Self::Path(path.with_file_name(name)),
            Self::Uri(uri) => {
                Self::Uri(format!("{}/{name}", uri.rsplit_once('/').map_or("", |(head, _)| head)))
            }
        }
    }

    /// A place below this one.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        match self {
            Self::Path(path) => Self::Path(path.join(name)),
            Self::Uri(uri) => Self::Uri(format!("{}/{name}", uri.trim_end_matches('/'))),
        }
    }

    /// The local path, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Uri(_) => None,
        }
    }

    /// A stable form to store and compare: paths as their raw bytes, URIs as text, each with its own first byte.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (tag, bytes) = match self {
            Self::Path(path) => (b'p', path.as_os_str().as_encoded_bytes()),
            Self::Uri(uri) => (b'u', uri.as_bytes()),
        };
        [&[tag], bytes].concat()
    }

    /// Reads what [`to_bytes`](Location::to_bytes) wrote.
    ///
    /// # Errors
    /// [`StoreCorrupt`](crate::ErrorKind::StoreCorrupt) if it is nothing that `to_bytes` writes on this system.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let corrupt = || Error::new(crate::ErrorKind::StoreCorrupt, "a stored location cannot be read");
        match bytes.split_first() {
            Some((b'p', path)) => path_from_bytes(path).map(Self::Path).ok_or_else(corrupt),
            Some((b'u', uri)) => String::from_utf8(uri.to_vec()).map(Self::Uri).map_err(|_| corrupt()),
            _ => Err(corrupt()),
        }
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "on other systems it can fail")]
fn path_from_bytes(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(bytes)))
}

#[cfg(not(unix))]
fn path_from_bytes(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Uri(uri) => uri.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uri_forms() {
        assert_eq!(Target::uri("s3://b/k"), Target::Named(Location::Uri("s3://b/k".into())));
        assert_eq!(Target::uri("s3://b/d/").resolve("n"), Location::Uri("s3://b/d/n".into()));
        assert_eq!(Location::Uri("s3://b/k".into()).with_file_name("p"), Location::Uri("s3://b/p".into()));
    }

    #[test]
    fn bytes_round_trip() {
        for location in [Location::Path("/a/b \u{e9}".into()), Location::Uri("memory://x".into())] {
            assert_eq!(Location::from_bytes(&location.to_bytes()).unwrap(), location);
        }
        assert!(Location::from_bytes(b"").is_err());
        assert!(Location::from_bytes(b"x").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn paths_that_are_not_utf8_survive() {
        use std::os::unix::ffi::OsStrExt;
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(b"/a/\xff"));
        let location = Location::Path(path);
        assert_eq!(Location::from_bytes(&location.to_bytes()).unwrap(), location);
    }

    #[cfg(unix)]
    #[test]
    fn file_uris_are_paths() {
        for (uri, path) in [
            ("file:///a/b", "/a/b"),
            ("FILE:///a/b", "/a/b"),
            ("file:/a/b", "/a/b"),
            ("file://localhost/a/b", "/a/b"),
            ("file:///a%20b/100%25", "/a b/100%"),
            ("file:///sp%C3%A4t", "/sp\u{e4}t"),
        ] {
            assert_eq!(Target::uri(uri).absolute().unwrap(), Target::file(path), "{uri}");
        }
        assert_eq!(Target::uri("file:///a/b/").absolute().unwrap(), Target::directory("/a/b/"));
        for uri in ["file:a", "file://host/a", "file:///a?b", "file:///a#b"] {
            let error = Target::uri(uri).absolute().unwrap_err();
            assert!(error.kind() == crate::ErrorKind::Misuse && error.advice().is_some(), "{uri}: {error}");
        }
    }

    #[test]
    fn paths_that_name_no_file_are_refused() {
        for path in ["", "/", "..", "/a/..", "/a/", "a//"] {
            let error = Target::file(path).absolute().unwrap_err();
            assert!(error.kind() == crate::ErrorKind::Misuse && error.advice().is_some(), "{path}: {error}");
        }
        assert!(Target::directory("/a/").absolute().is_ok() && Target::directory("..").absolute().is_ok());
    }
}

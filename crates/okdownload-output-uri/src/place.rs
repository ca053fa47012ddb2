//! From a location to an object of a service.

use okdownload_types::{Error, ErrorKind, Location, Result};

/// A place at a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Remote {
    /// In small letters.
    pub(crate) scheme: String,
    /// The bucket, the container, the host; empty where there is none.
    pub(crate) authority: String,
    /// The object's key, as it is; empty for the authority itself.
    pub(crate) key: String,
}

impl Remote {
    /// `None` for a local path.
    pub(crate) fn of(location: &Location) -> Result<Option<Self>> {
        match location {
            Location::Path(_) => Ok(None),
            Location::Uri(uri) => of_uri(uri).map(Some),
            _ => Err(Error::new(ErrorKind::Unsupported, "this kind of location is not known")
                .with_context("location", location)),
        }
    }

    /// Whether one operator serves both.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        (&self.scheme, &self.authority) == (&other.scheme, &other.authority)
    }

    /// That this names an object, not a directory.
    pub(crate) fn check_object(&self, location: &Location) -> Result<()> {
        if self.key.is_empty() || self.key.ends_with('/') {
            return Err(Error::misuse("this URI names no file", "give one that ends in the name of a file")
                .with_context("location", location));
        }
        Ok(())
    }
}

fn of_uri(uri: &str) -> Result<Remote> {
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", uri));
    let scheme = scheme.to_ascii_lowercase();
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let Some(rest) = rest.strip_prefix("//").filter(|_| is_scheme) else {
        return Err(
            Error::misuse("this is no URI", "give one such as s3://bucket/key").with_context("location", uri)
        );
    };
    let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') {
        // Not shown: there may be a password in it.
        return Err(Error::misuse(
            "a URI to write to takes no user name and no password",
            "give them as options, or in the environment",
        )
        .with_context("scheme", scheme));
    }
    if scheme == "fs" && !authority.is_empty() {
        return Err(Error::misuse("fs URIs have no host", "write three slashes: fs:///directory/file")
            .with_context("location", uri));
    }
    if !is_plain(key) {
        return Err(Error::misuse(
            "a part of this URI's path is empty, `.` or `..`, or it begins or ends with a space",
            "give another name; services and their proxies would change this one",
        )
        .with_context("location", uri));
    }
    Ok(Remote { scheme, authority: authority.to_owned(), key: key.to_owned() })
}

/// Whether a service will see exactly this key.
fn is_plain(key: &str) -> bool {
    let segments = key.strip_suffix('/').unwrap_or(key);
    key.trim() == key
        && (key.is_empty() || segments.split('/').all(|segment| !["", ".", ".."].contains(&segment)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_as_they_are() {
        for (uri, scheme, authority, key) in [
            ("s3://bucket/key", "s3", "bucket", "key"),
            ("S3://bucket/a/b c", "s3", "bucket", "a/b c"),
            // As `aws s3` and `gsutil` do it: nothing is an escape, so every key can be written.
            ("s3://bucket/100%.txt", "s3", "bucket", "100%.txt"),
            ("s3://bucket/a%20b", "s3", "bucket", "a%20b"),
            ("s3://bucket/a?b#c", "s3", "bucket", "a?b#c"),
            ("s3://bucket/a+b&c=d", "s3", "bucket", "a+b&c=d"),
            ("s3://bucket/späß/文", "s3", "bucket", "späß/文"),
            ("s3://bucket/a:b@c", "s3", "bucket", "a:b@c"),
            ("s3://bucket/...", "s3", "bucket", "..."),
            ("s3://bucket/directory/", "s3", "bucket", "directory/"),
            ("s3://bucket/", "s3", "bucket", ""),
            ("s3://bucket", "s3", "bucket", ""),
            ("memory:///a", "memory", "", "a"),
            ("fs:///srv/a", "fs", "", "srv/a"),
            ("webdav://host:8443/a", "webdav", "host:8443", "a"),
        ] {
            let remote = Remote { scheme: scheme.into(), authority: authority.into(), key: key.into() };
            assert_eq!(Remote::of(&Location::Uri(uri.into())).unwrap(), Some(remote), "{uri}");
        }
    }

    #[test]
    fn what_a_service_would_change_is_refused() {
        for uri in [
            "",
            "s3",
            "s3:",
            "s3:/bucket/key",
            "/a/b",
            "://bucket/key",
            "3s://bucket/key",
            "s3://bucket//key",
            "s3://bucket/a//b",
            "s3://bucket/./a",
            "s3://bucket/a/../b",
            "s3://bucket/..",
            "s3://bucket/ a",
            "s3://bucket/a ",
            "s3://bucket/a\n",
            "fs://host/a",
        ] {
            let error = Remote::of(&Location::Uri(uri.into())).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse, "{uri}: {error}");
            assert!(error.advice().is_some());
        }
    }

    #[test]
    fn passwords_are_refused_and_not_repeated() {
        let error = Remote::of(&Location::Uri("s3://KEY:SECRET@bucket/key".into())).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(
            error.kind() == ErrorKind::Misuse && !text.contains("SECRET") && !text.contains("KEY"),
            "{text}"
        );
    }

    #[test]
    fn only_objects_can_be_written() {
        for (key, is_object) in [("a", true), ("a/b", true), ("", false), ("a/", false)] {
            let remote = Remote { scheme: "s3".into(), authority: "b".into(), key: key.into() };
            assert_eq!(remote.check_object(&Location::Uri("x".into())).is_ok(), is_object, "{key}");
        }
    }
}

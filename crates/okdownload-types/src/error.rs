//! The one error type of okdownload.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in one word. Match on it to decide what to do; show the [`Error`] itself to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The final name is taken by something that is not this download.
    AlreadyExists,
    /// The download was cancelled.
    Canceled,
    /// The bytes do not have the expected digest.
    Checksum,
    /// No connection could be made: name look-up, refused, unreachable, proxy.
    Connect,
    /// Another task, or another process, is writing this file.
    FileBusy,
    /// Reading or writing failed, for a reason that has no kind of its own.
    Io,
    /// The caller asked for something that makes no sense; the advice says what does.
    Misuse,
    /// An established connection broke: reset, early end, unreadable body.
    Network,
    /// The network policy forbids to use the network now.
    NetworkPolicy,
    /// There is not enough space, or the quota is used up.
    NoSpace,
    /// What was asked for does not exist.
    NotFound,
    /// Access was denied.
    PermissionDenied,
    /// The peer's answer breaks the protocol.
    Protocol,
    /// Redirected too often, in a circle, or to a place that is not allowed.
    Redirect,
    /// What was there could not be continued, and starting over did not help.
    ResumeFailed,
    /// The server answered with a status that is not a success.
    Status,
    /// The store could not be read or written.
    Store,
    /// The store's data is damaged or belongs to something else.
    StoreCorrupt,
    /// The store was written by a newer version.
    StoreTooNew,
    /// Something took longer than its limit.
    Timeout,
    /// No secure connection could be made: certificate, protocol version.
    Tls,
    /// A bug, here or in a backend.
    Unexpected,
    /// This backend cannot do that.
    Unsupported,
}

/// An error: what failed, on what, why, and what to do.
///
/// Whether it makes sense to try again ([`is_temporary`](Error::is_temporary)) is decided once, where the native
/// error is known; everything above only reads it.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    temporary: bool,
    status: Option<u16>,
    retry_after: Option<Duration>,
    context: Vec<(&'static str, String)>,
    advice: Option<Cow<'static, str>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind. It is not temporary unless [`temporary`](Error::temporary) says so.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            temporary: false,
            status: None,
            retry_after: None,
            context: Vec::new(),
            advice: None,
            source: None,
        }))
    }

    /// A mistake of the caller, with advice.
    pub fn misuse(message: impl Into<Cow<'static, str>>, advice: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Misuse, message).with_advice(advice)
    }

    /// An operating system error while doing `what`. The kind follows the error's own.
    pub fn io(what: impl Into<Cow<'static, str>>, source: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match source.kind() {
            Io::NotFound => ErrorKind::NotFound,
            Io::PermissionDenied | Io::ReadOnlyFilesystem => ErrorKind::PermissionDenied,
            Io::StorageFull | Io::QuotaExceeded => ErrorKind::NoSpace,
            Io::AlreadyExists => ErrorKind::AlreadyExists,
            _ => ErrorKind::Io,
        };
        Self::new(kind, what).with_source(source)
    }

    /// Says that trying again may help.
    #[must_use]
    pub fn temporary(mut self) -> Self {
        self.0.temporary = true;
        self
    }

    /// Says that trying again won't help.
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.0.temporary = false;
        self
    }

    /// Adds the HTTP status the error comes from.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Adds how long the peer asks to wait before the next try (RFC 9110 §10.2.3).
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Adds on what it failed, for instance `("path", …)`. Never put secrets here.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn with_advice(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.0.advice = Some(advice.into());
        self
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// What went wrong, in one word.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What went wrong, in a sentence, without context, cause and advice.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether trying again may help.
    pub fn is_temporary(&self) -> bool {
        self.0.temporary
    }

    /// The HTTP status this error comes from, if it comes from one.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// How long the peer asked to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// On what it failed.
    pub fn context(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.context.iter().map(|(key, value)| (*key, value.as_str()))
    }

    /// What the reader can do about it.
    pub fn advice(&self) -> Option<&str> {
        self.0.advice.as_deref()
    }
}

/// One line: message, context, the chain of causes, advice.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for (i, (key, value)) in self.context().enumerate() {
            write!(f, "{}{key}: {value}", if i == 0 { " (" } else { ", " })?;
        }
        if !self.0.context.is_empty() {
            f.write_str(")")?;
        }
        // Several layers of a library often say the same thing again; say it once.
        let mut last = self.0.message.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !last.contains(&text) {
                write!(f, ": {text}")?;
                last = text;
            }
            cause = error.source();
        }
        if let Some(advice) = self.advice() {
            write!(f, "; {advice}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.kind)?;
        if self.0.temporary {
            f.write_str(" (temporary)")?;
        }
        write!(f, ": {self}")
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_everything_once() {
        let error = Error::io("cannot open the part", std::io::Error::other("broken disk"))
            .with_context("path", "/tmp/a")
            .with_context("offset", 7)
            .with_advice("check the disk");
        assert_eq!(
            error.to_string(),
            "cannot open the part (path: /tmp/a, offset: 7): broken disk; check the disk"
        );
    }

    #[test]
    fn repeated_causes_are_said_once() {
        let inner = Error::new(ErrorKind::Network, "connection reset");
        let outer = Error::new(ErrorKind::Network, "connection reset").with_source(inner);
        assert_eq!(outer.to_string(), "connection reset");
    }

    #[test]
    fn full_disks_have_their_kind() {
        for (io, kind) in [
            (std::io::ErrorKind::StorageFull, ErrorKind::NoSpace),
            (std::io::ErrorKind::QuotaExceeded, ErrorKind::NoSpace),
            (std::io::ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied),
            (std::io::ErrorKind::BrokenPipe, ErrorKind::Io),
        ] {
            let error = Error::io("x", io.into());
            assert_eq!((error.kind(), error.is_temporary()), (kind, false));
        }
    }
}

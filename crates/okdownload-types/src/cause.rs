//! How things end.

use std::fmt;
use std::time::Duration;

use crate::{Error, ErrorKind, Location};

/// An enum of causes, with the words for each and a list of all.
macro_rules! causes {
    (
        $(#[$about:meta])*
        $name:ident { $($(#[$about_one:meta])* $cause:ident => $words:literal,)* }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$about_one])* $cause,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$cause,)*];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$cause => $words,)*
                })
            }
        }
    };
}

causes! {
    /// How a task ended.
    EndCause {
        /// The file is there, whole.
        Completed => "completed",
        /// It failed; the error says why.
        Error => "error",
        /// It was cancelled.
        Canceled => "canceled",
        /// Another task, or another process, is writing the same file.
        FileBusy => "file-busy",
        /// The same task is waiting or running already.
        SameTaskBusy => "same-task-busy",
        /// There was not enough space for the file.
        PreAllocateFailed => "pre-allocate-failed",
    }
}

causes! {
    /// Why a download began from its beginning.
    ResumeFailedCause {
        /// Nothing (usable) was known of an earlier run; every fresh download has this cause.
        InfoDirty => "nothing usable is known of an earlier run",
        /// What had been downloaded is gone, or is another file.
        FileNotExist => "the partial file is gone or is another one",
        /// The output can't go on in the middle.
        OutputStreamNotSupport => "the output cannot go on in the middle",
        /// The entity tag is another one.
        ResponseEtagChanged => "the ETag changed",
        /// The time of modification is another one.
        ResponseLastModifiedChanged => "Last-Modified changed",
        /// The server says that the precondition failed (412).
        ResponsePreconditionFailed => "the server says that the precondition failed (412)",
        /// The server answered 201 to the request for a range (RFC 9110 §15.3.2).
        ResponseCreatedRangeNotFromZero => "the server answered 201 to a range",
        /// The server answered 205 to the request for a range (RFC 9110 §15.3.6).
        ResponseResetRangeNotFromZero => "the server answered 205 to a range",
        /// The length is another one.
        ContentLengthChanged => "the length changed",
        /// The server has no strong validator for the resource, so parts of two responses can't be put together.
        ValidatorMissing => "the server gives no strong validator",
        /// The finished part did not have the expected digest.
        DigestMismatch => "the digest is wrong",
    }
}

/// How one run of a task ended, with the figures.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TaskEnd {
    /// How.
    pub cause: EndCause,
    /// Why, where it did not complete.
    pub error: Option<Error>,
    /// Where the file is, or would have been; unknown if it ended before it had a name.
    pub location: Option<Location>,
    /// The length of the file, where it is known.
    pub length: Option<u64>,
    /// Bytes that were there when the run began.
    pub resumed: u64,
    /// Body bytes that this run received.
    pub fetched: u64,
    /// How long it ran; waiting in the queue does not count.
    pub elapsed: Duration,
}

impl TaskEnd {
    /// An end of this cause, with no figures.
    pub const fn new(cause: EndCause) -> Self {
        Self {
            cause,
            error: None,
            location: None,
            length: None,
            resumed: 0,
            fetched: 0,
            elapsed: Duration::ZERO,
        }
    }

    /// The end that this error means.
    pub fn failed(error: Error) -> Self {
        let cause = match error.kind() {
            ErrorKind::Canceled => EndCause::Canceled,
            ErrorKind::FileBusy => EndCause::FileBusy,
            ErrorKind::NoSpace => EndCause::PreAllocateFailed,
            _ => EndCause::Error,
        };
        let error = (cause != EndCause::Canceled).then_some(error);
        Self { error, ..Self::new(cause) }
    }

    /// Whether the file is there, whole.
    pub fn is_completed(&self) -> bool {
        self.cause == EndCause::Completed
    }

    /// The end as a `Result`: where the file is, or the error.
    ///
    /// # Errors
    /// Whatever kept the task from completing.
    pub fn into_result(self) -> crate::Result<Self> {
        match (self.cause, self.error) {
            (EndCause::Completed, None) => Ok(Self { error: None, ..self }),
            (_, Some(error)) => Err(error),
            (EndCause::Canceled, None) => Err(Error::new(ErrorKind::Canceled, "the download was cancelled")
                .with_advice("enqueue it again to go on from what is there")),
            (cause, None) => {
                Err(Error::new(ErrorKind::Canceled, "the download did not complete")
                    .with_context("cause", cause))
            }
        }
    }
}

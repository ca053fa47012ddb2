//! What a run does when a source fails, beyond trying again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use okdownload_monitor::Event;
use okdownload_types::{Error, ErrorKind, ResourceVersion, Result, ResumeFailedCause, Validators, redacted};
use tokio::time::Instant;

use crate::request::Ask;
use crate::run::Run;
use crate::sources::Reach;

/// A request to a source that failed.
#[derive(Debug)]
pub(crate) struct Failure<'a> {
    pub(crate) source: usize,
    /// For which block it was.
    pub(crate) block: usize,
    pub(crate) error: &'a Error,
    /// The version that it had to fit.
    pub(crate) version: Option<&'a ResourceVersion>,
    /// Whether it brought bytes before, and not too slowly.
    pub(crate) progressed: bool,
    /// Whether the source only wants fewer connections.
    pub(crate) crowded: bool,
}

/// A date that is not strong may be another source's, and say nothing to this one.
fn without_weak_date(mut condition: Validators) -> Validators {
    if !condition.last_modified_is_strong {
        condition.last_modified = None;
    }
    condition
}

/// Whether no source has anything to do with it.
fn is_ours(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Canceled | ErrorKind::NetworkPolicy | ErrorKind::Misuse)
}

impl Run {
    /// Which sources can be of use to a request that must fit this version.
    fn reach(&self, version: Option<&ResourceVersion>) -> Reach {
        let Some(version) = version else { return Reach::Any };
        let validators = &version.validators;
        let tagged = validators.etag.as_ref().is_some_and(|etag| !etag.weak);
        let provable =
            tagged || self.task.digest().is_some() || (self.is_trusting() && !validators.is_strong());
        if provable && version.total.is_some() { Reach::Proven } else { Reach::Home }
    }

    /// Whom to ask; `spread` if it is for one connection of several.
    pub(crate) fn pick(&self, ask: &Ask, spread: bool) -> usize {
        let reach = self.reach(ask.version.as_ref());
        self.sources().pick(reach, spread, Instant::now())
    }

    /// What is asked of this source: validators, and conditions, are only for the one that they come from.
    pub(crate) fn ask_of(&self, source: usize, ask: &Ask) -> Ask {
        let other_source = ask.version.is_some() && !self.sources().is_home(source);
        // A completion record does not tell its source either, and 304 tells no length.
        let condition = ask.condition.clone().filter(|_| source == crate::sources::MAIN);
        let condition = condition.map(without_weak_date);
        Ask { other_source, condition, ..ask.clone() }
    }

    /// Whether a source that has, or may have, another version is one of several, and so is passed over; the error says
    /// so. Else the file itself has changed.
    pub(crate) fn pass_over(&self, source: usize, cause: ResumeFailedCause) -> Option<Error> {
        let mut sources = self.sources();
        if sources.decides(source) {
            return None;
        }
        sources.strange(source, cause);
        let error =
            Error::new(ErrorKind::ResumeFailed, "it cannot be shown to have the same version of the file");
        Some(error.with_context("why", cause).with_advice("give a digest to use it beside others"))
    }

    /// Whether a source that can't do ranges is better passed over.
    pub(crate) fn can_spare(&self, source: usize, version: Option<&ResourceVersion>) -> bool {
        self.sources().can_spare(source, self.reach(version))
    }

    /// Whether another source can be asked at once. That costs no retry: there are only so many.
    pub(crate) fn moves_on(&self, failure: &Failure<'_>) -> bool {
        let error = failure.error;
        let mut sources = self.sources();
        if sources.count() == 1 || is_ours(error) {
            return false;
        }
        let lasting = !error.is_temporary() && !failure.crowded;
        let reach = self.reach(failure.version);
        let failed =
            sources.failed(failure.source, error, lasting, failure.progressed, reach, Instant::now());
        let url = redacted(&sources.url(failure.source));
        drop(sources);
        if failed.left_out {
            self.hub.warn(format!("not asking {url} any more: {error}"));
        }
        if failed.another {
            tracing::debug!(url, %error, "asking another source");
            let (block, wait, error) = (failure.block, Duration::ZERO, error.clone());
            self.hub.publish(Event::Retry { block, wait, error });
        }
        failed.another
    }

    /// The error that says whether to wait and ask again, where all sources have failed.
    pub(crate) fn decisive(&self, error: Error, version: Option<&ResourceVersion>) -> Error {
        if is_ours(&error) {
            return error;
        }
        self.sources().decisive(self.reach(version)).unwrap_or(error)
    }

    /// No source goes on with what is there, and no retry is left. Starts over if there is one that has the file in
    /// another version, or one that can't be compared; but only once in a run.
    ///
    /// # Errors
    /// The one that it is given, if there is none.
    pub(crate) fn elsewhere(
        &self,
        error: Error,
        version: Option<&ResourceVersion>,
    ) -> Result<ResumeFailedCause> {
        if is_ours(&error) || self.stop.is_cancelled() || self.restarted.load(Ordering::Relaxed) {
            return Err(error);
        }
        let cause = self.sources().abandon(self.reach(version));
        match cause {
            Some(cause) => {
                self.hub
                    .warn(format!("giving up what is there, to take the file from another source: {error}"));
                self.forget_failures();
                Ok(cause)
            }
            None => Err(error),
        }
    }
}

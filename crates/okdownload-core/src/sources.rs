//! The places that have the file, and which of them is asked next: pure decisions.
//!
//! A failure moves on to a source that has not failed in this round. Only when all have failed does the round cost a
//! retry and a wait, and a new one begins; so it does with progress. With one source, each failure is a round.
//!
//! The *home* is the source that the version is of: its validators mean something there, and elsewhere only as far as
//! [`judge_response`](okdownload_strategy::judge_response) lets them. It is not known of a version that an earlier run
//! has recorded; the task's own URL is asked first then, and taken for it if it proves it.

use std::time::Duration;

use okdownload_types::{DownloadTask, Error, ResumeFailedCause};
use tokio::time::Instant;
use url::Url;

/// The task's own URL.
pub(crate) const MAIN: usize = 0;

/// How long a source that has failed gets no further blocks while others serve.
const PAUSE: Duration = Duration::from_secs(30);

/// Which sources can be of use to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All: nothing is there yet that an answer must fit.
    Any,
    /// All that can prove that they have the version.
    Proven,
    /// Only the home: there is nothing that another one could prove it by.
    Home,
}

/// The sources of one run.
#[derive(Debug)]
pub(crate) struct Sources {
    list: Vec<Source>,
    home: Option<usize>,
    /// Whether the blocks of several connections go round.
    spreads: bool,
    /// Who got a block last.
    last: usize,
}

#[derive(Debug)]
struct Source {
    /// As the user gave it.
    url: Url,
    /// Where its requests go: there, or where it redirected to.
    place: Url,
    standing: Standing,
    /// Whether it has failed in this round.
    failed: bool,
    /// What its last failure was, and when; gone once it answers well.
    trouble: Option<(Instant, Error)>,
    /// Whether bytes of it may be there.
    used: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It may be asked.
    Fit,
    /// It answers, but cannot be shown to have the version that the bytes are of.
    Strange(ResumeFailedCause),
    /// It will not get better in this run.
    Out,
}

/// What a source's failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed {
    /// Whether it is not asked any more, from now on.
    pub(crate) left_out: bool,
    /// Whether another one can be asked at once.
    pub(crate) another: bool,
}

impl Source {
    fn new(url: &Url) -> Self {
        let (url, place) = (url.clone(), url.clone());
        Self { url, place, standing: Standing::Fit, failed: false, trouble: None, used: false }
    }

    /// How much longer it wants to be left alone.
    fn rest(&self, now: Instant) -> Duration {
        let wait = self.trouble.as_ref().and_then(|(at, error)| Some((*at, error.retry_after()?)));
        wait.map_or(Duration::ZERO, |(at, wait)| wait.saturating_sub(now.saturating_duration_since(at)))
    }

    fn is_due(&self, now: Instant) -> bool {
        self.rest(now).is_zero()
    }

    fn is_paused(&self, now: Instant) -> bool {
        self.trouble.as_ref().is_some_and(|(at, _)| now.duration_since(*at) < PAUSE)
    }
}

impl Sources {
    pub(crate) fn new(task: &DownloadTask) -> Self {
        let mirrors = task.mirrors().iter().map(|mirror| Source::new(mirror.url()));
        let list = std::iter::once(Source::new(task.url())).chain(mirrors).collect();
        Self { list, home: None, spreads: true, last: MAIN }
    }

    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    /// The URL that the user gave for it.
    pub(crate) fn url(&self, source: usize) -> Url {
        self.list[source].url.clone()
    }

    /// The URL that the user gave for it, and where its next request goes.
    pub(crate) fn urls(&self, source: usize) -> (Url, Url) {
        let source = &self.list[source];
        (source.url.clone(), source.place.clone())
    }

    /// Remembers where its URL led to.
    pub(crate) fn set_place(&mut self, source: usize, place: Url) {
        self.list[source].place = place;
    }

    /// Whether the version is this one's, as far as is known.
    pub(crate) fn is_home(&self, source: usize) -> bool {
        self.home.unwrap_or(MAIN) == source
    }

    /// Whether an answer of this source decides what the file is: it has no other to be held against.
    pub(crate) fn decides(&self, source: usize) -> bool {
        self.count() == 1 || self.home == Some(source)
    }

    fn is_eligible(&self, source: usize, reach: Reach) -> bool {
        self.list[source].standing == Standing::Fit && (reach != Reach::Home || self.is_home(source))
    }

    /// Those that may be asked, the preferred one first.
    fn eligible(&self, reach: Reach) -> impl Iterator<Item = usize> {
        let home = self.home.unwrap_or(MAIN);
        let others = (0..self.count()).filter(move |source| *source != home);
        std::iter::once(home).chain(others).filter(move |source| self.is_eligible(*source, reach))
    }

    /// Whom to ask next; `spread` if it is for one connection of several.
    pub(crate) fn pick(&mut self, reach: Reach, spread: bool, now: Instant) -> usize {
        if spread && self.spreads && reach != Reach::Home {
            let count = self.count();
            let round = (1..=count).map(|step| (self.last + step) % count);
            let serves = |source: &usize| {
                let state = &self.list[*source];
                self.is_eligible(*source, reach) && !state.is_paused(now) && state.is_due(now)
            };
            if let Some(next) = round.into_iter().find(serves) {
                self.last = next;
                return next;
            }
        }
        let asked = self
            .eligible(reach)
            .find(|source| !self.list[*source].failed && self.list[*source].is_due(now))
            // All have failed or want to be left alone: then whoever wants so for the shortest time.
            .or_else(|| self.eligible(reach).min_by_key(|source| self.list[*source].rest(now)));
        asked.unwrap_or(self.home.unwrap_or(MAIN))
    }

    /// It answers well; `decides` if the version is what it says.
    pub(crate) fn answered(&mut self, source: usize, decides: bool) {
        let state = &mut self.list[source];
        (state.trouble, state.used) = (None, true);
        if decides {
            (self.home, self.last) = (Some(source), source);
        }
    }

    /// It cannot be shown to have the version that the bytes are of.
    pub(crate) fn strange(&mut self, source: usize, cause: ResumeFailedCause) {
        let state = &mut self.list[source];
        if state.standing == Standing::Fit {
            (state.standing, state.trouble) = (Standing::Strange(cause), None);
        }
    }

    /// A request to it failed; `lasting` if it will not get better, `progressed` if it brought something before. What
    /// others bring meanwhile begins no new round: two that refuse would be asked in turn without end.
    pub(crate) fn failed(
        &mut self,
        source: usize,
        error: &Error,
        lasting: bool,
        progressed: bool,
        reach: Reach,
        now: Instant,
    ) -> Failed {
        if progressed {
            self.new_round();
        }
        let state = &mut self.list[source];
        state.failed = true;
        // Each of several connections to it may find out; it is told once.
        let known = state.trouble.replace((now, error.clone())).is_some();
        let left_out = match state.standing {
            Standing::Fit if lasting => {
                state.standing = Standing::Out;
                true
            }
            Standing::Strange(_) => !known,
            Standing::Fit | Standing::Out => false,
        };
        let another = self.has_another(source, reach, now);
        Failed { left_out, another }
    }

    /// Whether one that has not failed can be asked in its place.
    fn has_another(&self, source: usize, reach: Reach, now: Instant) -> bool {
        let serves = |other: usize| !self.list[other].failed && self.list[other].is_due(now);
        self.eligible(reach).any(|other| other != source && serves(other))
    }

    /// Whether a mirror that cannot do what others can, and have not failed in, is better left out.
    pub(crate) fn can_spare(&self, source: usize, reach: Reach) -> bool {
        !self.is_home(source) && self.eligible(reach).any(|other| other != source && !self.list[other].failed)
    }

    /// All have failed: the error that says whether, and when, one of them should be asked again. `None`: none of them.
    pub(crate) fn decisive(&self, reach: Reach) -> Option<Error> {
        let errors = self.eligible(reach).filter_map(|source| self.list[source].trouble.as_ref());
        let temporary = errors.map(|(_, error)| error).filter(|error| error.is_temporary());
        temporary.min_by_key(|error| error.retry_after()).cloned()
    }

    /// All may be asked again.
    pub(crate) fn new_round(&mut self) {
        self.list.iter_mut().for_each(|source| source.failed = false);
    }

    /// All that could go on with the bytes are given up. Says why to start over, if there is a source that has the file,
    /// in whatever version; then only such ones are asked from now on.
    pub(crate) fn abandon(&mut self, reach: Reach) -> Option<ResumeFailedCause> {
        let serves = |sources: &Self, source: usize| match sources.list[source].standing {
            Standing::Strange(cause) => Some(cause),
            Standing::Fit if reach == Reach::Home && !sources.is_home(source) => {
                Some(ResumeFailedCause::ValidatorMissing)
            }
            _ => None,
        };
        let causes: Vec<_> = (0..self.count()).map(|source| serves(self, source)).collect();
        let cause = causes.iter().flatten().next().copied()?;
        for (source, cause) in self.list.iter_mut().zip(causes) {
            source.standing = if cause.is_some() { Standing::Fit } else { Standing::Out };
            source.trouble = None;
        }
        self.new_round();
        self.new_version();
        Some(cause)
    }

    /// Nothing is there any more that answers must fit.
    pub(crate) fn new_version(&mut self) {
        self.home = None;
        for source in &mut self.list {
            source.used = false;
            // Where a redirect led may be what is wrong: a login page of the network, a mirror that is behind.
            source.place = source.url.clone();
            if matches!(source.standing, Standing::Strange(_)) {
                (source.standing, source.failed, source.trouble) = (Standing::Fit, false, None);
            }
        }
    }

    /// The file turned out to be wrong. The next one comes from one source alone; if this one did, then from another.
    pub(crate) fn distrust(&mut self) {
        self.spreads = false;
        let used: Vec<_> = (0..self.count()).filter(|source| self.list[*source].used).collect();
        if let [only] = used[..]
            && self.eligible(Reach::Any).any(|source| source != only)
        {
            self.list[only].standing = Standing::Out;
        }
    }
}

#[cfg(test)]
mod tests;

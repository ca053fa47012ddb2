//! Which blocks of a file wait to be tried again, and why.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use okdownload::Error;
use okdownload::monitor::Event;
use url::Url;

use crate::report::{describe, printable};

/// What failed, and is tried again.
#[derive(Debug, Default)]
pub(crate) struct Retries {
    waiting: BTreeMap<usize, Wait>,
    /// How often each block failed since bytes came last.
    failures: BTreeMap<usize, u32>,
    is_told: bool,
}

/// A block that waits.
#[derive(Debug)]
struct Wait {
    number: u32,
    until: Instant,
    /// In few words.
    why: String,
}

impl Wait {
    /// `retry 2 in 3 s: why`
    fn words(&self, now: Instant, why: &str) -> String {
        let left = self.until.saturating_duration_since(now).as_millis().div_ceil(1000);
        format!("retry {} in {left} s: {why}", self.number)
    }
}

/// What failed, and where, in the room that a line has.
fn shortly(error: &Error) -> String {
    let url = error.context().find(|(key, _)| *key == "url").and_then(|(_, url)| Url::parse(url).ok());
    let place = url.and_then(|url| {
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        Some(format!("{}{port}: ", url.host_str()?))
    });
    printable(&(place.unwrap_or_default() + error.message()))
}

impl Retries {
    /// Notes what happened to the file now. Tells all of its first wait.
    pub(crate) fn hear(&mut self, event: &Event, now: Instant) -> Option<String> {
        match event {
            Event::Retry { block, wait, error } if !wait.is_zero() => {
                return self.wait(*block, *wait, now, error);
            }
            Event::FetchProgress { block, increase: 1.. } => {
                self.waiting.remove(block);
                self.failures.clear();
            }
            Event::ConnectStart { block, .. } | Event::FetchEnd { block, .. } => {
                self.waiting.remove(block);
            }
            Event::TaskStart | Event::ConnectTrialStart { .. } => self.waiting.clear(),
            _ => {}
        }
        None
    }

    fn wait(&mut self, block: usize, wait: Duration, now: Instant, error: &Error) -> Option<String> {
        let failures = self.failures.entry(block).or_default();
        *failures += 1;
        // What never ends is as good as a year.
        let until = now + wait.min(Duration::from_secs(365 * 24 * 3600));
        let wait = Wait { number: *failures, until, why: shortly(error) };
        let first = (!std::mem::replace(&mut self.is_told, true)).then(|| wait.words(now, &describe(error)));
        self.waiting.insert(block, wait);
        first
    }

    /// What to show of a file with so many connections, if none of them does anything but wait: that of the one that is
    /// tried next.
    pub(crate) fn shown(&self, connections: usize, now: Instant) -> Option<String> {
        let waiting = || self.waiting.values().filter(|wait| wait.until > now);
        let next = waiting().min_by_key(|wait| wait.until)?;
        (waiting().count() >= connections).then(|| next.words(now, &next.why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use okdownload::{Error, ErrorKind};

    fn retry(block: usize, milliseconds: u64) -> Event {
        let error = Error::new(ErrorKind::Network, "it\nbroke").with_context("url", "http://h:81/a?b=…");
        Event::Retry { block, wait: Duration::from_millis(milliseconds), error }
    }

    const BYTES: Event = Event::FetchProgress { block: 0, increase: 1 };

    #[test]
    fn the_first_wait_is_told_and_all_are_shown_while_they_last() {
        let (mut retries, now) = (Retries::default(), Instant::now());
        let after = |milliseconds| now + Duration::from_millis(milliseconds);
        // To ask at another place is no wait.
        assert_eq!((retries.hear(&retry(0, 0), now), retries.shown(0, now)), (None, None));
        let told = retries.hear(&retry(0, 400), now);
        assert_eq!(told.as_deref(), Some("retry 1 in 1 s: it\nbroke (url: http://h:81/a?b=…)"));
        for connections in [0, 1] {
            let shown = retries.shown(connections, now);
            assert_eq!(shown.as_deref(), Some("retry 1 in 1 s: h:81: it\u{fffd}broke"));
        }
        assert_eq!(retries.shown(1, after(400)), None);
        assert_eq!(retries.hear(&retry(0, 2500), after(400)), None);
        assert!(retries.shown(1, after(400)).unwrap().starts_with("retry 2 in 3 s: "));
        assert!(retries.shown(1, after(1901)).unwrap().starts_with("retry 2 in 1 s: "));
        // Bytes begin the count anew.
        assert_eq!((retries.hear(&BYTES, now), retries.shown(0, now)), (None, None));
        assert_eq!(retries.hear(&retry(0, 400), now), None);
        assert!(retries.shown(1, now).unwrap().starts_with("retry 1 in 1 s: "));
    }

    #[test]
    fn a_file_that_others_still_fetch_does_not_wait() {
        let (mut retries, now) = (Retries::default(), Instant::now());
        retries.hear(&retry(1, 5000), now);
        assert_eq!(retries.shown(2, now), None);
        retries.hear(&retry(0, 3000), now);
        // Each block counts its own failures, and who is next is shown.
        assert!(retries.shown(2, now).unwrap().starts_with("retry 1 in 3 s: "));
        retries.hear(&Event::FetchEnd { block: 0, fetched: 1 }, now);
        assert!(retries.shown(1, now).unwrap().starts_with("retry 1 in 5 s: "));
        retries.hear(&Event::TaskStart, now);
        assert_eq!(retries.shown(1, now), None);
    }
}

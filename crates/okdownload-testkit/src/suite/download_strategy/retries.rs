//! What is tried again, and when.

use std::time::Duration;

use okdownload_strategy::{DownloadStrategy, RetryFacts, RetryVerdict};
use okdownload_types::{Error, ErrorKind};

use super::fresh;

/// The longest wait, whoever wants it.
const LONGEST: Duration = Duration::from_secs(300);

fn retry(strategy: &dyn DownloadStrategy, error: &Error, failures: u32, limit: u32) -> Option<Duration> {
    match fresh(strategy).retry(&RetryFacts::new(error, failures, limit, u64::from(failures) * 0x9e37)) {
        RetryVerdict::After(wait) => Some(wait),
        RetryVerdict::GiveUp => None,
    }
}

fn temporary() -> Error {
    Error::new(ErrorKind::Network, "reset").temporary()
}

fn busy(seconds: u64) -> Error {
    let error = Error::new(ErrorKind::Status, "busy").with_status(503).temporary();
    error.with_retry_after(Duration::from_secs(seconds))
}

/// Whoever made the error knows that nothing will change.
pub fn permanent_errors_are_not_tried_again(strategy: &dyn DownloadStrategy) {
    use ErrorKind::{Checksum, NetworkPolicy, NoSpace, Protocol, Status, Tls};
    for kind in [Protocol, Tls, Status, NoSpace, Checksum, NetworkPolicy] {
        let error = Error::new(kind, "permanent");
        assert_eq!(retry(strategy, &error, 1, 5), None, "{error:?}");
    }
}

/// More failures than the user forgives are never forgiven.
pub fn failures_come_to_an_end(strategy: &dyn DownloadStrategy) {
    for limit in [0, 1, 5, 100] {
        for failures in [limit + 1, limit + 2, u32::MAX] {
            assert_eq!(retry(strategy, &temporary(), failures, limit), None, "{failures} of {limit}");
        }
    }
}

/// No wait is longer than five minutes, after however many failures.
pub fn waits_are_bounded(strategy: &dyn DownloadStrategy) {
    for failures in (1..200).chain([1000, u32::MAX]) {
        let wait = retry(strategy, &temporary(), failures, u32::MAX);
        assert!(wait.is_none_or(|wait| wait <= LONGEST), "{wait:?} after {failures} failures");
    }
}

/// `Retry-After` is the least time to wait.
pub fn the_server_is_not_asked_sooner_than_it_wants(strategy: &dyn DownloadStrategy) {
    for seconds in [1, 10, 60, 299, 300] {
        for failures in 1..=5 {
            let wait = retry(strategy, &busy(seconds), failures, 5);
            assert!(wait.is_none_or(|wait| wait >= Duration::from_secs(seconds)), "{wait:?} for {seconds} s");
        }
    }
}

/// Nobody is left to wait for hours without a word: that is an error, which says for how long.
pub fn a_server_that_asks_for_too_long_is_given_up(strategy: &dyn DownloadStrategy) {
    for seconds in [301, 3600, u64::MAX] {
        assert_eq!(retry(strategy, &busy(seconds), 1, 5), None, "{seconds} s");
    }
}

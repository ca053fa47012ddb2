//! Waiting for who holds a file for a moment.

use std::io;
use std::time::Duration;

use crate::sys;

/// How long to wait between tries; about a second in all. Who still holds the file then does so on purpose.
const WAITS: [Duration; 8] = [
    Duration::from_millis(1),
    Duration::from_millis(4),
    Duration::from_millis(16),
    Duration::from_millis(64),
    Duration::from_millis(128),
    Duration::from_millis(256),
    Duration::from_millis(256),
    Duration::from_millis(256),
];

/// Renames, links or removes. On Windows that fails while a virus scanner or an indexer looks at the file, which they
/// do just when it was written.
pub(crate) fn patiently<T>(attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    try_again(attempt, sys::is_held, std::thread::sleep)
}

fn try_again<T>(
    mut attempt: impl FnMut() -> io::Result<T>,
    is_held: fn(&io::Error) -> bool,
    mut wait: impl FnMut(Duration),
) -> io::Result<T> {
    for pause in WAITS {
        match attempt() {
            Err(error) if is_held(&error) => wait(pause),
            done => return done,
        }
    }
    attempt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it was tried, how it ended, and how long was waited, if so many tries fail with `error`.
    fn tries(failing: usize, error: io::ErrorKind) -> (usize, io::Result<()>, Duration) {
        let (mut tries, mut waited) = (0, Duration::ZERO);
        let attempt = || {
            tries += 1;
            if tries > failing { Ok(()) } else { Err(error.into()) }
        };
        let held = |error: &io::Error| error.kind() == io::ErrorKind::ResourceBusy;
        let done = try_again(attempt, held, |pause| waited += pause);
        (tries, done, waited)
    }

    #[test]
    fn what_is_held_is_tried_again_for_a_second() {
        let (count, done, waited) = tries(0, io::ErrorKind::ResourceBusy);
        assert!(count == 1 && done.is_ok() && waited.is_zero());
        let (count, done, _) = tries(WAITS.len(), io::ErrorKind::ResourceBusy);
        assert!(count == WAITS.len() + 1 && done.is_ok());
        let (count, done, waited) = tries(100, io::ErrorKind::ResourceBusy);
        assert!(count == WAITS.len() + 1 && done.is_err());
        assert!((900..1100).contains(&waited.as_millis()), "{waited:?}");
    }

    #[test]
    fn other_errors_are_told_at_once() {
        let (count, done, waited) = tries(1, io::ErrorKind::StorageFull);
        assert!(count == 1 && waited.is_zero());
        assert_eq!(done.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}

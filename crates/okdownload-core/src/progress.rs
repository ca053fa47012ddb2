//! How far, how fast, how long still.

use std::time::Duration;

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes that are there and recorded.
    pub written: u64,
    /// The length of the resource, where it is known.
    pub total: Option<u64>,
    /// Bytes a second, over the last two seconds; 0 in the first half second, when nothing comes, and when the task does
    /// not run.
    pub speed: u64,
    /// Bytes a second, since the run began to fetch; while nothing comes, as of when the speed fell to 0.
    pub average: u64,
    /// Connections at work.
    pub connections: usize,
}

impl Progress {
    /// How long it will take at this speed; unknown without a length or without any speed.
    pub fn eta(&self) -> Option<Duration> {
        let left = self.total?.checked_sub(self.written)?;
        (self.speed > 0).then(|| Duration::from_secs_f64(left as f64 / self.speed as f64))
    }

    /// Which part of it is there, from 0 to 1; an empty resource is there.
    pub fn fraction(&self) -> Option<f64> {
        self.total.map(|total| if total == 0 { 1.0 } else { self.written as f64 / total as f64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates() {
        let progress = Progress { written: 50, total: Some(100), speed: 10, ..Progress::default() };
        assert_eq!(progress.eta(), Some(Duration::from_secs(5)));
        assert_eq!(progress.fraction(), Some(0.5));
        assert_eq!(Progress::default().eta(), None);
        assert_eq!(Progress { total: Some(0), ..Progress::default() }.fraction(), Some(1.0));
    }
}

//! How many failures are forgiven: one count for a task, whichever of its connections fail.

/// Failures in a row, without progress between them.
///
/// Connections fail together: one cut of the network drops all of them. So a failure counts only if its try began after
/// the last one that counted; the others are of the same event. A try that counts for nothing is followed by one that
/// does, so a task of any number of connections comes to its end.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    failures: u32,
    furthest: u64,
    events: u64,
}

/// When a try began: after so many failures that counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun(u64);

/// What is known of a try that failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tried {
    /// When it began.
    pub(crate) begun: Begun,
    /// How many bytes of the resource are there now.
    pub(crate) reached: u64,
    /// Whether what it brought came too slowly to be called progress.
    pub(crate) slowly: bool,
}

impl Budget {
    /// So many bytes are there before the first try.
    pub(crate) fn resume(&mut self, reached: u64) {
        self.furthest = self.furthest.max(reached);
    }

    /// Who failed is given up, and the others go on as if nothing had been.
    pub(crate) fn forgive(&mut self) {
        self.failures = 0;
    }

    /// Another source begins at the first byte.
    pub(crate) fn start_over(&mut self) {
        (self.failures, self.furthest) = (0, 0);
    }

    /// A try begins.
    pub(crate) fn begin(&self) -> Begun {
        Begun(self.events)
    }

    /// A try failed. Returns how many failures in a row that makes, this one included.
    ///
    /// Progress clears them: more bytes than there ever were in this run. Those of a version that is gone count, so that
    /// a resource which changes and breaks again and again comes to an end.
    pub(crate) fn fail(&mut self, tried: Tried) -> u32 {
        if tried.reached > self.furthest {
            self.furthest = tried.reached;
            if !tried.slowly {
                self.failures = 0;
            }
        }
        if tried.begun.0 == self.events {
            self.events += 1;
            self.failures = self.failures.saturating_add(1);
        }
        self.failures.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(begun: Begun, reached: u64) -> Tried {
        Tried { begun, reached, slowly: false }
    }

    #[test]
    fn only_new_bytes_are_progress() {
        let mut budget = Budget::default();
        for (reached, failures) in [(0, 1), (10, 1), (10, 2), (3, 3), (10, 4), (11, 1), (0, 2)] {
            assert_eq!(budget.fail(tried(budget.begin(), reached)), failures, "{reached}");
        }
    }

    #[test]
    fn bytes_that_come_too_slowly_are_none() {
        let mut budget = Budget::default();
        for (reached, slowly, failures) in
            [(10, false, 1), (20, true, 2), (30, true, 3), (30, false, 4), (31, false, 1), (50, true, 2)]
        {
            let tried = Tried { begun: budget.begin(), reached, slowly };
            assert_eq!(budget.fail(tried), failures, "{reached}");
        }
    }

    #[test]
    fn what_fails_together_counts_once() {
        let mut budget = Budget::default();
        for round in 1..4 {
            let begun = [(); 8].map(|()| budget.begin());
            for begun in begun {
                assert_eq!(budget.fail(tried(begun, 0)), round);
            }
        }
        // Somebody got on in between, and the last of them hears of the cut only now.
        let late = budget.begin();
        assert_eq!(budget.fail(tried(budget.begin(), 7)), 1);
        assert_eq!(budget.fail(tried(late, 8)), 1);
    }

    /// Whoever fails again and again is counted, whatever the others do.
    #[test]
    fn failures_come_to_an_end() {
        let mut random = fastrand::Rng::with_seed(1);
        for connections in [1, 2, 3, 16] {
            let mut budget = Budget::default();
            let mut begun = vec![budget.begin(); connections];
            let mut tries = 0;
            loop {
                let who = random.usize(..connections);
                tries += 1;
                if budget.fail(tried(begun[who], 0)) > 10 {
                    break;
                }
                begun[who] = budget.begin();
            }
            assert!(tries <= 11 * connections, "{tries} tries of {connections} connections");
        }
    }
}

//! The dispatcher against a model that looks at everything each time: many random histories.

use super::*;

const TASKS: usize = 12;
const HOSTS: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    Nowhere,
    Waiting,
    Running { pausing: bool, again: bool },
    Paused,
}

/// What should be so.
#[derive(Debug)]
struct Model {
    at: [At; TASKS],
    turn: [Turn; TASKS],
    counts: [bool; TASKS],
    /// How many runs were told to end and are not over: of this task, and whether it counts.
    leaving: [Option<bool>; TASKS],
    limit: usize,
    per_host: Option<usize>,
    arrivals: u64,
}

impl Model {
    /// How many count that run, or still run, of those that `wanted` picks.
    fn running(&self, wanted: impl Fn(usize) -> bool) -> usize {
        let of = |task: usize| {
            let runs = matches!(self.at[task], At::Running { .. }) && self.counts[task];
            usize::from(runs) + usize::from(self.leaving[task] == Some(true))
        };
        (0..TASKS).filter(|task| wanted(*task)).map(of).sum()
    }

    fn may_start(&self, task: usize) -> bool {
        let host = |other: usize| other % HOSTS == task % HOSTS;
        self.at[task] == At::Waiting
            && self.leaving[task].is_none()
            && (!self.counts[task]
                || self.running(|_| true) < self.limit
                    && self.per_host.is_none_or(|limit| self.running(host) < limit))
    }

    /// Who is next: those that do not count first, then by turn.
    fn next(&self) -> Option<usize> {
        (0..TASKS)
            .filter(|task| self.may_start(*task))
            .min_by_key(|task| (self.counts[*task], self.turn[*task]))
    }
}

struct Play {
    dispatcher: Dispatcher,
    entries: Vec<Arc<Entry>>,
    model: Model,
    random: fastrand::Rng,
}

impl Play {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let limit = random.usize(1..5);
        let per_host = random.bool().then(|| random.usize(1..3));
        let model = Model {
            at: [At::Nowhere; TASKS],
            turn: [(Reverse(0), 0); TASKS],
            counts: [true; TASKS],
            leaving: [None; TASKS],
            limit,
            per_host,
            arrivals: 0,
        };
        let entries = (0..TASKS).map(Self::entry).collect();
        Self { dispatcher: Dispatcher::new(count(limit), per_host.map(count)), entries, model, random }
    }

    fn entry(number: usize) -> Arc<Entry> {
        let url = format!("http://host{}/{number}", number % HOSTS);
        Arc::new(Entry::new(DownloadTask::to_file(url, format!("/tmp/{number}")).unwrap()))
    }

    fn step(&mut self) {
        let task = self.random.usize(..TASKS);
        match self.random.u8(..12) {
            0..4 => self.admit(task),
            4..6 => self.finish(task),
            6 => self.cancel(task),
            7 => self.pause(task),
            8 => self.resume(task),
            9 => self.set_priority(task),
            10 => self.set_limits(),
            _ if self.random.u8(..8) == 0 => self.cancel_all(),
            _ => {}
        }
        // In reality, others may do something before the engine asks.
        if self.random.u8(..4) > 0 {
            self.pump();
        }
    }

    fn admit(&mut self, task: usize) {
        let how = [Admission::Waiting, Admission::Waiting, Admission::Paused, Admission::AtOnce];
        let how = how[self.random.usize(..4)];
        let entry = Self::entry(task);
        let refused = refusal(&self.dispatcher, &entry, how).is_some();
        assert_eq!(refused, self.model.at[task] != At::Nowhere);
        if !refused {
            self.entries[task] = entry;
            self.model.arrivals += 1;
            self.model.at[task] = if how == Admission::Paused { At::Paused } else { At::Waiting };
            self.model.turn[task] = (Reverse(0), self.model.arrivals);
            self.model.counts[task] = how != Admission::AtOnce;
        }
    }

    /// A run is over: one that leaves, else the task's own.
    fn finish(&mut self, task: usize) {
        let (id, completed) = (self.entries[task].task.id(), self.random.bool());
        if self.model.leaving[task].take().is_some() {
            assert!(self.dispatcher.finished(id, !completed));
        } else if let At::Running { pausing, again } = self.model.at[task] {
            let stopped = pausing && !completed;
            self.model.at[task] = match (stopped, again) {
                (false, _) => At::Nowhere,
                (true, false) => At::Paused,
                (true, true) => At::Waiting,
            };
            assert_eq!(self.dispatcher.finished(id, stopped), !stopped);
        }
    }

    fn leave(&mut self, task: usize) {
        if let At::Running { .. } = self.model.at[task] {
            self.model.leaving[task] = Some(self.model.counts[task]);
        }
        self.model.at[task] = At::Nowhere;
    }

    fn cancel(&mut self, task: usize) {
        let canceled = self.dispatcher.cancel(self.entries[task].task.id()).count();
        assert_eq!(canceled, usize::from(self.model.at[task] != At::Nowhere));
        self.leave(task);
    }

    fn cancel_all(&mut self) {
        let there = self.model.at.iter().filter(|at| **at != At::Nowhere).count();
        assert_eq!(self.dispatcher.cancel_all().count(), there);
        (0..TASKS).for_each(|task| self.leave(task));
    }

    fn pause(&mut self, task: usize) {
        self.dispatcher.pause(&self.entries[task]);
        match &mut self.model.at[task] {
            at @ At::Waiting => *at = At::Paused,
            At::Running { pausing, again } => (*pausing, *again) = (true, false),
            _ => {}
        }
    }

    fn resume(&mut self, task: usize) {
        self.dispatcher.resume(&self.entries[task]);
        match &mut self.model.at[task] {
            at @ At::Paused => *at = At::Waiting,
            At::Running { pausing: true, again } => *again = true,
            _ => {}
        }
    }

    fn set_priority(&mut self, task: usize) {
        let priority = self.random.i32(-2..3);
        self.dispatcher.set_priority(&self.entries[task], priority);
        if self.model.at[task] != At::Nowhere {
            self.model.turn[task].0 = Reverse(priority);
        }
    }

    fn set_limits(&mut self) {
        self.model.limit = self.random.usize(1..5);
        self.dispatcher.set_limit(count(self.model.limit));
        self.model.per_host = self.random.bool().then(|| self.random.usize(1..3));
        self.dispatcher.set_per_host(self.model.per_host.map(count));
    }

    /// Starts all that may run: just those that the model names, in its order.
    fn pump(&mut self) {
        loop {
            let expected = self.model.next();
            let next = self.dispatcher.next().map(|(entry, ..)| entry.task.id());
            assert_eq!(next, expected.map(|task| self.entries[task].task.id()));
            let Some(task) = expected else { return };
            self.model.at[task] = At::Running { pausing: false, again: false };
        }
    }

    fn check(&self) {
        for (task, entry) in self.entries.iter().enumerate() {
            let expected = match self.model.at[task] {
                At::Nowhere => self.model.leaving[task].map(|_| TaskState::Running),
                At::Waiting => Some(TaskState::Waiting),
                At::Running { .. } => Some(TaskState::Running),
                At::Paused => Some(TaskState::Paused),
            };
            assert_eq!(self.dispatcher.task_state(entry.task.id()), expected);
        }
    }
}

#[test]
fn every_history_starts_just_those_that_may_run() {
    for seed in 0..500 {
        let outcome = std::panic::catch_unwind(|| {
            let mut play = Play::new(seed);
            for _ in 0..120 {
                play.step();
                play.check();
            }
            // In the end everybody comes to an end, and nothing is left behind.
            play.pump();
            play.cancel_all();
            for task in (0..TASKS).cycle().take(2 * TASKS) {
                play.finish(task);
            }
            let state = play.dispatcher.state();
            assert_eq!((state.slots.len(), state.leaving.len(), state.places.len()), (0, 0, 0));
            assert_eq!((state.running, state.lines.is_empty()), (0, true));
        });
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

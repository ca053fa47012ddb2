//! Each behaviour of the strategies' suites can fail: bad strategies, and who catches them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod download;
mod process;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A behaviour's name, and what runs it.
type Behaviour<S> = (&'static str, fn(&S));

/// Gives each bad strategy to the behaviour that is there for it, which must fail. There must be one for every behaviour.
fn assert_all_caught<S: ?Sized>(behaviours: &[Behaviour<S>], bad: &[(&'static str, Box<S>)]) {
    let mut idle: BTreeMap<_, _> = behaviours.iter().copied().collect();
    for (number, (name, strategy)) in bad.iter().enumerate() {
        let (_, behaviour) = behaviours.iter().find(|(listed, _)| listed == name).unwrap();
        let failed = catch_unwind(AssertUnwindSafe(|| behaviour(strategy))).is_err();
        assert!(failed, "{name} does not catch the bad strategy number {number}");
        idle.remove(name);
    }
    assert!(idle.is_empty(), "no bad strategy is there for {:?}", idle.keys());
}

//! What every [`ProcessFileStrategy`] must hold: the behaviours behind
//! [`process_file_strategy_suite!`](crate::process_file_strategy_suite).
//!
//! A strategy's `tests/conformance.rs` is no more than this:
//!
//! ```ignore
//! okdownload_testkit::process_file_strategy_suite!(MyStrategy::new());
//! ```
//!
//! Each behaviour is a plain async function, so that one can be run alone. It works on clones, as core does. What
//! [`check`](ProcessFileStrategy::check) says of a part is the strategy's own affair; that it is heeded is core's.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic here is a test that failed")]

pub mod check;
pub mod choices;
pub mod names;

use okdownload_strategy::ProcessFileStrategy;

/// Makes one test of each behaviour of the suite. `$strategy` is an expression of a type that is a
/// [`ProcessFileStrategy`]; each test evaluates it anew.
#[macro_export]
macro_rules! process_file_strategy_suite {
    ($strategy:expr) => {
        $crate::process_file_strategy_suite! { behaviour_tests, &$strategy }
    };
    ($with:ident, $($subject:tt)+) => {
        $crate::$with! { process_file_strategy, $($subject)+ =>
            names:
                a_part_has_a_name_of_its_own
                names_stay_in_their_directory
                names_fit
                names_are_stable
                two_files_never_share_a_part
                every_attempt_has_another_name;
            choices:
                choices_do_not_change_while_a_task_runs
                nothing_is_replaced_against_the_users_word
                durability_is_not_taken_back
                clones_are_independent;
            check:
                a_check_leaves_the_part_alone
                a_check_can_be_made_again;
        }
    };
}

/// Runs one behaviour.
#[doc(hidden)]
pub fn run(
    _name: &str,
    strategy: &dyn ProcessFileStrategy,
    behaviour: impl AsyncFnOnce(&dyn ProcessFileStrategy),
) {
    super::run(behaviour(strategy));
}

/// A clone, as a run of a task gets it.
fn fresh(strategy: &dyn ProcessFileStrategy) -> Box<dyn ProcessFileStrategy> {
    dyn_clone::clone_box(strategy)
}

#[cfg(test)]
mod tests {
    use okdownload_strategy::DefaultProcessFileStrategy;

    crate::process_file_strategy_suite!(DefaultProcessFileStrategy);

    #[test]
    fn every_behaviour_is_listed() {
        crate::suite::assert_all_listed(
            include_str!("process_file_strategy.rs"),
            &[
                include_str!("process_file_strategy/check.rs"),
                include_str!("process_file_strategy/choices.rs"),
                include_str!("process_file_strategy/names.rs"),
            ],
        );
    }
}

//! What every [`DownloadStrategy`] must hold: the behaviours behind
//! [`download_strategy_suite!`](crate::download_strategy_suite).
//!
//! Core does what a strategy says, so a strategy can make it wrong. What may not be decided otherwise is tested here;
//! all else is the strategy's own affair. Its `tests/conformance.rs` is no more than this:
//!
//! ```ignore
//! okdownload_testkit::download_strategy_suite!(MyStrategy::new());
//! ```
//!
//! Each behaviour is a plain function, so that one can be run alone. It works on clones, as core does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic here is a test that failed")]

pub mod blocks;
pub mod names;
pub mod responses;
pub mod retries;
pub mod runs;

use okdownload_strategy::DownloadStrategy;

/// Makes one test of each behaviour of the suite. `$strategy` is an expression of a type that is a
/// [`DownloadStrategy`]; each test evaluates it anew.
#[macro_export]
macro_rules! download_strategy_suite {
    ($strategy:expr) => {
        $crate::download_strategy_suite! { behaviour_tests, &$strategy }
    };
    ($with:ident, $($subject:tt)+) => {
        $crate::$with! { download_strategy, $($subject)+ =>
            blocks:
                the_number_of_blocks_is_bounded
                several_blocks_need_all_that_makes_them_safe
                the_smallest_block_does_not_change
                a_split_leaves_enough_on_both_sides;
            names:
                names_stay_in_their_directory
                names_of_devices_are_avoided
                names_show_what_they_are
                names_fit
                there_is_always_a_name;
            responses:
                a_right_answer_is_taken
                a_body_begins_where_it_was_asked_for
                a_body_does_not_reach_beyond_what_was_asked_for
                a_body_of_another_version_is_not_taken
                silence_about_the_version_is_no_consent
                malformed_answers_are_not_taken
                a_failure_is_no_body
                the_version_is_what_the_response_says
                only_an_empty_resource_is_empty
                not_modified_answers_only_conditions
                there_is_no_range_to_drop_without_one
                a_wait_that_the_server_asks_for_is_handed_up;
            retries:
                permanent_errors_are_not_tried_again
                failures_come_to_an_end
                waits_are_bounded
                the_server_is_not_asked_sooner_than_it_wants
                a_server_that_asks_for_too_long_is_given_up;
            runs:
                equal_histories_give_equal_decisions
                clones_are_independent
                extremes_are_decided
                a_denied_network_is_told_as_such;
        }
    };
}

/// Runs one behaviour.
#[doc(hidden)]
pub fn run(_name: &str, strategy: &dyn DownloadStrategy, behaviour: fn(&dyn DownloadStrategy)) {
    behaviour(strategy);
}

/// A clone, as a run of a task gets it.
fn fresh(strategy: &dyn DownloadStrategy) -> Box<dyn DownloadStrategy> {
    dyn_clone::clone_box(strategy)
}

#[cfg(test)]
mod tests {
    use okdownload_strategy::DefaultDownloadStrategy;

    crate::download_strategy_suite!(DefaultDownloadStrategy);

    #[test]
    fn every_behaviour_is_listed() {
        crate::suite::assert_all_listed(
            include_str!("download_strategy.rs"),
            &[
                include_str!("download_strategy/blocks.rs"),
                include_str!("download_strategy/names.rs"),
                include_str!("download_strategy/responses.rs"),
                include_str!("download_strategy/retries.rs"),
                include_str!("download_strategy/runs.rs"),
            ],
        );
    }
}

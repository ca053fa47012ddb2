//! What every [`OutputStreamFactory`] must do: the behaviours behind [`output_suite!`](crate::output_suite).
//!
//! An output's `tests/conformance.rs` is no more than a fixture and the macro. For one that writes below a local
//! directory the fixture is here already:
//!
//! ```ignore
//! use std::sync::Arc;
//! use okdownload_testkit::suite::output::DirectoryFixture;
//!
//! okdownload_testkit::output_suite!(DirectoryFixture::new(|| Arc::new(MyOutput::new())));
//! ```
//!
//! Each behaviour is a plain async function, so that one can be run alone. Nothing is skipped: what an output says
//! that it can't do must end as [`Unsupported`](okdownload_types::ErrorKind::Unsupported), and without a trace.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic here is a test that failed"
)]

mod bench;
pub mod commit;
mod directory;
pub mod part;
pub mod place;
pub mod read;
pub mod write;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use okdownload_output::OutputStreamFactory;
use okdownload_types::Location;

pub use directory::DirectoryFixture;

/// An output to be tested, and a look at what it did that does not go through it.
#[async_trait]
pub trait OutputFixture: Debug + Send + Sync {
    /// A factory like the one that the next run of a program would make: what earlier ones wrote is there.
    fn factory(&self) -> Arc<dyn OutputStreamFactory>;

    /// A directory, or what comes closest to it, that is there, is empty at first, and belongs to this fixture alone.
    fn place(&self) -> Location;

    /// The bytes of the file at a location; `None` if there is none.
    async fn contents(&self, location: &Location) -> Option<Vec<u8>>;

    /// The names of all files below the place, in order; `directory/name` where there are directories.
    async fn names(&self) -> Vec<String>;

    /// Whether a file can be given a time of modification. Where it can't, a commit that asks for one succeeds all
    /// the same.
    fn keeps_modified(&self) -> bool {
        true
    }
}

/// Makes one test of each behaviour of the output suite. `$fixture` is an expression of a type that is an
/// [`OutputFixture`](crate::suite::output::OutputFixture); each test evaluates it anew.
#[macro_export]
macro_rules! output_suite {
    ($fixture:expr) => {
        $crate::output_tests! { $fixture =>
            write:
                pieces_follow_each_other
                positions_may_come_in_any_order
                calls_may_overlap_in_time
                later_bytes_replace_earlier_ones
                thousands_of_pieces_go_in_one_call
                offsets_beyond_4_gib_are_right
                impossible_offsets_are_errors
                the_length_can_be_set
                a_length_of_zero_can_always_be_set_at_first
                reserving_space_keeps_the_length
                syncing_can_be_repeated;
            read:
                bytes_can_be_read_back
                a_scan_is_complete_and_in_order
                a_scan_of_what_is_not_there_fails;
            part:
                a_missing_part_is_none
                directories_are_made
                a_closed_part_can_be_continued
                another_run_continues_a_part
                a_part_is_open_once
                one_of_many_openings_wins
                a_dropped_part_is_free_again
                a_closed_part_stays_closed
                a_closed_part_is_kept_or_given_up
                an_aborted_part_is_gone
                an_interrupted_part_is_gone;
            commit:
                the_whole_file_gets_its_name
                a_durable_file_gets_its_name
                an_empty_file_is_a_file
                a_taken_name_is_not_replaced
                a_taken_name_is_replaced_if_told
                a_directory_is_never_replaced
                one_of_many_commits_wins
                the_time_of_modification_is_set
                the_part_can_be_made_again
                a_part_is_hidden_or_stands_beside;
            place:
                capabilities_do_not_change
                the_boot_id_does_not_change
                a_stat_tells_what_is_there
                free_space_is_plausible
                a_file_is_removed_once
                foreign_locations_are_unsupported;
        }
    };
}

/// The part of [`output_suite!`](crate::output_suite) that makes the tests.
#[doc(hidden)]
#[macro_export]
macro_rules! output_tests {
    ($fixture:expr => $($group:ident: $($behaviour:ident)+;)+) => {
        $($(
            #[test]
            fn $behaviour() {
                let fixture = $fixture;
                $crate::suite::run($crate::suite::output::$group::$behaviour(&fixture));
            }
        )+)+
    };
}

#[cfg(test)]
mod tests {
    /// A behaviour that is not in the macro's list would never run.
    #[test]
    fn every_behaviour_is_listed() {
        let listed: Vec<_> =
            include_str!("output.rs").lines().map(|line| line.trim().trim_end_matches(';')).collect();
        let groups = [
            include_str!("output/commit.rs"),
            include_str!("output/part.rs"),
            include_str!("output/place.rs"),
            include_str!("output/read.rs"),
            include_str!("output/write.rs"),
        ];
        let names = groups.iter().flat_map(|group| group.split("\npub async fn ").skip(1));
        let missing = names.filter_map(|rest| rest.split_once('(')).find(|(name, _)| !listed.contains(name));
        assert_eq!(missing.map(|(name, _)| name), None);
    }
}

//! What every [`DownloadStore`] must do: the behaviours behind [`store_suite!`](crate::store_suite).
//!
//! A store's `tests/conformance.rs` is no more than the macro with a closure that opens the store whose data lies in a
//! directory. It is called several times for one directory: for reopening, for two handles on the same data, and in
//! processes of their own, which are killed.
//!
//! ```ignore
//! use std::sync::Arc;
//!
//! okdownload_testkit::store_suite!(|directory| Arc::new(MyStore::new(directory.join("my.db"))));
//! ```
//!
//! Each behaviour is a plain async function, so that one can be run alone. Nothing is skipped: what a store says that
//! it can't do is checked as well.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic here is a test that failed"
)]

pub mod batches;
mod child;
mod fixture;
pub mod listing;
pub mod load;
pub mod processes;
pub mod records;
mod sample;
pub mod survival;

use okdownload_store::{Change, CommitLevel, DownloadStore};
use okdownload_types::BreakpointInfo;

pub use fixture::StoreFixture;

/// Makes one test of each behaviour of the store suite. `$open` is a closure from the directory to the store as
/// `Arc<dyn DownloadStore>`; see [`StoreFixture::new`](crate::suite::store::StoreFixture::new).
#[macro_export]
macro_rules! store_suite {
    ($open:expr) => {
        $crate::store_tests! { $open =>
            records:
                what_is_put_is_given_back
                random_records_are_given_back
                paths_that_are_not_text_are_given_back
                a_completion_is_given_back
                numbers_beyond_63_bits_are_kept_or_refused
                ids_are_told_apart_to_the_last_bit
                what_is_not_there_is_none
                a_put_replaces_all_of_it
                progress_is_absolute
                progress_of_a_block_that_is_not_there_is_passed_over
                progress_without_a_breakpoint_is_refused
                a_completion_takes_the_place_of_the_breakpoint
                a_breakpoint_leaves_the_completion_alone
                a_later_completion_replaces_the_earlier
                removing_is_idempotent
                an_id_is_replaced_in_one_batch
                the_response_filename_is_the_last_one;
            listing:
                breakpoints_are_found_by_their_location
                a_breakpoint_that_moved_is_found_there_only
                a_task_is_recalled_as_its_records_are_found
                unfinished_comes_oldest_first
                completed_comes_oldest_first
                ten_thousand_records;
            batches:
                changes_happen_in_their_order
                an_empty_batch_is_fine
                a_refused_batch_changes_nothing
                a_refused_batch_harms_no_other
                a_dropped_commit_is_whole_or_nothing
                readers_see_whole_batches
                concurrent_updates_are_not_lost
                many_commits_at_once_all_happen;
            survival:
                capabilities_do_not_change
                what_was_committed_is_there_again
                what_was_dropped_unclosed_is_there_again
                a_closed_store_opens_again
                closing_is_idempotent
                two_handles_on_one_place
                many_handles_may_start_at_once;
            processes:
                a_kill_leaves_whole_batches
                another_process_on_one_place
                many_processes_may_start_at_once;
        }
    };
}

/// The part of [`store_suite!`](crate::store_suite) that makes the tests.
#[doc(hidden)]
#[macro_export]
macro_rules! store_tests {
    ($open:expr => $($group:ident: $($behaviour:ident)+;)+) => {
        $($(
            #[test]
            fn $behaviour() {
                let name = concat!(module_path!(), "::", stringify!($behaviour));
                let fixture = $crate::suite::store::StoreFixture::new(name, $open);
                $crate::suite::run($crate::suite::store::$group::$behaviour(&fixture));
            }
        )+)+
    };
}

/// A commit that must succeed.
#[track_caller]
fn commit(store: &dyn DownloadStore, changes: Vec<Change>) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        if let Err(error) = store.commit(changes, CommitLevel::Process).await {
            panic!("the commit at {caller} failed: {error}");
        }
    }
}

/// Like `assert_eq!`, but shows only the first difference: such lists fill many screens.
#[track_caller]
fn assert_list<T: PartialEq + std::fmt::Debug>(found: &[T], expected: &[T]) {
    for (n, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found, expected, "number {n} of the list");
    }
    assert_eq!(found.len(), expected.len(), "the length of the list");
}

async fn put(store: &dyn DownloadStore, info: &BreakpointInfo) {
    commit(store, vec![Change::Put(info.clone())]).await;
}

/// Runs the futures on threads of their own, so that they really run at the same time.
async fn in_parallel<F>(futures: impl IntoIterator<Item = F>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Handle::current();
    let threads: Vec<_> = futures
        .into_iter()
        .map(|future| {
            let runtime = runtime.clone();
            tokio::task::spawn_blocking(move || runtime.block_on(future))
        })
        .collect();
    for thread in threads {
        thread.await.expect("it panicked in one of several threads");
    }
}

#[cfg(test)]
mod tests {
    /// A behaviour that is not in the macro's list would never run.
    #[test]
    fn every_behaviour_is_listed() {
        let listed: Vec<_> =
            include_str!("store.rs").lines().map(|line| line.trim().trim_end_matches(';')).collect();
        let groups = [
            include_str!("store/batches.rs"),
            include_str!("store/listing.rs"),
            include_str!("store/processes.rs"),
            include_str!("store/records.rs"),
            include_str!("store/survival.rs"),
        ];
        let names = groups.iter().flat_map(|group| group.split("\npub async fn ").skip(1));
        let missing = names.filter_map(|rest| rest.split_once('(')).find(|(name, _)| !listed.contains(name));
        assert_eq!(missing.map(|(name, _)| name), None);
    }
}

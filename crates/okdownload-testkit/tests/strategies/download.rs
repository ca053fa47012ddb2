//! Bad strategies for downloads.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use okdownload_strategy::{
    BlockFacts, DefaultDownloadStrategy, DownloadStrategy, NameFacts, ResponseFacts, ResponseVerdict,
    RetryFacts, RetryVerdict, SplitFacts, default_block_count, default_file_name, default_retry,
    default_split, disposition_file_name, judge_response,
};
use okdownload_types::{DownloadTask, Error, ErrorKind, ResourceVersion, Result, ResumeFailedCause};

/// Takes the place of one method.
#[derive(Debug, Clone)]
enum Bad {
    Count(fn(&BlockFacts) -> u32),
    MultiBlock(fn(&BlockFacts) -> bool),
    Split(fn(&SplitFacts) -> u64),
    Name(fn(&NameFacts<'_>) -> String),
    Response(fn(&ResponseFacts<'_>) -> Option<ResponseVerdict>),
    Retry(fn(&RetryFacts<'_>) -> Option<RetryVerdict>),
    Network(ErrorKind),
    /// Its smallest block grows with every block that it counts.
    Growing(u64),
    /// Counts what all its clones did.
    Shared(Arc<AtomicU32>),
    /// Counts what all strategies did.
    Global,
}

impl DownloadStrategy for Bad {
    fn inspect_network(&mut self, task: &DownloadTask) -> Result<()> {
        match self {
            Self::Network(kind) => Err(Error::new(*kind, "no network")),
            _ => DefaultDownloadStrategy.inspect_network(task),
        }
    }

    fn multi_block(&mut self, facts: &BlockFacts) -> bool {
        match self {
            Self::MultiBlock(bad) => bad(facts),
            _ => DefaultDownloadStrategy.multi_block(facts),
        }
    }

    fn block_count(&mut self, facts: &BlockFacts) -> NonZeroU32 {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let next = |count: &AtomicU32| count.fetch_add(1, Ordering::Relaxed) % 100 + 1;
        let count = match self {
            Self::Count(bad) => bad(facts),
            Self::Shared(count) => next(count),
            Self::Global => next(&COUNT),
            Self::Growing(smallest) => {
                *smallest += 1;
                1
            }
            _ => default_block_count(facts).get(),
        };
        NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN)
    }

    fn smallest_block(&self) -> NonZeroU64 {
        match self {
            Self::Growing(smallest) => NonZeroU64::new(*smallest).unwrap_or(NonZeroU64::MIN),
            _ => DefaultDownloadStrategy.smallest_block(),
        }
    }

    fn split(&mut self, facts: &SplitFacts) -> Option<NonZeroU64> {
        match self {
            Self::Split(bad) => NonZeroU64::new(bad(facts)),
            _ => default_split(facts),
        }
    }

    fn file_name(&mut self, facts: &NameFacts<'_>) -> String {
        match self {
            Self::Name(bad) => bad(facts),
            _ => default_file_name(facts),
        }
    }

    fn judge_response(&mut self, facts: &ResponseFacts<'_>) -> ResponseVerdict {
        let bad = if let Self::Response(bad) = self { bad(facts) } else { None };
        bad.unwrap_or_else(|| judge_response(facts))
    }

    fn retry(&mut self, facts: &RetryFacts<'_>) -> RetryVerdict {
        let bad = if let Self::Retry(bad) = self { bad(facts) } else { None };
        bad.unwrap_or_else(|| default_retry(facts))
    }
}

/// What the server says, as it says it.
fn said(facts: &NameFacts<'_>) -> String {
    let header = facts.head.headers.get("content-disposition");
    header
        .and_then(|value| disposition_file_name(value.as_bytes()))
        .unwrap_or_else(|| default_file_name(facts))
}

/// What the server says, as one component.
fn flat(facts: &NameFacts<'_>) -> String {
    said(facts).replace(['/', '\\', ':'], "_")
}

/// Takes the answer's body, whatever it is.
fn take(facts: &ResponseFacts<'_>, start: u64, end: Option<u64>) -> ResponseVerdict {
    let total = facts.head.content_length().ok().flatten();
    ResponseVerdict::Body { start, end, version: ResourceVersion::new(facts.head.validators(), total) }
}

/// Judges by other facts.
fn by<'a>(facts: &ResponseFacts<'a>, change: fn(&mut ResponseFacts<'a>)) -> Option<ResponseVerdict> {
    let mut facts = *facts;
    change(&mut facts);
    Some(judge_response(&facts))
}

/// Which behaviour is there for which bad strategy.
type Table<T> = Vec<(&'static str, T)>;

fn bad_blocks() -> Table<Bad> {
    vec![
        ("the_number_of_blocks_is_bounded", Bad::Count(|_| 3)),
        ("the_number_of_blocks_is_bounded", Bad::Count(|facts| (facts.total >> 20) as u32)),
        ("several_blocks_need_all_that_makes_them_safe", Bad::MultiBlock(|f| f.accepts_ranges)),
        ("several_blocks_need_all_that_makes_them_safe", Bad::MultiBlock(|f| f.spliceable)),
        ("the_smallest_block_does_not_change", Bad::Growing(1 << 20)),
        ("a_split_leaves_enough_on_both_sides", Bad::Split(|facts| facts.remaining)),
        ("a_split_leaves_enough_on_both_sides", Bad::Split(|facts| facts.remaining.saturating_add(1))),
        ("a_split_leaves_enough_on_both_sides", Bad::Split(|facts| facts.remaining.saturating_sub(1))),
        ("a_split_leaves_enough_on_both_sides", Bad::Split(|facts| facts.remaining / 2)),
        ("a_split_leaves_enough_on_both_sides", Bad::Split(|facts| facts.smallest)),
    ]
}

fn bad_names() -> Table<Bad> {
    vec![
        ("names_stay_in_their_directory", Bad::Name(said)),
        ("names_stay_in_their_directory", Bad::Name(|facts| said(facts).replace("../", ""))),
        ("names_stay_in_their_directory", Bad::Name(|facts| said(facts).replace(['/', '\\'], "_"))),
        ("names_of_devices_are_avoided", Bad::Name(flat)),
        ("names_show_what_they_are", Bad::Name(|facts| format!("file-{}", flat(facts)))),
        ("names_fit", Bad::Name(|facts| default_file_name(facts).repeat(2))),
        ("there_is_always_a_name", Bad::Name(|facts| default_file_name(facts).replace("download", ""))),
    ]
}

fn bad_bodies() -> Table<Bad> {
    vec![
        (
            "a_right_answer_is_taken",
            Bad::Response(|_| Some(ResponseVerdict::Changed(ResumeFailedCause::InfoDirty))),
        ),
        (
            "a_body_begins_where_it_was_asked_for",
            Bad::Response(|facts| {
                let asked = facts.asked.filter(|_| facts.head.status == 206)?;
                Some(take(facts, asked.start, asked.end))
            }),
        ),
        (
            "a_body_begins_where_it_was_asked_for",
            Bad::Response(|facts| {
                (facts.head.status == 200 && facts.version.is_some()).then(|| take(facts, 40, None))
            }),
        ),
        (
            "a_body_does_not_reach_beyond_what_was_asked_for",
            Bad::Response(|facts| match judge_response(facts) {
                ResponseVerdict::Body { start, version, .. } => {
                    Some(ResponseVerdict::Body { start, end: version.total, version })
                }
                _ => None,
            }),
        ),
        (
            "a_body_of_another_version_is_not_taken",
            Bad::Response(|facts| by(facts, |facts| facts.version = None)),
        ),
        (
            "silence_about_the_version_is_no_consent",
            Bad::Response(|facts| by(facts, |facts| facts.trusting = true)),
        ),
        (
            "silence_about_the_version_is_no_consent",
            Bad::Response(|facts| by(facts, |facts| facts.if_range = true)),
        ),
        (
            "malformed_answers_are_not_taken",
            Bad::Response(|facts| {
                (facts.head.status == 200 && facts.version.is_none()).then(|| take(facts, 0, None))
            }),
        ),
        (
            "malformed_answers_are_not_taken",
            Bad::Response(|facts| {
                let silent = facts.head.status == 206 && !facts.head.headers.contains_key("content-range");
                facts.asked.filter(|_| silent).map(|asked| take(facts, asked.start, asked.end))
            }),
        ),
        (
            "a_failure_is_no_body",
            Bad::Response(|facts| (facts.head.status == 404).then(|| take(facts, 0, None))),
        ),
        (
            "a_failure_is_no_body",
            Bad::Response(|facts| (facts.head.status == 302).then(|| take(facts, 0, None))),
        ),
        (
            "the_version_is_what_the_response_says",
            Bad::Response(|facts| match judge_response(facts) {
                ResponseVerdict::Body { start, end, mut version } => {
                    version.validators.etag = None;
                    Some(ResponseVerdict::Body { start, end, version })
                }
                _ => None,
            }),
        ),
    ]
}

fn bad_verdicts() -> Table<Bad> {
    vec![
        (
            "only_an_empty_resource_is_empty",
            Bad::Response(|facts| {
                let version = ResourceVersion::new(facts.head.validators(), Some(0));
                (facts.head.status == 416).then_some(ResponseVerdict::Empty(version))
            }),
        ),
        (
            "not_modified_answers_only_conditions",
            Bad::Response(|facts| by(facts, |facts| facts.conditional = true)),
        ),
        (
            "there_is_no_range_to_drop_without_one",
            Bad::Response(|facts| match judge_response(facts) {
                ResponseVerdict::Refused(error) if error.kind() == ErrorKind::Protocol => {
                    Some(ResponseVerdict::AskWithoutRange(error))
                }
                _ => None,
            }),
        ),
        (
            "a_wait_that_the_server_asks_for_is_handed_up",
            Bad::Response(|facts| match judge_response(facts) {
                ResponseVerdict::Refused(_) => {
                    Some(ResponseVerdict::Refused(Error::new(ErrorKind::Status, "refused").temporary()))
                }
                _ => None,
            }),
        ),
    ]
}

fn bad_retries() -> Table<Bad> {
    const SECOND: RetryVerdict = RetryVerdict::After(Duration::from_secs(1));
    vec![
        (
            "permanent_errors_are_not_tried_again",
            Bad::Retry(|facts| (facts.failures <= facts.limit).then_some(SECOND)),
        ),
        ("failures_come_to_an_end", Bad::Retry(|facts| facts.error.is_temporary().then_some(SECOND))),
        (
            "failures_come_to_an_end",
            Bad::Retry(|facts| (facts.failures == facts.limit.saturating_add(1)).then_some(SECOND)),
        ),
        (
            "waits_are_bounded",
            Bad::Retry(|facts| {
                let doubled = Duration::from_millis(250).saturating_mul(1 << facts.failures.min(31));
                let again = facts.error.is_temporary() && facts.failures <= facts.limit;
                again.then_some(RetryVerdict::After(doubled))
            }),
        ),
        (
            "the_server_is_not_asked_sooner_than_it_wants",
            Bad::Retry(|facts| {
                let again = facts.error.is_temporary() && facts.failures <= facts.limit;
                again.then_some(RetryVerdict::After(Duration::from_secs(2)))
            }),
        ),
        (
            "a_server_that_asks_for_too_long_is_given_up",
            Bad::Retry(|facts| facts.error.retry_after().map(RetryVerdict::After)),
        ),
    ]
}

fn bad_runs() -> Table<Bad> {
    vec![
        ("equal_histories_give_equal_decisions", Bad::Global),
        ("clones_are_independent", Bad::Shared(Arc::default())),
        ("extremes_are_decided", Bad::Count(|facts| (facts.total / facts.remaining) as u32)),
        ("a_denied_network_is_told_as_such", Bad::Network(ErrorKind::Network)),
    ]
}

#[test]
fn each_bad_download_strategy_is_caught() {
    type Subject = dyn DownloadStrategy;
    let behaviours = okdownload_testkit::download_strategy_suite!(behaviour_list, &Subject);
    let bad = [bad_blocks(), bad_names(), bad_bodies(), bad_verdicts(), bad_retries(), bad_runs()].concat();
    let boxed = |(meant, bad)| (meant, Box::new(bad) as Box<Subject>);
    super::assert_all_caught(&behaviours, &bad.into_iter().map(boxed).collect::<Vec<_>>());
}

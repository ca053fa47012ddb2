//! How to fetch.

use std::fmt::Debug;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use backon::BackoffBuilder;
use dyn_clone::DynClone;
use okdownload_types::{DownloadTask, Error, Result};

use crate::{NameFacts, ResponseFacts, ResponseVerdict, default_file_name, judge_response};

const MIB: u64 = 1 << 20;

/// Decides how a download is fetched.
///
/// # Contract
/// - Methods are pure but for what they learn: no I/O, no clock, no randomness but what the facts bring. Two clones that
///   were asked the same decide the same.
/// - They are called from one run of one task at a time, in no order to rely on, and must return at once. Facts may be
///   at the ends of their types, and contradict each other.
/// - A clone is a run's own: what it learns, no other one knows, and the template neither.
/// - Core does what it is told, so some things may not be decided otherwise; each method says which. The suite of
///   `okdownload-testkit` (`download_strategy_suite!`) checks them all.
pub trait DownloadStrategy: DynClone + Debug + Send + Sync + 'static {
    /// Whether the network may be used for this task now; called before the first request and before every further
    /// one, also of a retry. By default it may.
    ///
    /// It must not wait. To let the task wait for a better network, make the error
    /// [temporary](okdownload_types::Error::temporary), with the time to wait as
    /// [`with_retry_after`](okdownload_types::Error::with_retry_after): it is then tried again as any failure is, and
    /// counts as one. Responses that are under way are not broken off.
    ///
    /// # Errors
    /// [`NetworkPolicy`](okdownload_types::ErrorKind::NetworkPolicy), and no other kind; if it is permanent, the task
    /// ends with it, and what is there is kept.
    fn inspect_network(&mut self, _task: &DownloadTask) -> Result<()> {
        Ok(())
    }

    /// Whether several connections may be used. By default: if the server can do it, and the resource has a version
    /// that all of them can be held to; never if one of these is missing. (For an output that takes bytes in order they
    /// fetch ahead, within a window.)
    fn multi_block(&mut self, facts: &BlockFacts) -> bool {
        facts.accepts_ranges && facts.spliceable
    }

    /// Into how many blocks to divide what is missing; asked only if [`multi_block`](DownloadStrategy::multi_block)
    /// said yes. Each block has a connection: never more than the user asked for, else at most 256. See
    /// [`default_block_count`].
    fn block_count(&mut self, facts: &BlockFacts) -> NonZeroU32 {
        default_block_count(facts)
    }

    /// The least length of a block, in bytes; always the same.
    fn smallest_block(&self) -> NonZeroU64 {
        NonZeroU64::MIN.saturating_add(MIB - 1)
    }

    /// How many bytes an idle connection is to take over from the end of the block that would take longest; `None` if that
    /// does not pay now: as long as there is an idle connection, it is asked again from time to time. Neither what is
    /// taken nor what is left may be shorter than a sixteenth of the smallest block, so that splitting ends. See
    /// [`default_split`].
    fn split(&mut self, facts: &SplitFacts) -> Option<NonZeroU64> {
        default_split(facts)
    }

    /// The name of a file whose target leaves it open: one that [`safe_file_name`](crate::safe_file_name) leaves as it
    /// is, whatever the server says. See [`default_file_name`].
    fn file_name(&mut self, facts: &NameFacts<'_>) -> String {
        default_file_name(facts)
    }

    /// What a response means for bytes that are there or still to come. See [`judge_response`].
    ///
    /// An override may refuse more, never take more: what is taken for a body goes into the file. It begins where it
    /// was asked for (or is the whole), ends no later, is of the version that is known, and comes with the version that
    /// the response tells. Without a range in the request there is none to [drop](ResponseVerdict::AskWithoutRange),
    /// and without a condition nothing is [not modified](ResponseVerdict::NotModified). A refusal's error keeps the
    /// response's `Retry-After`.
    fn judge_response(&mut self, facts: &ResponseFacts<'_>) -> ResponseVerdict {
        judge_response(facts)
    }

    /// Whether, and when, to try again. Never after a permanent error, nor more often than the user forgives; never
    /// sooner than the server asked for, nor later than in five minutes: who asks for more is given up. See
    /// [`default_retry`].
    fn retry(&mut self, facts: &RetryFacts<'_>) -> RetryVerdict {
        default_retry(facts)
    }
}

dyn_clone::clone_trait_object!(DownloadStrategy);

/// The default policy, as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct DefaultDownloadStrategy;

impl DownloadStrategy for DefaultDownloadStrategy {}

/// What is known when blocks are planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockFacts {
    /// The length of the resource in bytes.
    pub total: u64,
    /// How many of them are missing.
    pub remaining: u64,
    /// How many connections the user asked for.
    pub wanted: Option<NonZeroU32>,
    /// Whether the server answers ranges.
    pub accepts_ranges: bool,
    /// Whether the output can be written at any position.
    pub seekable: bool,
    /// Whether bytes of several responses may be put together: a strong validator, a digest, or the user's word.
    pub spliceable: bool,
}

impl BlockFacts {
    /// Facts of a resource of this length, of which all is missing and with which everything can be done.
    pub const fn new(total: u64) -> Self {
        Self { total, remaining: total, wanted: None, accepts_ranges: true, seekable: true, spliceable: true }
    }
}

/// What is known when a connection has nothing left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SplitFacts {
    /// How many bytes nobody has received yet of the block that would take longest.
    pub remaining: u64,
    /// The least length of a block.
    pub smallest: u64,
    /// How fast its connection brings them, in bytes a second, where that is known.
    pub speed: Option<NonZeroU64>,
    /// How fast the idle connection was, where that is known.
    pub idle_speed: Option<NonZeroU64>,
    /// How long all that is missing will take all connections together, where that is known.
    pub time_left: Option<Duration>,
    /// How long requests waited for their answers of late: the longer time of the two connections.
    pub answer_time: Duration,
}

impl SplitFacts {
    /// Facts of this rest; how fast anything is, is not known.
    pub const fn new(remaining: u64, smallest: u64) -> Self {
        Self {
            remaining,
            smallest,
            speed: None,
            idle_speed: None,
            time_left: None,
            answer_time: Duration::ZERO,
        }
    }
}

/// What is known when a request has failed.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RetryFacts<'a> {
    /// What failed.
    pub error: &'a Error,
    /// How many failures there were in a row, without progress between them; this one included.
    pub failures: u32,
    /// How many of them the user forgives.
    pub limit: u32,
    /// A random number.
    pub seed: u64,
}

impl<'a> RetryFacts<'a> {
    /// Facts of this failure.
    pub const fn new(error: &'a Error, failures: u32, limit: u32, seed: u64) -> Self {
        Self { error, failures, limit, seed }
    }
}

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryVerdict {
    /// The task ends with the error.
    GiveUp,
    /// Try again after this time.
    After(Duration),
}

/// The user's number, else OkDownload's table: below 1 MiB 1, below 5 MiB 2, below 50 MiB 3, below 100 MiB 4, else 5.
pub fn default_block_count(facts: &BlockFacts) -> NonZeroU32 {
    let table = match facts.total / MIB {
        0 => 1,
        1..5 => 2,
        5..50 => 3,
        50..100 => 4,
        _ => 5,
    };
    facts.wanted.or(NonZeroU32::new(table)).unwrap_or(NonZeroU32::MIN)
}

/// As much of the rest as lets both connections end at the same time, by how fast they were; less if that is before all
/// is there: the owner keeps what it can bring until then, and need not look for more. Nothing where that would save less
/// time than another request costs: at least the wait for its answer, and what the server sends beyond the split, which
/// is lost, and the connection with it. Where speeds are not known: half of the rest, unless a half would be less
/// than half of the smallest block.
pub fn default_split(facts: &SplitFacts) -> Option<NonZeroU64> {
    /// What lies in buffers on the way takes about half as long. And where one link is all connections' limit, nothing is
    /// gained at all: who is left alone takes what the idle one leaves.
    const LEAST_GAIN: Duration = Duration::from_millis(100);
    let (Some(speed), Some(idle)) = (facts.speed, facts.idle_speed) else {
        return NonZeroU64::new(facts.remaining / 2).filter(|taken| taken.get() >= facts.smallest / 2);
    };
    let (remaining, speed, idle) =
        (u128::from(facts.remaining), u128::from(speed.get()), u128::from(idle.get()));
    let until_all_is_there =
        speed.saturating_mul(facts.time_left.unwrap_or_default().as_micros()) / 1_000_000;
    let taken = (remaining * idle / (speed + idle)).min(remaining.saturating_sub(until_all_is_there));
    // What the owner is relieved of, at its own speed.
    let gain = taken.saturating_mul(1_000_000) / speed;
    let least = u128::from(facts.smallest / 16).max(1);
    let enough = gain >= LEAST_GAIN.max(facts.answer_time.saturating_mul(2)).as_micros();
    let taken = taken.max(least).min(remaining.saturating_sub(least));
    u64::try_from(taken).ok().filter(|_| enough && taken >= least).and_then(NonZeroU64::new)
}

/// Temporary failures are tried again after an exponential wait with jitter, of at most 0.5 s at first, doubling, up
/// to 30 s; never sooner than the server asked for. A server that asks for more than five minutes is not waited for.
pub fn default_retry(facts: &RetryFacts<'_>) -> RetryVerdict {
    const LONGEST_WAIT: Duration = Duration::from_secs(300);
    let asked = facts.error.retry_after().unwrap_or_default();
    if !facts.error.is_temporary() || facts.failures > facts.limit || asked > LONGEST_WAIT {
        return RetryVerdict::GiveUp;
    }
    let mut waits = backon::ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(250))
        .with_factor(2.0)
        .with_max_delay(Duration::from_secs(15))
        .without_max_times()
        .with_jitter()
        .with_jitter_seed(facts.seed)
        .build();
    // The cap is reached long before; further steps only cost time.
    let step = facts.failures.saturating_sub(1).min(31) as usize;
    let wait = waits.nth(step).unwrap_or(LONGEST_WAIT);
    RetryVerdict::After(wait.max(asked))
}

#[cfg(test)]
mod tests {
    use super::*;
    use okdownload_types::ErrorKind;

    #[test]
    fn block_count_table() {
        for (total, expected) in [
            (500, 1),
            (900 << 10, 1),
            (MIB, 2),
            (2 * MIB, 2),
            (5 * MIB - 1, 2),
            (5 * MIB, 3),
            (49 * MIB, 3),
            (50 * MIB, 4),
            (99 * MIB, 4),
            (100 * MIB, 5),
            (u64::MAX, 5),
        ] {
            assert_eq!(default_block_count(&BlockFacts::new(total)).get(), expected, "{total}");
        }
        let wanted = BlockFacts { wanted: NonZeroU32::new(100), ..BlockFacts::new(1) };
        assert_eq!(default_block_count(&wanted).get(), 100);
    }

    #[test]
    fn several_blocks_need_everything() {
        let mut strategy = DefaultDownloadStrategy;
        let all = BlockFacts::new(1);
        assert!(strategy.multi_block(&all));
        assert!(!strategy.multi_block(&BlockFacts { accepts_ranges: false, ..all }));
        assert!(strategy.multi_block(&BlockFacts { seekable: false, ..all }));
        assert!(!strategy.multi_block(&BlockFacts { spliceable: false, ..all }));
    }

    #[test]
    fn splits_that_do_not_pay_are_not_made() {
        assert_eq!(default_split(&SplitFacts::new(10 * MIB, MIB)).map(NonZeroU64::get), Some(5 * MIB));
        assert_eq!(default_split(&SplitFacts::new(MIB - 2, MIB)), None);
        assert_eq!(default_split(&SplitFacts::new(0, MIB)), None);
    }

    #[test]
    fn a_split_lets_both_end_together() {
        let split = |remaining, speed, idle, millis| {
            let mut facts = SplitFacts::new(remaining, MIB);
            (facts.speed, facts.idle_speed) = (NonZeroU64::new(speed), NonZeroU64::new(idle));
            facts.answer_time = Duration::from_millis(millis);
            default_split(&facts).map(NonZeroU64::get)
        };
        let split_of_many = |remaining, speed, idle, left| {
            let mut facts = SplitFacts::new(remaining, MIB);
            (facts.speed, facts.idle_speed) = (NonZeroU64::new(speed), NonZeroU64::new(idle));
            facts.time_left = Some(Duration::from_millis(left));
            default_split(&facts).map(NonZeroU64::get)
        };
        assert_eq!(split(20 * MIB, 2 * MIB, 18 * MIB, 0), Some(18 * MIB));
        assert_eq!(split(20 * MIB, 18 * MIB, 2 * MIB, 0), Some(2 * MIB));
        assert_eq!(split(10 * MIB, MIB, 0, 0), Some(5 * MIB), "the speed is not known");
        // 80 ms are not worth a request; nor 900 ms where an answer takes half a second.
        assert_eq!(split(20 * MIB, 125 * MIB, 125 * MIB, 0), None);
        assert_eq!(split(26 * MIB, 125 * MIB, 125 * MIB, 0), Some(13 * MIB));
        assert_eq!(split(18 * MIB, 10 * MIB, 10 * MIB, 500), None);
        assert_eq!(split(22 * MIB, 10 * MIB, 10 * MIB, 500), Some(11 * MIB));
        // In four seconds all will be there: until then the owner has something to do. Who is nearly done by then keeps all.
        assert_eq!(split_of_many(20 * MIB, 2 * MIB, 18 * MIB, 4000), Some(12 * MIB));
        assert_eq!(split_of_many(20 * MIB, 2 * MIB, 2 * MIB, 4000), Some(10 * MIB));
        assert_eq!(split_of_many(20 * MIB, 2 * MIB, 18 * MIB, 9990), None);
        // The last bytes of a slow one, and what is not worth a block.
        assert_eq!(split(MIB / 8, MIB / 8, 1 << 30, 0), Some(MIB / 16));
        assert_eq!(split(MIB / 8 - 1, MIB / 8, 1 << 30, 0), None);
        assert_eq!(split(u64::MAX, u64::MAX, u64::MAX, 0), Some(u64::MAX / 2));
        assert_eq!(split(0, 1, 1, 0), None);
    }

    fn verdict(error: &Error, failures: u32) -> RetryVerdict {
        default_retry(&RetryFacts::new(error, failures, 5, 7))
    }

    #[test]
    fn waits_grow_to_their_cap() {
        let error = Error::new(ErrorKind::Network, "reset").temporary();
        for (failures, least, most) in [(1, 250, 500), (2, 500, 1000), (3, 1000, 2000)] {
            let RetryVerdict::After(wait) = verdict(&error, failures) else { panic!("gave up") };
            let wait = wait.as_millis();
            assert!((least..=most).contains(&wait), "{failures}: {wait}");
        }
        let far = default_retry(&RetryFacts::new(&error, 40, 100, 7));
        assert!(matches!(far, RetryVerdict::After(wait) if wait <= Duration::from_secs(30)));
        assert_eq!(verdict(&error, 6), RetryVerdict::GiveUp);
    }

    #[test]
    fn permanent_errors_are_not_tried_again() {
        assert_eq!(verdict(&Error::new(ErrorKind::Protocol, "bad"), 1), RetryVerdict::GiveUp);
    }

    #[test]
    fn servers_may_ask_for_longer_but_not_for_ever() {
        let asking = |seconds| {
            Error::new(ErrorKind::Status, "busy").temporary().with_retry_after(Duration::from_secs(seconds))
        };
        assert_eq!(verdict(&asking(60), 1), RetryVerdict::After(Duration::from_secs(60)));
        assert_eq!(verdict(&asking(301), 1), RetryVerdict::GiveUp);
    }
}

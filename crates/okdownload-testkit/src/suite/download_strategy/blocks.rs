//! How many connections, and who takes what from whom.

use std::num::{NonZeroU32, NonZeroU64};

use okdownload_strategy::{BlockFacts, DownloadStrategy, SplitFacts};

use super::fresh;

const MIB: u64 = 1 << 20;

/// Of all sizes, and around the steps of the default's table.
pub(super) const LENGTHS: [u64; 10] =
    [0, 1, MIB - 1, MIB, 5 * MIB, 50 * MIB, 100 * MIB, 1 << 40, 1 << 62, u64::MAX];

/// Each block has a connection of its own: never more than the user asked for, else at most 256.
pub fn the_number_of_blocks_is_bounded(strategy: &dyn DownloadStrategy) {
    for total in LENGTHS {
        for wanted in [None, Some(1), Some(2), Some(7), Some(100)] {
            let mut facts = BlockFacts::new(total);
            facts.wanted = wanted.and_then(NonZeroU32::new);
            let count = fresh(strategy).block_count(&facts).get();
            assert!(count <= wanted.unwrap_or(256), "{count} blocks for {facts:?}");
        }
    }
}

/// The server answers ranges, and all responses can be held to one version.
pub fn several_blocks_need_all_that_makes_them_safe(strategy: &dyn DownloadStrategy) {
    for total in LENGTHS {
        for (accepts_ranges, spliceable) in [(false, true), (true, false), (false, false)] {
            let mut facts = BlockFacts::new(total);
            facts.wanted = NonZeroU32::new(4);
            (facts.accepts_ranges, facts.spliceable) = (accepts_ranges, spliceable);
            assert!(!fresh(strategy).multi_block(&facts), "several blocks for {facts:?}");
        }
    }
}

/// The same before, during and after a run: plans of one run must fit together.
pub fn the_smallest_block_does_not_change(strategy: &dyn DownloadStrategy) {
    let smallest = strategy.smallest_block();
    let mut run = fresh(strategy);
    for total in LENGTHS {
        assert_eq!(run.smallest_block(), smallest);
        run.block_count(&BlockFacts::new(total));
        run.split(&SplitFacts::new(total, smallest.get()));
    }
    assert_eq!(run.smallest_block(), smallest);
}

/// Neither part of a split is shorter than a sixteenth of the smallest block, however fast anybody is. So nobody loses all work, no request is made
/// for next to nothing, and splitting ends.
pub fn a_split_leaves_enough_on_both_sides(strategy: &dyn DownloadStrategy) {
    let smallest = strategy.smallest_block().get();
    let near = (0..=128).map(|parts| (u128::from(smallest) * parts / 32).min(u128::from(u64::MAX)) as u64);
    for rest in near.chain(LENGTHS).chain([smallest - 1, smallest.saturating_add(1)]) {
        for (speed, idle_speed) in [(0, 0), (1, 1), (1 << 20, 1 << 30), (1 << 30, 1 << 20), (0, 1 << 20)] {
            let mut facts = SplitFacts::new(rest, smallest);
            (facts.speed, facts.idle_speed) = (NonZeroU64::new(speed), NonZeroU64::new(idle_speed));
            let taken = fresh(strategy).split(&facts).map_or(0, |taken| taken.get());
            let left = rest.checked_sub(taken).unwrap_or_else(|| panic!("{taken} bytes taken from {rest}"));
            let least = (smallest / 16).max(1);
            assert!(
                taken == 0 || (taken >= least && left >= least),
                "{taken} bytes taken and {left} left, where the smallest block has {smallest}"
            );
        }
    }
}

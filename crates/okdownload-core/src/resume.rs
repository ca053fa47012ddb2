//! Whether, and from where, an earlier run can be continued: a pure decision.

use okdownload_types::{BlockInfo, BreakpointInfo, FileIdentity, ResumeFailedCause};

/// What stands where the breakpoint says that its bytes are.
#[derive(Debug, Clone)]
pub(crate) struct PartFacts {
    /// Which file it is.
    pub(crate) identity: Option<FileIdentity>,
    /// How long it is.
    pub(crate) length: u64,
    /// The boot id now.
    pub(crate) boot: Option<String>,
    /// Whether bytes of several responses may be put together without a strong validator.
    pub(crate) trusting: bool,
}

/// The blocks that can be gone on from, or why none can.
///
/// Counters are believed only as far as their claim goes: *written* on the boot that wrote it, *synced* after another,
/// and neither beyond the end of the file.
pub(crate) fn resume(info: &BreakpointInfo, part: &PartFacts) -> Result<Vec<BlockInfo>, ResumeFailedCause> {
    if !info.is_part(part.identity) {
        return Err(ResumeFailedCause::FileNotExist);
    }
    let same_boot = info.boot.is_some() && info.boot == part.boot;
    let believed = |block: &BlockInfo| {
        let claimed = if same_boot { block.written } else { block.synced };
        let there = part.length.saturating_sub(block.start);
        let written = claimed.min(there);
        // After another boot, all that is left is what was synced.
        block.with_progress(written, block.synced.min(written))
    };
    let blocks: Vec<_> = info.blocks.iter().map(believed).collect();
    if !are_sound(&blocks, info.total) || blocks.iter().all(|block| block.written == 0) {
        return Err(ResumeFailedCause::InfoDirty);
    }
    let whole = info.total.is_some() && blocks.iter().all(BlockInfo::is_full);
    if !whole && !info.validators.is_strong() && !part.trusting {
        return Err(ResumeFailedCause::ValidatorMissing);
    }
    Ok(blocks)
}

/// Whether the blocks cover the resource without overlap. A store that was tampered with must not make a wrong file.
fn are_sound(blocks: &[BlockInfo], total: Option<u64>) -> bool {
    let mut position = 0;
    for (number, block) in blocks.iter().enumerate() {
        let last = number + 1 == blocks.len();
        let fits =
            block.length.is_none_or(|length| block.written <= length) && (block.length.is_some() || last);
        let Some(end) = block.start.checked_add(block.length.unwrap_or(block.written)) else { return false };
        if block.start != position || !fits {
            return false;
        }
        position = end;
    }
    let open_ended = blocks.last().is_some_and(|block| block.length.is_none());
    !blocks.is_empty() && (total == Some(position) || (total.is_none() && open_ended))
}

#[cfg(test)]
mod tests {
    use super::*;
    use okdownload_types::{EntityTag, Location, TaskId, Validators};
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    const OURS: Option<FileIdentity> = Some(FileIdentity::new(7, Some(1)));

    fn info(blocks: &[(u64, u64, u64, u64)]) -> BreakpointInfo {
        let place = Location::Path("/a".into());
        let mut info =
            BreakpointInfo::new(TaskId::from_u128(1), "http://h/".parse().unwrap(), place.clone(), place);
        let block = |&(start, length, written, synced)| {
            BlockInfo::new(start, Some(length)).with_progress(written, synced)
        };
        info.blocks = blocks.iter().map(block).collect();
        info.total = Some(blocks.iter().map(|block| block.1).sum());
        info.identity = OURS;
        info.boot = Some("boot".into());
        info.validators = Validators::new(EntityTag::parse("\"v\""), None, None);
        info
    }

    fn part(length: u64) -> PartFacts {
        PartFacts { identity: OURS, length, boot: Some("boot".into()), trusting: false }
    }

    fn there(resumed: Result<Vec<BlockInfo>, ResumeFailedCause>) -> Vec<(u64, u64)> {
        resumed.unwrap().iter().map(|block| (block.written, block.synced)).collect()
    }

    #[test]
    fn written_counts_on_the_same_boot_only() {
        let info = info(&[(0, 10, 8, 3), (10, 10, 5, 5)]);
        assert_eq!(there(resume(&info, &part(20))), [(8, 3), (5, 5)]);
        let rebooted = PartFacts { boot: Some("other".into()), ..part(20) };
        assert_eq!(there(resume(&info, &rebooted)), [(3, 3), (5, 5)]);
        let unknown = PartFacts { boot: None, ..part(20) };
        assert_eq!(there(resume(&info, &unknown)), [(3, 3), (5, 5)]);
    }

    #[test]
    fn a_truncated_part_costs_what_was_cut() {
        let info = info(&[(0, 10, 10, 10), (10, 10, 8, 2)]);
        assert_eq!(there(resume(&info, &part(13))), [(10, 10), (3, 2)]);
        assert_eq!(there(resume(&info, &part(4))), [(4, 4), (0, 0)]);
        assert_eq!(resume(&info, &part(0)), Err(ResumeFailedCause::InfoDirty));
    }

    #[test]
    fn another_file_is_not_trusted() {
        let info = info(&[(0, 10, 8, 8)]);
        for identity in [None, Some(FileIdentity::new(8, Some(1))), Some(FileIdentity::new(7, Some(2)))] {
            let part = PartFacts { identity, ..part(10) };
            assert_eq!(resume(&info, &part), Err(ResumeFailedCause::FileNotExist));
        }
    }

    #[test]
    fn without_a_strong_validator_only_whole_files_count() {
        let mut half = info(&[(0, 10, 8, 8)]);
        half.validators = Validators::default();
        assert_eq!(resume(&half, &part(10)), Err(ResumeFailedCause::ValidatorMissing));
        assert!(resume(&half, &PartFacts { trusting: true, ..part(10) }).is_ok());
        let mut whole = info(&[(0, 10, 10, 10)]);
        whole.validators = Validators::default();
        assert!(resume(&whole, &part(10)).is_ok());
    }

    #[test]
    fn nonsense_is_not_trusted() {
        for blocks in [
            &[][..],
            &[(1, 10, 5, 5)],
            &[(0, 10, 5, 5), (11, 10, 5, 5)],
            &[(0, 10, 5, 5), (9, 10, 5, 5)],
            &[(0, 10, 11, 5)],
            &[(0, 10, 0, 0)],
            &[(0, u64::MAX, 5, 5), (u64::MAX, 0, 0, 0)],
        ] {
            let mut info = info(&[(0, 10, 5, 5)]);
            let block = |&(start, length, written, synced)| {
                BlockInfo::new(start, Some(length)).with_progress(written, synced)
            };
            info.blocks = blocks.iter().map(block).collect();
            assert_eq!(resume(&info, &part(100)), Err(ResumeFailedCause::InfoDirty), "{blocks:?}");
        }
        let mut wrong_total = info(&[(0, 10, 5, 5)]);
        wrong_total.total = Some(11);
        assert_eq!(resume(&wrong_total, &part(10)), Err(ResumeFailedCause::InfoDirty));
    }

    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![6 => 0..30_u64, 1 => any::<u64>(), 1 => Just(u64::MAX)]
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 10_000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default()
        })]

        /// Whatever a store hands out: what is gone on from covers the resource once, and claims no more than was
        /// claimed, and than is there.
        #[test]
        fn no_record_makes_a_wrong_claim(
            lengths in prop::collection::vec((prop_oneof![9 => Just(0), 1 => number()], number(), number(), number()), 0..5),
            total in prop::option::of(number()),
            honest in any::<bool>(),
            open_end in any::<bool>(),
            there in number(),
            (same_boot, ours, trusting) in any::<(bool, bool, bool)>(),
        ) {
            let mut info = info(&[]);
            let mut start = 0_u64;
            for (gap, length, written, synced) in lengths {
                start = start.saturating_add(gap);
                info.blocks.push(BlockInfo::new(start, Some(length)).with_progress(written, synced));
                start = start.saturating_add(length);
            }
            if let Some(last) = info.blocks.last_mut().filter(|_| open_end) {
                last.length = None;
            }
            info.total = if honest { Some(start).filter(|_| !open_end) } else { total };
            let boot = Some(if same_boot { "boot" } else { "other" }.to_owned());
            let identity = OURS.filter(|_| ours);
            let Ok(blocks) = resume(&info, &PartFacts { identity, length: there, boot, trusting }) else { return Ok(()) };
            assert!(ours);
            let mut position = 0;
            for (old, new) in info.blocks.iter().zip(&blocks) {
                let claimed = if same_boot { old.written } else { old.synced };
                assert!(new.written <= claimed && new.synced <= new.written, "{old:?} {new:?}");
                assert!(new.length.is_none_or(|length| new.written <= length), "{new:?}");
                assert!(new.written == 0 || new.position() <= there, "{new:?}");
                assert_eq!((new.start, new.length), (position, old.length));
                position += new.length.unwrap_or(new.written);
            }
            assert!(info.total.is_none_or(|total| total == position));
        }
    }
}

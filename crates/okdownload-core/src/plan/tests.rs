use super::*;

fn n(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap()
}

fn bytes(count: u64) -> NonZeroU64 {
    NonZeroU64::new(count).unwrap()
}

fn spans(blocks: &[BlockInfo]) -> Vec<(u64, u64, u64)> {
    blocks.iter().map(|block| (block.start, block.length.unwrap(), block.written)).collect()
}

#[test]
fn equal_pieces_with_the_remainder_first() {
    assert_eq!(spans(&fresh(10, 0, n(3), bytes(1))), [(0, 4, 0), (4, 3, 0), (7, 3, 0)]);
    assert_eq!(spans(&fresh(10, 0, n(1), bytes(1))), [(0, 10, 0)]);
}

#[test]
fn the_probe_belongs_to_the_first_block() {
    assert_eq!(spans(&fresh(100, 10, n(3), bytes(1))), [(0, 34, 0), (34, 33, 0), (67, 33, 0)]);
    assert_eq!(spans(&fresh(100, 50, n(3), bytes(1))), [(0, 50, 0), (50, 25, 0), (75, 25, 0)]);
    assert_eq!(spans(&fresh(100, 50, n(3), bytes(30))), [(0, 50, 0), (50, 50, 0)]);
    assert_eq!(spans(&fresh(100, 50, n(1), bytes(1))), [(0, 100, 0)]);
    assert_eq!(spans(&fresh(100, 100, n(3), bytes(1))), [(0, 100, 0)]);
    assert_eq!(spans(&fresh(0, 0, n(3), bytes(1))), [(0, 0, 0)]);
}

#[test]
fn no_piece_is_too_small() {
    assert_eq!(fresh(100, 0, n(16), bytes(30)).len(), 3);
    assert_eq!(fresh(u64::MAX, 1 << 20, n(u32::MAX), bytes(u64::MAX)).len(), 1);
}

#[test]
fn a_resume_divides_the_gaps() {
    let there = |start, length, written| BlockInfo::new(start, Some(length)).with_progress(written, 0);
    let blocks = [there(0, 50, 50), there(50, 50, 50), there(100, 100, 20), there(200, 20, 10)];
    // What is whole joins what follows it; the larger gap becomes two pieces.
    assert_eq!(spans(&resume(&blocks, n(3), bytes(1))), [(0, 160, 120), (160, 40, 0), (200, 20, 10)]);
    // More gaps than connections: each stays a block, and waits for its turn.
    assert_eq!(resume(&blocks, n(1), bytes(1)).len(), 2);
    // A block of unknown length stays as it is.
    let unknown = [BlockInfo::new(0, None).with_progress(7, 7)];
    assert_eq!(resume(&unknown, n(4), bytes(1)), unknown);
}

/// Whatever the state, a plan covers the same bytes, overlaps nowhere and forgets nothing that is there.
#[test]
fn plans_are_sound_for_random_states() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..2_000 {
        let mut start = 0;
        let mut blocks = Vec::new();
        for _ in 0..random.usize(1..8) {
            let length = random.u64(0..5_000);
            let written = random.u64(0..=length);
            blocks.push(BlockInfo::new(start, Some(length)).with_progress(written, random.u64(0..=written)));
            start += length;
        }
        let plan = resume(&blocks, n(random.u32(1..20)), bytes(random.u64(1..500)));
        let mut position = 0;
        for block in &plan {
            assert_eq!(block.start, position, "{blocks:?} {plan:?}");
            assert!(block.written <= block.length.unwrap() && block.synced <= block.written);
            position = block.end().unwrap();
        }
        assert_eq!(position, start);
        let there = |blocks: &[BlockInfo]| -> Vec<u64> {
            blocks.iter().flat_map(|block| block.start..block.position()).collect()
        };
        assert_eq!(there(&plan), there(&blocks));
    }
}

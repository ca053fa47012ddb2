//! From what is missing to blocks: pure arithmetic.

use std::num::{NonZeroU32, NonZeroU64};

use okdownload_types::BlockInfo;

/// The blocks of a fresh download of `total` bytes whose first `probed` bytes are on their way on one connection: that
/// connection's block has at least these.
pub(crate) fn fresh(total: u64, probed: u64, count: NonZeroU32, smallest: NonZeroU64) -> Vec<BlockInfo> {
    let pieces = divide(0, total, count, smallest);
    let probed = probed.min(total);
    if pieces.first().is_some_and(|first| first.length >= Some(probed)) {
        return pieces;
    }
    let first = BlockInfo::new(0, Some(probed));
    let others = NonZeroU32::new(count.get() - 1).map(|count| divide(probed, total, count, smallest));
    std::iter::once(first).chain(others.unwrap_or_default()).collect()
}

/// The blocks of a download that goes to an output which takes bytes in order: the first piece, and the rest, off which
/// further ones are cut as it comes to them.
pub(crate) fn in_order(total: u64, piece: u64) -> Vec<BlockInfo> {
    let first = BlockInfo::new(0, Some(total.min(piece)));
    let rest = (total > piece).then(|| BlockInfo::new(piece, Some(total - piece)));
    std::iter::once(first).chain(rest).collect()
}

/// The blocks of a resume: all bytes that are there stay where they are, and the gaps between them are divided, the
/// larger ones into more pieces.
pub(crate) fn resume(blocks: &[BlockInfo], count: NonZeroU32, smallest: NonZeroU64) -> Vec<BlockInfo> {
    let blocks = merge_full(blocks);
    let shares = share(&blocks, count, smallest);
    let mut plan = Vec::new();
    for (block, pieces) in blocks.iter().zip(shares) {
        let (Some(end), Some(pieces)) = (block.end(), NonZeroU32::new(pieces)) else {
            plan.push(*block);
            continue;
        };
        let mut gap = divide(block.position(), end, pieces, smallest).into_iter();
        // The first piece keeps what is there in front of it.
        let first = gap.next().and_then(|piece| piece.length).unwrap_or(0);
        let first = BlockInfo::new(block.start, Some(block.written + first));
        plan.push(first.with_progress(block.written, block.synced));
        plan.extend(gap);
    }
    plan
}

/// Joins what is whole with what follows it, so that the list does not grow with every resume.
fn merge_full(blocks: &[BlockInfo]) -> Vec<BlockInfo> {
    let mut merged: Vec<BlockInfo> = Vec::new();
    for block in blocks.iter().filter(|block| block.length != Some(0)) {
        match merged.last_mut() {
            Some(last) if last.is_full() && last.end() == Some(block.start) => {
                // `synced` counts from the start, so it may go on only where it has no hole.
                let synced =
                    if last.synced == last.written { last.synced + block.synced } else { last.synced };
                let written = last.written + block.written;
                last.length = last.length.zip(block.length).map(|(a, b)| a + b);
                (last.written, last.synced) = (written, synced);
            }
            _ => merged.push(*block),
        }
    }
    merged
}

/// How many pieces each block's gap becomes: one each, and further ones where they are largest.
fn share(blocks: &[BlockInfo], count: NonZeroU32, smallest: NonZeroU64) -> Vec<u32> {
    let gap = |block: &BlockInfo| block.remaining().unwrap_or(0);
    let mut shares: Vec<u32> = blocks.iter().map(|block| u32::from(gap(block) > 0)).collect();
    let mut spare = u64::from(count.get()).saturating_sub(shares.iter().map(|share| u64::from(*share)).sum());
    while spare > 0 {
        let size = |(number, share): &(usize, &mut u32)| gap(&blocks[*number]) / (u64::from(**share) + 1);
        let largest = shares.iter_mut().enumerate().filter(|(_, share)| **share > 0).max_by_key(size);
        match largest {
            Some((number, share)) if gap(&blocks[number]) / (u64::from(*share) + 1) >= smallest.get() => {
                *share += 1;
            }
            _ => break,
        }
        spare -= 1;
    }
    shares
}

/// `start..end` in at most `count` equal pieces of at least `smallest` bytes; the remainder goes to the first.
fn divide(start: u64, end: u64, count: NonZeroU32, smallest: NonZeroU64) -> Vec<BlockInfo> {
    let length = end.saturating_sub(start);
    if length == 0 {
        return Vec::new();
    }
    let count = u64::from(count.get()).min((length / smallest).max(1));
    let (each, more) = (length / count, length % count);
    let piece = |number| {
        let begin = if number == 0 { start } else { start + more + number * each };
        BlockInfo::new(begin, Some(if number == 0 { each + more } else { each }))
    };
    (0..count).map(piece).collect()
}

#[cfg(test)]
mod tests;

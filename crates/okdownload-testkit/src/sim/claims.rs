//! What a breakpoint claims, held against the bytes.

use std::ops::Range;

use okdownload_types::{BreakpointInfo, FileIdentity, Location};

use super::{Crash, SimDisk, Version};

/// What the next run may go on from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Believed {
    /// These bytes of the part.
    pub ranges: Vec<Range<u64>>,
    /// Whether they are all that there is.
    pub is_whole: bool,
}

impl Believed {
    /// How many bytes there are.
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }

    /// Whether all of `range` is among them.
    pub fn covers(&self, range: &Range<u64>) -> bool {
        let mut position = range.start;
        // They are in order.
        for there in &self.ranges {
            if there.start <= position && position < there.end {
                position = there.end;
            }
        }
        position >= range.end
    }
}

/// What a record lets its reader believe after a crash: *written* on the same boot, *synced* after another, of the same
/// file, as far as that reaches.
pub fn believed(info: &BreakpointInfo, disk: &SimDisk) -> Believed {
    // The next run syncs before it believes what is only *written*, and learns that this can't be done.
    let counts_written = info.boot == Some(disk.boot()) && !disk.will_fail(&info.part);
    believed_of(info, disk.look(&info.part), counts_written)
}

/// The same of any disk: `found` is what has the part's name there and how long it is, and `counts_written` whether
/// *written* is believed.
pub fn believed_of(
    info: &BreakpointInfo,
    found: Option<(FileIdentity, u64)>,
    counts_written: bool,
) -> Believed {
    let found = found.filter(|(identity, _)| Some(*identity) == info.identity);
    let Some((_, length)) = found else { return Believed::default() };
    let claims =
        |block: &okdownload_types::BlockInfo| if counts_written { block.written } else { block.synced };
    let there = |block| block_range(block, claims(block), length);
    let is_whole = info
        .blocks
        .iter()
        .all(|block| Some(claims(block).min(length.saturating_sub(block.start))) == block.length);
    Believed { ranges: join(info.blocks.iter().map(there)), is_whole }
}

fn block_range(block: &okdownload_types::BlockInfo, claimed: u64, length: u64) -> Range<u64> {
    let end = (block.start + claimed).min(length);
    block.start.min(end)..end
}

fn join(ranges: impl Iterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges.filter(|range| !range.is_empty()) {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}

/// Whether the bytes in these ranges of the file are of one version that the record's validators stand for. With `mixed`,
/// each range of a block may be of any version: a digest will tell.
///
/// # Errors
/// In words, the first place that is wrong in the version that fits best.
pub fn check_claims(
    info: &BreakpointInfo,
    ranges: &[Range<u64>],
    disk: &SimDisk,
    crash: Crash,
    versions: &[Version],
    mixed: bool,
) -> Result<(), String> {
    if ranges.is_empty() {
        return Ok(());
    }
    let Some(identity) = info.identity else { return Err(format!("{} claims bytes of no file", info.part)) };
    // A completion that is under way has given it its final name already.
    let names = [&info.part, &info.location];
    let look = |name: &&Location| disk.read_part(name, identity, Crash::Process, |_| ()).is_some();
    // A part that was removed is no loss that anybody could mistake for bytes.
    let Some(_) = names.iter().copied().find(look) else { return Ok(()) };
    let checked = names.into_iter().find_map(|name| {
        disk.read_part(name, identity, crash, |bytes| check_bytes(info, ranges, bytes, versions, mixed))
    });
    checked.unwrap_or_else(|| Err(format!("{} is claimed, and its name is not on the disk", info.part)))
}

fn check_bytes(
    info: &BreakpointInfo,
    ranges: &[Range<u64>],
    bytes: &[u8],
    versions: &[Version],
    mixed: bool,
) -> Result<(), String> {
    let is_it = |version: &&Version| {
        let (ours, theirs) = (&info.validators, &version.validators);
        mixed || (ours.etag == theirs.etag && ours.last_modified == theirs.last_modified)
    };
    let mut best: Option<u64> = None;
    let mut position = 0;
    for version in versions.iter().filter(is_it) {
        match first_wrong(ranges, bytes, version) {
            None => return Ok(()),
            Some(wrong) if mixed => position = wrong.max(position),
            Some(wrong) => best = best.max(Some(wrong)),
        }
    }
    if mixed && is_mixture(ranges, bytes, versions) {
        return Ok(());
    }
    let wrong = best.unwrap_or(position);
    let blocks: Vec<_> = info.blocks.iter().map(|block| (block.start, block.written, block.synced)).collect();
    Err(format!("{}: {ranges:?} are claimed, and byte {wrong} is not that; blocks {blocks:?}", info.part))
}

fn first_wrong(ranges: &[Range<u64>], bytes: &[u8], version: &Version) -> Option<u64> {
    ranges.iter().find_map(|range| {
        let end = range.end.min(bytes.len() as u64);
        let there = bytes.get(range.start as usize..end as usize).unwrap_or_default();
        let differs = version.content.differs(range.start, there);
        differs
            .or((end < range.end).then_some(end))
            .or((range.end > version.length).then_some(version.length))
    })
}

/// Whether each byte is one that some version has there.
fn is_mixture(ranges: &[Range<u64>], bytes: &[u8], versions: &[Version]) -> bool {
    ranges.iter().all(|range| {
        let mut position = range.start;
        while position < range.end {
            let Some(rest) = bytes.get(position as usize..range.end as usize) else { return false };
            let reach = |version: &Version| version.content.differs(position, rest).unwrap_or(range.end);
            match versions.iter().map(reach).max() {
                // A byte or two may be equal by chance, so what is followed is the longest run.
                Some(next) if next > position => position = next,
                _ => return false,
            }
        }
        true
    })
}

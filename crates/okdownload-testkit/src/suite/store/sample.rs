//! Records to keep.

use std::path::PathBuf;

use fastrand::Rng;
use okdownload_types::{
    BlockInfo, BreakpointInfo, CompletionRecord, EntityTag, FileIdentity, Location, TaskId, Validators,
};

/// The largest number that every store must keep: no file is longer.
pub(super) const LARGEST: u64 = i64::MAX as u64;

pub(super) fn id(n: u64) -> TaskId {
    // Spread over all 128 bits, as real ids are.
    TaskId::from_u128(u128::from(n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

/// The n-th breakpoint, with three blocks.
pub(super) fn breakpoint(n: u64) -> BreakpointInfo {
    let url = format!("https://example.com/files/{n}.bin?token=a%20b").parse().expect("a URL");
    let place = |end| Location::Path(format!("/downloads/{n}.bin{end}").into());
    let mut info = BreakpointInfo::new(id(n), url, place(""), place(".okdownload"));
    info.identity = Some(FileIdentity::new(1000 + n, Some(1_700_000_000_000_000_000)));
    info.validators.etag = EntityTag::parse("\"tag\"");
    info.total = Some(3000);
    info.boot = Some("a boot".to_owned());
    info.blocks = [0, 1000, 2000].map(|start| BlockInfo::new(start, Some(1000))).to_vec();
    info
}

/// The same but for what `change` does.
pub(super) fn changed(mut info: BreakpointInfo, change: impl FnOnce(&mut BreakpointInfo)) -> BreakpointInfo {
    change(&mut info);
    info
}

/// The same with this much of each block there.
pub(super) fn advanced(mut info: BreakpointInfo, written: u64, synced: u64) -> BreakpointInfo {
    for block in &mut info.blocks {
        *block = block.with_progress(written, synced);
    }
    info
}

pub(super) fn completion(n: u64) -> CompletionRecord {
    let info = breakpoint(n);
    let mut record = CompletionRecord::new(info.id, info.url, info.location, 3000);
    record.modified = Some(1_700_000_000_123_456_789);
    record.validators = info.validators;
    record
}

/// Breakpoints at the edges of what a field can hold.
pub(super) fn extremes() -> Vec<BreakpointInfo> {
    let mut bare = BreakpointInfo::new(
        TaskId::from_u128(0),
        breakpoint(0).url,
        Location::Uri("s3://b/k".into()),
        Location::Uri(String::new()),
    );
    bare.blocks = vec![BlockInfo::new(0, None).with_progress(LARGEST, LARGEST)];
    let mut empty = breakpoint(1);
    (empty.id, empty.total, empty.blocks, empty.boot) =
        (TaskId::from_u128(u128::MAX), Some(0), vec![], Some(String::new()));
    empty.options = Some(String::new());
    empty.identity = Some(FileIdentity::new(0, None));
    let mut large = breakpoint(2);
    large.total = Some(LARGEST);
    large.identity = Some(FileIdentity::new(u64::MAX, Some(i64::MIN)));
    large.blocks = vec![
        BlockInfo::new(0, Some(1 << 40)),
        BlockInfo::new(1 << 40, Some(LARGEST)).with_progress(LARGEST, 1),
    ];
    large.validators.last_modified = Some(LARGEST);
    large.validators.last_modified_is_strong = true;
    large.needs_credentials = true;
    large.options = Some("q".repeat(9000));
    let mut odd = breakpoint(3);
    odd.identity = Some(FileIdentity::new(1 << 63, Some(i64::MAX)));
    odd.url =
        format!("http://[::1]:8080/%00/ü?{}=%F0%9F%92%A9&a='\";--", "q".repeat(8000)).parse().expect("a URL");
    odd.location = Location::Path("/a\nb'\"\\;DROP TABLE x;--/ü💩".into());
    odd.part = Location::Uri("memory://x?y#z".into());
    odd.validators.etag = Some(EntityTag { weak: true, opaque: "\u{ff}'\"ü💩".to_owned() });
    odd.boot = Some("ü\0💩".to_owned());
    odd.options = Some("a b\r\n'\"\0;--ü💩".to_owned());
    let mut many = breakpoint(4);
    many.blocks = (0..1000).map(|n| BlockInfo::new(n << 20, Some(1 << 20)).with_progress(n, n / 2)).collect();
    vec![bare, empty, large, odd, many]
}

/// Breakpoints that nobody would think of; the same ones each time.
pub(super) fn random_breakpoint(random: &mut Rng, n: u64) -> BreakpointInfo {
    let mut info = breakpoint(n);
    info.location = random_location(random);
    info.part = random_location(random);
    let born = random.bool().then(|| random.i64(..));
    info.identity = random.bool().then(|| FileIdentity::new(random.u64(..), born));
    info.validators = random_validators(random);
    info.total = random.bool().then(|| number(random));
    info.boot = random.bool().then(|| text(random));
    info.needs_credentials = random.bool();
    info.options = random.bool().then(|| text(random));
    let mut starts: Vec<u64> = (0..random.usize(..8)).map(|_| number(random)).collect();
    starts.sort_unstable();
    starts.dedup();
    let mut block = |start| {
        let length = random.bool().then(|| number(random));
        BlockInfo::new(start, length).with_progress(number(random) >> 4, number(random) >> 4)
    };
    info.blocks = starts.into_iter().map(&mut block).collect();
    info
}

pub(super) fn random_completion(random: &mut Rng, n: u64) -> CompletionRecord {
    let mut record = completion(n);
    record.location = random_location(random);
    record.length = number(random);
    record.modified = random.bool().then(|| random.i64(..));
    record.validators = random_validators(random);
    record
}

fn random_validators(random: &mut Rng) -> Validators {
    let mut validators = Validators::default();
    validators.etag = random.bool().then(|| EntityTag { weak: random.bool(), opaque: text(random) });
    validators.last_modified = random.bool().then(|| number(random));
    validators.last_modified_is_strong = random.bool();
    validators
}

fn random_location(random: &mut Rng) -> Location {
    let text = text(random);
    if random.bool() { Location::Path(PathBuf::from(text)) } else { Location::Uri(text) }
}

/// Small and large ones, and all lengths of them.
fn number(random: &mut Rng) -> u64 {
    random.u64(..) >> random.u32(1..64)
}

fn text(random: &mut Rng) -> String {
    (0..random.usize(..40)).map(|_| random.char(..)).collect()
}

//! How large the pieces of an upload are.

use opendal::Capability;

/// The least: above the 5 MiB that S3 wants, and small enough to wait for on a slow line.
pub(crate) const LEAST: u64 = 8 << 20;

/// S3, GCS and their likes take no more parts than this.
const MOST_PARTS: u64 = 10_000;

const MIB: u64 = 1 << 20;

/// The size of a part, so that an object of this length has no more of them than the service takes.
pub(crate) fn size(length: Option<u64>, capability: &Capability) -> u64 {
    let needed = length.unwrap_or(0).div_ceil(MOST_PARTS).next_multiple_of(MIB);
    let least = capability.write_multi_min_size.map_or(0, |size| size as u64);
    let most = capability.write_multi_max_size.map_or(u64::MAX, |size| size as u64);
    needed.max(LEAST).max(least).min(most)
}

/// How many parts are on their way at a time. One where they are large: memory counts then, and a single one fills
/// the line.
pub(crate) fn concurrency(chunk: u64) -> usize {
    if chunk > LEAST { 1 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let s3 = Capability {
            write_multi_min_size: Some(5 << 20),
            write_multi_max_size: Some(5 << 30),
            ..Capability::default()
        };
        for (length, expected) in [
            (None, LEAST),
            (Some(0), LEAST),
            (Some(1), LEAST),
            (Some(LEAST * MOST_PARTS), LEAST),
            (Some(LEAST * MOST_PARTS + 1), LEAST + MIB),
            (Some(1 << 40), 105 << 20),
            (Some(u64::MAX), 5 << 30),
        ] {
            let chunk = size(length, &s3);
            assert_eq!(chunk, expected, "{length:?}");
            let fits = length.unwrap_or(0).div_ceil(chunk) <= MOST_PARTS;
            assert!(fits || length == Some(u64::MAX), "{length:?}");
        }
        let large = Capability { write_multi_min_size: Some(50 << 20), ..Capability::default() };
        assert_eq!(size(None, &large), 50 << 20);
        assert_eq!((concurrency(LEAST), concurrency(LEAST + MIB)), (2, 1));
    }
}

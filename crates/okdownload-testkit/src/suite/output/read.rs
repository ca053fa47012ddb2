//! Reading back what was written.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use okdownload_output::Consumer;
use okdownload_types::ErrorKind::Unsupported;

use super::OutputFixture;
use super::bench::{Bench, assert_kind};

/// With `read`: any stretch, and as much of it as there is.
pub async fn bytes_can_be_read_back(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let part = bench.part_of("done", "abcdef").await;
    if !bench.capability().read {
        return assert_kind(part.read_at(0, 1).await, Unsupported);
    }
    for (offset, length, expected) in [
        (0, 6, "abcdef"),
        (2, 3, "cde"),
        (4, 100, "ef"),
        (0, usize::MAX, "abcdef"),
        (6, 1, ""),
        (1 << 40, 1, ""),
        (3, 0, ""),
    ] {
        assert_eq!(part.read_at(offset, length).await.unwrap(), expected, "{offset}, {length}");
    }
}

/// A consumer, and what it was given.
fn collector() -> (Arc<Mutex<Vec<u8>>>, Consumer) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&seen);
    (seen, Box::new(move |bytes| into.lock().unwrap().extend_from_slice(bytes)))
}

/// With `read`: every byte of the range, once, from front to back.
pub async fn a_scan_is_complete_and_in_order(fixture: &dyn OutputFixture) {
    const LENGTH: usize = 3_000_001;
    let bench = Bench::new(fixture);
    let part = bench.open_done().await;
    let bytes: Bytes = (0..LENGTH).map(|n| (n % 251) as u8).collect();
    part.write_at(0, vec![bytes.clone()]).await.unwrap();
    for range in [0..LENGTH, 1..LENGTH - 1, 7..7, 1 << 20..(1 << 20) + 1] {
        let (seen, consumer) = collector();
        let done = part.scan(range.start as u64..range.end as u64, consumer).await;
        if bench.capability().read {
            done.unwrap();
            assert!(*seen.lock().unwrap() == bytes[range.clone()], "{range:?}");
        } else {
            assert_kind(done, Unsupported);
            assert!(seen.lock().unwrap().is_empty());
        }
    }
}

/// An early end is an error: a digest over less than all would be a wrong digest.
pub async fn a_scan_of_what_is_not_there_fails(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let part = bench.part_of("done", "abcdef").await;
    for range in [0..7, 6..7, 100..200] {
        let (seen, consumer) = collector();
        let error = part.scan(range, consumer).await.unwrap_err();
        assert!(bench.capability().read || error.kind() == Unsupported, "{error}");
        assert!(b"abcdef".starts_with(&seen.lock().unwrap()));
    }
}

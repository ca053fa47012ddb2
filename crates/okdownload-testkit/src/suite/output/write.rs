//! Writing, lengths and syncing.

use bytes::Bytes;
use okdownload_types::ErrorKind::{Misuse, Unsupported};

use super::OutputFixture;
use super::bench::{Bench, assert_kind, write};

/// Pieces of a call, and calls, follow each other; empty ones change nothing.
pub async fn pieces_follow_each_other(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let part = bench.open_done().await;
    for (offset, pieces) in
        [(0, &["ab"][..]), (2, &[]), (2, &["", "c", "", "def", ""]), (6, &[""]), (6, &["g", "h"])]
    {
        write(&*part, offset, pieces).await.unwrap();
    }
    assert_eq!(bench.finished(&*part).await, b"abcdefgh");
}

/// With `seek`; without it, a gap is refused and nothing is written.
pub async fn positions_may_come_in_any_order(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let part = bench.open_done().await;
    if bench.capability().seek {
        for (offset, piece) in [(6, "gh"), (2, "cd"), (0, "ab"), (4, "ef")] {
            write(&*part, offset, &[piece]).await.unwrap();
        }
        assert_eq!(bench.finished(&*part).await, b"abcdefgh");
    } else {
        write(&*part, 0, &["ab"]).await.unwrap();
        assert_kind(write(&*part, 6, &["gh"]).await, Unsupported);
        part.abort().await.unwrap();
    }
}

/// With `seek`: sixteen tasks, each with its own stretch, all at once. Without it calls come one at a time.
pub async fn calls_may_overlap_in_time(fixture: &dyn OutputFixture) {
    const STRETCH: usize = 300_000;
    let bench = Bench::new(fixture);
    let part = bench.open_done().await;
    let piece = |task: u8| Bytes::from(vec![b'a' + task; STRETCH / 3]);
    if bench.capability().seek {
        let tasks = (0..16_u8).rev().map(|task| {
            let (part, pieces) = (part.clone(), vec![piece(task); 3]);
            tokio::spawn(async move { part.write_at(u64::from(task) * STRETCH as u64, pieces).await })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap().unwrap();
        }
    } else {
        for task in 0..16_u8 {
            part.write_at(u64::from(task) * STRETCH as u64, vec![piece(task); 3]).await.unwrap();
        }
    }
    let written = bench.finished(&*part).await;
    assert_eq!(written.len(), 16 * STRETCH);
    for (task, stretch) in (0_u8..).zip(written.chunks(STRETCH)) {
        assert!(stretch.iter().all(|byte| *byte == b'a' + task), "stretch {task}");
    }
}

/// With `seek`; without it, going back is refused.
pub async fn later_bytes_replace_earlier_ones(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let part = bench.part_of("done", "abcdef").await;
    if bench.capability().seek {
        write(&*part, 1, &["XY", "Z"]).await.unwrap();
        assert_eq!(bench.finished(&*part).await, b"aXYZef");
    } else {
        assert_kind(write(&*part, 1, &["XY", "Z"]).await, Unsupported);
    }
}

/// More than systems take in one call of theirs.
pub async fn thousands_of_pieces_go_in_one_call(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let part = bench.open_done().await;
    let pieces: Vec<_> =
        (0..5000_u32).map(|n| Bytes::from(vec![n.to_le_bytes()[0]; (n % 7) as usize])).collect();
    part.write_at(0, pieces.clone()).await.unwrap();
    assert_eq!(bench.finished(&*part).await, pieces.concat());
}

/// With `seek`: around 2³² and above, without writing what lies between.
pub async fn offsets_beyond_4_gib_are_right(fixture: &dyn OutputFixture) {
    const FAR: u64 = (5 << 30) + 1;
    let bench = Bench::new(fixture);
    let part = bench.open_done().await;
    if !bench.capability().seek {
        return assert_kind(write(&*part, FAR, &["far"]).await, Unsupported);
    }
    write(&*part, FAR, &["f", "ar"]).await.unwrap();
    write(&*part, (1 << 32) - 2, &["ed", "ge"]).await.unwrap();
    write(&*part, 0, &["near"]).await.unwrap();
    if bench.capability().read {
        for (offset, bytes) in
            [(0, "near"), ((1 << 32) - 3, "\0edge\0"), (FAR - 1, "\0far"), (2 << 30, "\0\0")]
        {
            assert_eq!(part.read_at(offset, bytes.len()).await.unwrap(), bytes, "{offset}");
        }
    }
    part.commit(&bench.at("done"), super::bench::PLAIN).await.unwrap();
    assert_eq!(bench.factory.stat(&bench.at("done")).await.unwrap().unwrap().length, FAR + 3);
}

/// What no file can have is the caller's mistake, not a panic, and leaves the part as it was.
pub async fn impossible_offsets_are_errors(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let part = bench.part_of("done", "abc").await;
    let kind = if bench.capability().seek { Misuse } else { Unsupported };
    for offset in [u64::MAX, u64::MAX - 1, 1 << 63] {
        assert_kind(write(&*part, offset, &["x", "y"]).await, kind);
    }
    assert_kind(part.set_length(u64::MAX).await, kind);
    assert_eq!(bench.finished(&*part).await, b"abc");
}

/// With `seek`: cut, and extended with zeros. Without it, once there are bytes, both are refused.
pub async fn the_length_can_be_set(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let part = bench.part_of("done", "abcdef").await;
    if bench.capability().seek {
        part.set_length(2).await.unwrap();
        part.set_length(4).await.unwrap();
        assert_eq!(bench.finished(&*part).await, b"ab\0\0");
    } else {
        assert_kind(part.set_length(2).await, Unsupported);
        assert_kind(part.set_length(0).await, Unsupported);
        assert_kind(part.set_length(9).await, Unsupported);
    }
}

/// Every output can start over where nothing has been written.
pub async fn a_length_of_zero_can_always_be_set_at_first(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let part = bench.open_done().await;
    part.set_length(0).await.unwrap();
    write(&*part, 0, &["abc"]).await.unwrap();
    assert_eq!(bench.finished(&*part).await, b"abc");
}

/// Whether space is reserved or not, the length is that of the bytes.
pub async fn reserving_space_keeps_the_length(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let part = bench.open_done().await;
    for length in [0, 1 << 20, 10] {
        part.preallocate(length).await.unwrap();
    }
    write(&*part, 0, &["abc"]).await.unwrap();
    assert_eq!(bench.finished(&*part).await, b"abc");
}

/// Also with nothing new to sync.
pub async fn syncing_can_be_repeated(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let part = bench.open_done().await;
    part.flush_and_sync().await.unwrap();
    write(&*part, 0, &["abc"]).await.unwrap();
    part.flush_and_sync().await.unwrap();
    part.flush_and_sync().await.unwrap();
    write(&*part, 3, &["def"]).await.unwrap();
    assert_eq!(bench.finished(&*part).await, b"abcdef");
}

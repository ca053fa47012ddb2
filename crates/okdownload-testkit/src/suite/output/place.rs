//! What a factory says of itself and of places.

use okdownload_output::{OpenMode, StatKind};
use okdownload_types::ErrorKind::Unsupported;
use okdownload_types::Location;

use super::OutputFixture;
use super::bench::{Bench, assert_kind};

/// Core asks once and relies on it.
pub async fn capabilities_do_not_change(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let before = bench.capability();
    bench.file("done", "abc").await;
    assert_eq!(bench.capability(), before);
    assert_eq!(bench.restarted().capability(), before);
}

/// Nor does it differ between runs of a program; the machine did not start anew in between.
pub async fn the_boot_id_does_not_change(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let id = bench.factory.boot_id().await;
    assert_eq!(bench.factory.boot_id().await, id);
    assert_eq!(bench.restarted().factory.boot_id().await, id);
    assert!(id.is_none_or(|id| !id.trim().is_empty()));
}

/// Files with their length, directories where there are any, and nothing.
pub async fn a_stat_tells_what_is_there(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    bench.file("directory/done", "abc").await;
    let stat = async |name: &str| bench.factory.stat(&bench.at(name)).await.unwrap();
    let file = stat("directory/done").await.unwrap();
    assert_eq!((file.kind, file.length), (StatKind::File, 3));
    assert_eq!(stat("directory/done").await, Some(file));
    assert!(stat("directory").await.is_none_or(|stat| stat.kind == StatKind::Directory));
    for name in ["missing", "directory/missing", "missing/missing"] {
        assert_eq!(stat(name).await, None);
    }
}

/// It is there, or not known; also for what is yet to be made.
pub async fn free_space_is_plausible(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let here = bench.factory.free_space(&fixture.place()).await.unwrap();
    let there = bench.factory.free_space(&bench.at("not/yet/there")).await.unwrap();
    assert_eq!(here.is_some(), there.is_some());
    assert_eq!(here.and_then(|free| free.volume), there.and_then(|free| free.volume));
    assert!(here.is_none_or(|free| (1..1 << 62).contains(&free.bytes)), "{here:?}");
    assert_eq!(fixture.names().await, [""; 0]);
}

/// Then it is not there any more, which is no error.
pub async fn a_file_is_removed_once(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    bench.file("done", "abc").await;
    bench.file("other", "abc").await;
    let remove = async |name: &str| bench.factory.remove(&bench.at(name)).await.unwrap();
    assert!(remove("done").await);
    assert!(!remove("done").await);
    assert!(!remove("no/such/directory").await);
    assert_eq!(fixture.names().await, ["other"]);
}

/// Each question about them.
pub async fn foreign_locations_are_unsupported(fixture: &dyn OutputFixture) {
    let bench = Bench::new(fixture);
    let foreign = Location::Uri("no-such-scheme://place/name".to_owned());
    assert_kind(bench.factory.stat(&foreign).await, Unsupported);
    assert_kind(bench.factory.free_space(&foreign).await, Unsupported);
    assert_kind(bench.factory.remove(&foreign).await, Unsupported);
    for mode in [OpenMode::Existing, OpenMode::Create] {
        assert_kind(bench.factory.open_part(&foreign, mode).await, Unsupported);
    }
    let part = bench.part_of("done", "abc").await;
    assert_kind(part.commit(&foreign, super::bench::PLAIN).await, Unsupported);
    part.abort().await.unwrap();
    assert_eq!(fixture.names().await, [""; 0]);
}

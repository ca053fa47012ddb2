//! Many records at a time.

use okdownload_store::Change;
use okdownload_types::Location;

use super::sample::{breakpoint, changed, completion, id};
use super::{StoreFixture, assert_list, commit, put};

/// Whatever their ids; a path and a URI with the same letters are two places.
pub async fn breakpoints_are_found_by_their_location(fixture: &StoreFixture) {
    let store = fixture.store();
    let place = Location::Path("/downloads/same".into());
    let at = |n, location: &Location| changed(breakpoint(n), |info| info.location = location.clone());
    let others = [
        Location::Path("/downloads/same2".into()),
        Location::Path("/downloads/sam".into()),
        Location::Path("/downloads/Same".into()),
        Location::Uri("/downloads/same".into()),
    ];
    for (n, other) in others.iter().enumerate() {
        put(&store, &at(10 + n as u64, other)).await;
    }
    let same = [at(1, &place), at(2, &place)];
    for info in &same {
        put(&store, info).await;
    }
    let mut found = store.breakpoints_at(&place).await.unwrap();
    found.sort_by_key(|info| info.url.clone());
    assert_eq!(found, same);
    for (n, other) in others.iter().enumerate() {
        assert_eq!(store.breakpoints_at(other).await.unwrap(), [at(10 + n as u64, other)]);
    }
}

/// The index follows the record.
pub async fn a_breakpoint_that_moved_is_found_there_only(fixture: &StoreFixture) {
    let store = fixture.store();
    put(&store, &breakpoint(1)).await;
    let moved = changed(breakpoint(1), |info| info.location = Location::Path("/elsewhere".into()));
    put(&store, &moved).await;
    assert_eq!(store.breakpoints_at(&breakpoint(1).location).await.unwrap(), []);
    assert_eq!(store.breakpoints_at(&moved.location).await.unwrap(), [moved]);
}

/// In one go or one by one, it is the same.
pub async fn a_task_is_recalled_as_its_records_are_found(fixture: &StoreFixture) {
    let store = fixture.store();
    let place = Location::Path("/downloads/same".into());
    let there = |n| changed(breakpoint(n), |info| info.location = place.clone());
    put(&store, &there(1)).await;
    put(&store, &there(2)).await;
    commit(&store, vec![Change::Complete(completion(3)), Change::Complete(completion(1))]).await;
    put(&store, &there(1)).await;
    for (n, asked) in [(1, Some(&place)), (2, None), (3, Some(&place)), (4, None), (1, Some(&there(9).part))]
    {
        let recalled = store.recall(id(n), asked).await.unwrap();
        assert_eq!(recalled.breakpoint, store.breakpoint(id(n)).await.unwrap());
        assert_eq!(recalled.completion, store.completion(id(n)).await.unwrap());
        let at_place = match asked {
            Some(place) => store.breakpoints_at(place).await.unwrap(),
            None => Vec::new(),
        };
        assert_eq!(recalled.at_place, at_place);
    }
}

/// By arrival. A breakpoint that is put again, as when a block is split, keeps its place.
pub async fn unfinished_comes_oldest_first(fixture: &StoreFixture) {
    let store = fixture.store();
    for n in [5, 3, 9, 1, 7] {
        put(&store, &breakpoint(n)).await;
    }
    put(&store, &breakpoint(3)).await;
    commit(&store, vec![Change::RemoveBreakpoint(id(9))]).await;
    put(&store, &breakpoint(4)).await;
    put(&store, &breakpoint(9)).await;
    assert_eq!(store.unfinished().await.unwrap(), [5, 3, 1, 7, 4, 9].map(breakpoint));
}

/// By arrival. A task that is completed again is as young as that.
pub async fn completed_comes_oldest_first(fixture: &StoreFixture) {
    let store = fixture.store();
    for n in [5, 3, 9, 1, 3] {
        commit(&store, vec![Change::Complete(completion(n))]).await;
    }
    assert_eq!(store.completed().await.unwrap(), [5, 9, 1, 3].map(completion));
}

/// A queue of that length is ordinary.
pub async fn ten_thousand_records(fixture: &StoreFixture) {
    const MANY: u64 = 10_000;
    let store = fixture.store();
    let all: Vec<u64> = (0..MANY).collect();
    for some in all.chunks(1000) {
        commit(&store, some.iter().map(|n| Change::Put(breakpoint(*n))).collect()).await;
    }
    for some in all.chunks(1000) {
        let even = some.iter().filter(|n| *n % 2 == 0);
        commit(&store, even.map(|n| Change::Complete(completion(*n))).collect()).await;
    }
    let unfinished: Vec<_> = (0..MANY).filter(|n| n % 2 == 1).map(breakpoint).collect();
    assert_list(&store.unfinished().await.unwrap(), &unfinished);
    let completed: Vec<_> = (0..MANY).filter(|n| n % 2 == 0).map(completion).collect();
    assert_list(&store.completed().await.unwrap(), &completed);
    for n in [1, 4_999, MANY - 1] {
        assert_eq!(store.breakpoint(id(n)).await.unwrap(), Some(breakpoint(n)));
        assert_eq!(store.breakpoints_at(&breakpoint(n).location).await.unwrap(), [breakpoint(n)]);
    }
}

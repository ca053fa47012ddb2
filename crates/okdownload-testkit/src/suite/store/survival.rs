//! What is there again, and who may share it.

use std::sync::Arc;

use okdownload_store::{Change, CommitLevel, DownloadStore, Survives};
use okdownload_types::BlockInfo;

use super::batches::update;
use super::sample::{advanced, breakpoint, completion, id};
use super::{StoreFixture, commit, in_parallel, put};

/// They are the same before, during and after use, and for all stores of one place.
pub async fn capabilities_do_not_change(fixture: &StoreFixture) {
    let store = fixture.store();
    let first = store.capability();
    put(&store, &breakpoint(1)).await;
    assert_eq!(store.capability(), first);
    store.close().await.unwrap();
    assert_eq!(store.capability(), first);
    assert_eq!(fixture.store().capability(), first);
    let nothing = first.survives == Survives::Nothing;
    assert!(!(nothing && first.many_processes), "what does not outlive a process can't be shared by several");
}

async fn fill(store: &dyn DownloadStore) {
    let name = Change::ResponseFilename(breakpoint(1).url, "a".to_owned());
    commit(store, vec![Change::Put(breakpoint(1)), Change::Complete(completion(2)), name]).await;
    let progress = Change::Progress(id(1), advanced(breakpoint(1), 9, 8).blocks);
    store.commit(vec![progress], CommitLevel::Power).await.unwrap();
    put(store, &breakpoint(3)).await;
}

/// What the capability promises: all of it, or nothing.
async fn assert_survived(store: &dyn DownloadStore) {
    if store.capability().survives >= Survives::Process {
        assert_eq!(store.unfinished().await.unwrap(), [advanced(breakpoint(1), 9, 8), breakpoint(3)]);
        assert_eq!(store.completed().await.unwrap(), [completion(2)]);
        assert_eq!(store.response_filename(&breakpoint(1).url).await.unwrap().as_deref(), Some("a"));
        assert_eq!(store.breakpoints_at(&breakpoint(3).location).await.unwrap(), [breakpoint(3)]);
    } else {
        assert_eq!(store.unfinished().await.unwrap(), []);
        assert_eq!(store.completed().await.unwrap(), []);
        assert_eq!(store.response_filename(&breakpoint(1).url).await.unwrap(), None);
    }
}

/// After a close, by another store.
pub async fn what_was_committed_is_there_again(fixture: &StoreFixture) {
    let store = fixture.store();
    fill(&store).await;
    store.close().await.unwrap();
    drop(store);
    assert_survived(&fixture.store()).await;
}

/// A commit is kept from the moment it returns; nothing depends on closing.
pub async fn what_was_dropped_unclosed_is_there_again(fixture: &StoreFixture) {
    let store = fixture.store();
    fill(&store).await;
    drop(store);
    assert_survived(&fixture.store()).await;
}

/// The next call opens it; what it has kept is there.
pub async fn a_closed_store_opens_again(fixture: &StoreFixture) {
    let store = fixture.store();
    for n in 0..5 {
        put(&store, &breakpoint(n)).await;
        store.close().await.unwrap();
        if store.capability().survives >= Survives::Process {
            assert_eq!(store.unfinished().await.unwrap().len() as u64, n + 1);
        }
        put(&store, &breakpoint(n)).await;
        assert_eq!(store.breakpoint(id(n)).await.unwrap(), Some(breakpoint(n)));
    }
}

/// Also of a store that was never opened.
pub async fn closing_is_idempotent(fixture: &StoreFixture) {
    let store = fixture.store();
    store.close().await.unwrap();
    put(&store, &breakpoint(1)).await;
    store.close().await.unwrap();
    store.close().await.unwrap();
}

/// They share the data, or the second says what to do, or there is nothing to share.
pub async fn two_handles_on_one_place(fixture: &StoreFixture) {
    let (first, second) = (fixture.store(), fixture.store());
    let capability = first.capability();
    put(&first, &breakpoint(1)).await;
    if capability.survives == Survives::Nothing {
        assert_eq!(second.unfinished().await.unwrap(), []);
    } else if capability.many_processes {
        assert_eq!(second.unfinished().await.unwrap(), [breakpoint(1)]);
        put(&second, &breakpoint(2)).await;
        commit(&first, vec![Change::RemoveBreakpoint(id(1))]).await;
        assert_eq!(first.unfinished().await.unwrap(), [breakpoint(2)]);
        assert_eq!(second.unfinished().await.unwrap(), [breakpoint(2)]);
    } else {
        let error = second.unfinished().await.expect_err("a second one must not open it");
        assert!(error.advice().is_some(), "no advice: {error}");
        let error = second.commit(vec![], CommitLevel::Process).await.expect_err("nor write it");
        assert!(error.advice().is_some(), "no advice: {error}");
        first.close().await.unwrap();
        assert_eq!(second.unfinished().await.unwrap(), [breakpoint(1)]);
    }
}

/// Several stores that make the same place at the same moment. Where it can't be shared, one of them does.
pub async fn many_handles_may_start_at_once(fixture: &StoreFixture) {
    const HANDLES: u64 = 6;
    let stores: Vec<Arc<dyn DownloadStore>> = (0..HANDLES).map(|_| fixture.store()).collect();
    let capability = stores[0].capability();
    if !capability.many_processes && capability.survives != Survives::Nothing {
        return assert_one_has_it(stores).await;
    }
    let mut shared = breakpoint(100);
    shared.blocks = (0..HANDLES).map(|n| BlockInfo::new(n * 1000, Some(1000))).collect();
    let writers = (0..HANDLES).zip(stores.clone()).map(|(n, store)| {
        let shared = shared.clone();
        async move {
            put(&store, &shared).await;
            update(&store, n, &shared).await;
        }
    });
    in_parallel(writers).await;
    for (n, store) in (0..).zip(stores) {
        let own = store.breakpoint(id(n)).await.unwrap();
        assert_eq!(own, Some(advanced(breakpoint(n), 100, 99)));
        let expected = if capability.many_processes { HANDLES + 1 } else { 2 };
        assert_eq!(store.unfinished().await.unwrap().len() as u64, expected);
    }
}

async fn assert_one_has_it(stores: Vec<Arc<dyn DownloadStore>>) {
    let (report, reports) = std::sync::mpsc::channel();
    let openers = stores.iter().cloned().zip(0..).map(|(store, n)| {
        let report = report.clone();
        async move {
            let done = store.commit(vec![Change::Put(breakpoint(n))], CommitLevel::Process).await;
            report.send(done).expect("the test waits");
        }
    });
    in_parallel(openers).await;
    drop(report);
    let results: Vec<_> = reports.iter().collect();
    assert_eq!(results.iter().filter(|done| done.is_ok()).count(), 1, "{results:?}");
    for error in results.into_iter().filter_map(Result::err) {
        assert!(error.advice().is_some(), "no advice: {error}");
    }
}

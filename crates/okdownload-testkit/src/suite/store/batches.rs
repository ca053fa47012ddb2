//! Whole or not at all, also with many at work.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use okdownload_store::{Change, CommitLevel, DownloadStore};
use okdownload_types::{BlockInfo, BreakpointInfo};

use super::sample::{advanced, breakpoint, changed, completion, id};
use super::{StoreFixture, commit, in_parallel, put};

/// Later changes of a batch see what earlier ones did.
pub async fn changes_happen_in_their_order(fixture: &StoreFixture) {
    let store = fixture.store();
    let (url, name) = (breakpoint(1).url, |name: &str| name.to_owned());
    let changes = vec![
        Change::Put(breakpoint(1)),
        Change::RemoveBreakpoint(id(1)),
        Change::Put(breakpoint(2)),
        Change::Progress(id(2), advanced(breakpoint(2), 5, 4).blocks),
        Change::Put(breakpoint(3)),
        Change::Complete(completion(3)),
        Change::Put(advanced(breakpoint(3), 1, 1)),
        Change::Complete(completion(4)),
        Change::RemoveCompletion(id(4)),
        Change::ResponseFilename(url.clone(), name("first")),
        Change::ResponseFilename(url.clone(), name("last")),
    ];
    commit(&store, changes).await;
    let expected = [advanced(breakpoint(2), 5, 4), advanced(breakpoint(3), 1, 1)];
    let found = [store.breakpoint(id(2)).await.unwrap(), store.breakpoint(id(3)).await.unwrap()];
    assert_eq!(found, expected.map(Some));
    assert_eq!(store.breakpoint(id(1)).await.unwrap(), None);
    assert_eq!(store.completed().await.unwrap(), [completion(3)]);
    assert_eq!(store.response_filename(&url).await.unwrap().as_deref(), Some("last"));
}

/// At both levels; for power it is a way to make all earlier ones safe.
pub async fn an_empty_batch_is_fine(fixture: &StoreFixture) {
    let store = fixture.store();
    for level in [CommitLevel::Process, CommitLevel::Power, CommitLevel::Process] {
        store.commit(vec![], level).await.unwrap();
        put(&store, &breakpoint(1)).await;
        store.commit(vec![], level).await.unwrap();
    }
    assert_eq!(store.unfinished().await.unwrap(), [breakpoint(1)]);
}

/// A change that a store may refuse; one that keeps it must keep all of the batch.
fn refused(n: u64) -> BreakpointInfo {
    changed(breakpoint(n), |info| info.total = Some(u64::MAX))
}

/// What came before the refused change is undone, what comes after does not happen.
pub async fn a_refused_batch_changes_nothing(fixture: &StoreFixture) {
    let store = fixture.store();
    let before = advanced(breakpoint(1), 5, 4);
    let url = breakpoint(1).url;
    let changes = vec![
        Change::Put(breakpoint(5)),
        Change::Progress(id(1), advanced(breakpoint(1), 9, 9).blocks),
        Change::RemoveCompletion(id(2)),
        Change::ResponseFilename(url.clone(), "a".to_owned()),
        Change::Put(refused(3)),
        Change::Complete(completion(1)),
    ];
    for level in [CommitLevel::Process, CommitLevel::Power] {
        let cleared = [5, 3].map(|n| Change::RemoveBreakpoint(id(n))).into_iter();
        let there = [Change::Put(before.clone()), Change::Complete(completion(2))];
        commit(&store, cleared.chain([Change::RemoveCompletion(id(1))]).chain(there).collect()).await;
        let done = store.commit(changes.clone(), level).await.is_ok();
        let (infos, records) = if done {
            (vec![breakpoint(5), refused(3)], vec![completion(1)])
        } else {
            (vec![before.clone()], vec![completion(2)])
        };
        assert_eq!(store.unfinished().await.unwrap(), infos);
        assert_eq!(store.completed().await.unwrap(), records);
        assert_eq!(store.response_filename(&url).await.unwrap().is_some(), done);
    }
}

/// Many wait at the same time, one of them is refused.
pub async fn a_refused_batch_harms_no_other(fixture: &StoreFixture) {
    let store = fixture.store();
    let writer = |n: u64| {
        let store = store.clone();
        async move {
            let info = if n == 7 { refused(n) } else { breakpoint(n) };
            let done = store.commit(vec![Change::Put(info.clone())], CommitLevel::Process).await;
            assert!(done.is_ok() || n == 7, "{done:?}");
            assert_eq!(store.breakpoint(info.id).await.unwrap(), done.is_ok().then_some(info));
        }
    };
    in_parallel((0..16).map(writer)).await;
    assert!(store.unfinished().await.unwrap().len() >= 15);
}

/// Who stops waiting leaves open whether it happens, but it never happens by half.
pub async fn a_dropped_commit_is_whole_or_nothing(fixture: &StoreFixture) {
    let store = fixture.store();
    for n in 0..50 {
        let both = vec![Change::Put(breakpoint(2 * n)), Change::Put(breakpoint(2 * n + 1))];
        let mut dropped = pin!(store.commit(both, CommitLevel::Process));
        poll_fn(|context| std::task::Poll::Ready(dropped.as_mut().poll(context).is_ready())).await;
    }
    let whole = |infos: &[BreakpointInfo]| {
        let has = |n| infos.iter().any(|info| info.id == id(n));
        (0..50).all(|n| has(2 * n) == has(2 * n + 1))
    };
    assert!(whole(&store.unfinished().await.unwrap()), "half a batch happened");
    // The store goes on as if nothing had been dropped.
    put(&store, &breakpoint(200)).await;
    assert!(whole(&store.unfinished().await.unwrap()), "half a batch happened later");
}

/// A reader at the same time sees all of a batch or nothing of it; where several processes may share the data, also one
/// with a handle of its own.
pub async fn readers_see_whole_batches(fixture: &StoreFixture) {
    let store = fixture.store();
    let over = Arc::new(AtomicBool::new(false));
    let at = |step| [1, 2].map(|n| advanced(breakpoint(n), step, step));
    commit(&store, at(0).map(Change::Put).to_vec()).await;
    let role = |n: usize| {
        let own = n % 2 == 1 && store.capability().many_processes;
        let (store, over) = (if own { fixture.store() } else { store.clone() }, over.clone());
        async move {
            if n == 0 {
                let _over = AtTheEnd(&over);
                for step in 1..=300 {
                    commit(&store, whole_step(step)).await;
                }
            }
            while !over.load(Ordering::Relaxed) {
                let infos = store.unfinished().await.unwrap();
                let step = infos[0].blocks[0].written;
                assert_eq!(
                    infos,
                    [1, 2].map(|n| advanced(breakpoint(n), step, step)),
                    "part of a batch was seen"
                );
            }
        }
    };
    in_parallel((0..4).map(role)).await;
}

/// Says that it is over, also if that is because of a panic: else the others would go on for ever.
struct AtTheEnd<'a>(&'a AtomicBool);

impl Drop for AtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// In turns by counters and by whole breakpoints.
fn whole_step(step: u64) -> Vec<Change> {
    let infos = [1, 2].map(|n| advanced(breakpoint(n), step, step));
    let change = |info: BreakpointInfo| match step % 2 {
        0 => Change::Put(info),
        _ => Change::Progress(info.id, info.blocks),
    };
    infos.map(change).to_vec()
}

/// Each writer has a block of its own in the same breakpoint, and a breakpoint of its own.
pub async fn concurrent_updates_are_not_lost(fixture: &StoreFixture) {
    const WRITERS: u64 = 8;
    let store = fixture.store();
    let mut shared = breakpoint(100);
    shared.blocks = (0..WRITERS).map(|n| BlockInfo::new(n * 1000, Some(1000))).collect();
    put(&store, &shared).await;
    let writer = |n: u64| {
        let (store, shared) = (store.clone(), shared.clone());
        async move { update(&store, n, &shared).await }
    };
    in_parallel((0..WRITERS).map(writer)).await;
    let found = store.breakpoint(shared.id).await.unwrap();
    assert_eq!(found, Some(advanced(shared, 100, 99)));
    for n in 0..WRITERS {
        let found = store.breakpoint(id(n)).await.unwrap();
        assert_eq!(found, Some(advanced(breakpoint(n), 100, 99)));
    }
}

pub(super) async fn update(store: &dyn DownloadStore, n: u64, shared: &BreakpointInfo) {
    put(store, &breakpoint(n)).await;
    for step in 1..=100 {
        let own = advanced(breakpoint(n), step, step - 1);
        let block = BlockInfo::new(n * 1000, None).with_progress(step, step - 1);
        let changes =
            vec![Change::Progress(shared.id, vec![block]), Change::Progress(own.id, own.blocks.clone())];
        commit(store, changes).await;
        assert_eq!(store.breakpoint(own.id).await.unwrap(), Some(own), "what was committed is seen at once");
    }
}

/// Far more wait at once than there are threads, at both levels.
pub async fn many_commits_at_once_all_happen(fixture: &StoreFixture) {
    const MANY: u64 = 500;
    let store = fixture.store();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..MANY {
        let store = store.clone();
        let level = if n % 5 == 0 { CommitLevel::Power } else { CommitLevel::Process };
        tasks.spawn(async move { store.commit(vec![Change::Put(breakpoint(n))], level).await });
    }
    for done in tasks.join_all().await {
        done.unwrap();
    }
    let mut urls: Vec<_> = store.unfinished().await.unwrap().into_iter().map(|info| info.url).collect();
    let mut expected: Vec<_> = (0..MANY).map(|n| breakpoint(n).url).collect();
    urls.sort_unstable();
    expected.sort_unstable();
    assert_eq!(urls, expected);
}

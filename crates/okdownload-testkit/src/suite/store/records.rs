//! One record at a time.

use fastrand::Rng;
use okdownload_store::{Change, CommitLevel, DownloadStore};
use okdownload_types::{BlockInfo, BreakpointInfo, EntityTag, ErrorKind, FileIdentity, Location, TaskId};

use super::sample::{self, LARGEST, advanced, breakpoint, changed, completion, id};
use super::{StoreFixture, assert_list, commit, put};

/// All fields, at their edges.
pub async fn what_is_put_is_given_back(fixture: &StoreFixture) {
    let store = fixture.store();
    let all = sample::extremes();
    for info in &all {
        put(&store, info).await;
    }
    for info in &all {
        assert_same(&store, info).await;
        let there = store.breakpoints_at(&info.location).await.unwrap();
        assert_eq!(there, std::slice::from_ref(info), "as found by its location");
    }
    assert_list(&store.unfinished().await.unwrap(), &all);
}

async fn assert_same(store: &dyn DownloadStore, info: &BreakpointInfo) {
    assert_eq!(store.breakpoint(info.id).await.unwrap().as_ref(), Some(info));
}

/// 500 breakpoints and completion records with random values.
pub async fn random_records_are_given_back(fixture: &StoreFixture) {
    let store = fixture.store();
    let mut random = Rng::with_seed(0x6f6b_646c);
    let infos: Vec<_> = (0..500).map(|n| sample::random_breakpoint(&mut random, n)).collect();
    let records: Vec<_> = (500..1000).map(|n| sample::random_completion(&mut random, n)).collect();
    let puts = infos.iter().cloned().map(Change::Put);
    commit(&store, puts.chain(records.iter().cloned().map(Change::Complete)).collect()).await;
    for info in &infos {
        assert_same(&store, info).await;
    }
    for record in &records {
        assert_eq!(store.completion(record.id).await.unwrap().as_ref(), Some(record));
    }
    assert_list(&store.unfinished().await.unwrap(), &infos);
    assert_list(&store.completed().await.unwrap(), &records);
}

/// On Unix a path is bytes; elsewhere there is nothing that is not text.
pub async fn paths_that_are_not_text_are_given_back(fixture: &StoreFixture) {
    let store = fixture.store();
    let mut info = breakpoint(1);
    info.location = Location::Path(path_that_is_not_text());
    info.part = info.location.with_file_name("part");
    put(&store, &info).await;
    assert_same(&store, &info).await;
    assert_eq!(store.breakpoints_at(&info.location).await.unwrap(), [info]);
}

#[cfg(unix)]
fn path_that_is_not_text() -> std::path::PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(b"/a/\xff\xfe/\x80\n").into()
}

#[cfg(not(unix))]
fn path_that_is_not_text() -> std::path::PathBuf {
    "/a/\u{fffd}".into()
}

/// All fields of a completion record, at their edges.
pub async fn a_completion_is_given_back(fixture: &StoreFixture) {
    let store = fixture.store();
    let mut bare = completion(1);
    (bare.length, bare.modified, bare.location) = (0, None, Location::Uri("memory://a".into()));
    bare.validators = okdownload_types::Validators::default();
    let mut large = completion(2);
    (large.length, large.modified) = (LARGEST, Some(i64::MIN));
    large.validators.etag = Some(EntityTag { weak: true, opaque: "ü💩'\"".to_owned() });
    large.validators.last_modified = Some(LARGEST);
    large.validators.last_modified_is_strong = true;
    for record in [&bare, &large] {
        commit(&store, vec![Change::Complete(record.clone())]).await;
        assert_eq!(store.completion(record.id).await.unwrap().as_ref(), Some(record));
    }
    assert_eq!(store.completed().await.unwrap(), [bare, large]);
}

/// Nothing that is really downloaded has such numbers; a store that can't keep one must say so, and keep what it has.
/// File numbers are kept in any case.
pub async fn numbers_beyond_63_bits_are_kept_or_refused(fixture: &StoreFixture) {
    let store = fixture.store();
    let mut infos: Vec<_> = (0..7).map(breakpoint).collect();
    infos[0].total = Some(u64::MAX);
    infos[1].blocks = vec![BlockInfo::new(LARGEST + 1, None)];
    infos[2].blocks[0].length = Some(u64::MAX);
    infos[3].blocks[0].written = 1 << 63;
    infos[4].blocks[0].synced = u64::MAX - 1;
    infos[5].validators.last_modified = Some(u64::MAX);
    infos[6].blocks[2] = BlockInfo::new(2000, Some(LARGEST + 1)).with_progress(LARGEST + 1, LARGEST);
    for (n, info) in (0..).zip(infos) {
        let before = advanced(breakpoint(n), LARGEST / 4, LARGEST / 5);
        put(&store, &before).await;
        let kept = kept_or_refused(&store, vec![Change::Put(info.clone())]).await;
        assert_same(&store, if kept { &info } else { &before }).await;
    }
    let before = completion(7);
    commit(&store, vec![Change::Complete(before.clone())]).await;
    let mut record = completion(7);
    record.length = u64::MAX;
    let kept = kept_or_refused(&store, vec![Change::Complete(record.clone())]).await;
    assert_eq!(store.completion(id(7)).await.unwrap(), Some(if kept { record } else { before }));
    let mut info = breakpoint(8);
    info.identity = Some(FileIdentity::new(u64::MAX, None));
    put(&store, &info).await;
    assert_same(&store, &info).await;
    for (written, synced) in [(LARGEST, LARGEST + 1), (u64::MAX, 0)] {
        let progress = advanced(info.clone(), written, synced);
        let kept = kept_or_refused(&store, vec![Change::Progress(info.id, progress.blocks.clone())]).await;
        info = if kept { progress } else { info };
        assert_same(&store, &info).await;
    }
}

/// Whether it was kept; if not, that the store says why.
async fn kept_or_refused(store: &dyn DownloadStore, changes: Vec<Change>) -> bool {
    let Err(error) = store.commit(changes.clone(), CommitLevel::Process).await else { return true };
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{changes:?}: {error}");
    assert!(!error.is_temporary(), "it would be tried again for ever: {error}");
    false
}

/// Ids that differ in one bit, at either end, are two ids.
pub async fn ids_are_told_apart_to_the_last_bit(fixture: &StoreFixture) {
    let store = fixture.store();
    let ids = [0, 1, 2, 1 << 63, 1 << 64, 1 << 127, u128::MAX - 1, u128::MAX].map(TaskId::from_u128);
    for (n, id) in ids.into_iter().enumerate() {
        let info = changed(breakpoint(0), |info| (info.id, info.total) = (id, Some(n as u64)));
        put(&store, &info).await;
    }
    commit(&store, vec![Change::RemoveBreakpoint(ids[3])]).await;
    for (n, id) in ids.into_iter().enumerate() {
        let total = store.breakpoint(id).await.unwrap().map(|info| info.total);
        assert_eq!(total, (n != 3).then_some(Some(n as u64)), "{id}");
    }
}

/// Every look at a new store finds nothing.
pub async fn what_is_not_there_is_none(fixture: &StoreFixture) {
    let store = fixture.store();
    let info = breakpoint(1);
    assert_eq!(store.breakpoint(info.id).await.unwrap(), None);
    assert_eq!(store.completion(info.id).await.unwrap(), None);
    assert_eq!(store.breakpoints_at(&info.location).await.unwrap(), []);
    assert_eq!(store.unfinished().await.unwrap(), []);
    assert_eq!(store.completed().await.unwrap(), []);
    assert_eq!(store.response_filename(&info.url).await.unwrap(), None);
}

/// Nothing is left of what it replaces, such as further blocks.
pub async fn a_put_replaces_all_of_it(fixture: &StoreFixture) {
    let store = fixture.store();
    put(&store, &advanced(breakpoint(1), 500, 400)).await;
    let mut bare = breakpoint(1);
    (bare.identity, bare.total, bare.boot) = (None, None, None);
    let other = breakpoint(2);
    (bare.url, bare.location, bare.part) = (other.url, other.location, other.part);
    (bare.needs_credentials, bare.validators.last_modified) = (true, Some(7));
    bare.validators.etag = None;
    bare.blocks = vec![BlockInfo::new(1000, None)];
    put(&store, &bare).await;
    assert_same(&store, &bare).await;
    let full = advanced(breakpoint(1), 1000, 1000);
    put(&store, &full).await;
    assert_same(&store, &full).await;
    assert_eq!(store.unfinished().await.unwrap(), [full]);
}

/// Counters are set, not added, and may go back; what else the progress says does not count.
pub async fn progress_is_absolute(fixture: &StoreFixture) {
    let store = fixture.store();
    let info = breakpoint(1);
    commit(&store, vec![Change::Put(info.clone()), Change::Put(breakpoint(2))]).await;
    for (written, synced) in [(700, 300), (700, 300), (200, 100), (0, 0), (LARGEST / 4, LARGEST / 5)] {
        let progress = advanced(info.clone(), written, synced);
        commit(&store, vec![Change::Progress(info.id, progress.blocks.clone())]).await;
        assert_same(&store, &progress).await;
    }
    commit(&store, vec![Change::Progress(info.id, vec![])]).await;
    let one = BlockInfo::new(1000, None).with_progress(5, 4);
    commit(&store, vec![Change::Progress(info.id, vec![one])]).await;
    let mut expected = advanced(info, LARGEST / 4, LARGEST / 5);
    expected.blocks[1] = expected.blocks[1].with_progress(5, 4);
    assert_same(&store, &expected).await;
    assert_same(&store, &breakpoint(2)).await;
}

/// The breakpoint was put anew meanwhile: no error, and no ghost.
pub async fn progress_of_a_block_that_is_not_there_is_passed_over(fixture: &StoreFixture) {
    let store = fixture.store();
    let info = breakpoint(1);
    put(&store, &info).await;
    let moved = |start| BlockInfo::new(start, Some(1000)).with_progress(7, 6);
    commit(&store, vec![Change::Progress(info.id, vec![moved(500), moved(2000), moved(LARGEST)])]).await;
    commit(&store, vec![Change::Progress(info.id, vec![moved(1), moved(LARGEST + 1)])]).await;
    let mut expected = info;
    expected.blocks[2] = moved(2000);
    assert_eq!(store.unfinished().await.unwrap(), [expected]);
}

/// Whoever has removed or lost it: who believes that it is there must hear that it is not. Nothing of the batch happens.
pub async fn progress_without_a_breakpoint_is_refused(fixture: &StoreFixture) {
    let store = fixture.store();
    let progress = |n| Change::Progress(id(n), advanced(breakpoint(n), 7, 6).blocks);
    commit(&store, vec![Change::Put(breakpoint(1)), Change::Put(breakpoint(2))]).await;
    commit(&store, vec![Change::RemoveBreakpoint(id(1)), Change::Complete(completion(2))]).await;
    let kept = breakpoint(5);
    put(&store, &kept).await;
    for changes in [
        vec![progress(3)],
        vec![Change::Progress(id(3), vec![])],
        vec![progress(1)],
        vec![progress(2)],
        vec![progress(5), Change::Put(breakpoint(4)), progress(3)],
        vec![progress(5), Change::RemoveBreakpoint(id(5)), progress(5)],
        vec![Change::Complete(completion(5)), progress(5)],
    ] {
        let refused = store.commit(changes.clone(), CommitLevel::Process).await;
        let error = refused.expect_err("there is no breakpoint");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{changes:?}: {error}");
        assert!(error.advice().is_some(), "no advice: {error}");
        assert_eq!(store.unfinished().await.unwrap(), std::slice::from_ref(&kept), "{changes:?}");
        assert_eq!(store.completed().await.unwrap(), [completion(2)], "{changes:?}");
    }
    // Put whole, it is there, also for what comes after in the same batch.
    commit(&store, vec![Change::Put(breakpoint(1)), progress(1), progress(5)]).await;
    let expected = [5, 1].map(|n| advanced(breakpoint(n), 7, 6));
    assert_eq!(store.unfinished().await.unwrap(), expected);
}

/// One change: at no moment are there both, or neither.
pub async fn a_completion_takes_the_place_of_the_breakpoint(fixture: &StoreFixture) {
    let store = fixture.store();
    commit(&store, vec![Change::Put(breakpoint(1)), Change::Put(breakpoint(2))]).await;
    commit(&store, vec![Change::Complete(completion(1))]).await;
    assert_eq!(store.breakpoint(id(1)).await.unwrap(), None);
    assert_eq!(store.breakpoints_at(&breakpoint(1).location).await.unwrap(), []);
    assert_eq!(store.completion(id(1)).await.unwrap(), Some(completion(1)));
    assert_eq!(store.unfinished().await.unwrap(), [breakpoint(2)]);
    // Nothing of the removed breakpoint comes back with a new one.
    let bare = changed(breakpoint(1), |info| info.blocks.clear());
    put(&store, &bare).await;
    assert_same(&store, &bare).await;
}

/// A file that is fetched again keeps its record until it is complete again.
pub async fn a_breakpoint_leaves_the_completion_alone(fixture: &StoreFixture) {
    let store = fixture.store();
    commit(&store, vec![Change::Complete(completion(1))]).await;
    put(&store, &breakpoint(1)).await;
    commit(&store, vec![Change::RemoveBreakpoint(id(1))]).await;
    assert_eq!(store.completion(id(1)).await.unwrap(), Some(completion(1)));
}

/// All of the record is new.
pub async fn a_later_completion_replaces_the_earlier(fixture: &StoreFixture) {
    let store = fixture.store();
    commit(&store, vec![Change::Complete(completion(1))]).await;
    let mut later = completion(1);
    (later.length, later.modified, later.validators.etag) = (5, None, None);
    commit(&store, vec![Change::Complete(later.clone())]).await;
    assert_eq!(store.completion(id(1)).await.unwrap().as_ref(), Some(&later));
    assert_eq!(store.completed().await.unwrap(), [later]);
}

/// What is not there can be removed.
pub async fn removing_is_idempotent(fixture: &StoreFixture) {
    let store = fixture.store();
    commit(&store, vec![Change::Put(breakpoint(1)), Change::Complete(completion(2))]).await;
    for _ in 0..2 {
        commit(&store, vec![Change::RemoveBreakpoint(id(1)), Change::RemoveBreakpoint(id(2))]).await;
        assert_eq!(store.breakpoint(id(1)).await.unwrap(), None);
        assert_eq!(store.completion(id(2)).await.unwrap(), Some(completion(2)));
    }
    for _ in 0..2 {
        commit(&store, vec![Change::RemoveCompletion(id(1)), Change::RemoveCompletion(id(2))]).await;
        assert_eq!(store.completion(id(2)).await.unwrap(), None);
        assert_eq!(store.completed().await.unwrap(), []);
    }
}

/// A new URL for an old download: the progress moves to another id.
pub async fn an_id_is_replaced_in_one_batch(fixture: &StoreFixture) {
    let store = fixture.store();
    let old = advanced(breakpoint(1), 400, 300);
    put(&store, &old).await;
    let new = changed(old.clone(), |info| (info.id, info.url) = (id(9), breakpoint(9).url));
    commit(&store, vec![Change::RemoveBreakpoint(old.id), Change::Put(new.clone())]).await;
    assert_eq!(store.breakpoint(old.id).await.unwrap(), None);
    assert_same(&store, &new).await;
    assert_eq!(store.breakpoints_at(&old.location).await.unwrap(), [new]);
}

/// By URL, to the last letter.
pub async fn the_response_filename_is_the_last_one(fixture: &StoreFixture) {
    let store = fixture.store();
    let (url, other) = (breakpoint(1).url, breakpoint(2).url);
    for name in ["a.bin", "ü💩'\"\n.bin", "a.bin", ""] {
        commit(&store, vec![Change::ResponseFilename(url.clone(), name.to_owned())]).await;
        assert_eq!(store.response_filename(&url).await.unwrap().as_deref(), Some(name));
    }
    assert_eq!(store.response_filename(&other).await.unwrap(), None);
}

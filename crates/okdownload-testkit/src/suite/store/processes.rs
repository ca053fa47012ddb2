//! Other processes: killed ones, and ones at the same time.

use std::time::{Duration, Instant};

use okdownload_store::{Change, CommitLevel, DownloadStore, Survives};
use okdownload_types::TaskId;

use super::child::{self, Process};
use super::sample::{advanced, breakpoint, id};
use super::{StoreFixture, assert_list, commit, put};

/// The batch that the number of the last step is read from.
const COUNTER: u64 = 1_000_000;
/// So many steps back the records of a step are removed again.
const KEPT: u64 = 5;

/// A process that commits without pause is killed at some moment, and once more where the first was. Whatever it said
/// was committed is there, and of no batch only a part.
pub async fn a_kill_leaves_whole_batches(fixture: &StoreFixture) {
    if fixture.is_child() {
        return step_for_ever(&fixture.store()).await;
    }
    let mut reached = 0;
    for eighths in 0..8 {
        let steps = 2 + 3 * u64::from(eighths);
        let said = kill_after(fixture, steps, eighths).await;
        let store = fixture.store();
        if store.capability().survives == Survives::Nothing {
            assert_eq!(store.unfinished().await.unwrap(), []);
            continue;
        }
        let found = counter(&store).await;
        assert!(found == said || found == said + 1, "{said} was committed, {found} is there");
        assert!(found >= reached + steps, "{reached} was there, {found} is");
        assert_step(&store, found).await;
        reached = found;
        store.close().await.unwrap();
    }
}

/// Lets a child take so many steps, and so much of another one (as long as the last took), kills it, and gives the
/// number of the last step that it says it took.
async fn kill_after(fixture: &StoreFixture, steps: u64, eighths: u32) -> u64 {
    let mut process = Process::start(fixture);
    let listening = tokio::task::spawn_blocking(move || {
        let number = |word: String| word.parse::<u64>().expect("a number");
        let (mut heard, mut last) = (0, Instant::now());
        let mut took = Duration::ZERO;
        for _ in 0..steps {
            heard = process.hear().map(number).expect("the child ended");
            took = last.elapsed();
            last = Instant::now();
        }
        std::thread::sleep(took * eighths / 8);
        process.kill().map_or(heard, number)
    });
    listening.await.expect("a child that can be killed")
}

async fn step_for_ever(store: &dyn DownloadStore) {
    let mut step = counter(store).await;
    let mut next = changes_of(step + 1);
    loop {
        step += 1;
        commit(store, next).await;
        // Prepared before the parent may strike, so that the blow falls on the store.
        next = changes_of(step + 1);
        child::say(step);
    }
}

/// Several pages of every table in one batch.
fn changes_of(step: u64) -> Vec<Change> {
    let mut changes = vec![Change::Put(advanced(breakpoint(COUNTER), step, step))];
    changes.extend((0..10).map(|n| Change::Put(advanced(breakpoint(step * 10 + n), step, step))));
    changes.push(Change::ResponseFilename(breakpoint(COUNTER).url, step.to_string()));
    if let Some(old) = step.checked_sub(KEPT).filter(|old| *old > 0) {
        changes.extend((0..10).map(|n| Change::RemoveBreakpoint(id(old * 10 + n))));
    }
    changes
}

async fn counter(store: &dyn DownloadStore) -> u64 {
    store.breakpoint(id(COUNTER)).await.unwrap().map_or(0, |info| info.blocks[0].written)
}

async fn assert_step(store: &dyn DownloadStore, step: u64) {
    let name = store.response_filename(&breakpoint(COUNTER).url).await.unwrap();
    assert_eq!(name, Some(step.to_string()), "the name is of another batch than the counter");
    let mut expected = vec![advanced(breakpoint(COUNTER), step, step)];
    for step in (step.saturating_sub(KEPT) + 1)..=step {
        expected.extend((0..10).map(|n| advanced(breakpoint(step * 10 + n), step, step)));
    }
    let mut found = store.unfinished().await.unwrap();
    found.sort_by_key(|info| info.id);
    expected.sort_by_key(|info| info.id);
    assert_list(&found, &expected);
}

/// Both work at the same time, or the other one is told what to do, or there is nothing to share.
pub async fn another_process_on_one_place(fixture: &StoreFixture) {
    const STEPS: u64 = 100;
    if fixture.is_child() {
        return be_the_other(&fixture.store(), STEPS).await;
    }
    let store = fixture.store();
    let capability = store.capability();
    put(&store, &breakpoint(1)).await;
    let mut process = Process::start(fixture);
    if capability.many_processes {
        count(&store, id(1), STEPS).await;
    }
    let other = tokio::task::spawn_blocking(move || (process.hear(), process.join()));
    let (said, well) = other.await.expect("a child");
    assert!(well, "the other process failed");
    let said = said.expect("the other process said nothing");
    let found = store.unfinished().await.unwrap();
    if capability.many_processes {
        assert_eq!(said, "shared");
        assert_eq!(found, [1, 2].map(|n| advanced(breakpoint(n), STEPS, STEPS)));
    } else {
        let expected = if capability.survives == Survives::Nothing { "alone" } else { "refused with advice" };
        assert_eq!(said, expected);
        assert_eq!(found, [breakpoint(1)]);
    }
}

async fn be_the_other(store: &dyn DownloadStore, steps: u64) {
    match store.commit(vec![Change::Put(breakpoint(2))], CommitLevel::Process).await {
        Err(error) if error.advice().is_some() => child::say("refused with advice"),
        Err(error) => child::say(error),
        Ok(()) => {
            count(store, id(2), steps).await;
            let shared = store.breakpoint(id(1)).await.unwrap().is_some();
            child::say(if shared { "shared" } else { "alone" });
        }
    }
}

async fn count(store: &dyn DownloadStore, id: TaskId, steps: u64) {
    for step in 1..=steps {
        let blocks = advanced(breakpoint(0), step, step).blocks;
        commit(store, vec![Change::Progress(id, blocks)]).await;
    }
}

/// They make the same place at the same moment. What one of them was told is committed is there afterwards; where the
/// place can't be shared, who does not get it is told what to do.
pub async fn many_processes_may_start_at_once(fixture: &StoreFixture) {
    const PROCESSES: usize = 5;
    let go = fixture.directory().join("go");
    if fixture.is_child() {
        child::say("ready");
        while !go.exists() {
            std::thread::yield_now();
        }
        return start_now(&fixture.store()).await;
    }
    let mut processes: Vec<_> = (0..PROCESSES).map(|_| Process::start(fixture)).collect();
    let listening = tokio::task::spawn_blocking(move || {
        for process in &mut processes {
            assert_eq!(process.hear().as_deref(), Some("ready"));
        }
        std::fs::write(go, "").expect("the fixture's directory can be written");
        let said: Vec<_> = processes.iter_mut().map(Process::hear).collect();
        assert!(processes.into_iter().all(Process::join), "a process failed");
        said
    });
    let said = listening.await.expect("the children were heard");
    let mut done: Vec<u64> = said.iter().flatten().filter_map(|word| word.parse().ok()).collect();
    let store = fixture.store();
    let capability = store.capability();
    let expected = if capability.many_processes || capability.survives == Survives::Nothing {
        done.len() == PROCESSES
    } else {
        let refused = |word: &Option<String>| word.as_deref() == Some("refused with advice");
        !done.is_empty() && said.iter().filter(|word| refused(word)).count() == PROCESSES - done.len()
    };
    assert!(expected, "the processes said {said:?}");
    if capability.survives == Survives::Nothing {
        done.clear();
    }
    let mut found = store.unfinished().await.unwrap();
    let mut expected: Vec<_> = done.into_iter().map(breakpoint).collect();
    found.sort_by_key(|info| info.id);
    expected.sort_by_key(|info| info.id);
    assert_list(&found, &expected);
}

/// Commits one breakpoint, whose number it says.
async fn start_now(store: &dyn DownloadStore) {
    let own = u64::from(std::process::id());
    match store.commit(vec![Change::Put(breakpoint(own))], CommitLevel::Process).await {
        Ok(()) => child::say(own),
        Err(error) if error.advice().is_some() => child::say("refused with advice"),
        Err(error) => child::say(error),
    }
}

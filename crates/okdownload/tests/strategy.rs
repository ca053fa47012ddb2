//! What strategies decide, seen from outside: what is asked for, what is there in the end, and what it is called.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Blocks, MIB, Place, assert_content, tagged};
use futures_util::StreamExt;
use okdownload::prelude::*;
use okdownload::strategy::{
    BlockFacts, DownloadStrategy, NameFacts, ProcessFileStrategy, ResponseFacts, ResponseVerdict, RetryFacts,
    RetryVerdict, SplitFacts, default_retry, judge_response,
};
use okdownload::{Location, TaskRequest};
use okdownload_testkit::server::{Body, Gate, Reply};

const SIZE: u64 = 8 * MIB;

/// Runs it to its good end; gives the end and how many blocks were planned.
async fn planned(request: TaskRequest) -> (TaskEnd, usize) {
    let mut events = request.events();
    let end = request.enqueue().await.into_result().unwrap();
    loop {
        if let Event::FromBeginning { info, .. } = events.next().await.unwrap() {
            return (end, info.blocks.len());
        }
    }
}

#[tokio::test]
async fn the_strategy_counts_the_blocks() {
    for count in [1, 2, 6] {
        let place = Place::new().await;
        let body = Body::pattern(1, SIZE);
        place.server.serve("/a", tagged(body.clone()));
        let ok = place.builder().download_strategy(Blocks(count)).build().unwrap();
        let task = place.task("/a", "a").connection_count(NonZeroU32::new(4).unwrap()).build().unwrap();
        assert_eq!(planned(ok.task(task)).await.1, count as usize);
        assert!(place.server.max_concurrent() <= count as usize);
        // The probe, the rest of its block, and the other blocks.
        assert_eq!(place.server.requests().len(), count as usize + 1);
        assert_content(&place.path("a"), &body);
    }
}

#[tokio::test]
async fn a_task_may_have_a_strategy_of_its_own() {
    let place = Place::new().await;
    let ok = place.builder().download_strategy(Blocks(3)).build().unwrap();
    for (name, own, expected) in [("a", None, 3), ("b", Some(Blocks(2)), 2), ("c", None, 3)] {
        let path = format!("/{name}");
        place.server.serve(&path, tagged(Body::pattern(2, SIZE)));
        let request = ok.task(place.task(&path, name).build().unwrap());
        let request = if let Some(own) = own { request.strategy(own) } else { request };
        assert_eq!(planned(request).await.1, expected, "{name}");
    }
}

/// Remembers what it was asked in this run, and tells it.
#[derive(Debug, Clone)]
struct Learning {
    asked: u32,
    told: Arc<Mutex<Vec<u32>>>,
}

impl DownloadStrategy for Learning {
    fn inspect_network(&mut self, _task: &DownloadTask) -> Result<()> {
        self.asked += 1;
        self.told.lock().unwrap().push(self.asked);
        Ok(())
    }

    fn retry(&mut self, _facts: &RetryFacts<'_>) -> RetryVerdict {
        RetryVerdict::After(Duration::from_millis(1))
    }
}

#[tokio::test]
async fn what_a_run_learns_ends_with_it() {
    let place = Place::new().await;
    let told = Arc::<Mutex<Vec<u32>>>::default();
    let ok = place.builder().download_strategy(Learning { asked: 0, told: told.clone() }).build().unwrap();
    for name in ["a", "b"] {
        let path = format!("/{name}");
        place.server.serve(&path, tagged(Body::pattern(3, 100_000)));
        place.server.script(&path, [Reply::close(), Reply::close()]);
        ok.download(place.task(&path, name).build().unwrap()).await.unwrap();
    }
    // Before every request, those that are made again included.
    assert_eq!(*told.lock().unwrap(), [1, 2, 3, 1, 2, 3]);
}

/// Two blocks; takes a quarter of a rest, once.
#[derive(Debug, Clone, Default)]
struct SplitOnce {
    done: bool,
}

impl DownloadStrategy for SplitOnce {
    fn block_count(&mut self, _facts: &BlockFacts) -> NonZeroU32 {
        NonZeroU32::new(2).unwrap()
    }

    fn split(&mut self, facts: &SplitFacts) -> Option<NonZeroU64> {
        let first = !std::mem::replace(&mut self.done, true);
        NonZeroU64::new(facts.remaining / 4).filter(|_| first)
    }
}

#[tokio::test]
async fn the_strategy_decides_what_is_taken_over() {
    let place = Place::new().await;
    let body = Body::pattern(4, SIZE);
    place.server.serve("/a", tagged(body.clone()));
    // The first connection brings one byte, and no more before the second one has had all that it can have.
    let gate = Gate::new();
    place.server.script("/a", [Reply::resource().gate_after(1, &gate)]);
    let ok = place.engine();
    let handle = ok.task(place.task("/a", "a").build().unwrap()).strategy(SplitOnce::default()).enqueue();
    let half = SIZE.div_ceil(2);
    let mut progress = handle.progress();
    // The second block, and a quarter of what is left of the first.
    let quarter = (half - 1) / 4;
    progress.wait_for(|progress| progress.written >= SIZE - half + quarter).await.unwrap();
    gate.open();
    assert_eq!(handle.await.cause, EndCause::Completed);
    assert_content(&place.path("a"), &body);
    let ranges: Vec<_> = place.server.requests().iter().map(|r| r.range().unwrap().to_owned()).collect();
    let range = |from: u64, to: u64| format!("bytes={from}-{}", to - 1);
    assert_eq!(ranges[..2], [range(0, MIB), range(half, SIZE)]);
    assert_eq!(ranges[2], range(half - quarter, half));
    assert_eq!(ranges[3..], [range(MIB, half - quarter)]);
}

/// Calls everything the same.
#[derive(Debug, Clone)]
struct Named;

impl DownloadStrategy for Named {
    fn file_name(&mut self, facts: &NameFacts<'_>) -> String {
        format!("{}.dat", facts.head.status)
    }
}

#[tokio::test]
async fn the_strategy_names_what_the_user_did_not() {
    let place = Place::new().await;
    let body = Body::pattern(5, 1000);
    place.server.serve("/a", tagged(body.clone()).content_disposition("attachment; filename=b"));
    let ok = place.builder().download_strategy(Named).build().unwrap();
    ok.download(DownloadTask::to_directory(place.server.url("/a"), place.path("")).unwrap()).await.unwrap();
    ok.download(place.task("/a", "mine").build().unwrap()).await.unwrap();
    assert_eq!(place.files(), ["206.dat", "mine"]);
}

/// Takes a page for what it is: the sign of a network that wants something of its user first.
#[derive(Debug, Clone)]
struct NoPages;

impl DownloadStrategy for NoPages {
    fn judge_response(&mut self, facts: &ResponseFacts<'_>) -> ResponseVerdict {
        match facts.head.header(&http::header::CONTENT_TYPE) {
            Some("text/html") => ResponseVerdict::Refused(Error::new(ErrorKind::Protocol, "log in first")),
            _ => judge_response(facts),
        }
    }
}

#[tokio::test]
async fn the_strategy_may_refuse_more() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(6, 1000)).content_type("text/html"));
    let ok = place.builder().download_strategy(NoPages).build().unwrap();
    let error = ok.download(place.task("/a", "a").build().unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Protocol, "log in first"));
    assert!(place.files().is_empty());
}

/// What became of "wifi required": a callback, which is told the task and says whether it may use the network now.
#[derive(Debug, Clone)]
struct Network(fn(&DownloadTask, u32) -> Result<()>, u32);

impl DownloadStrategy for Network {
    fn inspect_network(&mut self, task: &DownloadTask) -> Result<()> {
        self.1 += 1;
        (self.0)(task, self.1)
    }

    fn retry(&mut self, facts: &RetryFacts<'_>) -> RetryVerdict {
        match facts.error.kind() {
            ErrorKind::NetworkPolicy if facts.error.is_temporary() => {
                RetryVerdict::After(Duration::from_millis(1))
            }
            _ => default_retry(facts),
        }
    }
}

fn metered() -> Error {
    Error::new(ErrorKind::NetworkPolicy, "this network is metered")
}

#[tokio::test]
async fn a_forbidden_network_is_not_used() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(7, 1000)));
    let ok = place.builder().download_strategy(Network(|_, _| Err(metered()), 0)).build().unwrap();
    let error = ok.download(place.task("/a", "a").build().unwrap()).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::NetworkPolicy, "this network is metered"));
    assert_eq!((place.server.connections(), place.files().len()), (0, 0));
}

/// What a task wants of the network.
#[derive(Debug, Clone)]
struct WifiOnly;

#[tokio::test]
async fn a_task_says_by_its_tag_which_network_it_wants() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(Body::pattern(7, 1000)));
    let policy = Network(|task, _| task.tag::<WifiOnly>().map_or(Ok(()), |_| Err(metered())), 0);
    let ok = place.builder().download_strategy(policy).build().unwrap();
    ok.download(place.task("/a", "any").build().unwrap()).await.unwrap();
    let choosy = place.task("/a", "wifi").tag(WifiOnly).build().unwrap();
    assert_eq!(ok.download(choosy).await.unwrap_err().kind(), ErrorKind::NetworkPolicy);
    assert_eq!(place.files(), ["any"]);
}

#[tokio::test]
async fn a_better_network_can_be_waited_for() {
    let place = Place::new().await;
    let body = Body::pattern(8, 1000);
    place.server.serve("/a", tagged(body.clone()));
    let policy = Network(|_, asked| if asked < 4 { Err(metered().temporary()) } else { Ok(()) }, 0);
    let ok = place.builder().download_strategy(policy).build().unwrap();
    ok.download(place.task("/a", "a").build().unwrap()).await.unwrap();
    assert_eq!(place.server.requests().len(), 1);
    assert_content(&place.path("a"), &body);
}

#[tokio::test]
async fn a_network_that_becomes_forbidden_costs_nothing() {
    let place = Place::new().await;
    let body = Body::pattern(9, SIZE);
    place.server.serve("/a", tagged(body.clone()));
    place.server.script("/a", [Reply::resource().cut_after(3 * MIB)]);
    let task = place.task("/a", "a").connection_count(NonZeroU32::MIN).build().unwrap();
    let policy = Network(|_, asked| if asked > 1 { Err(metered()) } else { Ok(()) }, 0);
    let ok = place.engine();
    let end = ok.task(task.clone()).strategy(policy).enqueue().await;
    assert_eq!(end.into_result().unwrap_err().kind(), ErrorKind::NetworkPolicy);
    assert_eq!((place.server.requests().len(), place.files()), (1, vec!["a.okdownload".to_owned()]));
    let end = ok.download(task).await.unwrap();
    assert_eq!((end.resumed, end.fetched), (3 * MIB, SIZE - 3 * MIB));
    assert_content(&place.path("a"), &body);
}

/// Names parts and numbers its own way, and remembers which parts it saw.
#[derive(Debug, Clone, Default)]
struct Desk {
    seen: Arc<Mutex<Vec<PathBuf>>>,
    refuses: Option<ErrorKind>,
}

#[async_trait::async_trait]
impl ProcessFileStrategy for Desk {
    fn part_name(&mut self, final_name: &str) -> String {
        format!("~{final_name}")
    }

    fn numbered_name(&mut self, final_name: &str, attempt: u32) -> String {
        format!("{attempt}-{final_name}")
    }

    async fn check(&mut self, _task: &DownloadTask, part: &Location) -> Result<()> {
        self.seen.lock().unwrap().push(part.path().unwrap().to_owned());
        self.refuses.map_or(Ok(()), |kind| Err(Error::new(kind, "it looks bad")))
    }
}

#[tokio::test]
async fn a_check_sees_the_part_and_its_error_is_passed_on() {
    // What is there is kept, unless it is the bytes that are wrong.
    for (kind, resumed) in [(ErrorKind::Unexpected, 1000), (ErrorKind::Checksum, 0)] {
        let place = Place::new().await;
        let body = Body::pattern(10, 1000);
        place.server.serve("/a", tagged(body.clone()));
        let (desk, task) = (Desk::default(), place.task("/a", "a").build().unwrap());
        let ok = place.builder().process_file_strategy(desk.clone()).build().unwrap();
        let strict = Desk { refuses: Some(kind), ..desk.clone() };
        let end = ok.task(task.clone()).process_file_strategy(strict).enqueue().await;
        let error = end.into_result().unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, "it looks bad"));
        assert_eq!(place.files().contains(&"~a".to_owned()), resumed > 0);
        assert!(!place.path("a").exists());
        assert_eq!(ok.download(task).await.unwrap().resumed, resumed);
        assert_eq!(*desk.seen.lock().unwrap(), [place.path("~a"), place.path("~a")]);
        assert_content(&place.path("a"), &body);
        assert_eq!(place.files(), ["a"]);
    }
}

#[tokio::test]
async fn a_taken_name_is_numbered_by_the_strategy() {
    let place = Place::new().await;
    let ok = place.builder().process_file_strategy(Desk::default()).build().unwrap();
    for path in ["/a", "/b", "/c"] {
        place.server.serve(path, tagged(Body::pattern(11, 1000)));
        let task = place.task(path, "a").on_exists(OnExists::Rename).build().unwrap();
        ok.download(task).await.unwrap();
    }
    assert_eq!(place.files(), ["1-a", "2-a", "a"]);
}

#[tokio::test]
async fn a_derived_engine_differs_in_one_part() {
    let place = Place::new().await;
    for path in ["/a", "/b", "/c"] {
        place.server.serve(path, tagged(Body::pattern(12, SIZE)));
    }
    let ok = place.builder().download_strategy(Blocks(3)).build().unwrap();
    let derived = ok.to_builder().download_strategy(Blocks(2)).build().unwrap();
    let task = |path: &str| place.task(path, &path[1..]).build().unwrap();
    assert_eq!(planned(derived.task(task("/a"))).await.1, 2);
    assert_eq!(planned(ok.task(task("/b"))).await.1, 3);
    // A third one keeps what the second one was given.
    let third = derived.to_builder().process_file_strategy(Desk::default()).build().unwrap();
    assert_eq!(planned(third.task(task("/c"))).await.1, 2);
    // They share the store: what one has completed, the others know without asking.
    derived.shutdown().await.unwrap();
    let requests = place.server.requests().len();
    assert_eq!(ok.download(task("/a")).await.unwrap().cause, EndCause::Completed);
    assert_eq!(place.server.requests().len(), requests);
}

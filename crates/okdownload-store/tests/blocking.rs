//! What the thread does with a blocking database: opens it late, shares transactions, gives up broken ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic here is a test that failed")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use okdownload_store::blocking::{Blocking, BlockingStore, Failure, Opener};
use okdownload_store::{Change, CommitLevel, DownloadStore, StoreCapability, Survives};
use okdownload_types::{BreakpointInfo, CompletionRecord, Error, ErrorKind, Location, Result, TaskId};
use url::Url;

use CommitLevel::{Power, Process};

/// What happened, in order; and what is to panic the next time.
#[derive(Debug, Clone, Default)]
struct Diary(Arc<Mutex<(Vec<String>, Option<&'static str>)>>);

impl Diary {
    fn note(&self, what: impl Into<String>) {
        let what = what.into();
        let panics = self.0.lock().unwrap().1.take_if(|panics| *panics == what);
        assert!(panics.is_none(), "told to panic");
        self.0.lock().unwrap().0.push(what);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().0)
    }

    fn panic_at(&self, what: &'static str) {
        self.0.lock().unwrap().1 = Some(what);
    }
}

type Names = Arc<Mutex<BTreeMap<String, String>>>;

/// Keeps names of responses, and fails as the URL asked for says.
struct Scripted {
    diary: Diary,
    names: Names,
}

impl BlockingStore for Scripted {
    fn breakpoint(&mut self, _: TaskId) -> Result<Option<BreakpointInfo>, Failure> {
        Ok(None)
    }

    fn completion(&mut self, _: TaskId) -> Result<Option<CompletionRecord>, Failure> {
        Ok(None)
    }

    fn breakpoints_at(&mut self, _: &Location) -> Result<Vec<BreakpointInfo>, Failure> {
        Ok(vec![])
    }

    fn unfinished(&mut self) -> Result<Vec<BreakpointInfo>, Failure> {
        Ok(vec![])
    }

    fn completed(&mut self) -> Result<Vec<CompletionRecord>, Failure> {
        Ok(vec![])
    }

    fn response_filename(&mut self, url: &Url) -> Result<Option<String>, Failure> {
        self.diary.note("read");
        let error = || Error::new(ErrorKind::Store, "told to fail");
        match url.path() {
            "/refused" => Err(error().into()),
            "/lost" => Err(Failure::Lost(error())),
            "/damaged" => Err(Failure::Damaged(error())),
            "/panic" => panic!("told to panic"),
            // The first commit waits for this one to end, so that others wait with it.
            "/slow" => {
                std::thread::sleep(std::time::Duration::from_millis(200));
                Ok(None)
            }
            _ => Ok(self.names.lock().unwrap().get(url.as_str()).cloned()),
        }
    }

    fn commit(&mut self, changes: &[&Change], level: CommitLevel) -> Result<(), Failure> {
        let mut names = self.names.lock().unwrap().clone();
        for change in changes {
            match change {
                Change::ResponseFilename(url, name) => names.insert(url.to_string(), name.clone()),
                _ => return Err(Error::new(ErrorKind::Unsupported, "only names").into()),
            };
        }
        *self.names.lock().unwrap() = names;
        self.diary.note(format!("commit {} {level:?}", changes.len()));
        Ok(())
    }

    fn close(self) -> Result<(), Failure> {
        self.diary.note("close");
        Ok(())
    }

    fn abandon(self) {
        self.diary.note("abandon");
    }
}

/// Opens such a store, and mends it.
struct Mending {
    diary: Diary,
    names: Names,
}

impl Opener for Mending {
    type Store = Scripted;

    fn open(&self) -> Result<Scripted, Failure> {
        self.diary.note("open");
        Ok(Scripted { diary: self.diary.clone(), names: self.names.clone() })
    }

    fn recover(&self, error: Error) -> Result<(), Failure> {
        self.diary.note(format!("recover from {:?}", error.kind()));
        Ok(())
    }
}

fn store() -> (Arc<Blocking<Mending>>, Diary) {
    let diary = Diary::default();
    let opener = Mending { diary: diary.clone(), names: Names::default() };
    let capability = StoreCapability::new(Survives::Nothing, false);
    (Arc::new(Blocking::new("test", capability, opener)), diary)
}

fn url(path: &str) -> Url {
    format!("http://h/{path}").parse().unwrap()
}

fn name(path: &str) -> Change {
    Change::ResponseFilename(url(path), path.to_owned())
}

#[tokio::test]
async fn it_is_opened_when_it_is_needed() {
    let (store, diary) = store();
    store.close().await.unwrap();
    assert!(diary.take().is_empty());
    store.commit(vec![name("a")], Process).await.unwrap();
    assert_eq!(store.response_filename(&url("a")).await.unwrap().as_deref(), Some("a"));
    store.close().await.unwrap();
    assert_eq!(diary.take(), ["open", "commit 1 Process", "read", "close"]);
    store.response_filename(&url("a")).await.unwrap();
    assert_eq!(diary.take(), ["open", "read"]);
}

#[tokio::test]
async fn a_refusal_leaves_it_open() {
    let (store, diary) = store();
    for _ in 0..2 {
        let error = store.response_filename(&url("refused")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store);
    }
    assert_eq!(diary.take(), ["open", "read", "read"]);
}

#[tokio::test]
async fn what_is_lost_is_opened_again_by_the_next_call() {
    let (store, diary) = store();
    store.response_filename(&url("lost")).await.unwrap_err();
    assert_eq!(diary.take(), ["open", "read", "abandon"]);
    store.response_filename(&url("a")).await.unwrap();
    assert_eq!(diary.take(), ["open", "read"]);
}

#[tokio::test]
async fn what_is_damaged_is_recovered_once_a_call() {
    let (store, diary) = store();
    let error = store.response_filename(&url("damaged")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    let once = ["open", "read", "abandon"];
    assert_eq!(diary.take(), [&once[..], &["recover from Store"], &once[..]].concat());
}

/// A closure opens without recovery.
#[tokio::test]
async fn without_a_recovery_damage_is_an_error() {
    let diary = Diary::default();
    let open = {
        let diary = diary.clone();
        move || Ok(Scripted { diary: diary.clone(), names: Names::default() })
    };
    let store = Blocking::new("test", StoreCapability::new(Survives::Nothing, false), open);
    store.response_filename(&url("damaged")).await.unwrap_err();
    assert_eq!(diary.take(), ["read", "abandon"]);
}

#[tokio::test]
async fn a_panic_costs_only_its_own_call() {
    let (store, diary) = store();
    store.commit(vec![name("a")], Process).await.unwrap();
    let error = store.response_filename(&url("panic")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert_eq!(diary.take(), ["open", "commit 1 Process", "read", "abandon"]);
    assert_eq!(store.response_filename(&url("a")).await.unwrap().as_deref(), Some("a"));
}

/// The first of two calls that wait at the same time, each opening the database.
#[tokio::test]
async fn a_panic_while_it_is_opened_costs_only_its_own_call() {
    let (store, diary) = store();
    diary.panic_at("open");
    let (a, b) = (url("a"), url("b"));
    let (first, second) = tokio::join!(store.response_filename(&a), store.response_filename(&b));
    assert_panicked(first);
    assert_eq!(second.unwrap(), None);
    assert_eq!(diary.take(), ["open", "read"]);
}

#[tokio::test]
async fn a_panic_while_it_is_recovered_costs_only_its_own_call() {
    let (store, diary) = store();
    diary.panic_at("recover from Store");
    let (damaged, a) = (url("damaged"), url("a"));
    let (first, second) = tokio::join!(store.response_filename(&damaged), store.response_filename(&a));
    assert_panicked(first);
    assert_eq!(second.unwrap(), None);
    assert_eq!(diary.take(), ["open", "read", "abandon", "open", "read"]);
}

#[tokio::test]
async fn a_panic_while_it_is_closed_is_an_error_of_the_close() {
    let (store, diary) = store();
    store.commit(vec![name("a")], Process).await.unwrap();
    diary.panic_at("close");
    assert_panicked(store.close().await);
    assert_eq!(store.response_filename(&url("a")).await.unwrap().as_deref(), Some("a"));
    assert_eq!(diary.take(), ["open", "commit 1 Process", "open", "read"]);
}

#[track_caller]
fn assert_panicked<T: std::fmt::Debug>(result: Result<T>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected, "{error}");
    assert!(error.to_string().contains("the database panicked"), "{error}");
}

#[tokio::test]
async fn commits_that_wait_at_the_same_time_are_made_together() {
    let (store, diary) = store();
    let slow = url("slow");
    let (read, first, second) = tokio::join!(
        store.response_filename(&slow),
        store.commit(vec![name("a"), name("b")], Process),
        store.commit(vec![name("c")], Power),
    );
    assert!(read.is_ok() && first.is_ok() && second.is_ok());
    assert_eq!(diary.take(), ["open", "read", "commit 3 Power"]);
}

#[tokio::test]
async fn one_that_is_refused_harms_no_other() {
    let (store, diary) = store();
    let slow = url("slow");
    let (read, first, second) = tokio::join!(
        store.response_filename(&slow),
        store.commit(vec![name("a"), Change::RemoveBreakpoint(TaskId::from_u128(1))], Process),
        store.commit(vec![name("b")], Process),
    );
    assert!(read.is_ok() && second.is_ok());
    assert_eq!(first.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(diary.take(), ["open", "read", "commit 1 Process"]);
    assert_eq!(store.response_filename(&url("a")).await.unwrap(), None);
    assert_eq!(store.response_filename(&url("b")).await.unwrap().as_deref(), Some("b"));
}

#[tokio::test]
async fn dropping_the_store_closes_the_database() {
    let (store, diary) = store();
    store.commit(vec![name("a")], Process).await.unwrap();
    drop(store);
    let last = || diary.0.lock().unwrap().0.last().cloned();
    for _ in 0..500 {
        if last().as_deref() == Some("close") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it was not closed: {:?}", last());
}

//! What goes wrong in somebody's first five minutes: each says what failed, on what, and what to do; nothing hangs, and
//! nothing panics. (A part that is not compiled in: `features.rs`. A directory that may not be written: `disk.rs`.)
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use common::{MIB, Place, assert_content, tagged};
use futures_util::StreamExt;
use okdownload::prelude::*;
use okdownload::store::SqliteStore;
use okdownload::{Digest, DownloadContext, QueueSet};
use okdownload_testkit::server::{Body, Gate, Reply};
use okdownload_testkit::stage::Stage;
use tokio::runtime::{Builder, Runtime};

/// The error tells what to do, and all of this.
fn assert_helps(error: &Error, kind: ErrorKind, says: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    assert!(error.advice().is_some(), "it does not say what to do: {text}");
    for words in says {
        assert!(text.contains(words), "it does not say {words:?}: {text}");
    }
}

/// An engine over a stage, as a synchronous program has it.
fn engine(stage: &Stage) -> OkDownload {
    OkDownload::builder().download_store(SqliteStore::new(stage.database())).build().unwrap()
}

/// The download of a small file, into the stage's directory.
fn small(stage: &Stage) -> DownloadTask {
    DownloadTask::to_directory(stage.file("/a.bin"), stage.directory()).unwrap()
}

/// The addresses and names that people give.
mod building_a_task {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_told_how_to_write_one() {
        for (address, says) in [
            ("example.com/file.iso", "not a URL"),
            ("www.example.com", "not a URL"),
            ("/home/me/file.iso", "not a URL"),
            ("localhost:8080/file.iso", "scheme: localhost"),
            ("ftp://example.com/file.iso", "scheme: ftp"),
            ("", "the URL is empty"),
        ] {
            let error = DownloadTask::to_directory(address, ".").unwrap_err();
            assert_helps(&error, ErrorKind::Misuse, &[says, "like https://example.com/file"]);
        }
    }

    #[test]
    fn a_relative_path_is_below_the_directory_that_is_current_now() {
        let task = DownloadTask::to_file("http://h/a", "downloads/a.iso").unwrap();
        let expected = std::env::current_dir().unwrap().join("downloads/a.iso");
        assert_eq!(task.target(), &Target::file(expected));
    }

    #[test]
    fn names_and_paths_that_are_none_are_refused() {
        let error = DownloadTask::to_file("http://h/a", "").unwrap_err();
        assert_helps(&error, ErrorKind::Misuse, &["not a usable path", "the path of a file or a directory"]);
        for path in ["downloads/", "/", ".."] {
            let error = DownloadTask::to_file("http://h/a", path).unwrap_err();
            assert_helps(&error, ErrorKind::Misuse, &[path, "names no file", "the task's directory"]);
        }
        let named = DownloadTask::builder("http://h/a", Target::directory("/d")).filename("b/c.iso");
        let error = named.build().unwrap_err();
        assert_helps(&error, ErrorKind::Misuse, &["b/c.iso", "one path component"]);
        let shared = QueueSet::new().task("http://h/a").unwrap_err();
        assert_helps(&shared, ErrorKind::Misuse, &["a URL alone", "a directory"]);
    }

    #[test]
    fn a_digest_that_is_none_is_told_how_to_write_one() {
        let hex = "00".repeat(32);
        for (text, says) in [
            (hex.clone(), "write it as sha-256=HEX"),
            (format!("sha256:{hex}"), "write it as sha-256=HEX"),
            ("sha-256=xyz".to_owned(), "write it as sha-256=HEX"),
            ("sha-256=00".to_owned(), "64 hexadecimal digits"),
            (format!("sha-3={hex}"), "use one of"),
        ] {
            let error = text.parse::<Digest>().unwrap_err();
            assert_helps(&error, ErrorKind::Misuse, &[says]);
        }
    }

    #[test]
    fn a_name_for_an_engine_that_is_none_is_refused() {
        let error = OkDownload::builder().name("my/program").build().unwrap_err();
        assert_helps(&error, ErrorKind::Misuse, &["my/program", "letters, digits and hyphens"]);
    }
}

/// What is, or is not, where the file is to go.
mod where_it_goes {
    use super::*;

    #[test]
    fn a_directory_that_is_not_there_is_made() {
        let stage = Stage::new();
        let directory = stage.directory().join("deep/down");
        let task = DownloadTask::to_directory(stage.file("/a.bin"), &directory).unwrap();
        engine(&stage).download_blocking(task).unwrap();
        assert!(directory.join("a.bin").is_file());
    }

    #[test]
    fn a_file_that_is_there_already_is_kept_and_the_choices_are_named() {
        let stage = Stage::new();
        std::fs::create_dir(stage.directory()).unwrap();
        let path = stage.directory().join("a.bin");
        std::fs::write(&path, "mine").unwrap();
        let ok = engine(&stage);
        let named = DownloadTask::to_file(stage.file("/a.bin"), &path).unwrap();
        for task in [named, small(&stage)] {
            let error = ok.download_blocking(task).unwrap_err();
            let says = [path.to_str().unwrap(), "overwritten, skipped, renamed or updated"];
            assert_helps(&error, ErrorKind::AlreadyExists, &says);
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }

    #[test]
    fn a_directory_in_the_files_place_says_how_to_download_into_it() {
        let stage = Stage::new();
        std::fs::create_dir(stage.directory()).unwrap();
        let task = DownloadTask::to_file(stage.file("/a.bin"), stage.directory()).unwrap();
        let error = engine(&stage).download_blocking(task).unwrap_err();
        assert_helps(&error, ErrorKind::AlreadyExists, &["is a directory", "make it the task's directory"]);
    }

    #[test]
    fn a_file_in_the_directorys_place_is_named() {
        let stage = Stage::new();
        std::fs::write(stage.directory(), "mine").unwrap();
        let error = engine(&stage).download_blocking(small(&stage)).unwrap_err();
        let directory = stage.directory();
        assert_helps(
            &error,
            ErrorKind::Misuse,
            &[directory.to_str().unwrap(), "a part of this path is a file"],
        );
    }

    #[test]
    fn a_database_that_cannot_be_made_is_named() {
        let stage = Stage::new();
        std::fs::write(stage.database().parent().unwrap(), "mine").unwrap();
        let error = engine(&stage).download_blocking(small(&stage)).unwrap_err();
        let database = stage.database();
        assert_helps(&error, ErrorKind::Store, &[database.to_str().unwrap(), "name another database"]);
    }
}

/// Servers that are not there, or have something else.
mod the_other_side {
    use super::*;

    #[test]
    fn nobody_there() {
        let stage = Stage::new();
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for address in [format!("http://{nobody}/a.bin"), "http://nobody.invalid/a.bin".to_owned()] {
            let task = DownloadTask::builder(address, Target::directory(stage.directory())).retries(0);
            let error = engine(&stage).download_blocking(task.build().unwrap()).unwrap_err();
            assert_helps(&error, ErrorKind::Connect, &["/a.bin", "check"]);
        }
    }

    #[test]
    fn nothing_there() {
        let stage = Stage::new();
        let task = DownloadTask::to_directory(stage.server().url("/gone.bin"), stage.directory()).unwrap();
        let error = engine(&stage).download_blocking(task).unwrap_err();
        assert_helps(&error, ErrorKind::Status, &["404", "/gone.bin"]);
    }

    #[test]
    fn another_file_than_was_meant() {
        let stage = Stage::new();
        let digest = format!("sha-256={}", "00".repeat(32)).parse().unwrap();
        let task = small(&stage).to_builder().digest(digest).build().unwrap();
        let error = engine(&stage).download_blocking(task).unwrap_err();
        assert_helps(&error, ErrorKind::Checksum, &["sha-256=0000"]);
        assert!(!stage.directory().join("a.bin").exists());
    }
}

/// Engines and handles: dropped, closed, doubled, forgotten.
mod holding_on {
    use super::*;

    #[tokio::test]
    async fn the_same_download_twice_says_that_the_first_can_be_shared() {
        let place = Place::new().await;
        place.server.serve("/a", tagged(Body::pattern(1, 3 * MIB)));
        let gate = Gate::new();
        place.server.script("/a", [Reply::resource().gate_after(0, &gate)]);
        let (ok, task) = (place.engine(), place.task("/a", "a").build().unwrap());
        let first = ok.enqueue(task.clone(), NoListener);
        let second = ok.enqueue(task.clone(), NoListener).await;
        assert_eq!(second.cause, EndCause::SameTaskBusy);
        let path = place.path("a");
        assert_helps(
            &second.into_result().unwrap_err(),
            ErrorKind::FileBusy,
            &[path.to_str().unwrap(), "let the request join it"],
        );
        let joined = ok.task(task).join().enqueue();
        gate.open();
        assert!(joined.await.is_completed() && first.await.is_completed());
    }

    #[tokio::test]
    async fn two_engines_share_a_database_but_not_a_download() {
        let place = Place::new().await;
        let gate = Gate::new();
        for path in ["/a", "/b"] {
            place.server.serve(path, tagged(Body::pattern(1, 3 * MIB)));
        }
        place.server.script("/a", [Reply::resource().gate_after(2 * MIB, &gate)]);
        let task = place.task("/a", "a").connection_count(std::num::NonZeroU32::MIN).build().unwrap();
        let (one, other) = (place.engine(), place.engine());
        let first = one.enqueue(task.clone(), NoListener);
        first.progress().wait_for(|progress| progress.written > 0).await.unwrap();
        let error = other.download(task).await.unwrap_err();
        assert_helps(&error, ErrorKind::FileBusy, &["a.okdownload", "wait for it"]);
        other.download(place.task("/b", "b").build().unwrap()).await.unwrap();
        gate.open();
        assert!(first.await.is_completed());
    }

    #[tokio::test]
    async fn a_download_goes_on_without_its_handle_and_its_engine() {
        let place = Place::new().await;
        place.server.serve("/a", tagged(Body::pattern(1, 3 * MIB)));
        let ok = place.engine();
        let task = place.task("/a", "a").build().unwrap();
        drop(ok.enqueue(task.clone(), NoListener));
        assert!(ok.task(task.to_builder().build().unwrap()).join().enqueue().await.is_completed());
        let handle =
            ok.enqueue(task.to_builder().pass_if_already_completed(false).build().unwrap(), NoListener);
        drop(ok);
        assert!(handle.await.is_completed());
    }

    #[test]
    fn without_a_shutdown_what_has_completed_is_known_all_the_same() {
        let stage = Stage::new();
        let task = small(&stage);
        drop(engine(&stage).download_blocking(task.clone()).unwrap());
        let again = engine(&stage).download_blocking(task).unwrap();
        assert_eq!((again.fetched, again.length), (0, Some(3 * MIB)));
    }

    #[test]
    fn an_engine_that_was_shut_down_says_so() {
        let stage = Stage::new();
        let ok = engine(&stage);
        ok.shutdown_blocking().unwrap();
        let error = ok.download_blocking(small(&stage)).unwrap_err();
        assert_helps(&error, ErrorKind::Misuse, &["was shut down", "build another one"]);
        // Twice is no mistake, and what is recorded can still be asked for.
        ok.shutdown_blocking().unwrap();
        assert!(ok.block_on(ok.unfinished()).unwrap().is_empty());
    }

    #[test]
    fn being_cancelled_says_how_to_go_on() {
        let stage = Stage::new();
        let ok = engine(&stage);
        let handle = ok.task(small(&stage)).enqueue_paused();
        handle.cancel();
        let error = handle.wait_blocking().unwrap().into_result().unwrap_err();
        assert_helps(&error, ErrorKind::Canceled, &["enqueue it again"]);
    }

    #[tokio::test]
    async fn whoever_watches_hears_that_nothing_more_will_come() {
        let place = Place::new().await;
        place.server.serve("/a", tagged(Body::pattern(1, 3 * MIB)));
        let ok = place.engine();
        let handle = ok.enqueue(place.task("/a", "a").build().unwrap(), NoListener);
        let mut progress = handle.progress();
        while progress.changed().await.is_ok() {}
        assert_eq!(progress.borrow().written, 3 * MIB);
        assert!(handle.await.is_completed());
    }
}

/// Synchronous programs, asynchronous ones, and those that are neither.
mod blocking_and_waiting {
    use super::*;

    #[tokio::test]
    async fn a_blocking_call_that_would_stop_all_others_says_what_to_do_instead() {
        let place = Place::new().await;
        place.server.serve("/a", tagged(Body::pattern(1, 3 * MIB)));
        let (ok, task) = (place.engine(), place.task("/a", "a").build().unwrap());
        let says = ["asynchronous code", "await the method that does not block", "a thread that may block"];
        let handle = ok.task(task.clone()).enqueue();
        let errors = [
            ok.download_blocking(task.clone()).unwrap_err(),
            handle.wait_blocking().unwrap_err(),
            handle.wait_blocking_timeout(Duration::ZERO).unwrap_err(),
            ok.block_on(ok.unfinished()).unwrap_err(),
            ok.shutdown_blocking().unwrap_err(),
        ];
        for error in errors {
            assert_helps(&error, ErrorKind::Misuse, &says);
        }
        let mut reader = ok.task(task.clone()).into_reader().unwrap().into_blocking();
        let error = reader.read(&mut [0]).unwrap_err();
        assert_helps(error.get_ref().unwrap().downcast_ref().unwrap(), ErrorKind::Misuse, &says);
        // None of them has harmed anybody; and where the advice leads, it works.
        assert!(handle.await.is_completed());
        let end = tokio::task::spawn_blocking(move || ok.download_blocking(task)).await.unwrap().unwrap();
        assert_eq!(end.length, Some(3 * MIB));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn with_several_threads_others_go_on_meanwhile() {
        // The server, and the engine too, run on the threads that are blocked.
        let place = Place::new().await;
        place.server.serve("/a", tagged(Body::pattern(1, 3 * MIB)));
        let ok = place.builder().runtime(tokio::runtime::Handle::current()).build().unwrap();
        ok.download_blocking(place.task("/a", "a").build().unwrap()).unwrap();
        let task = place.task("/a", "b").build().unwrap();
        let other = ok.clone();
        tokio::spawn(async move { other.download_blocking(task).unwrap() }).await.unwrap();
        ok.shutdown_blocking().unwrap();
    }

    /// A program's runtime, and an engine on it.
    fn on_a_runtime(stage: &Stage, mut builder: Builder) -> (Runtime, OkDownload) {
        let runtime = builder.build().unwrap();
        let store = SqliteStore::new(stage.database());
        let ok = OkDownload::builder().download_store(store).runtime(runtime.handle().clone());
        (runtime, ok.build().unwrap())
    }

    #[test]
    fn a_runtime_that_is_gone_ends_all_tasks() {
        let stage = Stage::new();
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).enable_all();
        let (runtime, ok) = on_a_runtime(&stage, builder);
        let task = |name: &str| DownloadTask::to_file(stage.file("/a.bin"), stage.directory().join(name));
        stage.server().set_rate("/a.bin", 0);
        ok.set_max_parallel_running_count(std::num::NonZeroUsize::MIN);
        let handles = ["runs", "waits"].map(|name| ok.enqueue(task(name).unwrap(), NoListener));
        let paused = ok.task(task("is paused").unwrap()).enqueue_paused();
        let joined = ["runs", "waits", "is paused"].map(|name| {
            let request = ok.task(task(name).unwrap()).join();
            let events = request.events();
            drop(request.enqueue());
            events
        });
        drop(runtime);
        for handle in handles.into_iter().chain([paused]) {
            let error = run(handle.wait()).into_result().unwrap_err();
            assert_helps(&error, ErrorKind::Misuse, &["has been shut down", "leave it its own"]);
        }
        for events in joined {
            let last = run(events.collect::<Vec<_>>()).pop();
            let Some(Event::TaskEnd(end)) = last else { panic!("the end is missing: {last:?}") };
            let error = end.error.as_ref().unwrap();
            assert_helps(error, ErrorKind::Misuse, &["has been shut down", "leave it its own"]);
        }
        let late = run(ok.enqueue(task("is late").unwrap(), NoListener).wait()).into_result().unwrap_err();
        assert_helps(&late, ErrorKind::Misuse, &["was shut down", "build another one"]);
    }

    #[test]
    fn who_has_joined_hears_the_end_that_came_before_the_runtimes() {
        let stage = Stage::new();
        let mut builder = Builder::new_current_thread();
        // The test looks after each step, so none comes between the end and the handing on of it.
        builder.enable_all().event_interval(1);
        let (runtime, ok) = on_a_runtime(&stage, builder);
        let handle = ok.enqueue(small(&stage), NoListener);
        let request = ok.task(small(&stage)).join();
        let events = request.events();
        drop(request.enqueue());
        runtime.block_on(std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            if handle.is_ended() { Poll::Ready(()) } else { Poll::Pending }
        }));
        drop(runtime);
        let last = run(events.collect::<Vec<_>>()).pop();
        let Some(Event::TaskEnd(end)) = last else { panic!("the end is missing: {last:?}") };
        assert!(end.is_completed(), "{end:?}");
    }

    #[test]
    fn a_runtime_that_was_gone_from_the_beginning_is_told_as_well() {
        let stage = Stage::new();
        let (runtime, ok) = on_a_runtime(&stage, Builder::new_current_thread());
        drop(runtime);
        let error = run(ok.download(small(&stage))).unwrap_err();
        assert_helps(&error, ErrorKind::Misuse, &["has been shut down", "leave it its own"]);
    }

    /// Asks for its download once more as it goes.
    #[derive(Debug)]
    struct Returns(OkDownload, DownloadTask, Sender<()>);

    impl DownloadListener for Returns {}

    impl Drop for Returns {
        fn drop(&mut self) {
            drop(self.0.task(self.1.clone()).join().enqueue());
            self.2.send(()).unwrap();
        }
    }

    /// Where the runtime is gone, nobody is left to call it.
    #[test]
    fn a_listener_that_is_dropped_may_call_the_engine() {
        let stage = Stage::new();
        let (runtime, ok) = on_a_runtime(&stage, Builder::new_current_thread());
        drop(runtime);
        let (sender, dropped) = channel();
        let listener = Returns(ok.clone(), small(&stage), sender);
        let begun = thread::spawn(move || drop(ok.enqueue(small(&stage), listener)));
        dropped.recv_timeout(Duration::from_secs(30)).unwrap();
        begun.join().unwrap();
    }

    #[test]
    fn a_runtime_without_timers_is_told_to_have_them() {
        let stage = Stage::new();
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1);
        let (_runtime, ok) = on_a_runtime(&stage, builder);
        let error = ok.download_blocking(small(&stage)).unwrap_err();
        assert_helps(&error, ErrorKind::Unexpected, &["enable_time", "the runtime"]);
    }

    /// Waits for another download within a callback.
    #[derive(Debug)]
    struct Waits(OkDownload, DownloadTask, Sender<TaskEnd>);

    impl DownloadListener for Waits {
        fn task_end(&self, _: &DownloadTask, _: &TaskEnd) {
            self.2.send(self.0.download_blocking(self.1.clone()).unwrap()).unwrap();
        }
    }

    #[test]
    fn a_listener_may_block() {
        let stage = Stage::new();
        let ok = engine(&stage);
        let next = DownloadTask::to_directory(stage.file("/b.bin"), stage.directory()).unwrap();
        let (sender, ended): (_, Receiver<TaskEnd>) = channel();
        drop(ok.enqueue(small(&stage), Waits(ok.clone(), next, sender)));
        assert_eq!(ended.recv().unwrap().length, Some(3 * MIB));
        ok.shutdown_blocking().unwrap();
    }

    #[test]
    fn a_synchronous_program_sees_progress_and_waits_for_many() {
        let stage = Stage::new();
        let (ok, task) = (engine(&stage), small(&stage));
        stage.server().set_rate("/a.bin", 0);
        let handle = ok.enqueue(task, NoListener);
        assert!(handle.wait_blocking_timeout(Duration::from_millis(20)).unwrap().is_none());
        assert!(handle.progress().borrow().written < 3 * MIB);
        stage.server().set_rate("/a.bin", u64::MAX);
        assert!(handle.wait_blocking_timeout(Duration::from_secs(30)).unwrap().unwrap().is_completed());
        assert_eq!(handle.progress().borrow().written, 3 * MIB);

        let shared = QueueSet::new().directory(stage.directory());
        let context = DownloadContext::builder(&ok, shared).bind(stage.file("/b.bin")).unwrap();
        let context = context.bind(stage.file("/c.bin")).unwrap().build();
        let handles = context.start_on_parallel(NoListener).unwrap();
        context.wait_blocking().unwrap();
        assert!(handles.iter().all(TaskHandle::is_ended));
        ok.shutdown_blocking().unwrap();
    }

    #[test]
    fn a_synchronous_program_reads_while_it_comes() {
        let stage = Stage::new();
        let (ok, body) = (engine(&stage), Body::pattern(1, 3 * MIB));
        let reader = || ok.task(small(&stage)).into_reader().unwrap().into_blocking();
        let (mut reads, mut bytes) = (reader(), Vec::new());
        reads.read_to_end(&mut bytes).unwrap();
        assert!(bytes.len() as u64 == body.len() && body.matches(0, &bytes));
        assert!(reads.handle().wait_blocking().unwrap().is_completed());

        stage.server().script("/a.bin", [Reply::status(404)]);
        let error = reader().read_to_end(&mut Vec::new()).unwrap_err();
        let error: &Error = error.get_ref().unwrap().downcast_ref().unwrap();
        assert_eq!(error.status(), Some(404));

        stage.server().set_rate("/a.bin", 0);
        let handle = reader().handle().clone();
        assert_eq!(handle.wait_blocking().unwrap().cause, EndCause::Canceled);
    }

    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    /// The smallest executor that there is.
    fn run<T>(work: impl Future<Output = T>) -> T {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut work = std::pin::pin!(work);
        loop {
            match work.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(done) => return done,
                Poll::Pending => thread::park(),
            }
        }
    }

    #[test]
    fn no_tokio_runtime_is_needed() {
        let stage = Stage::new();
        let ok = engine(&stage);
        run(async {
            ok.keep(&small(&stage)).await.unwrap();
            assert_eq!(ok.unfinished().await.unwrap().len(), 1);
            assert!(ok.download(small(&stage)).await.unwrap().location.is_some());
            let mut reader = ok.task(small(&stage)).into_reader().unwrap();
            assert!(reader.chunk().await.unwrap().is_some());
            ok.shutdown().await.unwrap();
        });
        assert_content(&stage.directory().join("a.bin"), &Body::pattern(1, 3 * MIB));
    }
}

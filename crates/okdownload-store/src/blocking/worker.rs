//! The thread that has the database.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use futures_channel::oneshot;
use okdownload_types::{Error, ErrorKind, Result};

use super::session::Session;
use super::{BlockingStore, Opener};
use crate::{Change, CommitLevel};

type Call<O> = Box<dyn FnOnce(&mut Session<O>) + Send>;

/// What the thread is asked to do.
pub(super) enum Job<O: Opener> {
    Commit(Batch),
    Call(Call<O>),
    Close(oneshot::Sender<Result<()>>),
}

pub(super) struct Batch {
    pub(super) changes: Vec<Change>,
    pub(super) level: CommitLevel,
    pub(super) reply: oneshot::Sender<Result<()>>,
}

/// So many jobs are looked at before their commits are made: nobody waits for ever in a stream of others.
const AT_ONCE: usize = 256;

/// Starts the thread. It ends when nobody can send another job.
pub(super) fn start<O: Opener>(name: &str, opener: Arc<O>) -> Result<Sender<Job<O>>> {
    let (sender, jobs) = mpsc::channel();
    let thread = thread::Builder::new().name(name.into());
    thread.spawn(move || run(&jobs, Session::new(opener))).map_err(|error| {
        Error::new(ErrorKind::Store, "cannot start the store's thread").with_source(error)
    })?;
    Ok(sender)
}

/// Does jobs, in their order. Commits with nothing between them become one.
fn run<O: Opener>(jobs: &Receiver<Job<O>>, mut session: Session<O>) {
    while let Ok(first) = jobs.recv() {
        let mut batches = Vec::new();
        for job in std::iter::once(first).chain(jobs.try_iter().take(AT_ONCE)) {
            match job {
                Job::Commit(batch) => batches.push(batch),
                Job::Call(call) => {
                    commit(&mut session, std::mem::take(&mut batches));
                    call(&mut session);
                }
                Job::Close(reply) => {
                    commit(&mut session, std::mem::take(&mut batches));
                    let _ = reply.send(session.close());
                }
            }
        }
        commit(&mut session, batches);
    }
    // Nobody is there to hear of an error. Nothing is lost by one: what was committed is where its level says.
    let _ = session.close();
}

/// All of them in one transaction. If that fails, each in its own: one that is refused must not harm the others.
fn commit<O: Opener>(session: &mut Session<O>, batches: Vec<Batch>) {
    if batches.len() > 1 && commit_together(session, &batches).is_ok() {
        for batch in batches {
            let _ = batch.reply.send(Ok(()));
        }
        return;
    }
    for batch in batches {
        let result = commit_together(session, std::slice::from_ref(&batch));
        // Who no longer waits does not hear of it.
        let _ = batch.reply.send(result);
    }
}

fn commit_together<O: Opener>(session: &mut Session<O>, batches: &[Batch]) -> Result<()> {
    let level = batches.iter().map(|batch| batch.level).max().unwrap_or(CommitLevel::Process);
    let changes: Vec<&Change> = batches.iter().flat_map(|batch| &batch.changes).collect();
    session.run(&|database| database.commit(&changes, level))
}

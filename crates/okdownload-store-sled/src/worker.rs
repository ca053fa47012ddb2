//! The thread that has the database.

use std::sync::mpsc::Receiver;

use futures_channel::oneshot;
use okdownload_store::{Change, CommitLevel};
use okdownload_types::Result;

use crate::session::Session;

/// What the thread is asked to do.
pub(crate) enum Job {
    Commit(Batch),
    Call(Box<dyn FnOnce(&mut Session) + Send>),
    Close(oneshot::Sender<Result<()>>),
}

pub(crate) struct Batch {
    pub(crate) changes: Vec<Change>,
    pub(crate) level: CommitLevel,
    pub(crate) reply: oneshot::Sender<Result<()>>,
}

/// So many jobs are looked at before their commits are made: nobody waits for ever in a stream of others.
const AT_ONCE: usize = 256;

/// Does jobs, in their order, until nobody can send another. Commits with nothing between them are made together.
pub(crate) fn run(jobs: &Receiver<Job>, mut session: Session) {
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
}

/// All of them as one. If that fails, each by itself: one that is refused must not harm the others.
fn commit(session: &mut Session, batches: Vec<Batch>) {
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

fn commit_together(session: &mut Session, batches: &[Batch]) -> Result<()> {
    let level = batches.iter().map(|batch| batch.level).max().unwrap_or(CommitLevel::Process);
    session.run(&|database| database.commit(batches.iter().map(|batch| &*batch.changes), level))
}

//! What can be heard.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use okdownload_types::{BreakpointInfo, Error, ResumeFailedCause, TaskEnd};
use url::Url;

use crate::TaskModel;

/// Something that happened to a task.
///
/// Per task, events come in this order: `TaskStart`, then trials, then `FromBeginning` or `FromBreakpoint`, then those
/// of the blocks (each block's own in order, blocks among each other as they come), and `TaskEnd` last and exactly
/// once, after all files are closed. A task that never ran (already complete, busy, cancelled while it waited) has only
/// its `TaskEnd`. A start-over repeats from the trials on. A task that is paused and resumed while it runs begins twice,
/// each time with a `TaskStart`, and ends once.
///
/// Listeners of an engine hear of a task only when those of an equal one before it have heard all; so let no callback
/// wait until listeners of an equal task are called. Only a refusal because an equal task is there
/// ([`SameTaskBusy`](okdownload_types::EndCause::SameTaskBusy)), or by a queue that was shut down, is told at once, in the
/// middle of that one's events, and so is all to who joins it.
///
/// Progress events that nobody has taken yet are added up; all others are kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A run begins.
    TaskStart,
    /// The first request, which finds out what the server can do, is sent with these headers (secrets left out).
    ConnectTrialStart {
        /// Where it goes: the task's URL, a mirror's, or where one of these led to; without its query, which may hold
        /// secrets.
        url: Url,
        /// The request's headers.
        headers: HeaderMap,
    },
    /// The first request was answered.
    ConnectTrialEnd {
        /// The status code.
        status: u16,
        /// The response's headers (cookies left out, query values of addresses hidden).
        headers: HeaderMap,
    },
    /// The download begins at its first byte.
    FromBeginning {
        /// The plan.
        info: Arc<BreakpointInfo>,
        /// Why it does not go on from what was there.
        cause: ResumeFailedCause,
    },
    /// The download goes on from what is there.
    FromBreakpoint {
        /// The plan.
        info: Arc<BreakpointInfo>,
    },
    /// A block's request is sent with these headers (secrets left out).
    ConnectStart {
        /// The block's number.
        block: usize,
        /// Where it goes, as in [`ConnectTrialStart`](Event::ConnectTrialStart).
        url: Url,
        /// The request's headers.
        headers: HeaderMap,
    },
    /// A block's request was answered.
    ConnectEnd {
        /// The block's number.
        block: usize,
        /// The status code.
        status: u16,
        /// The response's headers (cookies left out, query values of addresses hidden).
        headers: HeaderMap,
    },
    /// A block's bytes begin to come.
    FetchStart {
        /// The block's number.
        block: usize,
        /// How many bytes of the block are missing, where that is known.
        remaining: Option<u64>,
    },
    /// More bytes of a block are there.
    FetchProgress {
        /// The block's number.
        block: usize,
        /// How many bytes more than at the last such event.
        increase: u64,
    },
    /// A block is whole.
    FetchEnd {
        /// The block's number.
        block: usize,
        /// How many bytes of it this run fetched.
        fetched: u64,
    },
    /// A request failed and will be made again; with mirrors at another place, if there is one left that has not failed.
    Retry {
        /// The block's number.
        block: usize,
        /// The wait before the next try; none before another place is asked.
        wait: Duration,
        /// What failed.
        error: Error,
    },
    /// Something the user should know, that is no error.
    Warning {
        /// A sentence.
        message: String,
    },
    /// The run was paused; `TaskEnd` comes when it is resumed and ends, or is cancelled.
    Paused,
    /// Told only to a listener that comes to a running task, and first of all: how far the task is. Listeners come so
    /// through a [`UnifiedListenerManager`](crate::UnifiedListenerManager), or with a request that joins.
    Recovered {
        /// How far it is.
        model: Arc<TaskModel>,
    },
    /// The run is over.
    TaskEnd(Arc<TaskEnd>),
}

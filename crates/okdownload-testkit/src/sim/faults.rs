//! What may go wrong, as plain data.

use std::time::Duration;

/// How often each kind of fault happens, in a thousand calls that could have it, and how long calls take. Nothing goes
/// wrong by default, and nothing takes time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// No connection can be made.
    pub refusals: u32,
    /// The server answers 404, 429 or 503.
    pub statuses: u32,
    /// The head, or the next bytes, never come.
    pub stalls: u32,
    /// A body breaks off.
    pub cuts: u32,
    /// A response to a range contradicts itself or the request.
    pub lies: u32,
    /// How many responses of one resource the server sends at a time; it refuses more. 0 is no limit.
    pub most_connections: u32,
    /// A write fails, and leaves any part of its bytes.
    pub writes: u32,
    /// A sync fails, and loses any of the writes before it.
    pub syncs: u32,
    /// A commit of a part fails.
    pub commits: u32,
    /// The store refuses a batch.
    pub store_writes: u32,
    /// The store can't be read.
    pub store_reads: u32,
    /// The longest that the network takes, for a head or between chunks.
    pub network_delay: Duration,
    /// The longest that the disk takes for a call.
    pub disk_delay: Duration,
    /// The longest that the store takes for a call.
    pub store_delay: Duration,
    /// The most bytes of a chunk; 0 is the most there can be.
    pub chunk: u32,
}

impl Faults {
    /// Whether the disk may fail.
    pub fn disk_fails(&self) -> bool {
        self.writes + self.syncs + self.commits > 0
    }

    /// Whether the store may fail.
    pub fn store_fails(&self) -> bool {
        self.store_writes + self.store_reads > 0
    }
}

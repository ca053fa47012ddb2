//! One scripted answer: how it is sent.

use std::time::Duration;

use super::gate::Gate;
use super::pace::Pace;
use super::reply::Reply;

/// How a reply is sent.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) pace: Pace,
    pub(super) head_gate: Option<Gate>,
    /// What happens after so many body bytes, in order.
    pub(super) steps: Vec<(u64, Step)>,
    /// Whether the connection is kept afterwards; `None` = as HTTP has it.
    pub(super) keep_alive: Option<bool>,
    pub(super) close_notify: bool,
}

/// Something that happens between two bytes of a body.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Gate(Gate),
    Delay(Duration),
    Cut,
    Reset,
    Stall,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            pace: Pace::default(),
            head_gate: None,
            steps: Vec::new(),
            keep_alive: None,
            close_notify: true,
        }
    }
}

/// How it is sent. Offsets count the body bytes of this response (not of the resource, not of chunk framing). A step
/// beyond the end of the body never happens; one right at the end happens before the last chunk of a chunked body.
impl Reply {
    /// Closes the connection in the clean way after `bytes` body bytes, all of which arrive.
    pub fn cut_after(self, bytes: u64) -> Self {
        self.step(bytes, Step::Cut)
    }

    /// Resets the connection after `bytes` body bytes. On Linux it waits first until they have arrived.
    pub fn reset_after(self, bytes: u64) -> Self {
        self.step(bytes, Step::Reset)
    }

    /// Sends nothing after `bytes` body bytes, and keeps the connection until the client leaves.
    pub fn stall_after(self, bytes: u64) -> Self {
        self.step(bytes, Step::Stall)
    }

    /// Waits so long after `bytes` body bytes.
    pub fn delay_after(self, bytes: u64, delay: Duration) -> Self {
        self.step(bytes, Step::Delay(delay))
    }

    /// Holds the response after `bytes` body bytes until the gate opens.
    pub fn gate_after(self, bytes: u64, gate: &Gate) -> Self {
        self.step(bytes, Step::Gate(gate.clone()))
    }

    /// Holds the response between its head and its body until the gate opens.
    pub fn gate(self, gate: &Gate) -> Self {
        self.gate_after(0, gate)
    }

    /// Holds the response before its head (and before any interim response) until the gate opens.
    pub fn gate_head(mut self, gate: &Gate) -> Self {
        self.delivery.head_gate = Some(gate.clone());
        self
    }

    /// Waits before the head (after any interim response).
    pub fn delay_head(mut self, delay: Duration) -> Self {
        self.delivery.pace.head_delay = Some(delay);
        self
    }

    /// Sends the body in pieces of so many bytes, each with its own write (and its own chunk if chunked).
    pub fn chunk_size(mut self, bytes: usize) -> Self {
        self.delivery.pace.chunk_size = Some(bytes);
        self
    }

    /// Waits between one piece of the body and the next.
    pub fn chunk_delay(mut self, delay: Duration) -> Self {
        self.delivery.pace.chunk_delay = Some(delay);
        self
    }

    /// Sends at most so many bytes per second, whatever the rate of the path.
    pub fn rate(mut self, bytes_per_second: u64) -> Self {
        self.delivery.pace.rate = Some(bytes_per_second);
        self
    }

    /// Closes the connection afterwards, and says so with `Connection: close`.
    pub fn close_after(mut self) -> Self {
        self.delivery.keep_alive = Some(false);
        self
    }

    /// Keeps the connection open afterwards, even if the client can't know where the answer ended.
    pub fn keep_alive(mut self) -> Self {
        self.delivery.keep_alive = Some(true);
        self
    }

    /// Ends a TLS connection without `close_notify`, as a cut by a third party looks. Without TLS it changes nothing.
    pub fn without_close_notify(mut self) -> Self {
        self.delivery.close_notify = false;
        self
    }
}

//! A gate that holds a response until a test lets it go on.

use std::sync::Arc;

use tokio::sync::watch;

/// Holds every response that comes to it until the test opens it.
///
/// It takes the place of sleeping in tests: [`reached`](Self::reached) tells that the server has sent everything up to
/// the gate, [`open`](Self::open) lets it go on. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate {
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug)]
struct State {
    arrived: usize,
    open: bool,
}

impl Gate {
    /// A closed gate that nobody has reached.
    pub fn new() -> Self {
        Self { state: Arc::new(watch::Sender::new(State { arrived: 0, open: false })) }
    }

    /// Opens the gate, for good: whoever waits at it goes on, and whoever comes later passes.
    pub fn open(&self) {
        self.state.send_modify(|state| state.open = true);
    }

    /// Waits until a response has come to the gate.
    pub async fn reached(&self) {
        self.reached_by(1).await;
    }

    /// Waits until `responses` responses have come to the gate, in all.
    pub async fn reached_by(&self, responses: usize) {
        // It fails only when the sender is gone, and the sender is in `self`.
        let _ = self.state.subscribe().wait_for(|state| state.arrived >= responses).await;
    }

    /// Comes to the gate and waits until it is open.
    pub(super) async fn pass(&self) {
        self.state.send_modify(|state| state.arrived += 1);
        let _ = self.state.subscribe().wait_for(|state| state.open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

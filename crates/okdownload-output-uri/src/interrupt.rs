//! Ends calls that wait for a service.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use async_lock::OnceCell;

/// How long a call that is interrupted may still take. If the service is just about to say under which name it keeps the
/// upload, that must be heard, or nobody could take the upload back.
const GRACE: Duration = Duration::from_secs(1);

/// Whether somebody asked for an end. Once asked, it stays so.
#[derive(Debug, Default)]
pub(crate) struct Interrupt(OnceCell<()>);

impl Interrupt {
    pub(crate) fn ask(&self) {
        // It fails if that was asked before.
        let _ = self.0.try_set(());
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.0.is_initialized()
    }

    /// What came of the work; `None` if it was not begun, or dropped, because somebody asked.
    pub(crate) async fn race<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        if self.is_asked() {
            return None;
        }
        let (mut work, mut asked) = (pin!(work), pin!(self.0.wait()));
        let first = poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => asked.as_mut().poll(context).map(|()| None),
        });
        match first.await {
            Some(done) => Some(done),
            None => tokio::time::timeout(GRACE, work).await.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_ends_soon_after_somebody_asked() {
        let interrupt = Interrupt::default();
        assert_eq!(interrupt.race(ready(1)).await, Some(1));

        let slow = async |time| {
            tokio::time::sleep(time).await;
            2
        };
        let ask = async {
            interrupt.ask();
        };
        let (hurried, stuck, ()) =
            tokio::join!(interrupt.race(slow(GRACE / 2)), interrupt.race(pending::<()>()), ask);
        assert_eq!((hurried, stuck), (Some(2), None));

        interrupt.ask();
        assert_eq!(interrupt.race(ready(3)).await, None);
    }
}

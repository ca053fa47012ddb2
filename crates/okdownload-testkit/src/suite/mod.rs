//! One suite of behaviours for each seam. A backend that passes its seam's suite can take the place of any other.

pub mod connection;
pub mod output;
pub mod store;

use std::time::Duration;

/// Runs one behaviour on a runtime of its own. A behaviour that hangs fails after a minute.
///
/// # Panics
/// If the behaviour panics, which is how it fails.
#[expect(clippy::panic, clippy::expect_used, reason = "a panic here is a test that failed")]
pub fn run(behaviour: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let minute = Duration::from_secs(60);
    let done = runtime.block_on(async { tokio::time::timeout(minute, behaviour).await });
    // A look-up of a name that hangs must not hold the test.
    runtime.shutdown_background();
    done.unwrap_or_else(|_| panic!("it hangs"));
}

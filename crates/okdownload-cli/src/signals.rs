//! Being told to stop.

use std::time::Duration;

use tokio::sync::watch;

use crate::report::Console;

/// How long a stop may take: what is there is recorded meanwhile. All in all it must not take 2 s.
const GRACE: Duration = Duration::from_millis(1700);

/// How long the terminal may take to be left in order: it may be held, and then we end all the same.
const PARTING: Duration = Duration::from_millis(100);

/// Tells the exit code of the first signal that wants this process to end. The second one ends it at once with the
/// same code, and so does the end of [`GRACE`]; `console` says first what it still has to say.
pub(crate) fn listen(console: Console) -> std::io::Result<watch::Receiver<Option<u8>>> {
    let (told, stop) = watch::channel(None);
    let mut signals = Signals::new()?;
    tokio::spawn(async move {
        let code = signals.next().await;
        told.send_replace(Some(code));
        tokio::select! {
            _ = signals.next() => {}
            () = tokio::time::sleep(GRACE) => {}
        }
        console.leave(PARTING);
        std::process::exit(code.into());
    });
    Ok(stop)
}

#[cfg(unix)]
struct Signals(Vec<(u8, tokio::signal::unix::Signal)>);

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::terminate()];
        let ignored = ignored();
        let mut signals = Vec::new();
        for kind in kinds {
            let number = u8::try_from(kind.as_raw_value()).unwrap_or(0);
            if ignored >> number.saturating_sub(1) & 1 == 0 {
                signals.push((128 + number, signal(kind)?));
            }
        }
        Ok(Self(signals))
    }

    /// The exit code of the next one.
    async fn next(&mut self) -> u8 {
        std::future::poll_fn(|context| {
            for (code, signal) in &mut self.0 {
                if signal.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*code);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

/// The signals that we were started to ignore, one a bit: `nohup okdl …` must outlive its terminal. Linux tells; where
/// it is not told, none is.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "on Unix it can fail")]
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> u8 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        130
    }
}

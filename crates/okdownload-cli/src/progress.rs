//! Progress bars: one for each file that has been running for a moment, and one line for all.

use std::fmt::Write;
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use okdownload::Progress;
use tokio::sync::watch;

use crate::report::{self, DRAWS};

/// So many bars at most; more would not fit a screen.
const MOST: usize = 16;

/// How often to look at what is new.
pub(crate) const TICK: Duration = Duration::from_millis(1000 / DRAWS as u64);

/// The bars of all files.
#[derive(Debug)]
pub(crate) struct Screen {
    bars: MultiProgress,
    /// Counts files, where there are many.
    total: Option<ProgressBar>,
    shown: usize,
    begin: Instant,
}

/// A file's bar. A file that is done before the first draw never gets one.
#[derive(Debug, Default)]
pub(crate) struct FileBar(Option<ProgressBar>);

impl Screen {
    pub(crate) fn new(bars: &MultiProgress, files: usize) -> Self {
        let bars = bars.clone();
        let total = (files > 1).then(|| {
            let total = ProgressBar::new(files as u64).with_style(style(ALL));
            bars.add(total)
        });
        Self { bars, total, shown: 0, begin: Instant::now() }
    }

    /// Shows how far a file is. Each call draws once at most: what is shown beside the bar is read while it is drawn.
    pub(crate) fn draw(&mut self, file: &mut FileBar, name: &str, progress: &watch::Receiver<Progress>) {
        let now = *progress.borrow();
        if file.0.is_none() && self.shown < MOST {
            self.shown += 1;
            let bar = ProgressBar::no_length().with_style(figures(UNKNOWN, progress));
            file.0 = Some(match &self.total {
                Some(total) => self.bars.insert_before(total, bar),
                None => self.bars.add(bar),
            });
        }
        let Some(bar) = &file.0 else { return };
        if bar.prefix() != name {
            bar.set_prefix(report::printable(name));
        }
        if bar.length() != now.total {
            bar.set_style(figures(if now.total.is_some() { KNOWN } else { UNKNOWN }, progress));
        }
        bar.update(|state| {
            state.set_pos(now.written);
            now.total.into_iter().for_each(|total| state.set_len(total));
        });
    }

    /// Shows how far all are.
    pub(crate) fn draw_total(&self, ended: usize, speed: u64) {
        if let Some(total) = &self.total {
            let passed = report::clock(self.begin.elapsed());
            total.set_message(format!("{}/s  {passed}", BinaryBytes(speed)));
            total.update(|state| state.set_pos(ended as u64));
        }
    }

    /// A file is done.
    pub(crate) fn remove(&mut self, file: &FileBar) {
        if let Some(bar) = &file.0 {
            self.shown = self.shown.saturating_sub(1);
            bar.finish_and_clear();
            self.bars.remove(bar);
        }
    }

    /// Leaves nothing behind.
    pub(crate) fn clear(&self) {
        if let Some(total) = &self.total {
            total.finish_and_clear();
        }
        // Nothing can be said where the terminal is gone.
        drop(self.bars.clear());
    }
}

/// The line for all files.
const ALL: &str = "{pos}/{len} files  {msg}";
/// A file of unknown length.
const UNKNOWN: &str = "{prefix:24!}       {bytes}  {figures}";
/// A file of known length.
const KNOWN: &str = "{prefix:24!} {percent:>3}% {wide_bar} {total_bytes}  {figures}";

/// A style that shows what the watch has when it is drawn.
fn figures(template: &str, progress: &watch::Receiver<Progress>) -> ProgressStyle {
    let progress = progress.clone();
    style(template).with_key("figures", move |_: &ProgressState, out: &mut dyn Write| {
        let now = *progress.borrow();
        let second = Duration::from_secs(1);
        let eta = now.eta().map(|eta| format!("  {}", report::clock(eta + second))).unwrap_or_default();
        // A template has no way to fail.
        let _ = write!(out, "{}/s{eta}", BinaryBytes(now.speed));
    })
}

/// The templates are ours, and a test reads them all; a plain bar would not be wrong either.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_come_and_go() {
        let bars = MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::hidden());
        let mut screen = Screen::new(&bars, 40);
        let mut files: Vec<FileBar> = (0..40).map(|_| FileBar::default()).collect();
        let (_sender, progress) = watch::channel(Progress::default());
        files.iter_mut().for_each(|file| screen.draw(file, "name", &progress));
        assert_eq!(screen.shown, MOST);
        files.iter().for_each(|file| screen.remove(file));
        assert_eq!(screen.shown, 0);
    }

    #[test]
    fn templates_can_be_read() {
        for template in [ALL, UNKNOWN, KNOWN] {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}

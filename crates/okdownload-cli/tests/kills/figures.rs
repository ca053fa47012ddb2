//! What a campaign cost, in figures.

use crate::campaign::Campaign;

/// The figures of one campaign.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) kills: usize,
    /// How often it was begun anew, because all was done.
    pub(crate) rounds: usize,
    /// Kills that left a write-ahead log with something in it.
    pub(crate) with_log: usize,
    /// Files that a kill found between their final name and the record of that.
    pub(crate) unrecorded: usize,
    /// The bytes of all files of a round.
    pub(crate) size: u64,
    /// How many of the bytes that the server sent until a kill are to be fetched again, for each kill before which it sent
    /// some.
    pub(crate) lost: Vec<u64>,
    /// Bytes that were sent in all, and that would have been enough.
    pub(crate) sent: u64,
    pub(crate) enough: u64,
}

impl Figures {
    pub(crate) const HEAD: &'static str = "| program | store | connections | durability | also | kills | downloads done | kills with a WAL | files named, not recorded | bytes twice a kill: median | worst | of all that was sent |\n|---|---|---|---|---|---|---|---|---|---|---|---|";

    /// Which share of a round's bytes a kill costs, on average.
    pub(crate) fn mean_cost(&self) -> f64 {
        self.lost.iter().sum::<u64>() as f64 / self.lost.len() as f64 / self.size as f64
    }

    /// A line of the table. A wrong file has none: it ends the test.
    pub(crate) fn row(&self, campaign: &Campaign) -> String {
        let mut lost = self.lost.clone();
        lost.sort_unstable();
        let of = |lost: u64| {
            let percent = lost as f64 * 100.0 / self.size as f64;
            format!("{} KiB ({percent:.1} %)", lost >> 10)
        };
        let (median, worst) = (lost[lost.len() / 2], lost[lost.len() - 1]);
        let twice = self.sent.saturating_sub(self.enough) as f64 * 100.0 / self.sent as f64;
        let log = if campaign.store.has_log() { self.with_log.to_string() } else { "–".into() };
        format!(
            "| {campaign} | {} | {} | {log} | {} | {} | {} | {twice:.1} % |",
            self.kills,
            self.rounds,
            self.unrecorded,
            of(median),
            of(worst),
        )
    }
}

//! What is aimed at, and whether it was reached.

use std::fmt;

use serde::Serialize;

use crate::report::{Row, Side};
use crate::stats::Spread;

/// Of a figure of ours: that it is at most the highest of these limits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Goal {
    who: Who,
    measure: Measure,
    /// Each so many times the figure of the reference.
    limits: Vec<(f64, Reference)>,
}

/// Whom it binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// okdl over reqwest, with either durability.
    Ours,
    /// okdl over isahc.
    Isahc,
}

/// Which figure: of the wall time the minimum, of all others the median.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Seconds.
    Wall,
    /// Seconds.
    Cpu,
    /// MiB.
    Peak,
    Requests,
    /// Percent of all that there is to fetch.
    FetchedTwice,
}

/// What it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference {
    /// The lowest figure among the other programs.
    BestOther,
    Curl,
    RawRecv,
    /// The same okdl without a digest to check, and sha256sum after it.
    ThenHash,
    /// The least time there can be.
    Ideal,
    /// The number itself.
    Fixed,
}

/// How far one row is from a goal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Verdict {
    pub(crate) goal: String,
    pub(crate) program: String,
    pub(crate) figure: f64,
    /// `None` if nothing that it refers to was run.
    pub(crate) limit: Option<f64>,
}

impl Goal {
    /// For okdl over reqwest.
    pub(crate) fn ours(measure: Measure, limits: &[(f64, Reference)]) -> Self {
        Self::of(Who::Ours, measure, limits)
    }

    pub(crate) fn of(who: Who, measure: Measure, limits: &[(f64, Reference)]) -> Self {
        Self { who, measure, limits: limits.to_vec() }
    }

    /// The verdict on every row that the goal binds.
    pub(crate) fn judge(&self, rows: &[Row], ideal: Option<f64>) -> Vec<Verdict> {
        let bound = rows.iter().filter(|row| match self.who {
            Who::Ours => matches!(row.side, Side::Ours { .. }),
            Who::Isahc => matches!(row.side, Side::Isahc),
        });
        let verdict = |row: &Row| {
            let limits = self.limits.iter().map(|limit| self.limit(*limit, row, rows, ideal));
            // Each of them has to be known: what is missing might be the higher one.
            let limit = limits
                .collect::<Option<Vec<f64>>>()
                .and_then(|limits| limits.into_iter().max_by(f64::total_cmp));
            Some(Verdict {
                goal: self.to_string(),
                program: row.program.clone(),
                figure: self.measure.of(row)?,
                limit,
            })
        };
        bound.filter_map(verdict).collect()
    }

    fn limit(&self, limit: (f64, Reference), ours: &Row, rows: &[Row], ideal: Option<f64>) -> Option<f64> {
        let lowest = |is_meant: &dyn Fn(&Row) -> bool| {
            let meant = rows.iter().filter(|row| is_meant(row));
            meant.filter_map(|row| self.measure.of(row)).min_by(f64::total_cmp)
        };
        let (factor, reference) = limit;
        let figure = match reference {
            Reference::BestOther => lowest(&|row| matches!(row.side, Side::Other { .. })),
            Reference::Curl => lowest(&|row| row.side == Side::Other { is_curl: true }),
            Reference::RawRecv => lowest(&|row| row.side == Side::RawRecv),
            Reference::ThenHash => lowest(&|row| matches!(row.side, Side::ThenHash) && row.okdl == ours.okdl),
            Reference::Ideal => ideal,
            Reference::Fixed => Some(1.0),
        };
        figure.map(|figure| factor * figure)
    }
}

impl Measure {
    /// The row's figure; `None` if it has none.
    fn of(self, row: &Row) -> Option<f64> {
        let median = |spread: Option<Spread>| spread.map(|spread| spread.median);
        match self {
            Self::Wall => row.wall.map(|wall| wall.min),
            Self::Cpu => median(row.cpu),
            Self::Peak => median(row.peak),
            Self::Requests => median(row.requests),
            Self::FetchedTwice => median(row.fetched_twice),
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.measure {
            Measure::Wall => "wall",
            Measure::Cpu => "CPU",
            Measure::Peak => "peak memory",
            Measure::Requests => "requests",
            Measure::FetchedTwice => "fetched twice",
        })?;
        for (number, (factor, reference)) in self.limits.iter().enumerate() {
            f.write_str(if number == 0 { " at most " } else { ", or if that is more " })?;
            match (reference, self.measure) {
                (Reference::Fixed, Measure::Wall | Measure::Cpu) => write!(f, "{factor} s")?,
                (Reference::Fixed, Measure::Peak) => write!(f, "{factor} MiB")?,
                (Reference::Fixed, Measure::Requests) => write!(f, "{factor}")?,
                (Reference::Fixed, Measure::FetchedTwice) => write!(f, "{factor} %")?,
                (Reference::BestOther, _) => write!(f, "{factor} × the best other")?,
                (Reference::Curl, _) => write!(f, "{factor} × curl")?,
                (Reference::RawRecv, _) => write!(f, "{factor} × raw recv")?,
                (Reference::ThenHash, _) => write!(f, "{factor} × (download, then hash)")?,
                (Reference::Ideal, _) => write!(f, "{factor} × ideal")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(program: &str, side: Side, wall: f64, cpu: f64) -> Row {
        let same = |figure| Spread::of([figure]);
        let mut row = Row::named(program, side);
        (row.wall, row.cpu) = (same(wall), same(cpu));
        row
    }

    const OURS: Side = Side::Ours { is_first: true };
    const OTHER: Side = Side::Other { is_curl: false };

    #[test]
    fn the_best_other_is_the_best_in_what_is_judged() {
        let rows = [
            row("ours", OURS, 1.0, 1.0),
            row("quick", OTHER, 2.0, 9.0),
            row("frugal", Side::Other { is_curl: true }, 4.0, 3.0),
            row("raw", Side::RawRecv, 0.1, 0.1),
        ];
        let limit = |measure, limits: &[_]| Goal::ours(measure, limits).judge(&rows, None)[0].limit;
        assert_eq!(limit(Measure::Wall, &[(0.5, Reference::BestOther)]), Some(1.0));
        assert_eq!(limit(Measure::Cpu, &[(0.5, Reference::BestOther)]), Some(1.5));
        assert_eq!(limit(Measure::Wall, &[(0.5, Reference::Curl)]), Some(2.0));
        assert_eq!(limit(Measure::Wall, &[(2.0, Reference::RawRecv)]), Some(0.2));
        assert_eq!(limit(Measure::Wall, &[(1.5, Reference::Ideal)]), None);
        assert_eq!(limit(Measure::Wall, &[(0.1, Reference::RawRecv), (0.02, Reference::Fixed)]), Some(0.02));
        assert_eq!(limit(Measure::Wall, &[(1.0, Reference::Fixed), (1.0, Reference::ThenHash)]), None);
    }

    #[test]
    fn a_goal_binds_whom_it_is_for() {
        let rows =
            [row("ours", OURS, 1.0, 1.0), row("isahc", Side::Isahc, 2.0, 2.0), row("other", OTHER, 3.0, 3.0)];
        let judged = |goal: Goal| {
            let verdicts = goal.judge(&rows, Some(4.0));
            verdicts.into_iter().map(|verdict| (verdict.program, verdict.limit)).collect::<Vec<_>>()
        };
        let limits = [(2.0, Reference::Ideal)];
        assert_eq!(judged(Goal::ours(Measure::Wall, &limits)), [("ours".into(), Some(8.0))]);
        assert_eq!(judged(Goal::of(Who::Isahc, Measure::Wall, &limits)), [("isahc".into(), Some(8.0))]);
        assert_eq!(judged(Goal::ours(Measure::Peak, &limits)), [], "nothing was measured");
    }

    #[test]
    fn each_okdl_is_compared_with_its_own_hashing() {
        let mut rows = [
            row("before", OURS, 1.0, 1.0),
            row("before, then", Side::ThenHash, 2.0, 2.0),
            row("after", OURS, 1.0, 1.0),
            row("after, then", Side::ThenHash, 3.0, 3.0),
        ];
        for row in &mut rows {
            row.okdl = row.program.split(',').next().map(str::to_owned);
        }
        let verdicts = Goal::ours(Measure::Wall, &[(1.0, Reference::ThenHash)]).judge(&rows, None);
        assert_eq!(verdicts.iter().map(|verdict| verdict.limit).collect::<Vec<_>>(), [Some(2.0), Some(3.0)]);
    }

    #[test]
    fn goals_say_what_they_are() {
        let goal = Goal::ours(Measure::Cpu, &[(0.9, Reference::BestOther), (1.1, Reference::RawRecv)]);
        assert_eq!(goal.to_string(), "CPU at most 0.9 × the best other, or if that is more 1.1 × raw recv");
        assert_eq!(
            Goal::ours(Measure::Peak, &[(28.0, Reference::Fixed)]).to_string(),
            "peak memory at most 28 MiB"
        );
    }
}

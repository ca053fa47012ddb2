//! The tables, in Markdown.

use std::fmt::Write;

use serde::Serialize;

use crate::args::RunOptions;
use crate::compare::Runs;
use crate::goals::Verdict;
use crate::servers::Nginx;
use crate::session::Sample;
use crate::stats::Spread;
use crate::works::{Files, Kind, Work};

/// Whose program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// okdl over reqwest. The first one is what others are compared with.
    Ours {
        is_first: bool,
    },
    /// okdl over isahc.
    Isahc,
    /// okdl without a digest to check, and sha256sum.
    ThenHash,
    Other {
        is_curl: bool,
    },
    RawRecv,
    RawSplice,
}

/// The figures of one program.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) program: String,
    pub(crate) okdl: Option<String>,
    pub(crate) side: Side,
    /// Seconds.
    pub(crate) wall: Option<Spread>,
    /// Seconds.
    pub(crate) cpu: Option<Spread>,
    /// MiB.
    pub(crate) peak: Option<Spread>,
    pub(crate) requests: Option<Spread>,
    connections: Option<Spread>,
    /// Percent.
    pub(crate) fetched_twice: Option<Spread>,
}

/// One work's runs, and what came of them.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    work: &'static str,
    title: String,
    kind: Kind,
    files: Files,
    /// Seconds.
    ideal: Option<f64>,
    runs: Vec<Runs>,
    #[serde(skip)]
    rows: Vec<Row>,
    goals: Vec<Verdict>,
}

impl Row {
    fn new(runs: &Runs, work: &Work) -> Self {
        let spread = |figure: &dyn Fn(&Sample) -> f64| Spread::of(runs.samples.iter().map(figure));
        let total = work.files.total() as f64;
        let is_counted = work.kind != Kind::Start;
        let is_whole = is_counted && work.kind != Kind::Cancel;
        Self {
            okdl: runs.okdl.clone(),
            wall: spread(&|sample| sample.wall),
            cpu: spread(&|sample| sample.cpu),
            peak: spread(&|sample| sample.peak as f64 / f64::from(1 << 20)),
            requests: spread(&|sample| sample.requests as f64).filter(|_| is_counted),
            connections: spread(&|sample| sample.connections as f64).filter(|_| is_counted),
            fetched_twice: spread(&|sample| 100.0 * (sample.sent as f64 - total) / total)
                .filter(|_| is_whole),
            ..Self::named(&runs.program, runs.side)
        }
    }

    /// Without any figure.
    pub(crate) fn named(program: &str, side: Side) -> Self {
        let program = program.to_owned();
        let (wall, cpu, peak, requests, connections, fetched_twice) = (None, None, None, None, None, None);
        Self { program, okdl: None, side, wall, cpu, peak, requests, connections, fetched_twice }
    }
}

impl Table {
    pub(crate) fn new(work: &Work, runs: Vec<Runs>) -> Self {
        let rows: Vec<_> = runs.iter().map(|runs| Row::new(runs, work)).collect();
        let ideal = work.ideal();
        let goals = work.goals.iter().flat_map(|goal| goal.judge(&rows, ideal)).collect();
        let (title, kind, files) = (work.title(), work.kind, work.files);
        Self { work: work.name, title, kind, files, ideal, runs, rows, goals }
    }

    /// How many programs failed.
    pub(crate) fn failures(&self) -> usize {
        self.runs.iter().filter(|runs| runs.failure.is_some()).count()
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("## `{}`: {}\n\n", self.work, self.title);
        if let Some(ideal) = self.ideal {
            text += &format!("Nobody can be faster than {ideal:.2} s.\n\n");
        }
        text += &self.figures();
        for runs in &self.runs {
            if let Some(why) = &runs.failure {
                let done = runs.samples.len();
                text += &format!("\n**{} failed** after {done} good runs: {why}\n", runs.program);
            }
        }
        if !self.goals.is_empty() {
            text += &verdicts(&self.goals);
        }
        text
    }

    fn figures(&self) -> String {
        let mut heads: Vec<String> = [
            "program",
            "wall, s: min / median / max",
            "CPU, s: median (min..max)",
            "CPU s a GiB",
            "peak, MiB",
            "requests",
            "connections",
            "fetched twice, %",
        ]
        .map(str::to_owned)
        .into();
        let firsts: Vec<&Row> =
            self.rows.iter().filter(|row| row.side == Side::Ours { is_first: true }).collect();
        heads.extend(firsts.iter().map(|first| format!("{} ÷ it: wall, CPU", first.program)));
        let mut text = String::new();
        line(&mut text, &heads);
        line(&mut text, &vec!["---".to_owned(); heads.len()]);
        for row in &self.rows {
            line(&mut text, &self.cells(row, &firsts));
        }
        text
    }

    fn cells(&self, row: &Row, firsts: &[&Row]) -> Vec<String> {
        let or_none = |spread: Option<Spread>, text: &dyn Fn(Spread) -> String| {
            spread.map_or_else(|| "–".to_owned(), text)
        };
        let gib = self.files.total() as f64 / f64::from(1 << 30);
        let is_whole = row.fetched_twice.is_some();
        let mut cells = vec![
            row.program.clone(),
            or_none(row.wall, &|wall| {
                format!("{} / {} / {}", number(wall.min), number(wall.median), number(wall.max))
            }),
            or_none(row.cpu, &|cpu| median(cpu, &number)),
            or_none(row.cpu.filter(|_| is_whole), &|cpu| format!("{:.2}", cpu.median / gib)),
            or_none(row.peak, &|peak| format!("{:.0}", peak.median)),
            or_none(row.requests, &|count| median(count, &|count| format!("{count:.0}"))),
            or_none(row.connections, &|count| median(count, &|count| format!("{count:.0}"))),
            or_none(row.fetched_twice, &|part| median(part, &|part| format!("{part:.2}"))),
        ];
        cells.extend(firsts.iter().map(|first| ratios(first, row)));
        cells
    }
}

/// The median, with the least and the most if they differ.
fn median(spread: Spread, text: &dyn Fn(f64) -> String) -> String {
    let (min, median, max) = (text(spread.min), text(spread.median), text(spread.max));
    if min == max { median } else { format!("{median} ({min}..{max})") }
}

/// Seconds: as many digits as mean something.
fn number(seconds: f64) -> String {
    if seconds < 0.1 { format!("{seconds:.4}") } else { format!("{seconds:.2}") }
}

/// The minimum of the wall time and the median of the CPU time, ours through theirs.
fn ratios(ours: &Row, theirs: &Row) -> String {
    if ours.program == theirs.program {
        return String::new();
    }
    let ratio = |ours: Option<f64>, theirs: Option<f64>| match (ours, theirs) {
        (Some(ours), Some(theirs)) if theirs > 0.0 => format!("{:.2}", ours / theirs),
        _ => "–".into(),
    };
    let wall = |row: &Row| row.wall.map(|wall| wall.min);
    let cpu = |row: &Row| row.cpu.map(|cpu| cpu.median);
    format!("{}, {}", ratio(wall(ours), wall(theirs)), ratio(cpu(ours), cpu(theirs)))
}

fn verdicts(goals: &[Verdict]) -> String {
    let mut text = String::from("\n");
    line(&mut text, &["goal", "program", "is", "limit", ""].map(str::to_owned));
    line(&mut text, &vec!["---".to_owned(); 5]);
    for verdict in goals {
        let figure = number(verdict.figure);
        let (limit, met) = match verdict.limit {
            Some(limit) if verdict.figure <= limit => (number(limit), "met".to_owned()),
            Some(limit) => (number(limit), format!("**missed**, {:.2} ×", verdict.figure / limit)),
            None => ("–".to_owned(), "not all of it was run".to_owned()),
        };
        line(&mut text, &[verdict.goal.clone(), verdict.program.clone(), figure, limit, met]);
    }
    text
}

fn line(text: &mut String, cells: &[String]) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

/// What all tables have in common.
pub(crate) fn preface(nginx: &Nginx, options: &RunOptions) -> String {
    let version = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{cores} cores, Linux {}, {}, worker_processes {}; {} rounds, programs in turn{}. Wall time from before \
         exec to after the end, CPU time in user and in system mode. All bytes were compared with those served.\n",
        version.trim(),
        nginx.version(),
        options.workers,
        options.rounds,
        if options.no_sync { "" } else { ", sync before each run" },
    )
}

/// What can't be seen of a child's memory.
pub(crate) fn floor(own_peak: Option<u64>) -> String {
    let peak = own_peak.unwrap_or(0) as f64 / f64::from(1 << 20);
    format!("Peak memory below {peak:.0} MiB can't be told apart: a process counts from what started it.\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::works;

    fn runs(program: &str, side: Side, walls: &[f64], failure: Option<&str>) -> Runs {
        let sample = |wall: &f64| Sample {
            wall: *wall,
            cpu: wall / 2.0,
            peak: 10 << 20,
            requests: 5,
            connections: 4,
            sent: (1 << 27) + (1 << 26),
        };
        let (program, failure) = (program.to_owned(), failure.map(str::to_owned));
        Runs { program, okdl: None, side, samples: walls.iter().map(sample).collect(), failure }
    }

    fn table() -> Table {
        let work = works::all(true).into_iter().find(|work| work.name == "one-4").unwrap();
        let (ours, curl) = (Side::Ours { is_first: true }, Side::Other { is_curl: true });
        Table::new(
            &work,
            vec![
                runs("okdl", ours, &[2.0, 1.0, 4.0], None),
                runs("curl", curl, &[2.0], None),
                runs("axel", Side::Other { is_curl: false }, &[], Some("exit status: 1: no")),
            ],
        )
    }

    #[test]
    fn rows_tell_figures_and_ratios() {
        let text = table().markdown();
        assert!(text.starts_with("## `one-4`: 128 MiB, 4 connections\n"), "{text}");
        let ours = "| okdl | 1.00 / 2.00 / 4.00 | 1.00 (0.50..2.00) | 8.00 | 10 | 5 | 4 | 50.00 |  |";
        let curl = "| curl | 2.00 / 2.00 / 2.00 | 1.00 | 8.00 | 10 | 5 | 4 | 50.00 | 0.50, 1.00 |";
        let axel = "| axel | – | – | – | – | – | – | – | –, – |";
        for row in [ours, curl, axel] {
            assert!(text.lines().any(|line| line == row), "{row}\n{text}");
        }
    }

    #[test]
    fn goals_are_judged() {
        let text = table().markdown();
        let wall = "| wall at most 0.6 × the best other | okdl | 1.00 | 1.20 | met |";
        let raw = "| wall at most 1.2 × raw recv | okdl | 1.00 | – | not all of it was run |";
        for row in [wall, raw] {
            assert!(text.lines().any(|line| line == row), "{row}\n{text}");
        }
        let mut missed = table().goals.remove(0);
        missed.limit = Some(0.5);
        assert!(verdicts(&[missed]).contains("**missed**, 2.00 ×"));
    }

    #[test]
    fn a_failure_is_seen() {
        let table = table();
        assert_eq!(table.failures(), 1);
        assert!(table.markdown().contains("**axel failed** after 0 good runs: exit status: 1: no\n"));
    }
}

//! What is downloaded, from where, and what is aimed at.

use std::time::Duration;

use serde::Serialize;

use crate::goals::{Goal, Measure, Reference, Who};

const MIB: u64 = 1 << 20;

/// One row of the comparison.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) files: Files,
    /// Connections for the one file.
    pub(crate) connections: u32,
    /// Files at a time, of many.
    pub(crate) parallel: u32,
    pub(crate) server: Place,
    pub(crate) goals: Vec<Goal>,
}

/// What is done with the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Kind {
    /// They are downloaded.
    Download,
    /// The program is killed once the server has sent half, and run again.
    Resume,
    /// Downloaded and checked against a sha-256.
    Digest,
    /// The time until the first request is there.
    Start,
    /// The time from SIGINT, once a sixteenth is there, to the end of the process.
    Cancel,
}

/// `count` files of `size` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Files {
    pub(crate) count: u32,
    pub(crate) size: u64,
}

impl Files {
    pub(crate) fn total(self) -> u64 {
        u64::from(self.count) * self.size
    }
}

/// Who serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Nginx,
    NginxTls,
    Shaped(Shape),
}

/// How slowly the server of our own sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Bytes a second of each connection; no limit if empty.
    pub(crate) rates: &'static [u64],
    /// Until the first byte of each response.
    pub(crate) first_byte: Duration,
    /// From here to there and back: once to connect, once for each request.
    pub(crate) round_trip: Duration,
}

const AS_FAST_AS_IT_CAN: Shape = Shape { rates: &[], first_byte: Duration::ZERO, round_trip: Duration::ZERO };

const EQUAL: [u64; 8] = [8 * MIB; 8];
const UNEQUAL: [u64; 8] = [2 * MIB, 4 * MIB, 8 * MIB, 18 * MIB, 2 * MIB, 4 * MIB, 8 * MIB, 18 * MIB];
const RESUMED: [u64; 4] = [16 * MIB; 4];
const CANCELLED: [u64; 4] = [64 * MIB; 4];

impl Work {
    /// The least time it can take, in seconds, for who knows everything in advance; `None` where only the machine limits it.
    pub(crate) fn ideal(&self) -> Option<f64> {
        let Place::Shaped(shape) = self.server else { return None };
        if !matches!(self.kind, Kind::Download) || shape == AS_FAST_AS_IT_CAN {
            return None;
        }
        let turns = self.files.count.div_ceil(self.parallel);
        let waits = shape.round_trip + (shape.round_trip + shape.first_byte) * turns;
        let rate: u64 = shape.rates.iter().sum();
        let transfer = if rate == 0 { 0.0 } else { self.files.total() as f64 / rate as f64 };
        Some(waits.as_secs_f64() + transfer)
    }

    /// Whether each connection has a limit.
    pub(crate) fn is_limited(&self) -> bool {
        matches!(self.server, Place::Shaped(shape) if !shape.rates.is_empty())
    }

    /// What it is, for a heading.
    pub(crate) fn title(&self) -> String {
        let size = match self.files.size {
            size if size >= 1 << 30 => format!("{} GiB", size >> 30),
            size if size >= MIB => format!("{} MiB", size / MIB),
            size => format!("{} KiB", size >> 10),
        };
        let what = match (self.files.count, self.connections) {
            (1, 1) => format!("{size}, 1 connection"),
            (1, several) => format!("{size}, {several} connections"),
            (count, _) => format!("{count} × {size}, {} at a time", self.parallel),
        };
        let how = match self.kind {
            Kind::Download => "",
            Kind::Resume => ", SIGKILL at half, the same command again",
            Kind::Digest => ", and its sha-256",
            Kind::Start => ", from exec to the first request",
            Kind::Cancel => ", from SIGINT to the end",
        };
        format!("{what}{}{how}", self.server.title())
    }
}

impl Place {
    fn title(self) -> String {
        let shape = match self {
            Self::Nginx => return String::new(),
            Self::NginxTls => return " over TLS".into(),
            Self::Shaped(shape) => shape,
        };
        let mut title = String::new();
        if !shape.rates.is_empty() {
            let mut rates: Vec<_> = shape.rates.iter().map(|rate| (rate / MIB).to_string()).collect();
            rates.dedup();
            title += &format!(", each limited to {} MiB/s", rates.join("/"));
        }
        if !shape.first_byte.is_zero() {
            title += &format!(", {} ms to the first byte", shape.first_byte.as_millis());
        }
        if !shape.round_trip.is_zero() {
            title += &format!(", {} ms round trip", shape.round_trip.as_millis());
        }
        title
    }
}

/// All names, in their order.
pub(crate) fn names() -> Vec<&'static str> {
    all(false).iter().map(|work| work.name).collect()
}

/// All works; with smaller files if it is to be `quick`.
pub(crate) fn all(quick: bool) -> Vec<Work> {
    let smaller = if quick { 8 } else { 1 };
    let large = Files { count: 1, size: 1024 * MIB / smaller };
    let middle = Files { count: 1, size: 256 * MIB / smaller };
    let fewer = if quick { 10 } else { 1 };
    let small = Files { count: 2000 / fewer, size: 16 << 10 };
    let medium = Files { count: 200 / fewer, size: MIB };
    let mut works = full_speed(large);
    works.extend(limited(middle));
    works.extend(many(small, medium));
    works.extend(special(large, middle));
    works
}

/// One file, as it comes; a work to which the others add what is special to them.
fn one(name: &'static str, files: Files, connections: u32, server: Place, goals: Vec<Goal>) -> Work {
    Work { name, kind: Kind::Download, files, connections, parallel: 1, server, goals }
}

fn shaped(shape: Shape) -> Place {
    Place::Shaped(shape)
}

fn full_speed(large: Files) -> Vec<Work> {
    use Measure::{Cpu, Peak, Wall};
    use Reference::{BestOther, Curl, Fixed, RawRecv};
    let many_connections = |connections: u32| {
        vec![
            Goal::ours(Wall, &[(0.6, BestOther)]),
            Goal::ours(Wall, &[(1.2, RawRecv)]),
            Goal::ours(Cpu, &[(0.5, BestOther), (1.1, RawRecv)]),
            Goal::ours(Peak, &[(f64::from(24 + connections), Fixed)]),
        ]
    };
    let first = vec![
        Goal::ours(Wall, &[(0.9, BestOther)]),
        Goal::ours(Wall, &[(0.6, Curl)]),
        Goal::ours(Cpu, &[(0.9, BestOther), (1.1, RawRecv)]),
        Goal::of(Who::Isahc, Wall, &[(1.0, Curl)]),
        Goal::of(Who::Isahc, Cpu, &[(1.4, Curl)]),
    ];
    vec![
        one("one-1", large, 1, Place::Nginx, first),
        one("one-4", large, 4, Place::Nginx, many_connections(4)),
        one("one-16", large, 16, Place::Nginx, many_connections(16)),
        one("tls-4", large, 4, Place::NginxTls, vec![Goal::ours(Wall, &[(0.8, BestOther)])]),
    ]
}

fn limited(middle: Files) -> Vec<Work> {
    use Measure::{FetchedTwice, Requests, Wall};
    use Reference::{Fixed, Ideal};
    let equal = shaped(Shape { rates: &EQUAL, ..AS_FAST_AS_IT_CAN });
    let unequal = shaped(Shape { rates: &UNEQUAL, ..AS_FAST_AS_IT_CAN });
    let far = shaped(Shape { rates: &EQUAL, round_trip: Duration::from_millis(100), ..AS_FAST_AS_IT_CAN });
    let unequal_goals = vec![
        Goal::ours(Wall, &[(1.03, Ideal)]),
        Goal::ours(FetchedTwice, &[(0.5, Fixed)]),
        Goal::ours(Requests, &[(24.0, Fixed)]),
    ];
    vec![
        one("limited", middle, 8, equal, vec![Goal::ours(Wall, &[(1.02, Ideal)])]),
        one("unequal", middle, 8, unequal, unequal_goals),
        one("round-trip", middle, 8, far, vec![Goal::ours(Wall, &[(1.1, Ideal)])]),
    ]
}

fn many(small: Files, medium: Files) -> Vec<Work> {
    use Measure::{Requests, Wall};
    use Reference::{BestOther, Curl, Fixed, RawRecv};
    let list = |name, files: Files, parallel, server, mut goals: Vec<Goal>| {
        goals.push(Goal::ours(Requests, &[(f64::from(files.count), Fixed)]));
        Work { parallel, ..one(name, files, 1, server, goals) }
    };
    let late = shaped(Shape { first_byte: Duration::from_millis(50), ..AS_FAST_AS_IT_CAN });
    vec![
        list("small", small, 16, Place::Nginx, vec![Goal::ours(Wall, &[(1.75, Curl)])]),
        list("medium", medium, 8, Place::Nginx, vec![Goal::ours(Wall, &[(1.0, BestOther)])]),
        list("medium-latency", medium, 8, late, vec![Goal::ours(Wall, &[(1.05, RawRecv)])]),
    ]
}

fn special(large: Files, middle: Files) -> Vec<Work> {
    use Measure::{FetchedTwice, Wall};
    use Reference::{Fixed, ThenHash};
    let resumed = shaped(Shape { rates: &RESUMED, ..AS_FAST_AS_IT_CAN });
    let cancelled = shaped(Shape { rates: &CANCELLED, ..AS_FAST_AS_IT_CAN });
    let resume = one("resume", middle, 4, resumed, vec![Goal::ours(FetchedTwice, &[(1.0, Fixed)])]);
    let digest = one("digest", large, 4, Place::Nginx, vec![Goal::ours(Wall, &[(0.85, ThenHash)])]);
    let start = one("start", middle, 1, Place::Nginx, vec![Goal::ours(Wall, &[(0.015, Fixed)])]);
    let cancel = one("cancel", large, 4, cancelled, vec![Goal::ours(Wall, &[(0.1, Fixed)])]);
    vec![
        Work { kind: Kind::Resume, ..resume },
        Work { kind: Kind::Digest, ..digest },
        Work { kind: Kind::Start, ..start },
        Work { kind: Kind::Cancel, ..cancel },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(name: &str) -> Work {
        all(false).into_iter().find(|work| work.name == name).unwrap()
    }

    #[test]
    fn ideals_count_bytes_waits_and_turns() {
        assert_eq!(work("one-4").ideal(), None);
        assert_eq!(work("limited").ideal(), Some(4.0));
        assert_eq!(work("unequal").ideal(), Some(4.0));
        assert_eq!(work("round-trip").ideal(), Some(4.2));
        assert_eq!(work("medium-latency").ideal(), Some(1.25));
        assert_eq!(work("cancel").ideal(), None);
    }

    #[test]
    fn titles_say_everything_that_differs() {
        assert_eq!(work("tls-4").title(), "1 GiB, 4 connections over TLS");
        let title = "256 MiB, 8 connections, each limited to 2/4/8/18/2/4/8/18 MiB/s";
        assert_eq!(work("unequal").title(), title);
        assert_eq!(work("medium-latency").title(), "200 × 1 MiB, 8 at a time, 50 ms to the first byte");
        let mut titles: Vec<_> = all(false).iter().map(Work::title).collect();
        titles.sort();
        titles.dedup();
        assert_eq!(titles.len(), names().len());
    }
}

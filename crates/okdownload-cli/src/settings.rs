//! What a task keeps of what is said about requests: its headers, and how patient it is.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use okdownload::{DownloadTask, DownloadTaskBuilder, LowestSpeed, Result, Timeouts};

use crate::asked::headers;
use crate::options::{RequestArgs, TransferArgs};
use crate::report::Failure;

/// What is said, or is known of a task. What is not said stays as a task has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Settings {
    headers: HeaderMap,
    connections: Option<NonZeroU32>,
    retries: Option<u32>,
    connect: Option<Duration>,
    head: Option<Duration>,
    stall: Option<Duration>,
    total: Option<Duration>,
    lowest_speed: Option<LowestSpeed>,
}

impl Settings {
    /// Those that every request has.
    pub(crate) fn of_requests(args: &RequestArgs) -> Result<Self, Failure> {
        Ok(Self {
            headers: headers(args)?,
            connect: args.connect_timeout,
            // No byte for so long: that holds before the response's first byte as well.
            head: args.timeout,
            stall: args.timeout,
            ..Self::default()
        })
    }

    pub(crate) fn new(requests: &RequestArgs, transfer: &TransferArgs) -> Result<Self, Failure> {
        Ok(Self {
            connections: transfer.connections.and_then(NonZeroU32::new),
            retries: transfer.retries,
            total: transfer.deadline,
            lowest_speed: transfer.lowest_speed.and_then(NonZeroU64::new).map(LowestSpeed::new),
            ..Self::of_requests(requests)?
        })
    }

    /// Those that a task has, where they are not what every task has of itself. Nobody knows any more whether these were
    /// said.
    ///
    /// # Errors
    /// If there can be no other task for its URL and target.
    pub(crate) fn of(task: &DownloadTask) -> Result<Self> {
        let plain = DownloadTask::builder(task.url(), task.target().clone()).build()?;
        let (has, usual) = (task.timeouts(), plain.timeouts());
        let mut headers = task.headers().clone();
        if headers.get(header::USER_AGENT).is_some_and(is_ours) {
            headers.remove(header::USER_AGENT);
        }
        Ok(Self {
            headers,
            connections: task.connection_count(),
            retries: said(task.retries(), plain.retries()),
            connect: said(has.connect, usual.connect),
            head: said(has.head, usual.head),
            stall: said(has.stall, usual.stall),
            total: has.total,
            lowest_speed: has.lowest_speed,
        })
    }

    /// These, and of others what is not said here.
    pub(crate) fn or(&self, others: &Self) -> Self {
        Self {
            headers: over(&others.headers, &self.headers),
            connections: self.connections.or(others.connections),
            retries: self.retries.or(others.retries),
            connect: self.connect.or(others.connect),
            head: self.head.or(others.head),
            stall: self.stall.or(others.stall),
            total: self.total.or(others.total),
            lowest_speed: self.lowest_speed.or(others.lowest_speed),
        }
    }

    /// A task with these, over the headers that it has of itself.
    pub(crate) fn apply(&self, task: DownloadTaskBuilder, own: &HeaderMap) -> DownloadTaskBuilder {
        let mut headers = over(own, &self.headers);
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(OURS));
        let mut task = task.headers(headers).timeouts(self.timeouts());
        if let Some(count) = self.connections {
            task = task.connection_count(count);
        }
        match self.retries {
            Some(retries) => task.retries(retries),
            None => task,
        }
    }

    fn timeouts(&self) -> Timeouts {
        let mut timeouts = Timeouts::default();
        timeouts.connect = self.connect.unwrap_or(timeouts.connect);
        timeouts.head = self.head.unwrap_or(timeouts.head);
        timeouts.stall = self.stall.unwrap_or(timeouts.stall);
        timeouts.total = self.total;
        timeouts.lowest_speed = self.lowest_speed;
        timeouts
    }
}

/// What we call ourselves where nobody says how.
const OURS: &str = concat!("okdl/", env!("CARGO_PKG_VERSION"));

/// Whether an earlier version of ours, or this one, called itself so.
fn is_ours(agent: &HeaderValue) -> bool {
    agent.as_bytes().starts_with(b"okdl/")
}

fn said<T: PartialEq>(value: T, usual: T) -> Option<T> {
    (value != usual).then_some(value)
}

/// Headers, with these in the place of those that have their names.
pub(crate) fn over(own: &HeaderMap, others: &HeaderMap) -> HeaderMap {
    let mut headers = own.clone();
    others.keys().for_each(|name| drop(headers.remove(name)));
    for (name, value) in others {
        headers.append(name, value.clone());
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use crate::asked::{Asked, parse_header};
    use clap::Parser;
    use okdownload::Target;

    /// What these options say.
    fn settings(options: &[&str]) -> Settings {
        let cli = Cli::try_parse_from([&["okdl"], options, &["http://h/a"]].concat()).unwrap();
        Settings::new(&cli.download.requests, &cli.download.transfer).unwrap()
    }

    const ALL: [&str; 8] = [
        "-x3",
        "--retries=7",
        "--timeout=1",
        "--connect-timeout=2",
        "--deadline=3",
        "--lowest-speed=4",
        "--header=A: b",
        "--user-agent=me",
    ];

    fn task(settings: &Settings) -> DownloadTask {
        let task = DownloadTask::builder("http://h/a", Target::file("/a"));
        settings.apply(task, &HeaderMap::new()).build().unwrap()
    }

    #[test]
    fn what_is_said_is_what_the_task_has() {
        for options in (0..=ALL.len()).map(|count| &ALL[..count]) {
            let said = settings(options);
            let task = task(&said);
            assert_eq!(Settings::of(&task).unwrap(), said, "{options:?}");
            // A record gives the same again.
            let record = okdownload::BreakpointInfo::of(&task).task().unwrap();
            assert_eq!(Settings::of(&record).unwrap(), said, "{options:?}");
        }
        assert_eq!(task(&Settings::default()).headers()["user-agent"], OURS);
    }

    #[test]
    fn an_earlier_versions_name_of_ours_is_not_kept() {
        let task = DownloadTask::builder("http://h/a", Target::file("/a"));
        let old = task.header("User-Agent", "okdl/0.0.1").header("A", "b").build().unwrap();
        let cli = Cli::try_parse_from(["okdl", "http://h/a"]).unwrap();
        let asked = Asked::new(&cli.download.requests, &cli.download.transfer).unwrap();
        let again = asked.again(&old, "http://h/a").unwrap();
        assert_eq!(
            (&again.headers()["user-agent"], &again.headers()["a"]),
            (&OURS.parse().unwrap(), &"b".parse().unwrap())
        );
    }

    #[test]
    fn each_setting_is_the_first_that_is_said() {
        let others = settings(&[
            "-x9",
            "--retries=9",
            "--timeout=9",
            "--connect-timeout=9",
            "--deadline=9",
            "--lowest-speed=9",
            "--header=A: 9",
            "--user-agent=you",
        ]);
        assert_eq!(settings(&ALL).or(&others), settings(&ALL));
        assert_eq!(settings(&[]).or(&others), others);
        for option in ALL {
            let both = settings(&[option]).or(&others);
            assert!(both != others && settings(&[option]).or(&both) == both, "{option}: {both:?}");
        }
    }

    #[test]
    fn a_header_takes_the_place_of_its_like() {
        let map = |lines: &[&str]| -> HeaderMap {
            let mut headers = HeaderMap::new();
            lines.iter().filter_map(|line| parse_header(line)).for_each(|(name, value)| {
                headers.append(name, value);
            });
            headers
        };
        let headers = over(&map(&["a: 1", "a: 2", "b: 3"]), &map(&["A: 4", "a: 5", "c: 6"]));
        assert_eq!(headers, map(&["b: 3", "a: 4", "a: 5", "c: 6"]));
    }
}

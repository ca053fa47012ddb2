//! A task's options as text, as stores keep them with its breakpoint.
//!
//! One `name value` a line; free text is percent-encoded. Secrets and tags are left out, and so is a body: it may be
//! large and may hold secrets. A name that is not known here was written by a newer version, and means something, so the
//! whole is refused then.

use std::fmt::{Display, Write};
use std::str::FromStr;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use url::Url;

use crate::{
    DownloadTask, DownloadTaskBuilder, Durability, Error, ErrorKind, Location, OnExists, Result, Target,
};
use crate::{LowestSpeed, Timeouts, is_secret};

const ON_EXISTS: [(&str, OnExists); 5] = [
    ("error", OnExists::Error),
    ("skip", OnExists::Skip),
    ("overwrite", OnExists::Overwrite),
    ("rename", OnExists::Rename),
    ("update", OnExists::Update),
];
const DURABILITY: [(&str, Durability); 2] = [("power", Durability::Power), ("process", Durability::Process)];

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn put(&mut self, name: &str, value: impl Display) {
        // Writing into a string never fails.
        let _ = writeln!(self.0, "{name} {value}");
    }

    fn put_some(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }
}

pub(crate) fn write(task: &DownloadTask) -> String {
    let mut lines = Lines::default();
    let kind = if task.target().named().is_some() { "file" } else { "directory" };
    lines.put(kind, encoded(&task.target().location().to_bytes()));
    lines.put("method", encoded(task.method().as_str().as_bytes()));
    for (name, value) in task.headers().iter().filter(|(name, value)| !is_secret(name, value)) {
        lines.put("header", format_args!("{name} {}", encoded(value.as_bytes())));
    }
    for mirror in task.mirrors() {
        lines.put("mirror", encoded(mirror.url().as_str().as_bytes()));
    }
    lines.put_some("body", task.body().map(|_| "not-kept"));
    lines.put("priority", task.priority());
    lines.put_some("connections", task.connection_count());
    lines.put_some("preallocate", task.preallocate());
    lines.put("progress-interval", seconds(task.progress_interval()));
    lines.put("pass-if-already-completed", task.pass_if_already_completed());
    lines.put_some("on-exists", task.on_exists().and_then(|value| name_of(&ON_EXISTS, value)));
    lines.put_some("durability", task.durability().and_then(|value| name_of(&DURABILITY, value)));
    lines.put_some("digest", task.digest());
    lines.put("restart-on-mismatch", task.restart_on_mismatch());
    lines.put("ignore-server-digest", task.ignore_server_digest());
    lines.put("trust-length", task.trust_length());
    lines.put_some("rate-limit", task.rate_limit());
    lines.put("retries", task.retries());
    lines.put("redirects", task.redirects());
    lines.put("allow-insecure-redirects", task.allow_insecure_redirects());
    let timeouts = task.timeouts();
    lines.put("connect-timeout", seconds(timeouts.connect));
    lines.put("head-timeout", seconds(timeouts.head));
    lines.put("stall-timeout", seconds(timeouts.stall));
    lines.put_some("total-timeout", timeouts.total.map(seconds));
    let lowest = |lowest: LowestSpeed| format!("{} {}", lowest.bytes_per_second, seconds(lowest.window));
    lines.put_some("lowest-speed", timeouts.lowest_speed.map(lowest));
    lines.0
}

/// Reads what [`write()`] wrote.
pub(crate) fn read(url: &Url, text: &str) -> Result<DownloadTask> {
    // The target comes first; until then there is no place that this one could be taken for.
    let mut task = DownloadTask::builder(url, Target::file("/"));
    let mut timeouts = Timeouts::default();
    for line in text.lines() {
        let unreadable = || {
            Error::new(ErrorKind::StoreCorrupt, "a stored option cannot be read")
                .with_context("option", line.split(' ').next().unwrap_or_default())
                .with_advice("update this program, or build the task again")
        };
        let (name, value) = line.split_once(' ').ok_or_else(unreadable)?;
        if (name, value) == ("body", "not-kept") {
            let error = Error::misuse("the body of a request is not kept", "build the task again");
            return Err(error);
        }
        task = option(task, &mut timeouts, name, value).ok_or_else(unreadable)?;
    }
    task.timeouts(timeouts).build()
}

fn option(
    task: DownloadTaskBuilder,
    timeouts: &mut Timeouts,
    name: &str,
    value: &str,
) -> Option<DownloadTaskBuilder> {
    Some(match name {
        "file" => task.target(Target::Named(location(value)?)),
        "directory" => task.target(Target::InDirectory(location(value)?)),
        "method" => task.method(Method::from_bytes(&decoded(value)).ok()?),
        "header" => {
            let (name, value) = value.split_once(' ')?;
            task.header(HeaderName::from_str(name).ok()?, HeaderValue::from_bytes(&decoded(value)).ok()?)
        }
        "mirror" => task.mirror(String::from_utf8(decoded(value)).ok()?),
        "priority" => task.priority(value.parse().ok()?),
        "connections" => task.connection_count(value.parse().ok()?),
        "preallocate" => task.preallocate(value.parse().ok()?),
        "progress-interval" => task.progress_interval(duration(value)?),
        "pass-if-already-completed" => task.pass_if_already_completed(value.parse().ok()?),
        "on-exists" => task.on_exists(value_of(&ON_EXISTS, value)?),
        "durability" => task.durability(value_of(&DURABILITY, value)?),
        "digest" => task.digest(value.parse().ok()?),
        "restart-on-mismatch" => task.restart_on_mismatch(value.parse().ok()?),
        "ignore-server-digest" => task.ignore_server_digest(value.parse().ok()?),
        "trust-length" => task.trust_length(value.parse().ok()?),
        "rate-limit" => task.rate_limit(Some(value.parse().ok()?)),
        "retries" => task.retries(value.parse().ok()?),
        "redirects" => task.redirects(value.parse().ok()?),
        "allow-insecure-redirects" => task.allow_insecure_redirects(value.parse().ok()?),
        "connect-timeout" => {
            timeouts.connect = duration(value)?;
            task
        }
        "head-timeout" => {
            timeouts.head = duration(value)?;
            task
        }
        "stall-timeout" => {
            timeouts.stall = duration(value)?;
            task
        }
        "total-timeout" => {
            timeouts.total = Some(duration(value)?);
            task
        }
        "lowest-speed" => {
            let (rate, window) = value.split_once(' ')?;
            let mut lowest = LowestSpeed::new(rate.parse().ok()?);
            lowest.window = duration(window)?;
            timeouts.lowest_speed = Some(lowest);
            task
        }
        _ => return None,
    })
}

fn encoded(bytes: &[u8]) -> impl Display {
    percent_encode(bytes, NON_ALPHANUMERIC)
}

fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

fn location(text: &str) -> Option<Location> {
    Location::from_bytes(&decoded(text)).ok()
}

/// Whole seconds and nanoseconds: no duration loses anything.
fn seconds(duration: Duration) -> impl Display {
    format!("{}.{:09}", duration.as_secs(), duration.subsec_nanos())
}

fn duration(text: &str) -> Option<Duration> {
    let (seconds, nanoseconds) = text.split_once('.')?;
    let nanoseconds: u32 = nanoseconds.parse().ok()?;
    (nanoseconds < 1_000_000_000).then_some(Duration::new(seconds.parse().ok()?, nanoseconds))
}

fn name_of<T: PartialEq>(names: &[(&'static str, T)], value: T) -> Option<&'static str> {
    names.iter().find(|(_, named)| *named == value).map(|(name, _)| *name)
}

fn value_of<T: Copy>(names: &[(&str, T)], name: &str) -> Option<T> {
    names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::{NonZeroU32, NonZeroU64};

    fn full() -> DownloadTaskBuilder {
        let mut timeouts = Timeouts::default();
        (timeouts.connect, timeouts.head) = (Duration::from_millis(1), Duration::MAX);
        (timeouts.stall, timeouts.total) = (Duration::from_nanos(1), Some(Duration::ZERO));
        let mut lowest = LowestSpeed::new(NonZeroU64::MAX);
        lowest.window = Duration::from_millis(1);
        timeouts.lowest_speed = Some(lowest);
        DownloadTask::builder("https://h/a?b=c", Target::directory("/d\n ü"))
            .method(Method::POST)
            .header("x-plain", "a b\u{e9}")
            .header("x-plain", "2")
            .priority(-7)
            .connection_count(NonZeroU32::MAX)
            .preallocate(false)
            .progress_interval(Duration::from_nanos(1_000_000_001))
            .pass_if_already_completed(false)
            .on_exists(OnExists::Update)
            .durability(Durability::Process)
            .digest("crc32c=01020304".parse().unwrap())
            .trust_length(true)
            .rate_limit(NonZeroU64::new(u64::MAX))
            .retries(9)
            .redirects(8)
            .allow_insecure_redirects(true)
            .timeouts(timeouts)
    }

    fn again(task: &DownloadTask) -> DownloadTask {
        read(task.url(), &write(task)).unwrap()
    }

    #[test]
    fn every_option_is_read_back() {
        let plain = DownloadTask::to_file("http://h/a", "/tmp/a").unwrap();
        for task in [full().build().unwrap(), plain] {
            let read = again(&task);
            assert_eq!((read.id(), read.target(), read.url()), (task.id(), task.target(), task.url()));
            assert_eq!((read.method(), read.headers(), read.body()), (task.method(), task.headers(), None));
            // The text has all the others.
            assert_eq!(write(&read), write(&task));
            assert_eq!((read.timeouts(), read.digest()), (task.timeouts(), task.digest()));
            assert_eq!((read.on_exists(), read.durability()), (task.on_exists(), task.durability()));
            assert_eq!((read.priority(), read.rate_limit()), (task.priority(), task.rate_limit()));
        }
        assert_eq!(write(&full().build().unwrap()).lines().count(), 24);
    }

    #[test]
    fn mirrors_are_kept_without_their_secrets() {
        let task = DownloadTask::builder("http://h/a", Target::file("/a"))
            .mirror("http://me:hidden@m/a?x=1 2")
            .mirror("https://n/a")
            .restart_on_mismatch(true)
            .ignore_server_digest(true)
            .build()
            .unwrap();
        let text = write(&task);
        assert!(!text.contains("hidden") && !text.contains("me%3A"), "{text}");
        let read = again(&task);
        let urls =
            |task: &DownloadTask| -> Vec<_> { task.mirrors().iter().map(|m| m.url().clone()).collect() };
        assert_eq!(urls(&read), urls(&task));
        assert!(task.needs_credentials() && !read.needs_credentials());
        assert!(read.restart_on_mismatch() && read.ignore_server_digest());
        assert_eq!(write(&read), text);
    }

    #[test]
    fn secrets_and_bodies_are_not_kept() {
        let mut secret = HeaderValue::from_static("hidden");
        secret.set_sensitive(true);
        let task = full().credentials("me", "hidden").header("cookie", "hidden").header("x-key", secret);
        let text = write(&task.build().unwrap());
        assert!(!text.contains("hidden") && !text.contains("cookie") && !text.contains("x-key"), "{text}");
        let posted = full().body("hidden").build().unwrap();
        let text = write(&posted);
        assert!(!text.contains("hidden"), "{text}");
        assert_eq!(read(posted.url(), &text).unwrap_err().kind(), ErrorKind::Misuse);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let text = write(&full().build().unwrap());
        let url = "https://h/a".parse().unwrap();
        for line in [
            "colour red\n",
            "nonsense\n",
            "priority x\n",
            "digest md5=00\n",
            "file x%00\n",
            "lowest-speed 0 1.0\n",
        ] {
            let error = read(&url, &format!("{text}{line}")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StoreCorrupt, "{line}");
        }
    }
}

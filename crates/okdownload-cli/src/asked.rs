//! What all requests of a command have in common: who asks, and how.

use std::path::{Path, PathBuf};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use okdownload::{Credentials, DownloadTask, DownloadTaskBuilder, Result};
use url::Url;

use crate::netrc::Netrc;
use crate::options::{RequestArgs, TransferArgs};
use crate::report::Failure;
use crate::settings::Settings;

/// What is said of requests. What is not said stays as a task has it.
#[derive(Debug)]
pub(crate) struct Asked {
    settings: Settings,
    /// What of that is typed, where it makes a difference.
    typed: Settings,
    user: Option<Credentials>,
    netrc: Option<Netrc>,
}

impl Asked {
    /// For a command that transfers nothing.
    pub(crate) fn of_requests(args: &RequestArgs) -> Result<Self, Failure> {
        Self::with(Settings::of_requests(args)?, args)
    }

    pub(crate) fn new(requests: &RequestArgs, transfer: &TransferArgs) -> Result<Self, Failure> {
        Self::with(Settings::new(requests, transfer)?, requests)
    }

    fn with(settings: Settings, args: &RequestArgs) -> Result<Self, Failure> {
        Ok(Self {
            settings,
            typed: Settings::default(),
            user: args.user.as_deref().map(user).transpose()?,
            netrc: args.netrc.as_ref().map(|path| netrc(path.as_deref())).transpose()?,
        })
    }

    /// Of what was said, this is typed.
    pub(crate) fn typed(self, requests: &RequestArgs, transfer: &TransferArgs) -> Result<Self, Failure> {
        Ok(Self { typed: Settings::new(requests, transfer)?, ..self })
    }

    /// A new task with what was said, over the headers that it has.
    pub(crate) fn apply(&self, task: DownloadTaskBuilder, url: &str, own: &HeaderMap) -> DownloadTaskBuilder {
        self.known(self.settings.apply(task, own), url)
    }

    /// A task that was begun before, at this URL. What is typed now counts first, then what the task has, and last what
    /// else is said: that is written for all, and was perhaps not even written then.
    ///
    /// # Errors
    /// If the task can't be.
    pub(crate) fn again(&self, old: &DownloadTask, url: &str) -> Result<DownloadTask> {
        let settings = self.typed.or(&Settings::of(old)?).or(&self.settings);
        let mut task = settings.apply(old.to_builder().url(url), &HeaderMap::new());
        // What mirrors need is not kept either.
        for mirror in old.mirrors() {
            task = task.mirror(self.mirror(mirror.url().as_str()));
        }
        self.known(task, url).build()
    }

    fn known(&self, task: DownloadTaskBuilder, url: &str) -> DownloadTaskBuilder {
        match self.credentials(url) {
            Some(known) => task.credentials(&known.user, &known.password),
            None => task,
        }
    }

    /// Whom to say that we are, where the URL does not say it itself.
    fn credentials(&self, url: &str) -> Option<&Credentials> {
        let url = without_userinfo(url)?;
        self.user.as_ref().or_else(|| self.netrc.as_ref()?.find(url.host_str()?))
    }

    /// A mirror with what the netrc file knows of its machine; `--user` is for the file's own URL.
    pub(crate) fn mirror(&self, text: &str) -> String {
        let known = || {
            let mut url = without_userinfo(text)?;
            let known = self.netrc.as_ref()?.find(url.host_str()?)?;
            url.set_username(&known.user).ok()?;
            url.set_password(Some(&known.password)).ok()?;
            Some(url.into())
        };
        known().unwrap_or_else(|| text.to_owned())
    }
}

/// The URL, if it does not say itself who asks.
fn without_userinfo(text: &str) -> Option<Url> {
    Url::parse(text.trim()).ok().filter(|url| url.username().is_empty() && url.password().is_none())
}

fn user(text: &str) -> Result<Credentials, Failure> {
    let (user, password) =
        text.split_once(':').ok_or_else(|| Failure::usage("--user is written as NAME:PASSWORD"))?;
    Ok(Credentials { user: user.into(), password: password.into() })
}

/// The names and passwords in this file, else in the usual one.
fn netrc(path: Option<&Path>) -> Result<Netrc, Failure> {
    let usual = || {
        let named = std::env::var_os("NETRC").filter(|path| !path.is_empty()).map(PathBuf::from);
        named.or_else(|| Some(std::env::home_dir()?.join(".netrc")))
    };
    let path = path.map(Path::to_path_buf).or_else(usual);
    let path = path.ok_or_else(|| Failure::usage("--netrc: there is no home directory; name the file"))?;
    let wrong = |problem: String| Failure::Usage(format!("--netrc {}: {problem}", path.display()));
    let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
    Netrc::parse(&text).map_err(|bad| wrong(format!("line {}: {}", bad.line, bad.problem)))
}

pub(crate) fn headers(args: &RequestArgs) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (number, text) in (1..).zip(&args.header) {
        let (name, value) = parse_header(text).ok_or_else(|| {
            Failure::Usage(format!("--header (number {number}) is written as 'Name: value', on one line"))
        })?;
        headers.append(name, value);
    }
    if let Some(text) = args.user_agent.as_deref() {
        let agent = HeaderValue::from_str(text)
            .map_err(|_| Failure::usage("--user-agent takes visible text, on one line"))?;
        headers.insert(header::USER_AGENT, agent);
    }
    Ok(headers)
}

pub(crate) fn parse_header(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':')?;
    let name: HeaderName = name.trim().parse().ok()?;
    let mut value: HeaderValue = value.trim().parse().ok()?;
    value.set_sensitive(looks_secret(name.as_str()));
    Some((name, value))
}

/// Whether a header's name says that its value is nobody else's business: then it is not sent to another origin.
fn looks_secret(name: &str) -> bool {
    const HINTS: [&str; 8] = ["auth", "cookie", "credential", "key", "passw", "secret", "session", "token"];
    HINTS.iter().any(|hint| name.contains(hint))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    /// Text with much of what must not be in a header.
    pub(crate) fn header_text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => prop::sample::select(vec!["X-A", ":", " ", "\r\n", "\n", "\0", "\t", "b", "\u{85}", "\u{7f}", "é"])
                .prop_map(str::to_owned),
            1 => any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 5_000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default()
        })]

        #[test]
        fn headers_and_agents_are_one_line_or_refused(text in header_text()) {
            if let Some((name, value)) = parse_header(&text) {
                assert!(name.as_str().bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'), "{text:?}");
                assert!(!value.as_bytes().iter().any(|byte| b"\r\n\0\x7f".contains(byte)), "{text:?}");
            }
            if let Ok(agent) = HeaderValue::from_str(&text) {
                assert!(!agent.as_bytes().iter().any(|byte| b"\r\n\0".contains(byte)), "{text:?}");
            }
            if let Ok(user) = user(&text) {
                assert_eq!(format!("{}:{}", user.user, user.password), text);
            }
        }
    }
}

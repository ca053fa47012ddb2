//! What is to be downloaded, and how: everything that can be wrong with a command line is found here, before anything
//! is downloaded.

use std::collections::BTreeMap;
use std::io::Read;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use okdownload::{
    Credentials, Digest, DownloadTask, Durability, Error, LowestSpeed, OnExists, Result, Target, TaskId,
    Timeouts,
};
use url::Url;

use crate::args::Args;
use crate::input;
use crate::netrc::Netrc;
use crate::report::Failure;

/// All files of one command.
#[derive(Debug)]
pub(crate) struct Plan {
    items: Vec<Item>,
    options: Options,
    poured: bool,
}

/// One file.
#[derive(Debug)]
struct Item {
    url: Box<str>,
    mirrors: Box<[Box<str>]>,
    out: Option<Box<Path>>,
}

/// What all files share.
#[derive(Debug)]
struct Options {
    directory: PathBuf,
    connections: Option<NonZeroU32>,
    on_exists: OnExists,
    durability: Durability,
    headers: HeaderMap,
    user: Option<Credentials>,
    netrc: Option<Netrc>,
    ignore_server_digest: bool,
    digest: Option<Digest>,
    retries: u32,
    timeouts: Timeouts,
}

impl Plan {
    /// Reads the input file, and judges everything.
    pub(crate) fn new(args: &Args) -> Result<Self, Failure> {
        let list = args.input_file.as_deref().map(read_list).transpose()?;
        let mut found = Vec::new();
        for (number, url) in (1..).zip(&args.urls) {
            let origin = if args.urls.len() == 1 { "the URL".into() } else { format!("URL {number}") };
            found.push((origin, Item { url: url.as_str().into(), mirrors: Box::default(), out: None }));
        }
        if let (Some(text), Some(path)) = (&list, &args.input_file) {
            found.extend(listed(text, path)?);
        }
        if found.is_empty() {
            return Err(Failure::usage(
                "no URL is given; try okdl https://example.com/file (see okdl --help)",
            ));
        }
        one_only(args, found.len())?;
        if let [(_, item)] = &mut found[..] {
            item.out = args.out.as_deref().map(Into::into).or(item.out.take());
            let typed = args.mirror.iter().map(|url| url.as_str().into());
            item.mirrors = std::mem::take(&mut item.mirrors).into_iter().chain(typed).collect();
        }
        let poured = args.out.as_deref() == Some(Path::new("-"));
        if poured && args.json {
            return Err(Failure::usage("--json and -o - both want standard output; leave one of them out"));
        }
        let mut plan = Self { items: Vec::new(), options: Options::new(args)?, poured };
        plan.items = plan.judge(found)?;
        Ok(plan)
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether the one file goes to standard output.
    pub(crate) fn is_poured(&self) -> bool {
        self.poured
    }

    /// The task of a file. It is made only when its turn comes: the text of a URL is much smaller.
    pub(crate) fn task(&self, index: usize) -> Option<Result<DownloadTask>> {
        self.items.get(index).map(|item| self.options.task(item))
    }

    /// Makes each task once, to see that it can be made. What is listed twice is downloaded once.
    fn judge(&self, found: Vec<(String, Item)>) -> Result<Vec<Item>, Failure> {
        let mut targets: BTreeMap<Target, (TaskId, String)> = BTreeMap::new();
        let mut ids = std::collections::BTreeSet::new();
        let mut items = Vec::with_capacity(found.len());
        for (origin, item) in found {
            check_url(&item.url).map_err(|problem| Failure::Usage(format!("{origin} {problem}")))?;
            for (number, mirror) in (1..).zip(&item.mirrors) {
                let problem = |problem| Failure::Usage(format!("mirror {number} of {origin} {problem}"));
                check_url(mirror).map_err(problem)?;
            }
            if let Some(out) = &item.out {
                check_name(out).map_err(|problem| Failure::Usage(format!("{origin}: {problem}")))?;
            }
            let task = self.options.task(&item);
            let task = task.map_err(|error| Failure::Usage(format!("{origin}: {error}")))?;
            if !ids.insert(task.id()) {
                continue;
            }
            if task.target().named().is_some() {
                let mine = (task.id(), origin.clone());
                if let Some((_, other)) = targets.insert(task.target().clone(), mine) {
                    let path = task.target().location();
                    return Err(Failure::Usage(format!("{origin} and {other} name the same file, {path}")));
                }
            }
            items.push(item);
        }
        Ok(items)
    }
}

fn read_list(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text))
    };
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::Usage(format!("cannot read the input file {}: {error}", path.display()))),
    }
}

fn listed(text: &str, path: &Path) -> Result<Vec<(String, Item)>, Failure> {
    let name = if path == Path::new("-") { "standard input".into() } else { path.display().to_string() };
    let entries = input::parse(text)
        .map_err(|bad| Failure::Usage(format!("line {} of {name}: {}", bad.line, bad.problem)))?;
    if entries.is_empty() {
        return Err(Failure::Usage(format!("there is no URL in {name}")));
    }
    let item = |entry: input::Entry<'_>| {
        let origin = format!("line {} of {name}", entry.line);
        let mirrors = entry.mirrors.into_iter().map(Into::into).collect();
        let out = entry.out.map(|out| Path::new(out).into());
        (origin, Item { url: entry.url.into(), mirrors, out })
    };
    Ok(entries.into_iter().map(item).collect())
}

fn one_only(args: &Args, urls: usize) -> Result<(), Failure> {
    let option = match (&args.out, &args.checksum) {
        _ if urls == 1 => return Ok(()),
        (Some(_), _) => "--out names one file; with several URLs use an input file with out=NAME lines",
        (_, Some(_)) => "--checksum is of one file; run okdl once for each URL that has one",
        _ if !args.mirror.is_empty() => {
            "--mirror is of one file; in an input file, mirrors stand behind their URL, with tabs between"
        }
        _ => return Ok(()),
    };
    Err(Failure::usage(option))
}

/// Says what is wrong with a URL in the words of somebody who types. The text may hold a password, and is not shown.
fn check_url(text: &str) -> Result<(), &'static str> {
    const ADVICE: &str = "has no scheme; write http:// or https:// before it";
    match Url::parse(text.trim()) {
        _ if text.trim().is_empty() => Err("is empty; give an address like https://example.com/file"),
        Err(url::ParseError::RelativeUrlWithoutBase) => Err(ADVICE),
        // What stands before the colon of `localhost:8080/file` looks like a scheme.
        Ok(url) if !matches!(url.scheme(), "http" | "https") && !text.contains("://") => Err(ADVICE),
        _ => Ok(()),
    }
}

fn check_name(out: &Path) -> Result<(), String> {
    let separator =
        out.as_os_str().as_encoded_bytes().last().is_some_and(|b| std::path::is_separator(*b as char));
    match out.file_name() {
        Some(_) if !separator => Ok(()),
        _ => Err(format!("the name \"{}\" is not that of a file; --dir names a directory", out.display())),
    }
}

impl Options {
    fn new(args: &Args) -> Result<Self, Failure> {
        let mut timeouts = Timeouts::default();
        timeouts.connect = args.connect_timeout;
        // No byte for so long: that holds before the response's first byte as well.
        (timeouts.head, timeouts.stall) = (args.timeout, args.timeout);
        timeouts.total = args.deadline;
        timeouts.lowest_speed = args.lowest_speed.and_then(NonZeroU64::new).map(LowestSpeed::new);
        let digest = args.checksum.as_deref().map(str::parse).transpose();
        Ok(Self {
            directory: args.dir.clone().unwrap_or_else(|| ".".into()),
            connections: args.connections.and_then(NonZeroU32::new),
            on_exists: args.on_exists.map_or(OnExists::Error, |arg| arg.0),
            durability: args.durability.0,
            headers: headers(args)?,
            user: args.user.as_deref().map(user).transpose()?,
            ignore_server_digest: args.ignore_server_digest,
            netrc: args.netrc.as_ref().map(|path| netrc(path.as_deref())).transpose()?,
            digest: digest.map_err(|error: Error| Failure::Usage(format!("--checksum: {error}")))?,
            retries: args.retries,
            timeouts,
        })
    }

    fn target(&self, out: Option<&Path>) -> Target {
        match (out, out.and_then(uri), uri(&self.directory)) {
            (_, Some(uri), _) => Target::uri(uri),
            (Some(out), _, Some(uri)) => {
                Target::uri(format!("{}/{}", uri.trim_end_matches('/'), out.display()))
            }
            (Some(out), ..) => Target::file(self.directory.join(out)),
            (None, _, Some(uri)) => Target::uri(format!("{}/", uri.trim_end_matches('/'))),
            (None, ..) => Target::directory(&self.directory),
        }
    }

    fn task(&self, item: &Item) -> Result<DownloadTask> {
        let mut builder = DownloadTask::builder(&item.url, self.target(item.out.as_deref()))
            .headers(self.headers.clone())
            .on_exists(self.on_exists)
            .durability(self.durability)
            .retries(self.retries)
            .timeouts(self.timeouts)
            .ignore_server_digest(self.ignore_server_digest);
        for mirror in &item.mirrors {
            builder = builder.mirror(self.mirror(mirror));
        }
        if let Some(count) = self.connections {
            builder = builder.connection_count(count);
        }
        if let Some(digest) = &self.digest {
            builder = builder.digest(digest.clone());
        }
        match self.credentials(&item.url) {
            Some(known) => builder.credentials(&known.user, &known.password),
            None => builder,
        }
        .build()
    }

    /// Whom to say that we are, where the URL does not say it itself.
    fn credentials(&self, url: &str) -> Option<&Credentials> {
        let url = without_userinfo(url)?;
        self.user.as_ref().or_else(|| self.netrc.as_ref()?.find(url.host_str()?))
    }

    /// A mirror with what the netrc file knows of its machine; `--user` is for the file's own URL.
    fn mirror(&self, text: &str) -> String {
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

/// A place that is written as a URI, as `s3://bucket/key`.
fn uri(place: &Path) -> Option<&str> {
    let text = place.to_str()?;
    let (scheme, _) = text.split_once("://")?;
    let sound = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    sound.then_some(text)
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

fn headers(args: &Args) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (number, text) in (1..).zip(&args.header) {
        let (name, value) = parse_header(text).ok_or_else(|| {
            Failure::Usage(format!("--header (number {number}) is written as 'Name: value', on one line"))
        })?;
        headers.append(name, value);
    }
    match args.user_agent.as_deref() {
        Some(text) => {
            let agent = HeaderValue::from_str(text)
                .map_err(|_| Failure::usage("--user-agent takes visible text, on one line"))?;
            headers.insert(header::USER_AGENT, agent);
        }
        None => {
            let ours = HeaderValue::from_static(concat!("okdl/", env!("CARGO_PKG_VERSION")));
            headers.entry(header::USER_AGENT).or_insert(ours);
        }
    }
    Ok(headers)
}

fn parse_header(text: &str) -> Option<(HeaderName, HeaderValue)> {
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
mod tests {
    use super::*;
    use clap::Parser;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    fn plan(arguments: &[&str]) -> Result<Plan, Failure> {
        Plan::new(&Args::try_parse_from([&["okdl"], arguments].concat()).unwrap())
    }

    fn refusal(arguments: &[&str]) -> String {
        match plan(arguments) {
            Err(Failure::Usage(message)) => message,
            other => panic!("{arguments:?}: {other:?}"),
        }
    }

    #[test]
    fn urls_that_cannot_be() {
        for (url, word) in [
            ("", "empty"),
            (" ", "empty"),
            ("example.com/file", "no scheme"),
            ("localhost:8080/file", "no scheme"),
            ("/etc/passwd", "no scheme"),
            ("ftp://h/a", "ftp"),
            ("file:///etc/passwd", "file"),
            ("http://", "not a URL"),
            ("http://h:99999/", "not a URL"),
        ] {
            assert!(refusal(&[url]).contains(word), "{url}: {}", refusal(&[url]));
        }
    }

    #[test]
    fn refusals_keep_secrets() {
        for arguments in [
            &["me:s3cret@example.com/a"][..],
            &["ftp://me:s3cret@h/a"],
            &["http://me:s3cret@h:99999/a"],
            &["--user", "s3cret", "http://h/"],
            &["--mirror", "http://me:s3cret@m:99999/a", "http://h/"],
            &["--mirror", "me:s3cret@m/a", "http://h/"],
            &["--header", "X-Key s3cret", "http://h/"],
            &["--header", "Bad Name: s3cret", "http://h/"],
        ] {
            assert!(!refusal(arguments).contains("s3cret"), "{arguments:?}: {}", refusal(arguments));
        }
    }

    #[test]
    fn what_is_for_one_url() {
        assert!(refusal(&["-o", "a", "http://h/a", "http://h/b"]).contains("--out"));
        assert!(refusal(&["--checksum", "md5=00", "http://h/a", "http://h/b"]).contains("--checksum"));
        assert!(refusal(&["--mirror", "http://m/a", "http://h/a", "http://h/b"]).contains("--mirror"));
        assert!(refusal(&["--mirror", "m/a", "http://h/a"]).contains("mirror 1 of the URL has no scheme"));
        assert!(refusal(&["-o", "d/", "http://h/a"]).contains("not that of a file"));
        assert!(refusal(&["-o", "..", "http://h/a"]).contains("not that of a file"));
        assert!(refusal(&["--checksum", "md5=00", "http://h/a"]).contains("digest"));
    }

    #[test]
    fn what_is_listed_twice_is_downloaded_once() {
        assert_eq!(plan(&["http://h/a", "http://h/a#f", "http://h/b"]).unwrap().len(), 2);
    }

    #[test]
    fn mirrors_are_the_tasks() {
        let arguments = ["--mirror", "http://m/a", "--mirror", "http://n/a", "http://h/a"];
        let task = plan(&arguments).unwrap().task(0).unwrap().unwrap();
        let urls: Vec<_> = task.mirrors().iter().map(|mirror| mirror.url().as_str()).collect();
        assert_eq!(urls, ["http://m/a", "http://n/a"]);
    }

    #[test]
    fn credentials_of_the_url_come_first() {
        let task = |url: &str| plan(&["--user", "n:p:q", url]).unwrap().task(0).unwrap().unwrap();
        let of = |task: &DownloadTask| task.credentials().map(|c| (c.user.clone(), c.password.clone()));
        assert_eq!(of(&task("http://h/a")), Some(("n".into(), "p:q".into())));
        assert_eq!(of(&task("http://u@h/a")), Some(("u".into(), String::new())));
    }

    #[test]
    fn credentials_are_for_the_machine_that_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "machine h login n password p").unwrap();
        let option = format!("--netrc={}", file.path().display());
        let user = |arguments: &[&str]| {
            let task = plan(&[&[option.as_str()], arguments].concat()).unwrap().task(0).unwrap().unwrap();
            task.credentials().map(|known| known.user.clone())
        };
        assert_eq!(user(&["http://h/a"]).as_deref(), Some("n"));
        assert_eq!(user(&["https://H:81/a"]).as_deref(), Some("n"));
        assert_eq!(user(&["http://g/a"]), None);
        assert_eq!(user(&["http://u@h/a"]).as_deref(), Some("u"));
        assert_eq!(user(&["--user", "m:p", "http://h/a"]).as_deref(), Some("m"));
        std::fs::write(file.path(), "machine h\nlogin n s3cret p").unwrap();
        let refused = refusal(&[&option, "http://h/a"]);
        assert!(refused.contains("line 2") && !refused.contains("s3cret"), "{refused}");
        assert!(refusal(&["--netrc=/missing", "http://h/a"]).contains("/missing"));
        // An address in the place of a file is an address.
        assert!(Args::try_parse_from(["okdl", "--netrc", "http://h/a"]).unwrap().urls.len() == 1);
    }

    #[test]
    fn headers_are_told_apart() {
        let arguments = ["--header", "Accept: a/b", "--header", "X-Api-Key: k", "http://h/a"];
        let task = plan(&arguments).unwrap().task(0).unwrap().unwrap();
        assert!(!task.headers()["accept"].is_sensitive() && task.headers()["x-api-key"].is_sensitive());
        assert!(task.headers()["user-agent"].to_str().unwrap().starts_with("okdl/"));
        let arguments = ["--user-agent", "me", "--header", "User-Agent: you", "http://h/a"];
        assert_eq!(plan(&arguments).unwrap().task(0).unwrap().unwrap().headers()["user-agent"], "me");
    }

    /// Text with much of what must not be in a header.
    fn header_text() -> impl Strategy<Value = String> {
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

        #[test]
        fn any_url_is_planned_or_refused_in_words(text in header_text(), scheme in any::<bool>()) {
            let text = if scheme { format!("http://h/{text}") } else { text };
            match check_url(&text) {
                Ok(()) => drop(DownloadTask::to_file(&text, "/a")),
                Err(problem) => assert!(!problem.contains('\n')),
            }
        }
    }
}

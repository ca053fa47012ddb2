//! What is to be downloaded, and how: everything that can be wrong with a command line is found here, before anything
//! is downloaded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use http::HeaderMap;
use okdownload::{Digest, DownloadTask, Durability, Error, OnExists, Result, Target, TaskId};
use url::Url;

use crate::args::Cli;
use crate::asked::{Asked, parse_header};
use crate::checksums::Checksums;
use crate::form::Form;
use crate::input;
use crate::options::DownloadArgs;
use crate::report::Failure;
use crate::settings::over;

/// All files of one command.
#[derive(Debug)]
pub(crate) struct Plan {
    work: Work,
    poured: bool,
}

#[derive(Debug)]
enum Work {
    /// Tasks are made only when their turn comes: the text of a URL is much smaller.
    Listed {
        items: Vec<Item>,
        options: Box<Options>,
    },
    Known(Vec<DownloadTask>),
}

/// One file.
#[derive(Debug)]
struct Item {
    url: Box<str>,
    mirrors: Box<[Box<str>]>,
    out: Option<Box<Path>>,
    said: Option<Box<Said>>,
}

/// What is said of one file only.
#[derive(Debug, Default)]
struct Said {
    directory: Option<PathBuf>,
    digest: Option<Digest>,
    headers: HeaderMap,
}

/// What all files share.
#[derive(Debug)]
struct Options {
    directory: PathBuf,
    on_exists: OnExists,
    durability: Durability,
    ignore_server_digest: bool,
    digest: Option<Digest>,
    asked: Asked,
    form: Form,
}

impl Plan {
    /// Reads the input file, and judges everything.
    pub(crate) fn new(args: &DownloadArgs) -> Result<Self, Failure> {
        let stdin = Some(Path::new("-"));
        if args.input_file.as_deref() == stdin && args.form.data_file.as_deref() == stdin {
            return Err(Failure::usage("--input-file and --data-file both want standard input"));
        }
        let mut found = found(args)?;
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
        if poured && args.common.json {
            return Err(Failure::usage("--json and -o - both want standard output; leave one of them out"));
        }
        let options = Box::new(Options::new(args)?);
        let checksums = args.checksum_file.as_deref().map(Checksums::read).transpose()?;
        let items = judge(found, &options, checksums.as_ref())?;
        Ok(Self { work: Work::Listed { items, options }, poured })
    }

    /// Of tasks that are there already.
    pub(crate) fn of(tasks: Vec<DownloadTask>) -> Self {
        Self { work: Work::Known(tasks), poured: false }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.work {
            Work::Listed { items, .. } => items.len(),
            Work::Known(tasks) => tasks.len(),
        }
    }

    /// Whether the one file goes to standard output.
    pub(crate) fn is_poured(&self) -> bool {
        self.poured
    }

    /// Whether a download that is stopped can go on: what is poured out, or asked for in another way than by GET,
    /// cannot.
    pub(crate) fn can_go_on(&self) -> bool {
        match &self.work {
            Work::Listed { options, .. } => !self.poured && options.form.is_plain(),
            Work::Known(_) => true,
        }
    }

    /// The task of a file.
    pub(crate) fn task(&self, index: usize) -> Option<Result<DownloadTask>> {
        match &self.work {
            Work::Listed { items, options } => items.get(index).map(|item| options.task(item)),
            Work::Known(tasks) => tasks.get(index).cloned().map(Ok),
        }
    }
}

/// All that is typed and listed, each with the words for where it stands.
fn found(args: &DownloadArgs) -> Result<Vec<(String, Item)>, Failure> {
    let list =
        args.input_file.as_deref().map(|path| Ok((path, input::read("input file", path)?))).transpose()?;
    let mut found = Vec::new();
    for (number, url) in (1..).zip(&args.urls) {
        let origin = if args.urls.len() == 1 { "the URL".into() } else { format!("URL {number}") };
        let item = Item { url: url.as_str().into(), mirrors: Box::default(), out: None, said: None };
        found.push((origin, item));
    }
    if let Some((path, text)) = list {
        let bad = |name: &str| Failure::Usage(format!("{name} {} is not text", path.display()));
        let text = String::from_utf8(text).map_err(|_| bad("the input file"))?;
        found.extend(listed(&text, path)?);
    }
    Ok(found)
}

/// Makes each task once, to see that it can be made. What is listed twice is downloaded once.
fn judge(
    found: Vec<(String, Item)>,
    options: &Options,
    checksums: Option<&Checksums>,
) -> Result<Vec<Item>, Failure> {
    let mut targets: BTreeMap<Target, (TaskId, String)> = BTreeMap::new();
    let mut places = BTreeMap::new();
    let mut items: Vec<Item> = Vec::with_capacity(found.len());
    for (origin, mut item) in found {
        let refused = |problem: String| Failure::Usage(format!("{origin}: {problem}"));
        check_url(&item.url).map_err(|problem| Failure::Usage(format!("{origin} {problem}")))?;
        for (number, mirror) in (1..).zip(&item.mirrors) {
            let problem = |problem| Failure::Usage(format!("mirror {number} of {origin} {problem}"));
            check_url(mirror).map_err(problem)?;
        }
        if let Some(out) = &item.out {
            check_name(out).map_err(refused)?;
        }
        if let (Some(checksums), false) = (checksums, item.has_digest()) {
            let digest = checksums.find(&item.url, item.out.as_deref()).map_err(refused)?;
            item.said.get_or_insert_default().digest = Some(digest);
        }
        let task = options.task(&item).map_err(|error| refused(error.to_string()))?;
        if let Some(same) = places.get(&task.id()).and_then(|place: &usize| items.get(*place)) {
            if !same.is_said_alike(&item) {
                return Err(refused(
                    "the same file is given before, with another checksum, header or mirror; leave one of them out".into(),
                ));
            }
            continue;
        }
        places.insert(task.id(), items.len());
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

fn listed(text: &str, path: &Path) -> Result<Vec<(String, Item)>, Failure> {
    let name = if path == Path::new("-") { "standard input".into() } else { path.display().to_string() };
    let bad = |line: usize, problem: String| Failure::Usage(format!("line {line} of {name}: {problem}"));
    let entries = input::parse(text).map_err(|wrong| bad(wrong.line, wrong.problem))?;
    if entries.is_empty() {
        return Err(Failure::Usage(format!("there is no URL in {name}")));
    }
    let item = |entry: input::Entry<'_>| {
        let said = Said::new(&entry).map_err(|problem| bad(entry.line, problem))?;
        let mirrors = entry.mirrors.into_iter().map(Into::into).collect();
        let out = entry.out.map(|out| Path::new(out).into());
        Ok((format!("line {} of {name}", entry.line), Item { url: entry.url.into(), mirrors, out, said }))
    };
    entries.into_iter().map(item).collect()
}

fn one_only(args: &DownloadArgs, urls: usize) -> Result<(), Failure> {
    let option = match (&args.out, &args.checksum) {
        _ if urls == 1 => return Ok(()),
        (Some(_), _) => "--out names one file; with several URLs use an input file with out=NAME lines",
        (_, Some(_)) => {
            "--checksum is of one file; for several use --checksum-file, or an input file with checksum= lines"
        }
        _ if !args.mirror.is_empty() => {
            "--mirror is of one file; for several use an input file with mirror=URL lines"
        }
        _ => return Ok(()),
    };
    Err(Failure::usage(option))
}

/// Says what is wrong with a URL in the words of somebody who types. The text may hold a password, and is not shown.
pub(crate) fn check_url(text: &str) -> Result<(), &'static str> {
    const ADVICE: &str = "has no scheme; write http:// or https:// before it";
    let is_command = |command: &clap::Command| command.get_name() == text;
    match Url::parse(text.trim()) {
        _ if text.trim().is_empty() => Err("is empty; give an address like https://example.com/file"),
        Err(url::ParseError::RelativeUrlWithoutBase) => {
            // To ask clap takes longer than all the rest, and a list may have many lines.
            let word = text.bytes().all(|byte| byte.is_ascii_lowercase());
            let command = word && Cli::command().get_subcommands().any(is_command);
            Err(if command { "is the name of a command; that stands before all options" } else { ADVICE })
        }
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

impl Item {
    /// Whether the same is said of both, beside where they go.
    fn is_said_alike(&self, other: &Self) -> bool {
        let of = |item: &Self| {
            item.said.as_ref().map(|said| (said.digest.clone(), said.headers.clone())).unwrap_or_default()
        };
        self.mirrors == other.mirrors && of(self) == of(other)
    }

    fn has_digest(&self) -> bool {
        self.said.as_ref().is_some_and(|said| said.digest.is_some())
    }
}

impl Said {
    fn new(entry: &input::Entry<'_>) -> Result<Option<Box<Self>>, String> {
        if entry.directory.is_none() && entry.checksum.is_none() && entry.headers.is_empty() {
            return Ok(None);
        }
        let mut headers = HeaderMap::new();
        for text in &entry.headers {
            let (name, value) = parse_header(text).ok_or("header= is written as 'header=Name: value'")?;
            headers.append(name, value);
        }
        let digest = entry.checksum.map(str::parse).transpose().map_err(|error: Error| error.to_string())?;
        Ok(Some(Box::new(Self { directory: entry.directory.map(PathBuf::from), digest, headers })))
    }
}

impl Options {
    fn new(args: &DownloadArgs) -> Result<Self, Failure> {
        let digest = args.checksum.as_deref().map(str::parse).transpose();
        Ok(Self {
            directory: args.dir.clone().unwrap_or_else(|| ".".into()),
            on_exists: args.on_exists.map_or(OnExists::Error, |arg| arg.0),
            durability: args.durability.map_or(Durability::Power, |arg| arg.0),
            ignore_server_digest: args.ignore_server_digest,
            digest: digest.map_err(|error: Error| Failure::Usage(format!("--checksum: {error}")))?,
            asked: Asked::new(&args.requests, &args.transfer)?,
            form: Form::new(&args.form)?,
        })
    }

    fn target(&self, directory: &Path, out: Option<&Path>) -> Target {
        match (out, out.and_then(uri), uri(directory)) {
            (_, Some(uri), _) => Target::uri(uri),
            (Some(out), _, Some(uri)) => {
                Target::uri(format!("{}/{}", uri.trim_end_matches('/'), out.display()))
            }
            (Some(out), ..) => Target::file(directory.join(out)),
            (None, _, Some(uri)) => Target::uri(format!("{}/", uri.trim_end_matches('/'))),
            (None, ..) => Target::directory(directory),
        }
    }

    fn task(&self, item: &Item) -> Result<DownloadTask> {
        let said = item.said.as_deref();
        let directory = said.and_then(|said| said.directory.as_deref()).unwrap_or(&self.directory);
        let mut builder = DownloadTask::builder(&item.url, self.target(directory, item.out.as_deref()))
            .on_exists(self.on_exists)
            .durability(self.durability)
            .ignore_server_digest(self.ignore_server_digest);
        for mirror in &item.mirrors {
            builder = builder.mirror(self.asked.mirror(mirror));
        }
        // What is typed is of the only file, and wins over its line as a name does.
        if let Some(digest) = self.digest.as_ref().or(said.and_then(|said| said.digest.as_ref())) {
            builder = builder.digest(digest.clone());
        }
        let (builder, headers) = self.form.apply(builder);
        let builder = self.asked.apply(builder, &item.url, &headers);
        match said.filter(|said| !said.headers.is_empty()) {
            // A line's header takes the place of the one that all have.
            Some(said) => {
                let common = builder.build()?;
                common.to_builder().headers(over(common.headers(), &said.headers)).build()
            }
            None => builder.build(),
        }
    }
}

/// A place that is written as a URI, as `s3://bucket/key`.
fn uri(place: &Path) -> Option<&str> {
    let text = place.to_str()?;
    let (scheme, _) = text.split_once("://")?;
    let sound = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    sound.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asked::tests::header_text;
    use clap::Parser;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    fn plan(arguments: &[&str]) -> Result<Plan, Failure> {
        Plan::new(&Cli::try_parse_from([&["okdl"], arguments].concat()).unwrap().download)
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
    fn what_is_listed_twice_is_said_to_be_the_same() {
        let list = |text: &str, more: &[&str]| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            plan(&[&["-i", file.path().to_str().unwrap()], more].concat())
        };
        let sum = |digit: &str| format!(" checksum=md5={}\n", digit.repeat(32));
        let (one, two) = (sum("1"), sum("2"));
        assert_eq!(list(&format!("http://h/a\n{one}http://h/a\n{one}"), &[]).unwrap().len(), 1);
        for other in [&two, " header=A: b\n", " mirror=http://m/a\n", ""] {
            let text = format!("http://h/a\n{one}http://h/a\n{other}");
            assert!(
                matches!(list(&text, &[]), Err(Failure::Usage(told)) if told.contains("line 3 of")),
                "{text}"
            );
        }
        // What is typed wins.
        let typed = format!("md5={}", "3".repeat(32));
        let task =
            list(&format!("http://h/a\n{one}"), &["--checksum", &typed]).unwrap().task(0).unwrap().unwrap();
        assert_eq!(task.digest().unwrap().to_string(), typed);
        assert!(
            Cli::try_parse_from(["okdl", "--checksum", "a", "--checksum-file", "b", "http://h/a"]).is_err()
        );
    }

    #[test]
    fn what_can_go_on() {
        for (arguments, goes_on) in [
            (&["http://h/a"][..], true),
            (&["--method", "GET", "http://h/a"], true),
            (&["-o", "-", "http://h/a"], false),
            (&["--data", "a", "http://h/a"], false),
            (&["--method", "PUT", "http://h/a"], false),
        ] {
            assert_eq!(plan(arguments).unwrap().can_go_on(), goes_on, "{arguments:?}");
        }
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
        assert!(Cli::try_parse_from(["okdl", "--netrc", "http://h/a"]).unwrap().download.urls.len() == 1);
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

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 5_000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default()
        })]

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

//! The configuration file: options that are always meant. Its keys are the long options, and what it says is put before
//! what is typed, as arguments; so it means the same as on the command line, and what is typed wins.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use toml::de::{DeTable, DeValue};

use crate::args::Cli;
use crate::report::Failure;

/// Long options that are about one run or one file, so that they make no sense in a file for all.
const NOT_KEYS: [&str; 16] = [
    "all",
    "checksum",
    "checksum-file",
    "completed",
    "config",
    "data",
    "data-file",
    "help",
    "help-all",
    "input-file",
    "method",
    "mirror",
    "out",
    "url",
    "user",
    "version",
];

/// The beginning of options that take others back; a file says `false` instead.
const NOT: &str = "no-";

fn is_key(option: &str) -> bool {
    !NOT_KEYS.contains(&option) && !option.starts_with(NOT)
}

/// What a key says that is nobody else's business.
const SECRETS: [&str; 2] = ["header", "proxy"];

/// Keys whose value is a path, or has one behind a colon.
const PATHS: [&str; 6] = ["cacert", "cert", "dir", "key", "netrc", "store"];

/// A configuration file.
#[derive(Debug)]
pub(crate) struct Config {
    path: PathBuf,
    entries: Vec<Entry>,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    key: String,
    /// From 1.
    line: usize,
    /// As they would be typed.
    arguments: Vec<OsString>,
}

impl Config {
    /// Reads this file, or the usual one if it is there.
    pub(crate) fn find(path: Option<&Path>) -> Result<Option<Self>, Failure> {
        let usual = path.is_none();
        let Some(path) = path.map(Path::to_path_buf).or_else(usual_path) else { return Ok(None) };
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(Self { entries: parse(&text).map_err(|bad| bad.of(&path))?, path })),
            Err(error) if usual && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::Usage(format!("--config {}: {error}", path.display()))),
        }
    }

    /// What is said to a command, as arguments; `None` is a download. What the command does not have is left out.
    ///
    /// # Errors
    /// What `check` says of a key and its argument, with the line.
    pub(crate) fn arguments(
        &self,
        command: Option<&str>,
        check: impl Fn(&str, &OsString) -> Result<(), String>,
    ) -> Result<Vec<OsString>, Failure> {
        let known = options(&Cli::command(), command);
        let mut arguments = Vec::new();
        for entry in self.entries.iter().filter(|entry| known.contains(&entry.key)) {
            for argument in &entry.arguments {
                let bad = |problem| BadLine { line: entry.line, problem }.of(&self.path);
                check(&entry.key, argument).map_err(bad)?;
            }
            arguments.extend(entry.arguments.iter().cloned());
        }
        Ok(arguments)
    }

    /// What the user should know of his file.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let secret = self.entries.iter().find(|entry| SECRETS.contains(&entry.key.as_str()));
        let warning = secret.filter(|_| is_world_readable(&self.path)).map(|entry| {
            let path = self.path.display();
            format!(
                "{path} line {}: everybody on this machine can read {}; run chmod 600 {path}",
                entry.line, entry.key
            )
        });
        warning.into_iter().collect()
    }
}

/// `$XDG_CONFIG_HOME/okdl/config.toml`, or where else the platform has it. Without a home there is none.
fn usual_path() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    if cfg!(unix) && std::env::var_os("HOME").is_none() && std::env::var_os("XDG_CONFIG_HOME").is_none() {
        return None;
    }
    Some(etcetera::choose_base_strategy().ok()?.config_dir().join("okdl").join("config.toml"))
}

#[cfg(unix)]
fn is_world_readable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_world_readable(_path: &Path) -> bool {
    false
}

/// What is wrong on which line.
#[derive(Debug, PartialEq, Eq)]
struct BadLine {
    line: usize,
    problem: String,
}

impl BadLine {
    fn of(self, path: &Path) -> Failure {
        Failure::Usage(format!("{} line {}: {}", path.display(), self.line, self.problem))
    }
}

fn parse(text: &str) -> Result<Vec<Entry>, BadLine> {
    let line_at =
        |offset: usize| text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_at(span.start));
        BadLine { line, problem: error.message().to_owned() }
    })?;
    let keys = keys();
    let mut entries = Vec::new();
    for (key, value) in table.into_inner() {
        let line = line_at(key.span().start);
        let bad = |problem| BadLine { line, problem };
        let key = key.into_inner().into_owned();
        if !keys.contains(&key) {
            return Err(bad(unknown(&key, &keys)));
        }
        let arguments = arguments(&key, value.get_ref()).map_err(bad)?;
        entries.push(Entry { key, line, arguments });
    }
    entries.sort_by_key(|entry| entry.line);
    Ok(entries)
}

fn unknown(key: &str, keys: &[String]) -> String {
    let alike = |known: &String| strsim::jaro_winkler(key, known);
    let nearest = keys.iter().max_by(|a, b| alike(a).total_cmp(&alike(b))).filter(|known| alike(known) > 0.7);
    match nearest {
        _ if key == "user" => {
            "user would go to every server, so it is for the command line only; netrc = true has one for each"
                .into()
        }
        _ if NOT_KEYS.contains(&key) || key == "no-config" => format!("{key} is for the command line only"),
        _ if key.strip_prefix(NOT).is_some_and(|key| keys.iter().any(|known| known == key)) => {
            format!("{key} is for the command line only; write {} = false", &key[NOT.len()..])
        }
        Some(known) => format!("there is no option {key}; {known} is one"),
        None => format!("there is no option {key}; okdl --help-all has all options"),
    }
}

fn arguments(key: &str, value: &DeValue<'_>) -> Result<Vec<OsString>, String> {
    if let DeValue::Array(values) = value {
        let each = values.iter().map(|value| one(key, value.get_ref()));
        return Ok(each.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect());
    }
    Ok(one(key, value)?.into_iter().collect())
}

/// `--key=value`, or `--key` for what is true.
fn one(key: &str, value: &DeValue<'_>) -> Result<Option<OsString>, String> {
    let text = match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(true) => return Ok(Some(format!("--{key}").into())),
        DeValue::Boolean(false) => return Ok(None),
        _ => return Err(format!("{key} is a text, a number, true or false, or a list of these")),
    };
    let mut argument = OsString::from(format!("--{key}="));
    argument.push(if PATHS.contains(&key) { at_home(key, &text)? } else { text.into() });
    Ok(Some(argument))
}

/// A path, with the home directory in the place of a `~/` at its beginning: no shell has done it.
fn at_home(key: &str, text: &str) -> Result<OsString, String> {
    let (front, path) = match text.split_once(':') {
        Some((name, path)) if key == "store" => (format!("{name}:"), path),
        _ => (String::new(), text),
    };
    let Some(path) = path.strip_prefix("~/") else { return Ok(text.into()) };
    let home =
        std::env::home_dir().ok_or_else(|| format!("{key}: there is no home directory to stand for ~"))?;
    let mut whole = OsString::from(front);
    whole.push(home.join(path));
    Ok(whole)
}

/// All keys that a file may have.
fn keys() -> Vec<String> {
    let command = Cli::command();
    let commands = command.get_subcommands().map(|command| Some(command.get_name().to_owned()));
    let mut keys: Vec<_> =
        commands.chain([None]).flat_map(|name| options(&command, name.as_deref())).collect();
    keys.sort();
    keys.dedup();
    keys.retain(|key| is_key(key));
    keys
}

/// The long options of a command of `okdl`, or its own.
fn options(okdl: &clap::Command, command: Option<&str>) -> Vec<String> {
    let of = match command {
        Some(name) => okdl.find_subcommand(name),
        None => Some(okdl),
    };
    let arguments = of.into_iter().flat_map(clap::Command::get_arguments);
    arguments.filter_map(clap::Arg::get_long).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    fn typed(text: &str) -> Vec<String> {
        let entries = parse(text).unwrap();
        entries.into_iter().flat_map(|entry| entry.arguments).map(|a| a.into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_what_would_be_typed() {
        for (text, arguments) in [
            ("", &[][..]),
            ("# nothing\n", &[]),
            ("connections = 4\nlimit-rate = \"1M\"", &["--connections=4", "--limit-rate=1M"]),
            ("timeout = 2.5", &["--timeout=2.5"]),
            ("http2 = true\njson = false", &["--http2"]),
            ("netrc = true", &["--netrc"]),
            ("header = [\"A: b\", 'C: \"d\"']", &["--header=A: b", "--header=C: \"d\""]),
            ("user-agent = ''", &["--user-agent="]),
        ] {
            assert_eq!(typed(text), arguments, "{text}");
        }
    }

    #[test]
    fn a_tilde_is_the_home_directory() {
        let home = std::env::home_dir().unwrap();
        let home = home.to_str().unwrap();
        for (text, argument) in [
            ("dir = '~/d'", format!("--dir={home}/d")),
            ("store = 'sqlite:~/d'", format!("--store=sqlite:{home}/d")),
            ("dir = 'd/~/e'", "--dir=d/~/e".into()),
            ("dir = 's3://b/~'", "--dir=s3://b/~".into()),
            ("header = '~/: a'", "--header=~/: a".into()),
        ] {
            assert_eq!(typed(text), [argument], "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, word) in [
            ("connections = 4\nconections = 5\n", 2, "connections is one"),
            ("\n\nlimitrate = 1\n", 3, "limit-rate is one"),
            ("colour = 1\n", 1, "--help-all"),
            ("out = 'a'\n", 1, "command line only"),
            ("no-http2 = true\n", 1, "write http2 = false"),
            ("no-config = true\n", 1, "command line only"),
            ("user = 'me:s3cret'\n", 1, "netrc = true"),
            ("[proxy]\nurl = 'x'\n", 1, "is a text"),
            ("connections = 4\nheader = [[1]]\n", 2, "is a text"),
            ("connections = 4\nretries = \n", 2, ""),
            ("retries = 1\nretries = 2\n", 2, ""),
        ] {
            let bad = parse(text).unwrap_err();
            assert_eq!(bad.line, line, "{text}: {bad:?}");
            assert!(bad.problem.contains(word) && !bad.problem.contains('\n'), "{text}: {bad:?}");
        }
    }

    #[test]
    fn every_long_option_is_a_key_or_is_said_not_to_be_one() {
        let known = keys();
        let all: Vec<_> =
            Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
        for command in all.iter().map(|name| Some(name.as_str())).chain([None]) {
            for option in options(&Cli::command(), command) {
                assert!(known.contains(&option) == is_key(&option), "{option}");
            }
        }
        for key in NOT_KEYS.iter().chain(&SECRETS) {
            let commands = all.iter().map(|name| Some(name.as_str())).chain([None]);
            assert!(
                commands.flat_map(|name| options(&Cli::command(), name)).any(|option| option == *key),
                "{key} is no option"
            );
        }
    }

    #[test]
    fn what_a_file_can_switch_on_can_be_switched_off() {
        let okdl = Cli::command();
        let commands = okdl.get_subcommands().map(|command| Some(command.get_name())).chain([None]);
        for options in commands.map(|name| options(&okdl, name)) {
            let is_switch = |key: &&String| is_key(key) && is_switch(&okdl, key);
            for key in options.iter().filter(is_switch) {
                assert!(options.contains(&format!("{NOT}{key}")), "{key}");
            }
            for switch in options.iter().filter_map(|option| option.strip_prefix(NOT)) {
                assert!(switch == "config" || options.iter().any(|key| key == switch), "{switch}");
            }
        }
    }

    /// Whether an option can stand without a value.
    fn is_switch(okdl: &clap::Command, key: &str) -> bool {
        let commands = okdl.get_subcommands().chain([okdl]);
        let named = |argument: &&clap::Arg| argument.get_long() == Some(key);
        let found = commands.flat_map(clap::Command::get_arguments).find(named).unwrap();
        !found.get_action().takes_values()
            || found.get_num_args().is_some_and(|count| count.min_values() == 0)
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 500, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default()
        })]

        #[test]
        fn any_text_is_read_or_refused_on_a_line_of_it(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "connections", "header", "netrc", " = ", "=", "4", "'x'", "[", "]", ",", "\n", "\r\n", "true", "#", "\"",
                    "\0", "\u{e9}", ".", "s3cret",
                ]),
                0..12,
            ),
        ) {
            let text = pieces.concat();
            if let Err(bad) = parse(&text) {
                assert!((1..=text.lines().count() + 1).contains(&bad.line), "{text:?}: {bad:?}");
                assert!(!bad.problem.contains('\n'), "{text:?}: {bad:?}");
            }
        }
    }
}

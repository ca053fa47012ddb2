//! The command line, as it is typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::Config;
use crate::options::{CommonArgs, DownloadArgs, FormArgs, RequestArgs, StateArgs, TransferArgs};
use crate::report::{Console, Failure};

/// Downloads files over many connections, and goes on where it was stopped.
#[derive(Debug, Parser)]
#[command(name = "okdl", version, max_term_width = 80, allow_negative_numbers = true)]
#[command(disable_help_flag = true, disable_version_flag = true, disable_help_subcommand = true)]
#[command(args_conflicts_with_subcommands = true, args_override_self = true)]
#[command(help_template = "{about}\n{usage-heading} {usage}\n\n{all-args}{after-help}")]
#[command(override_usage = "okdl [OPTIONS] URL... | -i FILE\n       okdl COMMAND")]
#[command(after_help = "\
Exit status: 0 all complete, 1 some failed, 2 bad usage, 128+N signal N.
All options: okdl --help-all. Those of a command: okdl COMMAND --help.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) download: DownloadArgs,

    /// Print help
    #[arg(short, long, global = true, action = ArgAction::HelpShort, hide = true)]
    help: Option<bool>,

    /// Print help with all options
    #[arg(long, global = true, action = ArgAction::HelpLong, hide = true)]
    help_all: Option<bool>,

    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version, hide = true)]
    version: Option<bool>,
}

/// What can be done beside downloading what is new.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what is unfinished
    List(ListArgs),
    /// Go on with what is unfinished
    Resume(ResumeArgs),
    /// Give up what is unfinished and delete its part, or only a record
    ///
    /// Of what is complete only the record goes; the file stays.
    Forget(ForgetArgs),
    /// Tell what a server can do
    Probe(ProbeArgs),
    /// Print what completes words in a shell
    Completions(CompletionsArgs),
    /// Print a manual page
    Man(ManArgs),
}

#[derive(Debug, clap::Args)]
#[command(args_override_self = true)]
pub(crate) struct ListArgs {
    /// Show what is complete instead
    #[arg(long)]
    pub(crate) completed: bool,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, clap::Args)]
#[command(args_override_self = true, allow_negative_numbers = true)]
pub(crate) struct ResumeArgs {
    /// Which: an id or its beginning, a file or its URL [default: the only one]
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// All that is unfinished
    #[arg(long, conflicts_with = "ids")]
    pub(crate) all: bool,
    /// Fetch the rest from this URL, instead of one that expired
    #[arg(long, value_name = "URL", conflicts_with = "all")]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) transfer: TransferArgs,
    #[command(flatten)]
    pub(crate) requests: RequestArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// Only what is typed, where a configuration file says more.
    #[arg(skip)]
    pub(crate) typed: Option<Box<Self>>,
}

#[derive(Debug, clap::Args)]
#[command(args_override_self = true)]
#[command(group = clap::ArgGroup::new("which").args(["ids", "all", "completed"]).required(true))]
pub(crate) struct ForgetArgs {
    /// Which: an id or its beginning, a file or its URL
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// All that is unfinished, with their parts
    #[arg(long)]
    pub(crate) all: bool,
    /// The records of all that is complete; the files stay
    #[arg(long)]
    pub(crate) completed: bool,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, clap::Args)]
#[command(args_override_self = true)]
pub(crate) struct ProbeArgs {
    /// Address of a file, http or https
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) form: FormArgs,
    #[command(flatten)]
    pub(crate) requests: RequestArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// The page of this command [default: that of okdl]
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,
}

/// Reads the command line and the configuration file. `--help` and `--version` are answered here, and end the program.
pub(crate) fn parse() -> Result<Cli, Failure> {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let matches = matches_of(&typed)?;
    let Some(config) = config_of(&matches)? else { return cli(&matches) };
    let name = matches.subcommand_name();
    for warning in config.warnings() {
        Console::plain().error(&format!("warning: {warning}"));
    }
    // What is typed stands behind what is written, so it wins.
    let place = 1 + usize::from(name.is_some());
    let (front, rest) = typed.split_at(place.min(typed.len()));
    let mut written = config.arguments(name, |key, argument| check(name, key, argument))?;
    let typed_names = typed_headers(&matches);
    written.retain(|argument| header_name(argument).is_none_or(|name| !typed_names.contains(&name)));
    let mut all = cli(&matches_of(&[front, &written, rest].concat())?)?;
    // A download that goes on has options of its own, which only what is typed may change.
    if let (Some(Command::Resume(all)), Some(Command::Resume(typed))) =
        (&mut all.command, cli(&matches)?.command)
    {
        all.typed = Some(Box::new(typed));
    }
    Ok(all)
}

fn cli(matches: &ArgMatches) -> Result<Cli, Failure> {
    Cli::from_arg_matches(matches).map_err(|error| usage(&error))
}

fn matches_of(arguments: &[OsString]) -> Result<ArgMatches, Failure> {
    Cli::command().try_get_matches_from(arguments).map_err(|error| {
        if !error.use_stderr() {
            error.exit();
        }
        usage(&error)
    })
}

/// The names of the headers that are typed.
fn typed_headers(matches: &ArgMatches) -> Vec<String> {
    let matches = matches.subcommand().map_or(matches, |(_, matches)| matches);
    let headers = matches.try_get_many::<String>("header").ok().flatten().unwrap_or_default();
    headers.filter_map(|header| name_of(header)).collect()
}

/// The name of the header that an argument of the configuration file sends.
fn header_name(argument: &OsString) -> Option<String> {
    let argument = argument.to_str()?;
    match argument.strip_prefix("--header=") {
        Some(header) => name_of(header),
        None => argument.starts_with("--user-agent=").then(|| "user-agent".into()),
    }
}

fn name_of(header: &str) -> Option<String> {
    header.split_once(':').map(|(name, _)| name.trim().to_ascii_lowercase())
}

/// The configuration file that the command line means, if the command reads one.
fn config_of(matches: &ArgMatches) -> Result<Option<Config>, Failure> {
    let matches = matches.subcommand().map_or(matches, |(_, matches)| matches);
    match (matches.try_get_one::<PathBuf>("config"), matches.try_get_one::<bool>("no_config")) {
        (Ok(path), Ok(Some(false))) => Config::find(path.map(PathBuf::as_path)),
        _ => Ok(None),
    }
}

/// Whether an option of the configuration file has a value that it can have; what else may be missing is not its fault.
fn check(name: Option<&str>, key: &str, argument: &OsString) -> Result<(), String> {
    use clap::error::ErrorKind;
    let arguments = [Some("okdl"), name].into_iter().flatten().map(OsString::from).chain([argument.clone()]);
    let wrong =
        [ErrorKind::InvalidValue, ErrorKind::ValueValidation, ErrorKind::TooManyValues, ErrorKind::NoEquals];
    match Cli::command().try_get_matches_from(arguments) {
        Err(error) if wrong.contains(&error.kind()) => {
            let told = told(&error);
            Err(told.replace(&format!("--{key}"), key))
        }
        _ => Ok(()),
    }
}

fn usage(error: &clap::Error) -> Failure {
    Failure::Usage(format!("{} (see okdl --help)", told(error)))
}

/// clap's message on one line, without the usage that it repeats.
fn told(error: &clap::Error) -> String {
    let message = error.render().to_string();
    let told = message
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let told: Vec<&str> = told.filter(|line| !line.is_empty()).collect();
    let told = told.join(" ").replace(" tip: ", "; ");
    told.strip_prefix("error: ").unwrap_or(&told).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(arguments: &[&str]) -> String {
        let mut command = Cli::command().term_width(80);
        command.try_get_matches_from_mut(arguments).unwrap_err().render().to_string()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_fits_a_screen() {
        for arguments in [&["okdl", "-h"][..], &["okdl", "--help"], &["okdl", "resume", "--help"]] {
            let help = help(arguments);
            assert!(help.lines().count() <= 40, "{} lines:\n{help}", help.lines().count());
            assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
        }
    }

    #[test]
    fn help_all_has_every_option() {
        let all = help(&["okdl", "--help-all"]);
        for argument in Cli::command().get_arguments().filter(|argument| !argument.is_hide_set()) {
            let long = argument.get_long().map_or_else(String::new, |long| format!("--{long}"));
            assert!(all.contains(&long), "{long}:\n{all}");
        }
    }

    #[test]
    fn messages_are_one_line() {
        for arguments in [
            &["okdl", "--jsn", "u"][..],
            &["okdl", "-x", "0", "u"],
            &["okdl", "-x", "-1", "u"],
            &["okdl", "--on-exists", "what", "u"],
            &["okdl", "forget"],
            &["okdl", "list", "--colour"],
        ] {
            let line = told(&Cli::try_parse_from(arguments).unwrap_err());
            assert!(!line.contains('\n') && !line.contains("Usage"), "{line}");
        }
    }

    #[test]
    fn switches_can_be_switched_off_and_on_again() {
        type Said = fn(&DownloadArgs) -> bool;
        let switches: [(&str, Said); 6] = [
            ("ignore-server-digest", |args| args.ignore_server_digest),
            ("netrc", |args| args.requests.netrc.is_some()),
            ("http2", |args| args.requests.http2),
            ("json", |args| args.common.json),
            ("quiet", |args| args.common.quiet),
            ("verbose", |args| args.common.verbose > 0),
        ];
        for (name, said) in switches {
            let (on, off) = (format!("--{name}"), format!("--no-{name}"));
            let of = |options: &[&String]| {
                let options = options.iter().map(|option| option.as_str());
                let typed = ["okdl"].into_iter().chain(options).chain(["u"]);
                said(&Cli::try_parse_from(typed).unwrap().download)
            };
            assert!(!of(&[]) && of(&[&on]) && !of(&[&off]), "{name}");
            assert!(!of(&[&on, &on, &off]) && of(&[&on, &off, &on]) && !of(&[&off, &on, &off]), "{name}");
        }
    }

    #[test]
    fn what_comes_last_wins() {
        let cli =
            Cli::try_parse_from(["okdl", "-x1", "--header=A: b", "-x", "2", "--header=C: d", "u"]).unwrap();
        assert_eq!(cli.download.transfer.connections, Some(2));
        assert_eq!(cli.download.requests.header, ["A: b", "C: d"]);
    }
}

//! The command line, as it is typed.
//!
//! What may hold a secret (URLs, headers, passwords, proxies) is taken as text and judged elsewhere: clap would show
//! it in its messages.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Parser, ValueEnum};
use okdownload::{Durability, OnExists};

use crate::report::Failure;

/// Downloads files over many connections, and goes on where it was stopped.
#[derive(Debug, Parser)]
#[command(name = "okdl", version, max_term_width = 80, allow_negative_numbers = true)]
#[command(disable_help_flag = true, disable_version_flag = true)]
#[command(help_template = "{about}\n{usage-heading} {usage}\n\n{all-args}{after-help}")]
#[command(override_usage = "okdl [OPTIONS] URL... | -i FILE")]
#[command(after_help = "\
Exit status: 0 all files complete, 1 some failed, 2 bad usage, 128+N signal N.")]
pub(crate) struct Args {
    /// Address of a file, http or https
    #[arg(value_name = "URL", hide = true)]
    pub(crate) urls: Vec<String>,

    /// Read URLs from FILE (-: stdin), mirrors behind tabs
    #[arg(short, long, value_name = "FILE", help_heading = "What and where")]
    pub(crate) input_file: Option<PathBuf>,

    /// Another place of the one file (repeatable)
    #[arg(long, value_name = "URL", help_heading = "What and where")]
    pub(crate) mirror: Vec<String>,

    /// Complete a file whatever the server says that its digest is
    #[arg(long, hide = true)]
    pub(crate) ignore_server_digest: bool,

    /// Put files into DIR, or s3://BUCKET/DIR [default: .]
    #[arg(short, long, value_name = "DIR", help_heading = "What and where")]
    pub(crate) dir: Option<PathBuf>,

    /// Name one file, or s3://BUCKET/KEY, or - (stdout)
    #[arg(short, long, value_name = "NAME", help_heading = "What and where")]
    pub(crate) out: Option<PathBuf>,

    /// error, skip, overwrite, rename or update
    #[arg(long, value_name = "WHAT", hide_possible_values = true, help_heading = "What and where")]
    pub(crate) on_exists: Option<ExistsArg>,

    /// Check the one file's digest, as sha-256=...
    #[arg(long, value_name = "ALG=HEX", help_heading = "What and where")]
    pub(crate) checksum: Option<String>,

    /// Connections for each file [default: by its size]
    #[arg(short = 'x', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    #[arg(help_heading = "How fast")]
    pub(crate) connections: Option<u32>,

    /// Files at a time
    #[arg(short = 'j', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    #[arg(default_value = "5", help_heading = "How fast")]
    pub(crate) parallel: u32,

    /// Bytes a second in all, as 500K or 2.5M
    #[arg(long, value_name = "RATE", value_parser = parse_rate, help_heading = "How fast")]
    pub(crate) limit_rate: Option<u64>,

    /// Failures in a row to forgive
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    #[arg(default_value = "5", help_heading = "How fast")]
    pub(crate) retries: u32,

    /// Longest wait for a byte
    #[arg(long, value_name = "SECS", value_parser = parse_seconds)]
    #[arg(default_value = "30", help_heading = "How fast")]
    pub(crate) timeout: Duration,

    /// Longest wait to connect
    #[arg(long, value_name = "SECS", value_parser = parse_seconds)]
    #[arg(default_value = "30", help_heading = "How fast")]
    pub(crate) connect_timeout: Duration,

    /// Longest time for each file
    #[arg(long, value_name = "SECS", value_parser = parse_seconds, help_heading = "How fast")]
    pub(crate) deadline: Option<Duration>,

    /// Give up a server that is slower for 30 s
    #[arg(long, value_name = "RATE", value_parser = parse_rate, help_heading = "How fast")]
    pub(crate) lowest_speed: Option<u64>,

    /// Send a header (repeatable)
    #[arg(long, value_name = "K: V", help_heading = "Requests")]
    pub(crate) header: Vec<String>,

    /// Name and password, where a URL has none
    #[arg(long, value_name = "NAME:PASSWORD", help_heading = "Requests")]
    pub(crate) user: Option<String>,

    /// Else those in FILE [default: $NETRC, ~/.netrc]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, help_heading = "Requests")]
    pub(crate) netrc: Option<Option<PathBuf>>,

    /// Call yourself TEXT
    #[arg(long, value_name = "TEXT", help_heading = "Requests")]
    pub(crate) user_agent: Option<String>,

    /// Trust the certificates in FILE (PEM) too
    #[arg(long, value_name = "FILE", help_heading = "Requests")]
    pub(crate) cacert: Option<PathBuf>,

    /// Who you are: a certificate (PEM) for the server
    #[arg(long, value_name = "FILE", help_heading = "Requests")]
    pub(crate) cert: Option<PathBuf>,

    /// Its private key [default: beside it in its file]
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "Requests")]
    pub(crate) key: Option<PathBuf>,

    /// Proxy to use [default: from the environment]
    #[arg(long, value_name = "URL", help_heading = "Requests")]
    pub(crate) proxy: Option<String>,

    /// What files survive: loss of power, end of process
    #[arg(long, value_name = "LOSS", hide_possible_values = true, default_value = "power")]
    #[arg(hide_default_value = true, help_heading = "How it works")]
    pub(crate) durability: DurabilityArg,

    /// Where progress is kept
    #[arg(long, value_name = "STORE", help_heading = "How it works")]
    #[arg(help = "sqlite[:PATH], sled[:PATH] or memory, for progress")]
    pub(crate) store: Option<OsString>,

    /// What connects: reqwest or isahc
    #[arg(long, value_name = "NAME", hide_possible_values = true, default_value = "reqwest")]
    #[arg(hide_default_value = true, help_heading = "How it works")]
    pub(crate) backend: BackendArg,

    /// Speak HTTP/2 with servers that have it
    #[arg(long, help_heading = "How it works")]
    pub(crate) http2: bool,

    /// Events on standard output, one JSON object a line
    #[arg(long, help_heading = "How it works")]
    pub(crate) json: bool,

    /// No progress, only errors
    #[arg(short, long, help_heading = "How it works")]
    pub(crate) quiet: bool,

    /// Print this help: whoever reads it knows how
    #[arg(short, long, action = clap::ArgAction::Help, hide = true)]
    help: Option<bool>,

    /// Print the version, as every command does
    #[arg(short = 'V', long, action = clap::ArgAction::Version, hide = true)]
    version: Option<bool>,
}

/// The HTTP backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendArg {
    Reqwest,
    Isahc,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct ExistsArg(pub(crate) OnExists);

impl ValueEnum for ExistsArg {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self(OnExists::Error),
            Self(OnExists::Skip),
            Self(OnExists::Overwrite),
            Self(OnExists::Rename),
            Self(OnExists::Update),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let name = match self.0 {
            OnExists::Error => "error",
            OnExists::Skip => "skip",
            OnExists::Overwrite => "overwrite",
            OnExists::Rename => "rename",
            OnExists::Update => "update",
            _ => return None,
        };
        Some(PossibleValue::new(name))
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct DurabilityArg(pub(crate) Durability);

impl ValueEnum for DurabilityArg {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self(Durability::Power), Self(Durability::Process)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self.0 {
            Durability::Power => Some(PossibleValue::new("power")),
            Durability::Process => Some(PossibleValue::new("process")),
            _ => None,
        }
    }
}

/// Reads the command line. `--help` and `--version` are answered here, and end the program.
pub(crate) fn parse() -> Result<Args, Failure> {
    Args::try_parse().map_err(|error| {
        if !error.use_stderr() {
            error.exit();
        }
        Failure::Usage(one_line(&error.render().to_string()))
    })
}

/// clap's message on one line, without the usage that it repeats.
fn one_line(message: &str) -> String {
    let told = message
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let told: Vec<&str> = told.filter(|line| !line.is_empty()).collect();
    let told = told.join(" ").replace(" tip: ", "; ");
    format!("{} (see okdl --help)", told.strip_prefix("error: ").unwrap_or(&told))
}

/// `K`, `M`, `G` and so on are powers of 1024, as for curl.
fn parse_rate(text: &str) -> Result<u64, String> {
    let rate = parse_size::Config::new().with_binary().parse_size(text.trim());
    match rate {
        Ok(0) => Err("leave it out for no limit".into()),
        Ok(rate) if rate <= MOST_RATE => Ok(rate),
        Ok(_) => Err("that is beyond any network".into()),
        Err(_) => Err("write bytes a second, as 500K or 2.5M".into()),
    }
}

/// 1 TiB/s.
const MOST_RATE: u64 = 1 << 40;

fn parse_seconds(text: &str) -> Result<Duration, String> {
    const WEEK: f64 = 7.0 * 24.0 * 3600.0;
    match text.trim().parse::<f64>() {
        Ok(seconds) if (0.001..=WEEK).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        Ok(_) => Err("it must be from 0.001 to 604800 (a week)".into()),
        Err(_) => Err("write seconds, as 30 or 0.5".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn help_fits_a_screen() {
        let help = Args::command().term_width(80).render_help().to_string();
        assert!(help.lines().count() <= 40, "{} lines:\n{help}", help.lines().count());
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    }

    #[test]
    fn rates() {
        for (text, rate) in
            [("1", 1), ("1K", 1024), ("2.5M", 5 << 19), ("1g", 1 << 30), ("10k", 10240), (" 7 ", 7)]
        {
            assert_eq!(parse_rate(text), Ok(rate), "{text}");
        }
        for text in ["", "0", "-1", "-1K", "K", "1X", "1.2.3M", "9999999999G", "1e30", "nan"] {
            assert!(parse_rate(text).is_err(), "{text}: {:?}", parse_rate(text));
        }
    }

    #[test]
    fn seconds() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_seconds("30"), Ok(Duration::from_secs(30)));
        for text in ["", "0", "-1", "inf", "nan", "1e300", "x", "604801"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn messages_are_one_line() {
        for arguments in [
            &["okdl", "--jsn", "u"][..],
            &["okdl", "-x", "0", "u"],
            &["okdl", "-x", "-1", "u"],
            &["okdl", "--on-exists", "what", "u"],
        ] {
            let line = one_line(&Args::try_parse_from(arguments).unwrap_err().render().to_string());
            assert!(!line.contains('\n') && !line.contains("Usage"), "{line}");
        }
    }

    /// Numbers as people write them, and anything.
    fn numbers() -> impl Strategy<Value = String> {
        const PIECES: &[&str] =
            &["-", "+", ".", "e", "E", "K", "MiB", "g", "inf", "nan", "_", " ", "0", "9", "999999999"];
        let piece = prop_oneof![
            4 => prop::sample::select(PIECES).prop_map(str::to_owned),
            2 => any::<u64>().prop_map(|number| number.to_string()),
            1 => any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 10_000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default()
        })]

        #[test]
        fn any_text_is_a_rate_and_a_time_within_limits_or_none(text in numbers()) {
            if let Ok(rate) = parse_rate(&text) {
                assert!((1..=MOST_RATE).contains(&rate), "{text:?}: {rate}");
            }
            if let Ok(time) = parse_seconds(&text) {
                let limits = Duration::from_millis(1)..=Duration::from_secs(604_800);
                assert!(limits.contains(&time), "{text:?}: {time:?}");
            }
        }

        #[test]
        fn rates_and_times_are_read_as_written(rate in 1..=MOST_RATE, milliseconds in 1..=604_800_000_u64) {
            assert_eq!(parse_rate(&rate.to_string()), Ok(rate));
            let text = format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000);
            let read = parse_seconds(&text).unwrap();
            assert!(read.abs_diff(Duration::from_millis(milliseconds)) < Duration::from_micros(1), "{text}: {read:?}");
        }
    }
}

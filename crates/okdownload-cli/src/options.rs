//! The options, in the groups that commands have in common.
//!
//! What may hold a secret (URLs, headers, passwords, proxies) is taken as text and judged elsewhere: clap would show
//! it in its messages. `-h` and `--help` leave out what is rarely wanted (`hide_short_help`); `--help-all` and the
//! manual page have it all. Every long option here is a key of the configuration file too, but for those about one run or
//! one file: `NOT_KEYS` in `config`. What a file can switch on has a `--no-…`, which takes back what stands before it; it
//! needs no other reader than clap.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, value_parser};

use crate::values::{BackendArg, DurabilityArg, ExistsArg, parse_rate, parse_seconds};

// The comments on these structs are no docs: clap would take those for the command's own.

// A download that is begun.
#[derive(Debug, Args)]
pub(crate) struct DownloadArgs {
    /// Address of a file, http or https
    #[arg(value_name = "URL", hide_short_help = true)]
    pub(crate) urls: Vec<String>,

    /// Read URLs and their options from FILE (-: stdin)
    #[arg(short, long, value_name = "FILE", help_heading = "What and where")]
    pub(crate) input_file: Option<PathBuf>,

    /// Another place of the one file (repeatable)
    #[arg(long, value_name = "URL", help_heading = "What and where")]
    pub(crate) mirror: Vec<String>,

    /// Put files into DIR, or s3://BUCKET/DIR
    #[arg(short, long, value_name = "DIR", help_heading = "What and where")]
    pub(crate) dir: Option<PathBuf>,

    /// Name one file, or s3://BUCKET/KEY, or - (stdout)
    #[arg(short, long, value_name = "NAME", help_heading = "What and where")]
    pub(crate) out: Option<PathBuf>,

    /// error (default), skip, overwrite, rename, update
    #[arg(long, value_name = "WHAT", hide_possible_values = true, help_heading = "What and where")]
    pub(crate) on_exists: Option<ExistsArg>,

    /// Check the one file's digest, as sha-256=...
    ///
    /// sha-512, sha-1 and md5 can be checked too.
    #[arg(long, value_name = "ALG=HEX", help_heading = "What and where")]
    pub(crate) checksum: Option<String>,

    /// Check all by a list, as SHA256SUMS
    #[arg(long, value_name = "FILE", conflicts_with = "checksum", help_heading = "What and where")]
    pub(crate) checksum_file: Option<PathBuf>,

    /// Complete a file whatever the server says that its digest is
    #[arg(long, hide_short_help = true, help_heading = "What and where")]
    pub(crate) ignore_server_digest: bool,

    /// Switch off --ignore-server-digest of the configuration file
    #[arg(long, overrides_with = "ignore_server_digest", hide_short_help = true)]
    #[arg(help_heading = "What and where")]
    no_ignore_server_digest: bool,

    /// What files survive: power (its loss) or process (its end) [default: power]
    #[arg(long, value_name = "LOSS", hide_possible_values = true, hide_short_help = true)]
    #[arg(help_heading = "What and where")]
    pub(crate) durability: Option<DurabilityArg>,

    #[command(flatten)]
    pub(crate) transfer: TransferArgs,

    #[command(flatten)]
    pub(crate) form: FormArgs,

    #[command(flatten)]
    pub(crate) requests: RequestArgs,

    #[command(flatten)]
    pub(crate) state: StateArgs,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

// How fast, how long, how often.
#[derive(Debug, Args)]
pub(crate) struct TransferArgs {
    /// Connections for each file [default: by its size]
    #[arg(short = 'x', long, value_name = "N", value_parser = value_parser!(u32).range(1..=256))]
    #[arg(help_heading = "How fast")]
    pub(crate) connections: Option<u32>,

    /// Files at a time
    #[arg(short = 'j', long, value_name = "N", value_parser = value_parser!(u32).range(1..=1024))]
    #[arg(default_value = "5", help_heading = "How fast")]
    pub(crate) parallel: u32,

    /// Files at a time of one server [default: no limit]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1024))]
    #[arg(hide_short_help = true, help_heading = "How fast")]
    pub(crate) per_host: Option<u32>,

    /// Bytes a second in all, as 500K or 2.5M
    #[arg(long, value_name = "RATE", value_parser = parse_rate, help_heading = "How fast")]
    pub(crate) limit_rate: Option<u64>,

    /// Failures in a row to forgive [default: 5]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(0..=10_000))]
    #[arg(help_heading = "How fast")]
    pub(crate) retries: Option<u32>,

    /// Longest time for each file [default: no limit]
    #[arg(long, value_name = "SECS", value_parser = parse_seconds, hide_short_help = true)]
    #[arg(help_heading = "How fast")]
    pub(crate) deadline: Option<Duration>,

    /// Give up a server that is slower for 30 s
    #[arg(long, value_name = "RATE", value_parser = parse_rate, hide_short_help = true)]
    #[arg(help_heading = "How fast")]
    pub(crate) lowest_speed: Option<u64>,
}

// What else than a plain GET.
#[derive(Debug, Args)]
pub(crate) struct FormArgs {
    /// The request's method [default: GET, or POST with data]
    #[arg(long, value_name = "NAME", hide_short_help = true, help_heading = "Requests")]
    pub(crate) method: Option<String>,

    /// Send TEXT as the request's body
    #[arg(long, value_name = "TEXT", hide_short_help = true, help_heading = "Requests")]
    pub(crate) data: Option<String>,

    /// Send what is in FILE (-: stdin) as the request's body
    #[arg(long, value_name = "FILE", conflicts_with = "data", hide_short_help = true)]
    #[arg(help_heading = "Requests")]
    pub(crate) data_file: Option<PathBuf>,
}

// What servers are told, and how they are reached.
#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    /// Longest wait for a byte [default: 30]
    #[arg(long, value_name = "SECS", value_parser = parse_seconds, help_heading = "How fast")]
    pub(crate) timeout: Option<Duration>,

    /// Longest wait to connect [default: 30]
    #[arg(long, value_name = "SECS", value_parser = parse_seconds, hide_short_help = true)]
    #[arg(help_heading = "How fast")]
    pub(crate) connect_timeout: Option<Duration>,

    /// Send a header (repeatable)
    #[arg(long, value_name = "K: V", help_heading = "Requests")]
    pub(crate) header: Vec<String>,

    /// Name and password, where a URL has none
    #[arg(long, value_name = "NAME:PASSWORD", help_heading = "Requests")]
    pub(crate) user: Option<String>,

    /// Else those in FILE, a netrc file [default: $NETRC, ~/.netrc]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, hide_short_help = true)]
    #[arg(help_heading = "Requests")]
    pub(crate) netrc: Option<Option<PathBuf>>,

    /// Switch off --netrc of the configuration file
    #[arg(long, overrides_with = "netrc", hide_short_help = true, help_heading = "Requests")]
    no_netrc: bool,

    /// Call yourself TEXT
    #[arg(long, value_name = "TEXT", hide_short_help = true, help_heading = "Requests")]
    pub(crate) user_agent: Option<String>,

    /// Trust the certificates in FILE (PEM) too
    #[arg(long, value_name = "FILE", hide_short_help = true, help_heading = "Requests")]
    pub(crate) cacert: Option<PathBuf>,

    /// Who you are: a certificate (PEM) for the server
    #[arg(long, value_name = "FILE", hide_short_help = true, help_heading = "Requests")]
    pub(crate) cert: Option<PathBuf>,

    /// Its private key [default: beside it in its file]
    #[arg(long, value_name = "FILE", hide_short_help = true, help_heading = "Requests")]
    pub(crate) key: Option<PathBuf>,

    /// Proxy to use [default: from the environment]
    #[arg(long, value_name = "URL", help_heading = "Requests")]
    pub(crate) proxy: Option<String>,

    /// Speak HTTP/2 with servers that have it
    #[arg(long, hide_short_help = true, help_heading = "Requests")]
    pub(crate) http2: bool,

    /// Switch off --http2 of the configuration file
    #[arg(long, overrides_with = "http2", hide_short_help = true, help_heading = "Requests")]
    no_http2: bool,

    /// What connects: reqwest or isahc [default: reqwest]
    #[arg(long, value_name = "NAME", hide_possible_values = true, hide_short_help = true)]
    #[arg(help_heading = "Requests")]
    pub(crate) backend: Option<BackendArg>,
}

// Where progress is kept.
#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    // No doc comment: it would take the brackets for links.
    #[arg(help = "Keep progress in sqlite[:PATH], sled[:PATH] or memory [default: sqlite]")]
    #[arg(long, value_name = "STORE", hide_short_help = true, help_heading = "How it works")]
    pub(crate) store: Option<OsString>,
}

// What every command has.
#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    /// JSON on standard output, one object a line
    #[arg(long, help_heading = "How it works")]
    pub(crate) json: bool,

    /// Switch off --json of the configuration file
    #[arg(long, overrides_with = "json", hide_short_help = true, help_heading = "How it works")]
    no_json: bool,

    /// No progress, only errors
    #[arg(short, long, help_heading = "How it works")]
    pub(crate) quiet: bool,

    /// Switch off --quiet of the configuration file
    #[arg(long, overrides_with = "quiet", hide_short_help = true, help_heading = "How it works")]
    no_quiet: bool,

    /// Tell what is done (-vv: all of it)
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "How it works")]
    pub(crate) verbose: u8,

    /// Switch off --verbose of the configuration file
    #[arg(long, overrides_with = "verbose", hide_short_help = true, help_heading = "How it works")]
    no_verbose: bool,

    /// Read options from FILE [default: ~/.config/okdl/config.toml, or the platform's place]
    #[arg(long, value_name = "FILE", hide_short_help = true, help_heading = "How it works")]
    pub(crate) config: Option<PathBuf>,

    /// Read no configuration file
    #[arg(long, conflicts_with = "config", hide_short_help = true, help_heading = "How it works")]
    pub(crate) no_config: bool,
}

//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// Compares okdl with other downloaders.
#[derive(Debug, Parser)]
#[command(name = "okdownload-bench", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) order: Order,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// Run the comparison and print its tables as Markdown
    Run(RunOptions),
    /// Make the pictures of the docs: okdl at work, and the comparison as a chart
    Pictures(PictureOptions),
    /// Serve files slowly (the comparison starts this itself)
    ServeShaped(ShapedOptions),
    /// Download over plain sockets by recv and pwrite: what is within reach
    RawRecv(RawOptions),
    /// Download over plain sockets by splice: the least that the machine needs
    RawSplice(RawOptions),
}

#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct RunOptions {
    /// Works to run [default: all]
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(crate::works::names()))]
    pub(crate) works: Vec<String>,

    /// An okdl to run, with a label if there are several [default: the one beside this program]
    #[arg(long, value_name = "[LABEL=]PATH")]
    pub(crate) okdl: Vec<String>,

    /// How okdl is run
    #[arg(long, value_delimiter = ',', default_value = "process,power,isahc")]
    pub(crate) variants: Vec<VariantArg>,

    /// Other programs to run, those of them that are installed
    #[arg(long, value_delimiter = ',', default_value = "curl,aria2c,wget2,axel")]
    pub(crate) programs: Vec<OtherArg>,

    /// Run the two raw-socket programs too
    #[arg(long)]
    pub(crate) raw: bool,

    /// How often each program does each work, in turn
    #[arg(long, default_value = "7", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,

    /// Smaller files, to see whether everything works
    #[arg(long)]
    pub(crate) quick: bool,

    /// Where files are served from and put into, on the disk to measure [default: beside this program]
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,

    /// Write every figure of every run into this file too
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// nginx's worker_processes
    #[arg(long, default_value = "auto")]
    pub(crate) workers: String,

    /// Don't let the disk come to rest between runs
    #[arg(long)]
    pub(crate) no_sync: bool,
}

/// How okdl is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VariantArg {
    /// --durability process
    Process,
    /// --durability power
    Power,
    /// --durability process --backend isahc
    Isahc,
}

/// The other programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OtherArg {
    Curl,
    Aria2c,
    Wget2,
    Axel,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct PictureOptions {
    /// What to make [default: all]
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(crate::pictures::names()))]
    pub(crate) names: Vec<String>,

    /// Where the pictures go
    #[arg(long, default_value = "docs/pictures")]
    pub(crate) out: PathBuf,

    /// What the chart is made of
    #[arg(long, default_value = "docs/performance.md")]
    pub(crate) figures: PathBuf,

    /// The okdl to show [default: the one beside this program]
    #[arg(long, value_name = "PATH")]
    pub(crate) okdl: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ShapedOptions {
    /// The folder to serve
    #[arg(long)]
    pub(crate) root: PathBuf,

    /// Bytes a second; each new connection has the first of these rates that the fewest have [default: no limit]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rates: Vec<u64>,

    /// Milliseconds until the first byte of a response
    #[arg(long, default_value = "0")]
    pub(crate) first_byte: u64,

    /// Milliseconds from here to there and back
    #[arg(long, default_value = "0")]
    pub(crate) round_trip: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RawOptions {
    /// The one file's address, http only
    #[arg(required_unless_present = "input_file")]
    pub(crate) url: Option<String>,

    /// Addresses of files, one a line, all of one server
    #[arg(short, long, conflicts_with = "url", requires = "dir")]
    pub(crate) input_file: Option<PathBuf>,

    /// Where the one file goes
    #[arg(short, long, required_unless_present = "input_file")]
    pub(crate) out: Option<PathBuf>,

    /// Where the files of a list go
    #[arg(short, long)]
    pub(crate) dir: Option<PathBuf>,

    /// Connections for the one file
    #[arg(short = 'x', long, default_value = "1", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub(crate) connections: u64,

    /// Files at a time
    #[arg(short = 'j', long, default_value = "1", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub(crate) parallel: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }
}

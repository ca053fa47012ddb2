//! `okdownload-bench` compares `okdl` with other downloaders: it starts the servers it needs on 127.0.0.1, runs each
//! program in turn, checks every byte, and prints tables for `docs/performance.md`.
//!
//! ```sh
//! cargo build --release -p okdownload-cli -p okdownload-bench
//! target/release/okdownload-bench run --raw --json figures.json
//! target/release/okdownload-bench run one-4 small --okdl before=old/okdl --okdl after=target/release/okdl
//! ```
//!
//! `works` says what is downloaded and what is aimed at, `programs` how each program is told to do it, `session` does
//! one run, `report` prints. `pictures` makes those of the docs. `shaped` and `raw` are programs of their own, which the
//! comparison starts as processes so that their CPU time is not counted as anybody else's.
#![cfg(target_os = "linux")]

mod args;
mod compare;
mod content;
mod goals;
mod measure;
mod pictures;
mod programs;
mod raw;
mod report;
mod servers;
mod session;
mod shaped;
mod stats;
mod works;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Order};

/// Why something can't be done: what failed, on what, and why.
pub(crate) type Result<T> = std::result::Result<T, String>;

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Args::parse().order {
        Order::Run(options) => compare::compare(&options),
        Order::Pictures(options) => pictures::make(&options),
        Order::ServeShaped(options) => {
            shaped::serve(&options).map_err(|error| format!("cannot serve: {error}"))
        }
        Order::RawRecv(options) => raw::download::<raw::Recv>(&options),
        Order::RawSplice(options) => raw::download::<raw::Splice>(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            tell(&message);
            ExitCode::FAILURE
        }
    }
}

/// A line for who watches, on standard error.
pub(crate) fn tell(message: &str) {
    // Where standard error is closed, nobody watches.
    let _ = writeln!(std::io::stderr(), "okdownload-bench: {message}");
}

//! What can be done beside downloading what is new.

mod forget;
mod list;
mod pages;
mod probe;
mod records;
mod resume;

use std::io::{ErrorKind, Write};

use serde::Serialize;

use crate::report::Failure;
use crate::run::Outcome;

pub(crate) use forget::forget;
pub(crate) use list::list;
pub(crate) use pages::{completions, man};
pub(crate) use probe::probe;
pub(crate) use resume::resume;

/// Puts a command's answer on standard output. A reader who has seen enough is no failure.
fn print(text: &[u8], outcome: Outcome) -> Result<Outcome, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Ok(()) => Ok(outcome),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Outcome::PipeClosed),
        Err(error) => Err(Failure::Other(format!("cannot write to standard output: {error}"))),
    }
}

/// A line of JSON, with the version of its form: see `docs/json.md`.
fn json_line(value: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Versioned<'a, T> {
        v: u8,
        #[serde(flatten)]
        value: &'a T,
    }
    // Plain data with text as keys: there is nothing that JSON could not say.
    serde_json::to_string(&Versioned { v: crate::json::VERSION, value }).unwrap_or_default() + "\n"
}

//! The shaped server as a child, which is asked for its counts over its standard input.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::Counts;
use crate::works::Shape;
use crate::{Result, tell};

#[derive(Debug)]
pub(crate) struct Shaped {
    process: Child,
    /// `None` once it is to end.
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    port: u64,
}

/// The command line of the server, after the program's name.
fn arguments(root: &Path, shape: Shape) -> Vec<std::ffi::OsString> {
    let mut arguments = vec!["serve-shaped".into(), "--root".into(), root.into()];
    if !shape.rates.is_empty() {
        let rates: Vec<_> = shape.rates.iter().map(u64::to_string).collect();
        arguments.extend(["--rates".into(), rates.join(",").into()]);
    }
    for (name, time) in [("--first-byte", shape.first_byte), ("--round-trip", shape.round_trip)] {
        arguments.extend([name.into(), time.as_millis().to_string().into()]);
    }
    arguments
}

impl Shaped {
    pub(crate) fn start(root: &Path, shape: Shape) -> Result<Self> {
        let cannot = |error| format!("cannot start the shaped server: {error}");
        let mut command = Command::new(std::env::current_exe().map_err(cannot)?);
        command.args(arguments(root, shape)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(cannot)?;
        let (Some(questions), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("the shaped server has no pipes".into());
        };
        let mut shaped =
            Self { process, questions: Some(questions), answers: BufReader::new(answers), port: 0 };
        shaped.port = shaped.answer::<1>()?[0];
        Ok(shaped)
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    pub(super) fn counts(&mut self) -> Result<Counts> {
        if let Some(questions) = &mut self.questions {
            writeln!(questions).map_err(|error| format!("cannot ask the shaped server: {error}"))?;
        }
        let [requests, connections, bytes] = self.answer()?;
        Ok(Counts { requests, connections, bytes })
    }

    /// A line of so many numbers.
    fn answer<const N: usize>(&mut self) -> Result<[u64; N]> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        read.map_err(|error| format!("cannot hear the shaped server: {error}"))?;
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        numbers.try_into().map_err(|_| format!("the shaped server says {line:?}"))
    }
}

impl Drop for Shaped {
    fn drop(&mut self) {
        self.questions = None;
        if let Err(error) = self.process.wait() {
            tell(&format!("cannot end the shaped server: {error}"));
        }
    }
}

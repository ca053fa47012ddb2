//! `okdl` downloads files over many connections, and goes on where it was stopped.
//!
//! `args` reads the command line, `plan` judges it, `engine` sets up what does the work, `run` does it.

mod args;
mod engine;
mod input;
mod json;
mod netrc;
mod plan;
mod pour;
mod progress;
mod report;
mod run;
mod signals;
mod state;

use std::process::ExitCode;

use args::Args;
use engine::Setup;
use json::JsonLines;
use plan::Plan;
use report::{Console, Failure};
use run::{Outcome, Run};

fn main() -> ExitCode {
    keep_memory();
    let result = args::parse().and_then(|args| {
        let setup = Setup::new(&args)?;
        let plan = Plan::new(&args)?;
        work(&args, setup, plan)
    });
    match result {
        Ok(Outcome::Complete) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        // As if the signal had ended us, of which nobody hears anything either.
        Ok(Outcome::PipeClosed) => ExitCode::from(128 + 13),
        Ok(Outcome::Stopped(code)) => ExitCode::from(code),
        Err(Failure::Usage(message)) => {
            Console::plain().error(&message);
            ExitCode::from(2)
        }
        Err(Failure::Other(message)) => {
            Console::plain().error(&message);
            ExitCode::from(1)
        }
    }
}

/// Lets the GNU C library keep memory that was freed. It asks the system for each large buffer, of which every chunk that
/// comes is one, and gives it back at once, until it has seen as large a one freed: from then on it keeps some of them
/// (`mallopt(3)`, `M_MMAP_THRESHOLD`). Elsewhere this does nothing.
fn keep_memory() {
    const LARGER_THAN_ANY_CHUNK: usize = 4 << 20;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGER_THAN_ANY_CHUNK)));
}

/// Downloads everything, on a runtime of its own.
fn work(args: &Args, setup: Setup, plan: Plan) -> Result<Outcome, Failure> {
    let cannot = |what: &str, error: std::io::Error| Failure::Other(format!("cannot {what}: {error}"));
    let runtime = engine::runtime().map_err(|error| cannot("start", error))?;
    let console = Console::new(args.quiet || args.json);
    let json = args.json.then(JsonLines::new).transpose().map_err(|error| cannot("start", error))?;
    let outcome = runtime.block_on(async {
        let stop = signals::listen().map_err(|error| cannot("listen for signals", error))?;
        let parallel = setup.parallel;
        let engine = setup.engine(&console).await?;
        Ok(Run::new(&plan, engine, parallel, &console, json.as_ref()).run(stop).await)
    });
    let written = json.map_or(Ok(()), JsonLines::finish);
    // Whatever still hangs in a system call must not keep us.
    runtime.shutdown_background();
    let outcome = outcome?;
    written.map_err(|error| cannot("write to standard output", error))?;
    if let Outcome::Stopped(_) = outcome {
        console.note(|| "okdl: stopped; the same command goes on from here".into());
    }
    Ok(outcome)
}

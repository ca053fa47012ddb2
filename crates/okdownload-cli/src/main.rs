//! `okdl` downloads files over many connections, and goes on where it was stopped.
//!
//! `args` reads the command line and `config` the file with what is always meant; `plan` judges what is to be downloaded,
//! `engine` sets up what does the work, `run` does it. `commands` has what can be done beside that.

mod args;
mod asked;
mod bars;
mod checksums;
mod commands;
mod config;
mod engine;
mod form;
mod input;
mod json;
mod netrc;
mod options;
mod plan;
mod pour;
mod report;
mod retries;
mod run;
mod settings;
mod signals;
mod state;
mod terminal;
mod tls;
mod values;

use std::process::ExitCode;

use args::{Cli, Command};
use engine::Setup;
use options::{CommonArgs, DownloadArgs};
use plan::Plan;
use report::{Console, Failure};
use run::Outcome;

fn main() -> ExitCode {
    keep_memory();
    tls::set_up();
    match args::parse().and_then(|cli| obey(&cli)) {
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

fn obey(cli: &Cli) -> Result<Outcome, Failure> {
    match &cli.command {
        None => download(&cli.download),
        Some(Command::List(args)) => commands::list(args),
        Some(Command::Resume(args)) => commands::resume(args),
        Some(Command::Forget(args)) => commands::forget(args),
        Some(Command::Probe(args)) => commands::probe(args),
        Some(Command::Completions(args)) => commands::completions(args),
        Some(Command::Man(args)) => commands::man(args),
    }
}

fn download(args: &DownloadArgs) -> Result<Outcome, Failure> {
    let setup = Setup::new(&args.state, &args.requests, &args.transfer)?;
    let plan = Plan::new(args)?;
    work(&args.common, async |console| {
        let parallel = setup.parallel;
        let (engine, lasts) = setup.lasting_engine(console).await?;
        let goes_on = lasts && plan.can_go_on();
        let outcome = run::to_the_end(plan, engine, parallel, console, args.common.json).await?;
        outcome.tell_stop(console, goes_on);
        Ok(outcome)
    })
}

/// Does what a command does, on a runtime of its own.
fn work(
    args: &CommonArgs,
    work: impl AsyncFnOnce(&Console) -> Result<Outcome, Failure>,
) -> Result<Outcome, Failure> {
    let runtime = engine::runtime().map_err(|error| Failure::Other(format!("cannot start: {error}")))?;
    let console = Console::new(args.quiet || args.json);
    report::log(&console, args.verbose);
    let outcome = runtime.block_on(work(&console));
    // Whatever still hangs in a system call must not keep us.
    runtime.shutdown_background();
    outcome
}

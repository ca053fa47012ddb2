//! `okdl completions` and `okdl man`: what is made of the definition of the command line.

use clap::CommandFactory;
use clap::builder::Resettable;

use super::print;
use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::report::Failure;
use crate::run::Outcome;

pub(crate) fn completions(args: &CompletionsArgs) -> Result<Outcome, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "okdl", &mut text);
    print(&text, Outcome::Complete)
}

pub(crate) fn man(args: &ManArgs) -> Result<Outcome, Failure> {
    // The page has what help leaves out, and says it at more length itself.
    let whole = |command: clap::Command| {
        command.mut_args(|argument| argument.hide_short_help(false)).after_help(Resettable::Reset)
    };
    let mut okdl = whole(Cli::command()).mut_subcommands(whole);
    okdl.build();
    let page = match &args.command {
        None => okdl,
        Some(name) => {
            let found = okdl.find_subcommand(name).cloned();
            found.ok_or_else(|| Failure::Usage(format!("there is no command {name}")))?
        }
    };
    let is_main = args.command.is_none();
    let mut text = Vec::new();
    let rendered = clap_mangen::Man::new(page).render(&mut text);
    rendered.map_err(|error| Failure::Other(format!("cannot make the page: {error}")))?;
    if is_main {
        text.extend_from_slice(MORE.as_bytes());
    }
    print(&text, Outcome::Complete)
}

/// What a page has to say that help has not.
const MORE: &str = include_str!("okdl.roff");

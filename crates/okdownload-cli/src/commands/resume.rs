//! `okdl resume`: goes on with what is unfinished, wherever it was begun.

use std::collections::BTreeSet;

use okdownload::{BreakpointInfo, DownloadTask, Error, OkDownload, Result};

use super::records::select;
use crate::args::ResumeArgs;
use crate::asked::Asked;
use crate::engine::Setup;
use crate::plan::{Plan, check_url};
use crate::report::{Console, Failure, describe, place};
use crate::run::{self, Outcome};

pub(crate) fn resume(args: &ResumeArgs) -> Result<Outcome, Failure> {
    let typed = args.typed.as_deref().unwrap_or(args);
    let asked = Asked::new(&args.requests, &args.transfer)?.typed(&typed.requests, &typed.transfer)?;
    let setup = Setup::new(&args.state, &args.requests, &args.transfer)?;
    if let Some(url) = &args.url {
        check_url(url).map_err(|problem| Failure::Usage(format!("--url {problem}")))?;
    }
    crate::work(&args.common, async |console| {
        let parallel = setup.parallel;
        let (engine, lasts) = setup.lasting_engine(console).await?;
        let infos = engine.unfinished().await.map_err(|error| Failure::Other(describe(&error)))?;
        let chosen = chosen(args, infos)?;
        let (tasks, refused) = tasks(args, &asked, &engine, &chosen, console).await;
        if tasks.is_empty() {
            if !refused {
                console.note(|| "nothing is unfinished".into());
            }
            engine.shutdown().await.map_err(|error| Failure::Other(describe(&error)))?;
            return Ok(if refused { Outcome::Failed } else { Outcome::Complete });
        }
        let outcome = run::to_the_end(Plan::of(tasks), engine, parallel, console, args.common.json).await?;
        outcome.tell_stop(console, lasts);
        Ok(if refused && outcome == Outcome::Complete { Outcome::Failed } else { outcome })
    })
}

fn chosen(args: &ResumeArgs, infos: Vec<BreakpointInfo>) -> Result<Vec<BreakpointInfo>, Failure> {
    if args.ids.is_empty() && !args.all && infos.len() > 1 {
        let message =
            format!("{} downloads are unfinished; name one of okdl list, or say --all", infos.len());
        return Err(Failure::Usage(message));
    }
    let chosen = if args.ids.is_empty() {
        infos
    } else {
        let places = select(&args.ids, &infos)?;
        infos
            .into_iter()
            .enumerate()
            .filter(|(place, _)| places.contains(place))
            .map(|(_, info)| info)
            .collect()
    };
    let servers: BTreeSet<_> = chosen.iter().map(|info| info.url.origin().ascii_serialization()).collect();
    if args.requests.user.is_some() && servers.len() > 1 {
        let message = format!(
            "--user would go to {} servers; name the downloads of one, or use --netrc",
            servers.len()
        );
        return Err(Failure::Usage(message));
    }
    if args.url.is_some() && chosen.len() != 1 {
        return Err(Failure::usage("--url is for one download"));
    }
    Ok(chosen)
}

/// The tasks of what was chosen, and whether one of them can't go on.
async fn tasks(
    args: &ResumeArgs,
    asked: &Asked,
    engine: &OkDownload,
    chosen: &[BreakpointInfo],
    console: &Console,
) -> (Vec<DownloadTask>, bool) {
    let (mut tasks, mut refused) = (Vec::new(), false);
    for info in chosen {
        match task(args, asked, engine, info).await {
            Ok(task) => tasks.push(task),
            Err(error) => {
                console.error(&format!("{}: {}", place(&info.location), describe(&error)));
                refused = true;
            }
        }
    }
    (tasks, refused)
}

/// The task as it was, with what is typed now, at its new URL if there is one.
async fn task(
    args: &ResumeArgs,
    asked: &Asked,
    engine: &OkDownload,
    info: &BreakpointInfo,
) -> Result<DownloadTask> {
    let old = info.task()?;
    let url = args.url.as_deref().unwrap_or(old.url().as_str());
    let task = asked.again(&old, url)?;
    // A new URL may have in it what the old one needed beside it.
    if info.needs_credentials && !task.needs_credentials() && args.url.is_none() {
        let advice = "give them again, by --user, --netrc or --header";
        return Err(Error::misuse("it needs credentials, which are not kept", advice));
    }
    if args.url.is_some() {
        // The plan makes its own request of the task.
        drop(engine.retarget(info.id, task.clone()).await?);
    }
    Ok(task)
}

//! `okdl forget`: gives up what is unfinished, and removes records.

use okdownload::store::{Change, CommitLevel};
use okdownload::{BreakpointInfo, CompletionRecord, OkDownload, Result, redacted};
use serde::Serialize;

use super::records::{Record, select};
use super::{json_line, print};
use crate::args::ForgetArgs;
use crate::engine::Setup;
use crate::report::{Failure, describe, place, printable};
use crate::run::Outcome;

/// What was done about one record. Its fields are those of the JSON form.
#[derive(Debug, Serialize)]
struct Forgotten {
    state: State,
    id: String,
    url: String,
    path: String,
    /// The part that was removed.
    removed: Option<String>,
    #[serde(skip)]
    shown: String,
}

/// What a record says of its download.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Unfinished,
    Completed,
}

/// A record of either kind.
#[derive(Debug)]
enum Either {
    Unfinished(Box<BreakpointInfo>),
    Completed(Box<CompletionRecord>),
}

impl Either {
    fn state(&self) -> State {
        match self {
            Self::Unfinished(_) => State::Unfinished,
            Self::Completed(_) => State::Completed,
        }
    }

    fn record(&self) -> &dyn Record {
        match self {
            Self::Unfinished(info) => &**info,
            Self::Completed(record) => &**record,
        }
    }
}

impl Record for Either {
    fn id(&self) -> okdownload::TaskId {
        self.record().id()
    }
    fn url(&self) -> &url::Url {
        self.record().url()
    }
    fn location(&self) -> &okdownload::Location {
        self.record().location()
    }
}

pub(crate) fn forget(args: &ForgetArgs) -> Result<Outcome, Failure> {
    let setup = Setup::of_state(&args.state)?;
    crate::work(&args.common, async |console| {
        let engine = setup.engine(console).await?;
        let chosen = chosen(args, &engine).await?;
        if chosen.is_empty() {
            console.note(|| "there is nothing to forget".into());
        }
        let (mut text, mut outcome) = (String::new(), Outcome::Complete);
        for record in &chosen {
            match forget_one(&engine, record).await {
                Ok(forgotten) if args.common.json => text += &json_line(&forgotten),
                Ok(_) if args.common.quiet => {}
                Ok(forgotten) => text += &words(&forgotten),
                Err(error) => {
                    console.error(&format!("{}: {}", place(record.location()), describe(&error)));
                    outcome = Outcome::Failed;
                }
            }
        }
        engine.shutdown().await.map_err(|error| Failure::Other(describe(&error)))?;
        print(text.as_bytes(), outcome)
    })
}

/// What is to be forgotten. Of a download that is known twice, as complete and as begun anew, both are meant.
async fn chosen(args: &ForgetArgs, engine: &OkDownload) -> Result<Vec<Either>, Failure> {
    let failure = |error| Failure::Other(describe(&error));
    let unfinished = engine.unfinished().await.map_err(failure)?;
    let completed = engine.store().completed().await.map_err(failure)?;
    let unfinished = unfinished.into_iter().map(|info| Either::Unfinished(Box::new(info)));
    let completed = completed.into_iter().map(|record| Either::Completed(Box::new(record)));
    if args.all {
        return Ok(unfinished.collect());
    }
    if args.completed {
        return Ok(completed.collect());
    }
    let all: Vec<Either> = unfinished.chain(completed).collect();
    let places = select(&args.ids, &all)?;
    Ok(all
        .into_iter()
        .enumerate()
        .filter(|(place, _)| places.contains(place))
        .map(|(_, record)| record)
        .collect())
}

async fn forget_one(engine: &OkDownload, record: &Either) -> Result<Forgotten> {
    let removed = match record {
        Either::Completed(record) => {
            let change = Change::RemoveCompletion(record.id);
            engine.store().commit(vec![change], CommitLevel::Process).await?;
            None
        }
        Either::Unfinished(info) => {
            let is_there = || info.part.path().is_some_and(|path| path.symlink_metadata().is_ok());
            let before = is_there();
            engine.forget(info.id).await?;
            (before && !is_there()).then(|| info.part.to_string())
        }
    };
    Ok(Forgotten {
        state: record.state(),
        id: record.id().to_string(),
        url: redacted(record.url()),
        path: record.location().to_string(),
        removed,
        shown: place(record.location()),
    })
}

fn words(forgotten: &Forgotten) -> String {
    let Forgotten { shown, url, state, removed, .. } = forgotten;
    let what = match (state, removed) {
        (State::Completed, _) => "forgotten; the file stays".into(),
        (State::Unfinished, Some(part)) => format!("forgotten; removed {}", printable(part)),
        (State::Unfinished, None) => "forgotten; no part was removed".to_owned(),
    };
    format!("{}  <{url}>  {what}\n", printable(shown))
}

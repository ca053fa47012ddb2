//! The whole comparison: each work, in rounds, each program in turn.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::args::RunOptions;
use crate::programs::Program;
use crate::report::{self, Table};
use crate::servers::{self, Nginx, Server};
use crate::session::{Sample, Session};
use crate::works::{self, Work};
use crate::{Result, measure, programs, tell};

/// All runs of one program.
#[derive(Debug, Serialize)]
pub(crate) struct Runs {
    pub(crate) program: String,
    /// Which okdl it is, if it is one.
    pub(crate) okdl: Option<String>,
    #[serde(skip)]
    pub(crate) side: report::Side,
    pub(crate) samples: Vec<Sample>,
    /// Why there are no more.
    pub(crate) failure: Option<String>,
}

/// Does what the command line says. Errors at the end, if any program failed.
pub(crate) fn compare(options: &RunOptions) -> Result<()> {
    let place = match &options.dir {
        Some(place) => place.clone(),
        None => programs::beside("")?,
    };
    let cannot = |error| format!("cannot make a folder in {}: {error}", place.display());
    let folder = tempfile::Builder::new().prefix("okdownload-bench-").tempdir_in(&place).map_err(cannot)?;
    let path = folder.path().canonicalize().map_err(cannot)?;
    let (root, runs, setup) = (path.join("served"), path.join("runs"), path.join("nginx"));
    for folder in [&root, &runs, &setup] {
        std::fs::create_dir(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    let programs = programs::all(options)?;
    let nginx = servers::nginx(&setup, &root, options)?;
    print(&report::preface(&nginx, options))?;
    let mut tables = Vec::new();
    for work in works::all(options.quick) {
        if options.works.is_empty() || options.works.iter().any(|name| name == work.name) {
            let table = Table::new(&work, self::work(&work, &programs, &nginx, &root, &runs, options)?);
            print(&table.markdown())?;
            tables.push(table);
            write_json(options, &tables)?;
        }
    }
    print(&report::floor(measure::own_peak()))?;
    let failed: usize = tables.iter().map(Table::failures).sum();
    if failed == 0 { Ok(()) } else { Err(format!("{failed} programs failed at a work; see above")) }
}

/// All rounds of one work.
fn work(
    work: &Work,
    programs: &[Program],
    nginx: &Nginx,
    root: &Path,
    runs: &Path,
    options: &RunOptions,
) -> Result<Vec<Runs>> {
    nginx.forget()?;
    let mut session = Session::new(work, Server::of(work.server, nginx, root)?, root, runs)?;
    let programs: Vec<_> = programs.iter().filter(|program| program.can(work)).collect();
    let runs = programs.iter().map(|program| Runs {
        program: program.label_for(work),
        okdl: program.okdl.clone(),
        side: program.side(),
        samples: Vec::new(),
        failure: None,
    });
    let mut runs: Vec<_> = runs.collect();
    for round in 1..=options.rounds {
        for (program, runs) in programs.iter().zip(&mut runs) {
            if runs.failure.is_some() {
                continue;
            }
            if !options.no_sync {
                rustix::fs::sync();
            }
            match session.run(program) {
                Ok(sample) => {
                    tell(&format!("{} {round}: {} {:.3} s", work.name, runs.program, sample.wall));
                    runs.samples.push(sample);
                }
                Err(why) => {
                    tell(&format!("{} {round}: {} FAILED: {why}", work.name, runs.program));
                    runs.failure = Some(why);
                }
            }
        }
    }
    Ok(runs)
}

fn print(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").map_err(|error| format!("cannot write to standard output: {error}"))
}

/// After each work, so that a run that is stopped leaves what it has.
fn write_json(options: &RunOptions, tables: &[Table]) -> Result<()> {
    let Some(path) = &options.json else { return Ok(()) };
    let text =
        serde_json::to_string_pretty(tables).map_err(|error| format!("cannot write the figures: {error}"))?;
    std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

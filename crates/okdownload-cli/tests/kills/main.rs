//! Real programs that are killed at random moments, over and over, until they are done: `okdl`, and a program of many
//! tasks made with the library. `docs/crash-consistency.md` says what is checked.
//!
//! The moments are as random as a machine is; what is chosen of them comes out of fixed seeds.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "that is how a test fails")]

#[path = "../common/mod.rs"]
mod common;

mod campaign;
mod evidence;
mod figures;
mod program;

use campaign::{Campaign, Program, Store};
use figures::Figures;

#[tokio::test]
async fn okdl_with_sqlite_and_many_connections() {
    Campaign::quick(Program::Okdl, Store::Sqlite, 8).run(1).await;
}

#[tokio::test]
async fn okdl_with_sled_and_one_connection() {
    Campaign::quick(Program::Okdl, Store::Sled, 1).run(2).await;
}

#[tokio::test]
async fn many_tasks_with_sqlite_and_one_connection() {
    Campaign::quick(Program::ManyTasks, Store::Sqlite, 1).run(3).await;
}

#[tokio::test]
async fn many_tasks_with_sled_and_many_connections() {
    Campaign::quick(Program::ManyTasks, Store::Sled, 8).run(4).await;
}

/// All that there is, some hundreds of kills; prints the table of `docs/crash-consistency.md`. `KILLS` is how many kills
/// each row has, `KILLS_SEED` the first row's seed.
#[tokio::test]
#[ignore = "takes minutes"]
async fn all_programs_and_stores() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse().unwrap());
    let kills = number("KILLS").unwrap_or(25);
    let first = number("KILLS_SEED").unwrap_or(100);
    let mut rows = Vec::new();
    for (campaign, seed) in Campaign::all(kills as usize).into_iter().zip(first..) {
        let figures = campaign.run(seed).await;
        eprintln!("{}", figures.row(&campaign));
        rows.push((campaign, figures));
    }
    eprintln!("\n{}", Figures::HEAD);
    for (campaign, figures) in &rows {
        eprintln!("{}", figures.row(campaign));
        // Coarse, since nobody can say how slow a machine is; what is recorded is never fetched again, and that is exact.
        assert!(figures.mean_cost() < 0.25, "{campaign}");
    }
}

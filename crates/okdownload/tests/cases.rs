//! The table of hostile servers and bad links: each row says what a server has and does, what lies there before, and what
//! must come of it; and each is played over real HTTP, with every connection backend that is compiled in.
//!
//! Whatever the row, this must hold: under the final name is the right file or nothing, beside it is at most the part,
//! and what a failed run left can be gone on with once the server is well.
//!
//! `cargo test -p okdownload --all-features --test cases -- --nocapture` prints the figures; the environment's
//! `OKDOWNLOAD_CASE=words` plays only the rows whose names have these words in them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the figures are for those who look at the table")]

mod common;

mod cases {
    pub(crate) mod stage;
    pub(crate) mod table;

    pub(crate) mod bodies;
    pub(crate) mod changes;
    pub(crate) mod chunks;
    pub(crate) mod digests;
    pub(crate) mod faults;
    pub(crate) mod huge;
    pub(crate) mod lengths;
    pub(crate) mod names;
    pub(crate) mod ranges;
    pub(crate) mod redirects;
    pub(crate) mod refusals;
    pub(crate) mod resumes;
    pub(crate) mod statuses;
    pub(crate) mod tls;
}

use std::time::Instant;

use cases::stage::{BACKENDS, Played};
use cases::table::Case;
use futures_util::{StreamExt, stream};

/// So many rows of a family are played at the same time.
const AT_ONCE: usize = 8;

/// Families of rows by name; each has a test, and all are counted.
macro_rules! families {
    ($($family:ident)*) => {
        const FAMILIES: &[(&str, fn() -> Vec<Case>)] = &[$((stringify!($family), cases::$family::rows)),*];

        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $family() {
                play(stringify!($family), cases::$family::rows).await;
            }
        )*
    };
}

families! {
    bodies changes chunks digests faults huge lengths names ranges redirects refusals resumes statuses tls
}

/// Plays a family with each backend, and fails with all that was not as expected.
async fn play(family: &str, rows: fn() -> Vec<Case>) {
    // For those who look for one row.
    let wanted = std::env::var("OKDOWNLOAD_CASE").unwrap_or_default();
    let began = Instant::now();
    let cases = BACKENDS.iter().flat_map(|backend| rows().into_iter().map(move |case| (case, *backend)));
    let cases = cases.filter(|(case, _)| case.name.contains(&wanted));
    let played = stream::iter(cases).map(|(case, backend)| case.play(backend)).buffer_unordered(AT_ONCE);
    let played: Vec<Played> = played.collect().await;
    let slowest = played.iter().max_by_key(|played| played.took);
    let slowest = slowest.map(|played| format!("; slowest: {} ({:?})", played.name, played.took));
    println!("{family}: {} plays in {:?}{}", played.len(), began.elapsed(), slowest.unwrap_or_default());
    let problems: Vec<String> = played.into_iter().flat_map(|played| played.problems).collect();
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn there_are_at_least_200_rows() {
    let mut names = std::collections::HashSet::new();
    let mut differences = 0;
    for (family, rows) in FAMILIES {
        let rows = rows();
        println!("{family}: {} rows", rows.len());
        differences += rows.iter().filter(|case| case.isahc.is_some()).count();
        for case in rows {
            assert!(names.insert(format!("{family}: {}", case.name)), "{} twice", case.name);
        }
    }
    println!("{} rows in all; in {differences} of them isahc does otherwise", names.len());
    assert!(names.len() >= 200, "{}", names.len());
}

//! One suite of behaviours for each seam. A backend that passes its seam's suite can take the place of any other.

pub mod connection;
pub mod download_strategy;
pub mod output;
pub mod process_file_strategy;
pub mod store;

use std::time::Duration;

/// Runs one behaviour on a runtime of its own. A behaviour that hangs fails after a minute.
///
/// # Panics
/// If the behaviour panics, which is how it fails.
#[expect(clippy::panic, clippy::expect_used, reason = "a panic here is a test that failed")]
pub fn run(behaviour: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let minute = Duration::from_secs(60);
    let done = runtime.block_on(async { tokio::time::timeout(minute, behaviour).await });
    // A look-up of a name that hangs must not hold the test.
    runtime.shutdown_background();
    done.unwrap_or_else(|_| panic!("it hangs"));
}

/// Makes one test of each behaviour that a suite lists. `$subject` is what the suite's `run` takes; each test
/// evaluates it anew.
#[doc(hidden)]
#[macro_export]
macro_rules! behaviour_tests {
    ($suite:ident, $subject:expr => $($group:ident: $($behaviour:ident)+;)+) => {
        $($(
            #[test]
            fn $behaviour() {
                let name = concat!(module_path!(), "::", stringify!($behaviour));
                $crate::suite::$suite::run(name, $subject, $crate::suite::$suite::$group::$behaviour);
            }
        )+)+
    };
}

/// The behaviours that a suite lists, as an array of names and functions of a subject.
#[doc(hidden)]
#[macro_export]
macro_rules! behaviour_list {
    ($suite:ident, $subject:ty => $($group:ident: $($behaviour:ident)+;)+) => {
        [$($((
            stringify!($behaviour),
            (|subject: $subject| {
                let behaviour = $crate::suite::$suite::$group::$behaviour;
                $crate::suite::$suite::run(stringify!($behaviour), subject, behaviour);
            }) as fn($subject),
        ),)+)+]
    };
}

/// Checks that every behaviour in the sources of a suite's groups is in its macro's list: else it would never run.
#[cfg(test)]
fn assert_all_listed(suite: &str, groups: &[&str]) {
    let listed: Vec<_> = suite.lines().map(|line| line.trim().trim_end_matches(';')).collect();
    let functions = groups.iter().flat_map(|group| group.lines()).filter_map(|line| {
        let rest = line.strip_prefix("pub async fn ").or_else(|| line.strip_prefix("pub fn "))?;
        rest.split_once('(')
    });
    let missing: Vec<_> = functions.map(|(name, _)| name).filter(|name| !listed.contains(name)).collect();
    assert!(missing.is_empty(), "not listed: {missing:?}");
}

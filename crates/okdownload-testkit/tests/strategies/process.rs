//! Bad strategies for files.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use okdownload_strategy::{ProcessFileStrategy, default_numbered_name, default_part_name};
use okdownload_types::{DownloadTask, Durability, Error, ErrorKind, Location, OnExists, Result};

/// Takes the place of one method.
#[derive(Debug, Clone)]
enum Bad {
    Part(fn(&str) -> String),
    Numbered(fn(&str, u32) -> String),
    /// Counts all names of parts.
    Counting(u32),
    /// Makes another choice each time.
    Fickle(bool),
    OnExists(OnExists),
    Durability(Durability),
    /// Counts what all its clones did.
    Shared(Arc<AtomicU32>),
    Check(fn(&Location) -> std::io::Result<()>),
    /// Lets a part pass once.
    Once(bool),
}

#[async_trait]
impl ProcessFileStrategy for Bad {
    fn part_name(&mut self, final_name: &str) -> String {
        match self {
            Self::Part(bad) => bad(final_name),
            Self::Counting(count) => {
                *count += 1;
                format!("{count}.okdownload")
            }
            _ => default_part_name(final_name),
        }
    }

    fn numbered_name(&mut self, final_name: &str, attempt: u32) -> String {
        match self {
            Self::Numbered(bad) => bad(final_name, attempt),
            _ => default_numbered_name(final_name, attempt),
        }
    }

    fn preallocate(&mut self, task: &DownloadTask, _total: u64) -> bool {
        match self {
            Self::Fickle(last) => {
                *last = !*last;
                *last
            }
            Self::Shared(count) => count.fetch_add(1, Ordering::Relaxed) % 3 == 0,
            _ => task.preallocate().unwrap_or(true),
        }
    }

    fn on_exists(&mut self, task: &DownloadTask) -> OnExists {
        if let Self::OnExists(bad) = self { *bad } else { task.on_exists().unwrap_or_default() }
    }

    fn durability(&mut self, task: &DownloadTask) -> Durability {
        if let Self::Durability(bad) = self { *bad } else { task.durability().unwrap_or_default() }
    }

    async fn check(&mut self, _task: &DownloadTask, part: &Location) -> Result<()> {
        match self {
            Self::Check(bad) => bad(part).map_err(|error| Error::io("the check failed", error)),
            Self::Once(passed) if *passed => Err(Error::new(ErrorKind::Checksum, "seen already")),
            Self::Once(passed) => {
                *passed = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn bad_names() -> Vec<(&'static str, Bad)> {
    vec![
        ("a_part_has_a_name_of_its_own", Bad::Part(str::to_owned)),
        ("a_part_has_a_name_of_its_own", Bad::Part(str::to_uppercase)),
        ("names_stay_in_their_directory", Bad::Part(|name| format!("parts/{name}"))),
        ("names_stay_in_their_directory", Bad::Numbered(|name, attempt| format!("{attempt}/{name}"))),
        ("names_fit", Bad::Part(|name| format!("{name}.part"))),
        ("names_fit", Bad::Numbered(|name, attempt| format!("{name} ({attempt})"))),
        ("names_are_stable", Bad::Counting(0)),
        ("two_files_never_share_a_part", Bad::Part(|_| "part".to_owned())),
        (
            "two_files_never_share_a_part",
            Bad::Part(|name| format!("{}.okdownload", name.chars().take(40).collect::<String>())),
        ),
        ("every_attempt_has_another_name", Bad::Numbered(|name, _| name.to_owned())),
        (
            "every_attempt_has_another_name",
            Bad::Numbered(|name, attempt| default_numbered_name(name, attempt % 100)),
        ),
    ]
}

fn bad_choices() -> Vec<(&'static str, Bad)> {
    vec![
        ("choices_do_not_change_while_a_task_runs", Bad::Fickle(false)),
        ("nothing_is_replaced_against_the_users_word", Bad::OnExists(OnExists::Overwrite)),
        ("nothing_is_replaced_against_the_users_word", Bad::OnExists(OnExists::Update)),
        ("durability_is_not_taken_back", Bad::Durability(Durability::Process)),
        ("clones_are_independent", Bad::Shared(Arc::default())),
        ("a_check_leaves_the_part_alone", Bad::Check(|part| std::fs::write(part.path().unwrap(), "safe"))),
        (
            "a_check_leaves_the_part_alone",
            Bad::Check(|part| std::fs::write(part.path().unwrap().with_extension("seen"), "")),
        ),
        ("a_check_can_be_made_again", Bad::Check(|part| std::fs::remove_file(part.path().unwrap()))),
        ("a_check_can_be_made_again", Bad::Once(false)),
    ]
}

#[test]
fn each_bad_process_file_strategy_is_caught() {
    type Subject = dyn ProcessFileStrategy;
    let behaviours = okdownload_testkit::process_file_strategy_suite!(behaviour_list, &Subject);
    let boxed = |(meant, bad)| (meant, Box::new(bad) as Box<Subject>);
    let bad: Vec<_> = [bad_names(), bad_choices()].concat().into_iter().map(boxed).collect();
    super::assert_all_caught(&behaviours, &bad);
}

//! What is decided once, and may not go against the user.

use okdownload_strategy::ProcessFileStrategy;
use okdownload_types::{DownloadTask, DownloadTaskBuilder, Durability, OnExists, Target};

use super::fresh;

fn task(with: impl FnOnce(DownloadTaskBuilder) -> DownloadTaskBuilder) -> DownloadTask {
    with(DownloadTask::builder("http://h/a", Target::file("/a"))).build().unwrap()
}

fn tasks() -> [DownloadTask; 4] {
    [
        task(|task| task),
        task(|task| task.on_exists(OnExists::Rename).preallocate(false)),
        task(|task| task.durability(Durability::Process)),
        task(|task| task.durability(Durability::Power).preallocate(true).on_exists(OnExists::Skip)),
    ]
}

type Choices = (OnExists, Durability, bool, String);

fn choices(run: &mut dyn ProcessFileStrategy, task: &DownloadTask) -> Choices {
    let length = 1 << 20;
    (run.on_exists(task), run.durability(task), run.preallocate(task, length), run.part_name("a"))
}

/// Core asks several times in a run, and the answers must fit together.
pub async fn choices_do_not_change_while_a_task_runs(strategy: &dyn ProcessFileStrategy) {
    for task in tasks() {
        let mut run = fresh(strategy);
        let expected = choices(&mut *run, &task);
        for _ in 0..5 {
            assert_eq!(choices(&mut *run, &task), expected);
        }
    }
}

/// Who said that a file is to be kept keeps it.
pub async fn nothing_is_replaced_against_the_users_word(strategy: &dyn ProcessFileStrategy) {
    for wanted in [OnExists::Error, OnExists::Skip, OnExists::Rename] {
        let chosen = fresh(strategy).on_exists(&task(|task| task.on_exists(wanted)));
        let replaces = matches!(chosen, OnExists::Overwrite | OnExists::Update);
        assert!(!replaces, "{chosen:?} for {wanted:?}");
    }
}

/// A user who asked for a file that survives the loss of power gets no less.
pub async fn durability_is_not_taken_back(strategy: &dyn ProcessFileStrategy) {
    let task = task(|task| task.durability(Durability::Power));
    assert_eq!(fresh(strategy).durability(&task), Durability::Power);
}

/// What one run learns, no other one knows.
pub async fn clones_are_independent(strategy: &dyn ProcessFileStrategy) {
    let all = |run: &mut dyn ProcessFileStrategy| tasks().map(|task| choices(run, &task));
    let expected = all(&mut *fresh(strategy));
    let mut busy = fresh(strategy);
    for _ in 0..10 {
        all(&mut *busy);
        assert_eq!(all(&mut *fresh(strategy)), expected);
    }
}

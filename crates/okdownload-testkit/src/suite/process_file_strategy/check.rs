//! The last look at a part.

use okdownload_strategy::ProcessFileStrategy;
use okdownload_types::{DownloadTask, ErrorKind, Location};
use tempfile::TempDir;

use super::fresh;

const CONTENT: &[u8] = b"the whole file";

/// A whole part, alone in a directory.
struct Part {
    directory: TempDir,
    task: DownloadTask,
    location: Location,
}

impl Part {
    fn new(strategy: &dyn ProcessFileStrategy) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join(fresh(strategy).part_name("a"));
        std::fs::write(&path, CONTENT).unwrap();
        let task = DownloadTask::to_file("http://h/a", directory.path().join("a")).unwrap();
        Self { directory, task, location: Location::Path(path) }
    }

    async fn check(&self, run: &mut dyn ProcessFileStrategy) -> Option<ErrorKind> {
        run.check(&self.task, &self.location).await.err().map(|error| error.kind())
    }
}

/// It is core that gives it its name, and these bytes are the ones that were checked. Nothing else is left behind.
pub async fn a_check_leaves_the_part_alone(strategy: &dyn ProcessFileStrategy) {
    let part = Part::new(strategy);
    part.check(&mut *fresh(strategy)).await;
    assert_eq!(std::fs::read(part.location.path().unwrap()).unwrap(), CONTENT);
    assert_eq!(std::fs::read_dir(part.directory.path()).unwrap().count(), 1);
}

/// A run that dies after it is followed by one that checks the same part again, and comes to the same end.
pub async fn a_check_can_be_made_again(strategy: &dyn ProcessFileStrategy) {
    let part = Part::new(strategy);
    let mut run = fresh(strategy);
    let first = part.check(&mut *run).await;
    assert_eq!(part.check(&mut *run).await, first);
    assert_eq!(part.check(&mut *fresh(strategy)).await, first);
}

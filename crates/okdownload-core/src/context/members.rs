//! The tasks of a context: found by id, kept in order.

use std::collections::BTreeMap;

use okdownload_types::{DownloadTask, TaskId};

#[derive(Debug, Clone, Default)]
pub(super) struct Members {
    tasks: BTreeMap<u64, DownloadTask>,
    places: BTreeMap<TaskId, u64>,
    arrivals: u64,
}

impl Members {
    pub(super) fn iter(&self) -> impl Iterator<Item = &DownloadTask> {
        self.tasks.values()
    }

    pub(super) fn count(&self) -> usize {
        self.tasks.len()
    }

    /// Adds a task behind the others, or in place of an equal one.
    pub(super) fn bind(&mut self, task: DownloadTask) {
        self.arrivals += 1;
        let place = *self.places.entry(task.id()).or_insert(self.arrivals);
        self.tasks.insert(place, task);
    }

    pub(super) fn unbind(&mut self, id: TaskId) -> bool {
        self.places.remove(&id).is_some_and(|place| self.tasks.remove(&place).is_some())
    }

    /// Puts a task in the place of another one; an equal one elsewhere goes.
    pub(super) fn replace(&mut self, old: TaskId, new: DownloadTask) -> bool {
        let Some(place) = self.places.remove(&old) else { return false };
        self.unbind(new.id());
        self.places.insert(new.id(), place);
        self.tasks.insert(place, new);
        true
    }
}

//! Records by id that also remember in which order they came.

use std::collections::{BTreeMap, HashMap};

use okdownload_types::TaskId;

#[derive(Debug)]
pub(crate) struct Records<T> {
    ages: HashMap<TaskId, u64>,
    rows: BTreeMap<u64, T>,
    next: u64,
}

impl<T> Default for Records<T> {
    fn default() -> Self {
        Self { ages: HashMap::new(), rows: BTreeMap::new(), next: 0 }
    }
}

impl<T> Records<T> {
    pub(crate) fn get(&self, id: TaskId) -> Option<&T> {
        self.rows.get(self.ages.get(&id)?)
    }

    pub(crate) fn get_mut(&mut self, id: TaskId) -> Option<&mut T> {
        self.rows.get_mut(self.ages.get(&id)?)
    }

    /// Keeps the row. One that takes the place of another is as old as that one. Returns the other.
    pub(crate) fn put(&mut self, id: TaskId, row: T) -> Option<T> {
        let age = *self.ages.entry(id).or_insert_with(|| {
            self.next += 1;
            self.next
        });
        self.rows.insert(age, row)
    }

    pub(crate) fn remove(&mut self, id: TaskId) -> Option<T> {
        self.rows.remove(&self.ages.remove(&id)?)
    }

    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = &T> {
        self.rows.values()
    }
}

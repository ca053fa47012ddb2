//! All that is stored, in memory.

use std::collections::BTreeMap;

use okdownload_types::{BreakpointInfo, CompletionRecord, Error, ErrorKind, Result, TaskId};

use crate::records::{self, Breakpoint, Completion};

#[derive(Clone, Default)]
pub(crate) struct Tables {
    pub(crate) breakpoints: Table<BreakpointInfo>,
    pub(crate) completions: Table<CompletionRecord>,
    pub(crate) names: BTreeMap<String, String>,
}

type Rows = (Vec<Breakpoint>, Vec<Completion>, BTreeMap<String, String>);

impl Tables {
    pub(crate) fn from_json(json: &[u8]) -> Result<Self> {
        let corrupt = |error| Error::new(ErrorKind::StoreCorrupt, "not a store's file").with_source(error);
        let (breakpoints, completions, names): Rows = serde_json::from_slice(json).map_err(corrupt)?;
        let mut tables = Self { names, ..Self::default() };
        for row in breakpoints {
            let info = records::breakpoint(row)?;
            tables.breakpoints.put(info.id, info);
        }
        for row in completions {
            let record = records::completion(row)?;
            tables.completions.put(record.id, record);
        }
        Ok(tables)
    }

    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        let breakpoints = self.breakpoints.oldest_first().map(records::breakpoint_row).collect();
        let completions = self.completions.oldest_first().map(records::completion_row).collect();
        let rows: Rows = (breakpoints, completions, self.names.clone());
        let failed = |error| Error::new(ErrorKind::Unexpected, "no JSON could be made").with_source(error);
        serde_json::to_vec(&rows).map_err(failed)
    }
}

/// Rows by id, which also remember in which order they came.
#[derive(Clone)]
pub(crate) struct Table<T> {
    ages: BTreeMap<TaskId, u64>,
    rows: BTreeMap<u64, T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { ages: BTreeMap::new(), rows: BTreeMap::new() }
    }
}

impl<T> Table<T> {
    pub(crate) fn get(&self, id: TaskId) -> Option<&T> {
        self.rows.get(self.ages.get(&id)?)
    }

    pub(crate) fn get_mut(&mut self, id: TaskId) -> Option<&mut T> {
        self.rows.get_mut(self.ages.get(&id)?)
    }

    pub(crate) fn put(&mut self, id: TaskId, row: T) {
        let youngest = self.rows.last_key_value().map_or(0, |(age, _)| *age);
        self.rows.insert(*self.ages.entry(id).or_insert(youngest + 1), row);
    }

    pub(crate) fn remove(&mut self, id: TaskId) {
        self.ages.remove(&id).map(|age| self.rows.remove(&age));
    }

    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = &T> {
        self.rows.values()
    }
}

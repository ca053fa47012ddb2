//! Changes into writes, before anything is written.

use std::collections::BTreeMap;

use okdownload_store::{Change, no_breakpoint};
use okdownload_types::{BlockInfo, BreakpointInfo, CompletionRecord, Error, ErrorKind, TaskId};
use sled::Tree;

use crate::error::Failure;
use crate::{keys, records};

/// What is to be written: a value for each key, or that it goes. Later changes see what earlier ones will do.
pub(crate) struct Writes<'a> {
    tree: &'a Tree,
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<'a> Writes<'a> {
    pub(crate) fn new(tree: &'a Tree) -> Self {
        Self { tree, writes: BTreeMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub(crate) fn into_batch(self) -> sled::Batch {
        let mut batch = sled::Batch::default();
        for (key, value) in self.writes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        batch
    }

    /// Adds a change. After an error, what is here is of no use any more.
    pub(crate) fn add(&mut self, change: &Change) -> Result<(), Failure> {
        match change {
            Change::Put(info) => self.put(info),
            Change::Progress(id, blocks) => self.progress(*id, blocks),
            Change::Complete(record) => self.complete(record),
            Change::RemoveBreakpoint(id) => self.remove_breakpoint(*id),
            Change::RemoveCompletion(id) => {
                self.remove(keys::completion(*id));
                Ok(())
            }
            Change::ResponseFilename(url, name) => {
                self.set(keys::filename(url.as_str()), name.as_bytes().to_vec());
                Ok(())
            }
        }
    }

    fn put(&mut self, info: &BreakpointInfo) -> Result<(), Failure> {
        // One that can't be read is replaced like any other; only its age and its place in the index are lost.
        let old = self.breakpoint(info.id);
        let age = match old {
            Ok(Some((age, old))) => {
                self.remove(keys::at_place(&old.location.to_bytes(), info.id));
                age
            }
            Err(Failure::Sled(error)) => return Err(error.into()),
            Ok(None) | Err(_) => self.next_age()?,
        };
        self.set(keys::breakpoint(info.id), records::write_breakpoint(age, info)?);
        self.set(keys::at_place(&info.location.to_bytes(), info.id), Vec::new());
        Ok(())
    }

    /// Blocks that have not moved cost no write.
    fn progress(&mut self, id: TaskId, blocks: &[BlockInfo]) -> Result<(), Failure> {
        let Some((age, old)) = self.breakpoint(id)? else { return Err(no_breakpoint(id).into()) };
        let mut info = old.clone();
        info.apply(blocks);
        if info != old {
            self.set(keys::breakpoint(id), records::write_breakpoint(age, &info)?);
        }
        Ok(())
    }

    fn complete(&mut self, record: &CompletionRecord) -> Result<(), Failure> {
        self.remove_breakpoint(record.id)?;
        // Made again, it is the newest.
        let age = self.next_age()?;
        self.set(keys::completion(record.id), records::write_completion(age, record)?);
        Ok(())
    }

    fn remove_breakpoint(&mut self, id: TaskId) -> Result<(), Failure> {
        match self.breakpoint(id) {
            Ok(Some((_, old))) => self.remove(keys::at_place(&old.location.to_bytes(), id)),
            Ok(None) => return Ok(()),
            Err(Failure::Sled(error)) => return Err(error.into()),
            // It can't be read. Its index entry leads nowhere then, and readers pass over that.
            Err(_) => {}
        }
        self.remove(keys::breakpoint(id));
        Ok(())
    }

    fn next_age(&mut self) -> Result<u64, Failure> {
        let last =
            match self.get(keys::SEQUENCE_KEY)? {
                None => 0,
                Some(bytes) => u64::from_be_bytes(bytes.try_into().map_err(|_| {
                    Error::new(ErrorKind::StoreCorrupt, "the store's sequence cannot be read")
                })?),
            };
        let next = last.saturating_add(1);
        self.set(keys::SEQUENCE_KEY.to_vec(), next.to_be_bytes().to_vec());
        Ok(next)
    }

    fn breakpoint(&self, id: TaskId) -> Result<Option<records::Aged<BreakpointInfo>>, Failure> {
        let bytes = self.get(&keys::breakpoint(id))?;
        Ok(bytes.map(|bytes| records::read_breakpoint(id, &bytes)).transpose()?)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        match self.writes.get(key) {
            Some(value) => Ok(value.clone()),
            None => Ok(self.tree.get(key)?.map(|value| value.to_vec())),
        }
    }

    fn set(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert(key, Some(value));
    }

    fn remove(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }
}

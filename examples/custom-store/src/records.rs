//! All that is stored, in memory and as JSON. Places are bytes: paths need not be text.

use std::collections::BTreeMap;

use okdownload_types::{BlockInfo, BreakpointInfo, CompletionRecord, EntityTag, FileIdentity, Location};
use okdownload_types::{Error, ErrorKind, Result, TaskId, Validators};

/// Records, each with its age: the smaller, the older.
type Table<T> = BTreeMap<TaskId, (u64, T)>;

#[derive(Clone, Default)]
pub(crate) struct Tables {
    pub(crate) breakpoints: Table<BreakpointInfo>,
    pub(crate) completions: Table<CompletionRecord>,
    pub(crate) names: BTreeMap<String, String>,
    age: u64,
}

// The file: lists of these rows, the oldest first, and the names.
type Breakpoint = (String, String, Vec<u8>, Vec<u8>, Rest, Vec<(u64, Option<u64>, u64, u64)>);
type Rest = (Option<(u64, Option<i64>)>, Tags, Option<u64>, Option<String>, bool, Option<String>);
type Completion = (String, String, Vec<u8>, u64, Option<i64>, Tags);
type Tags = (Option<(bool, String)>, Option<u64>, bool);
type Rows = (Vec<Breakpoint>, Vec<Completion>, BTreeMap<String, String>);

pub(crate) fn oldest_first<T>(table: &Table<T>) -> impl Iterator<Item = &T> {
    table.values().map(|(age, record)| (age, record)).collect::<BTreeMap<_, _>>().into_values()
}

impl Tables {
    pub(crate) fn put(&mut self, info: BreakpointInfo) {
        self.age += 1;
        let age = self.breakpoints.get(&info.id).map_or(self.age, |(age, _)| *age);
        self.breakpoints.insert(info.id, (age, info));
    }

    pub(crate) fn complete(&mut self, record: CompletionRecord) {
        self.age += 1;
        self.breakpoints.remove(&record.id);
        self.completions.insert(record.id, (self.age, record));
    }

    pub(crate) fn from_json(json: &[u8]) -> Result<Self> {
        let (breakpoints, completions, names): Rows = serde_json::from_slice(json).map_err(corrupt)?;
        let mut tables = Self { names, ..Self::default() };
        completions.into_iter().try_for_each(|row| completion(row).map(|record| tables.complete(record)))?;
        breakpoints.into_iter().try_for_each(|row| breakpoint(row).map(|info| tables.put(info)))?;
        Ok(tables)
    }

    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        let breakpoints: Vec<_> = oldest_first(&self.breakpoints).map(breakpoint_row).collect();
        let completions: Vec<_> = oldest_first(&self.completions).map(completion_row).collect();
        let failed = |cause| Error::new(ErrorKind::Unexpected, "no JSON could be made").with_source(cause);
        serde_json::to_vec(&(breakpoints, completions, &self.names)).map_err(failed)
    }
}

fn breakpoint_row(info: &BreakpointInfo) -> Breakpoint {
    let identity = info.identity.map(|identity| (identity.number, identity.born));
    let (boot, options) = (info.boot.clone(), info.options.clone());
    let rest = (identity, tags(&info.validators), info.total, boot, info.needs_credentials, options);
    let blocks = info.blocks.iter().map(|b| (b.start, b.length, b.written, b.synced)).collect();
    (info.id.to_string(), info.url.to_string(), info.location.to_bytes(), info.part.to_bytes(), rest, blocks)
}

fn breakpoint((id, url, location, part, rest, blocks): Breakpoint) -> Result<BreakpointInfo> {
    let (location, part) = (Location::from_bytes(&location)?, Location::from_bytes(&part)?);
    let mut info = BreakpointInfo::new(id.parse()?, url.parse().map_err(corrupt)?, location, part);
    let (identity, tags, total, boot, needs_credentials, options) = rest;
    info.identity = identity.map(|(number, born)| FileIdentity::new(number, born));
    info.validators = validators(tags);
    (info.total, info.boot, info.needs_credentials, info.options) = (total, boot, needs_credentials, options);
    let block = |(at, length, written, synced)| BlockInfo::new(at, length).with_progress(written, synced);
    info.blocks = blocks.into_iter().map(block).collect();
    Ok(info)
}

fn completion_row(record: &CompletionRecord) -> Completion {
    let (id, url, location) = (record.id.to_string(), record.url.to_string(), record.location.to_bytes());
    (id, url, location, record.length, record.modified, tags(&record.validators))
}

fn completion((id, url, location, length, modified, tags): Completion) -> Result<CompletionRecord> {
    let (url, location) = (url.parse().map_err(corrupt)?, Location::from_bytes(&location)?);
    let mut record = CompletionRecord::new(id.parse()?, url, location, length);
    (record.modified, record.validators) = (modified, validators(tags));
    Ok(record)
}

fn tags(of: &Validators) -> Tags {
    (of.etag.clone().map(|tag| (tag.weak, tag.opaque)), of.last_modified, of.last_modified_is_strong)
}

fn validators((etag, last_modified, is_strong): Tags) -> Validators {
    let mut validators = Validators::default();
    validators.etag = etag.map(|(weak, opaque)| EntityTag { weak, opaque });
    (validators.last_modified, validators.last_modified_is_strong) = (last_modified, is_strong);
    validators
}

fn corrupt(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::StoreCorrupt, "not a store's file").with_source(cause)
}

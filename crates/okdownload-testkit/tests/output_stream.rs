//! The output suite on an output that can do as little as possible: so its other sides are run as well.

#![allow(clippy::unwrap_used, reason = "a panic here is a test that failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use okdownload_output::{
    CommitOptions, Consumer, FreeSpace, OpenMode, OutputCapability, OutputStream, OutputStreamFactory, Stat,
    StatKind,
};
use okdownload_testkit::suite::output::OutputFixture;
use okdownload_types::{Error, ErrorKind, FileIdentity, Location, Result};

okdownload_testkit::output_suite!(Memory::default());

/// Objects by name, as some service would keep them. A part is nowhere until it is whole.
#[derive(Debug, Clone, Default)]
struct Memory(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    open: BTreeSet<String>,
}

#[derive(Debug)]
struct Upload {
    memory: Memory,
    name: String,
    bytes: Mutex<Option<Vec<u8>>>,
}

const ROOT: &str = "memory://place/";

fn name(location: &Location) -> Result<String> {
    let name = match location {
        Location::Uri(uri) => uri.strip_prefix(ROOT),
        _ => None,
    };
    name.map(str::to_owned).ok_or_else(|| unsupported("a foreign location"))
}

fn unsupported(what: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, what)
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl OutputFixture for Memory {
    fn factory(&self) -> Arc<dyn OutputStreamFactory> {
        Arc::new(self.clone())
    }

    fn place(&self) -> Location {
        Location::Uri(ROOT.to_owned())
    }

    async fn contents(&self, location: &Location) -> Option<Vec<u8>> {
        self.state().objects.get(&name(location).ok()?).cloned()
    }

    async fn names(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    fn keeps_modified(&self) -> bool {
        false
    }
}

#[async_trait]
impl OutputStreamFactory for Memory {
    fn capability(&self, _: &Location) -> OutputCapability {
        OutputCapability::STREAM
    }

    async fn boot_id(&self) -> Option<String> {
        None
    }

    async fn stat(&self, location: &Location) -> Result<Option<Stat>> {
        let name = name(location)?;
        let length = self.state().objects.get(&name).map(|bytes| bytes.len() as u64);
        Ok(length.map(|length| Stat::new(StatKind::File, length, None, None)))
    }

    async fn open_part(&self, part: &Location, mode: OpenMode) -> Result<Option<Arc<dyn OutputStream>>> {
        let name = name(part)?;
        let mut state = self.state();
        if state.open.contains(&name) {
            return Err(Error::new(ErrorKind::FileBusy, "it is open"));
        } else if mode == OpenMode::Existing {
            return Ok(None);
        }
        state.open.insert(name.clone());
        Ok(Some(Arc::new(Upload { memory: self.clone(), name, bytes: Mutex::new(Some(Vec::new())) })))
    }

    async fn free_space(&self, location: &Location) -> Result<Option<FreeSpace>> {
        name(location).map(|_| None)
    }

    async fn remove(&self, location: &Location) -> Result<bool> {
        let name = name(location)?;
        Ok(self.state().objects.remove(&name).is_some())
    }
}

impl Upload {
    fn with<T>(&self, work: impl FnOnce(&mut Vec<u8>) -> Result<T>) -> Result<T> {
        let closed = || Error::new(ErrorKind::Unexpected, "closed");
        self.bytes.lock().unwrap().as_mut().ok_or_else(closed).and_then(work)
    }

    fn end(&self) {
        if self.bytes.lock().unwrap().take().is_some() {
            self.memory.state().open.remove(&self.name);
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.end();
    }
}

#[async_trait]
impl OutputStream for Upload {
    fn identity(&self) -> Option<FileIdentity> {
        None
    }

    fn initial_length(&self) -> u64 {
        0
    }

    async fn write_at(&self, offset: u64, data: Vec<Bytes>) -> Result<()> {
        self.with(|bytes| match bytes.len() as u64 == offset {
            true => {
                bytes.extend(data.into_iter().flatten());
                Ok(())
            }
            false => Err(unsupported("seeking")),
        })
    }

    async fn read_at(&self, _offset: u64, _length: usize) -> Result<Bytes> {
        Err(unsupported("reading"))
    }

    async fn scan(&self, _range: Range<u64>, _consumer: Consumer) -> Result<()> {
        Err(unsupported("reading"))
    }

    async fn preallocate(&self, _length: u64) -> Result<()> {
        Ok(())
    }

    async fn set_length(&self, length: u64) -> Result<()> {
        self.with(|bytes| match (bytes.len(), length) {
            (0, 0) => Ok(()),
            _ => Err(unsupported("seeking")),
        })
    }

    async fn flush_and_sync(&self) -> Result<()> {
        self.with(|_| Ok(()))
    }

    async fn commit(&self, to: &Location, options: CommitOptions) -> Result<()> {
        let to = name(to)?;
        if to != self.name {
            return Err(Error::new(ErrorKind::Misuse, "an upload has one name"));
        }
        self.with(|bytes| {
            let mut state = self.memory.state();
            if state.objects.contains_key(&to) && !options.replace {
                return Err(Error::new(ErrorKind::AlreadyExists, "taken"));
            }
            state.objects.insert(to, std::mem::take(bytes));
            Ok(())
        })?;
        self.end();
        Ok(())
    }

    async fn abort(&self) -> Result<()> {
        self.end();
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        self.end();
        Ok(())
    }
}

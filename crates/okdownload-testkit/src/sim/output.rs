//! The simulated disk as an output.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use okdownload_output::{
    CommitOptions, Consumer, FreeSpace, OpenMode, OutputCapability, OutputStream, OutputStreamFactory, Stat,
    StatKind,
};
use okdownload_types::{Error, ErrorKind, FileIdentity, Location, Result};

use super::disk::SimDisk;
use crate::disk::Edit;

/// An open part.
#[derive(Debug)]
struct SimStream {
    disk: SimDisk,
    name: Location,
    inode: u64,
    identity: FileIdentity,
    initial_length: u64,
}

fn failed(what: &'static str) -> Error {
    Error::new(ErrorKind::Io, what)
}

fn full() -> Error {
    Error::new(ErrorKind::NoSpace, "the simulated disk is full")
}

#[async_trait]
impl OutputStreamFactory for SimDisk {
    fn capability(&self, _: &Location) -> OutputCapability {
        OutputCapability::FULL
    }

    async fn boot_id(&self) -> Option<String> {
        let boot = self.state().boot();
        Some(format!("boot {boot}"))
    }

    async fn stat(&self, location: &Location) -> Result<Option<Stat>> {
        let moment = self.world.happens(format_args!("stat {location}"));
        moment.await;
        self.world.takes(self.world.faults().disk_delay).await;
        let disk = self.state();
        let inode = disk.names.get(location).and_then(|inode| disk.inodes.get(inode));
        Ok(inode.map(|inode| {
            let (length, modified) = (inode.now.bytes.len() as u64, inode.now.modified);
            Stat::new(StatKind::File, length, modified, Some(inode.identity))
        }))
    }

    async fn open_part(&self, part: &Location, mode: OpenMode) -> Result<Option<Arc<dyn OutputStream>>> {
        let moment = self.world.happens(format_args!("open {part} {mode:?}"));
        moment.await;
        self.world.takes(self.world.faults().disk_delay).await;
        let stream = {
            let mut disk = self.state();
            let inode = match (disk.names.get(part).copied(), mode) {
                (Some(inode), _) => inode,
                (None, OpenMode::Existing) => return Ok(None),
                (None, OpenMode::Create) => disk.create(part, self.world.now()),
            };
            if !disk.locked.insert(inode) {
                return Err(Error::new(ErrorKind::FileBusy, "the part is open").with_context("path", part));
            }
            let file = &disk.inodes[&inode];
            let (identity, initial_length) = (file.identity, file.now.bytes.len() as u64);
            SimStream { disk: self.clone(), name: part.clone(), inode, identity, initial_length }
        };
        let SimStream { identity, initial_length, .. } = &stream;
        let moment = self.world.happens(format_args!("opened {part}: {identity:?}, {initial_length} bytes"));
        moment.await;
        Ok(Some(Arc::new(stream)))
    }

    async fn free_space(&self, _: &Location) -> Result<Option<FreeSpace>> {
        Ok(None)
    }

    async fn remove(&self, location: &Location) -> Result<bool> {
        let moment = self.world.happens(format_args!("remove {location}"));
        moment.await;
        let mut disk = self.state();
        let was_there = disk.names.contains_key(location);
        disk.unlink(location);
        Ok(was_there)
    }
}

impl SimStream {
    /// Brings the bytes that were written before now to the disk.
    async fn sync(&self) -> Result<()> {
        let mark = self.disk.state().inodes.get(&self.inode).map_or(0, super::inode::Inode::mark);
        let moment = self.disk.world.happens(format_args!("sync {}", self.name));
        moment.await;
        self.disk.world.takes(self.disk.world.faults().disk_delay).await;
        let fails = self.disk.world.chance(self.disk.world.faults().syncs);
        let synced = {
            let mut disk = self.disk.state();
            match disk.inodes.get_mut(&self.inode) {
                Some(inode) => {
                    let fails = std::mem::take(&mut inode.will_fail) || fails;
                    if fails {
                        inode.fail_to_sync(&self.disk.world);
                        Err(failed("a simulated sync failed"))
                    } else {
                        inode.sync(mark);
                        Ok(())
                    }
                }
                None => Ok(()),
            }
        };
        let moment = self.disk.world.happens(format_args!("synced {}: {}", self.name, synced.is_ok()));
        moment.await;
        synced
    }

    async fn sync_names(&self, faults: u32) -> Result<()> {
        self.disk.world.takes(self.disk.world.faults().disk_delay).await;
        if self.disk.world.chance(faults) {
            return Err(failed("a simulated sync of the directory failed"));
        }
        self.disk.state().sync_names();
        let moment = self.disk.world.happens(format_args!("names synced"));
        moment.await;
        Ok(())
    }

    fn unlock(&self) {
        let mut disk = self.disk.state();
        disk.locked.remove(&self.inode);
        if let Some(inode) = disk.inodes.get_mut(&self.inode) {
            inode.has_failed = false;
        }
    }

    fn is_named(&self) -> bool {
        self.disk.state().names.get(&self.name) == Some(&self.inode)
    }

    fn rename(&self, to: &Location, replace: bool) -> Result<()> {
        let mut disk = self.disk.state();
        if disk.names.contains_key(to) && !replace && *to != self.name {
            return Err(Error::new(ErrorKind::AlreadyExists, "the name is taken").with_context("path", to));
        }
        disk.rename(&self.name, to);
        Ok(())
    }
}

#[async_trait]
impl OutputStream for SimStream {
    fn identity(&self) -> Option<FileIdentity> {
        Some(self.identity)
    }

    fn initial_length(&self) -> u64 {
        self.initial_length
    }

    async fn write_at(&self, offset: u64, data: Vec<Bytes>) -> Result<()> {
        let mut edits = Vec::new();
        let mut end = offset;
        for piece in data {
            let begin = end;
            end += piece.len() as u64;
            edits.push(Edit::Data(begin, piece));
        }
        let (world, name) = (&self.disk.world, &self.name);
        let ticket = self.disk.state().begin_write(self.inode, edits);
        let moment = world.happens(format_args!("write {name} {offset}..{end}"));
        moment.await;
        world.takes(world.faults().disk_delay).await;
        let fails = world.chance(world.faults().writes);
        if fails {
            self.disk.state().break_write(ticket, world);
        } else {
            self.disk.state().end_write(ticket, world.now());
        }
        let moment = world.happens(format_args!("wrote {name} {offset}..{end}: {}", !fails));
        moment.await;
        match (fails, world.chance(500)) {
            (false, _) => Ok(()),
            (true, true) => Err(full()),
            (true, false) => Err(failed("a simulated write failed")),
        }
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        let disk = self.disk.state();
        let inode = disk.inodes.get(&self.inode).ok_or_else(|| failed("the part is gone"))?;
        Ok(Bytes::copy_from_slice(inode.now.range(offset..offset + length as u64)))
    }

    async fn scan(&self, range: Range<u64>, mut consumer: Consumer) -> Result<()> {
        let moment = self.disk.world.happens(format_args!("scan {} {range:?}", self.name));
        moment.await;
        self.disk.world.takes(self.disk.world.faults().disk_delay).await;
        let length = (range.end - range.start) as usize;
        let bytes = self.read_at(range.start, length).await?;
        consumer(&bytes);
        if bytes.len() == length { Ok(()) } else { Err(failed("the part ends early")) }
    }

    async fn preallocate(&self, length: u64) -> Result<()> {
        let moment = self.disk.world.happens(format_args!("preallocate {} {length}", self.name));
        moment.await;
        if self.disk.world.chance(self.disk.world.faults().writes) { Err(full()) } else { Ok(()) }
    }

    async fn set_length(&self, length: u64) -> Result<()> {
        let moment = self.disk.world.happens(format_args!("set length {} {length}", self.name));
        moment.await;
        self.disk.state().edit(self.inode, Edit::Length(length));
        Ok(())
    }

    async fn flush_and_sync(&self) -> Result<()> {
        self.sync().await?;
        self.sync_names(0).await
    }

    async fn commit(&self, to: &Location, options: CommitOptions) -> Result<()> {
        let world = &self.disk.world;
        let moment = world.happens(format_args!("commit {} as {to}, {options:?}", self.name));
        moment.await;
        world.takes(world.faults().disk_delay).await;
        if world.chance(world.faults().commits) {
            return Err(failed("a simulated commit failed"));
        }
        if !self.is_named() {
            return Err(failed("the part is gone or was replaced"));
        }
        if let Some(modified) = options.modified {
            self.disk.state().edit(self.inode, Edit::Modified(modified));
        }
        if options.durable {
            self.sync().await?;
        }
        self.rename(to, options.replace)?;
        let moment = world.happens(format_args!("renamed {} to {to}", self.name));
        moment.await;
        if options.durable {
            self.sync_names(world.faults().commits).await?;
        }
        self.unlock();
        Ok(())
    }

    async fn abort(&self) -> Result<()> {
        let moment = self.disk.world.happens(format_args!("abort {}", self.name));
        moment.await;
        if self.is_named() {
            self.disk.state().unlink(&self.name);
        }
        self.unlock();
        let moment = self.disk.world.happens(format_args!("aborted {}", self.name));
        moment.await;
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        let moment = self.disk.world.happens(format_args!("close {}", self.name));
        moment.await;
        self.unlock();
        Ok(())
    }
}

/// What is dropped without being closed is closed, as a file is.
impl Drop for SimStream {
    fn drop(&mut self) {
        if !self.disk.world.is_dead() {
            self.unlock();
        }
    }
}

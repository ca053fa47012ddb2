//! The output seam of okdownload: where the bytes go.
//!
//! Depend on this crate (and on `okdownload-types`) to write to a place of your own, or to write a layer: an
//! [`OutputStreamFactory`] around another one. Prove it with the output suite of `okdownload-testkit`. Programs that
//! only download depend on `okdownload`.
//!
//! A download is written to a *part*, a place beside its final one, and gets its final name by
//! [`OutputStream::commit`] once it is whole.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use okdownload_types::{FileIdentity, Location, Result};

/// What an output can do at a place. Core asks this first and does without what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputCapability {
    /// Bytes may be written at any position, in any order. Without it, core writes from front to back; connections
    /// that are ahead wait in memory, within a window.
    pub seek: bool,
    /// What was written can be read back.
    pub read: bool,
    /// A part can be opened again, by its name, after the process that wrote it is gone. Without it a part lives as
    /// long as its stream: `close` gives it up like `abort`, and what a killed process leaves behind is the service's to
    /// clear away. Core makes use of it only together with `seek`.
    pub resume: bool,
    /// Nobody sees a part before it is committed (an upload that appears once it is complete). Core opens it under its
    /// final name then, and commits it to that one; else it opens it under a name beside it.
    pub hides_parts: bool,
}

impl OutputCapability {
    /// All that a local file can do.
    pub const FULL: Self = Self { seek: true, read: true, resume: true, hides_parts: false };
    /// Bytes in order, once, and seen by nobody before the end.
    pub const STREAM: Self = Self { seek: false, read: false, resume: false, hides_parts: true };
}

/// What stands at a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stat {
    /// What it is.
    pub kind: StatKind,
    /// Its length in bytes.
    pub length: u64,
    /// When it was last modified.
    pub modified: Option<SystemTime>,
    /// Which file it is.
    pub identity: Option<FileIdentity>,
}

impl Stat {
    /// A stat of these parts.
    pub const fn new(
        kind: StatKind,
        length: u64,
        modified: Option<SystemTime>,
        identity: Option<FileIdentity>,
    ) -> Self {
        Self { kind, length, modified, identity }
    }
}

/// The kinds of things that can stand at a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatKind {
    /// Something that a download can replace.
    File,
    /// A directory.
    Directory,
    /// A device, a pipe, a socket.
    Other,
}

/// Whether [`open_part`](OutputStreamFactory::open_part) may make a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Open it if it is there; make nothing.
    Existing,
    /// Open it, or make it, with the directories above it.
    Create,
}

/// How [`commit`](OutputStream::commit) is to give the part its final name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitOptions {
    /// Whether something that has the final name may be replaced.
    pub replace: bool,
    /// Whether data and name must survive the loss of power once it returns.
    pub durable: bool,
    /// The time of modification to set.
    pub modified: Option<SystemTime>,
}

impl CommitOptions {
    /// Options of these parts.
    pub const fn new(replace: bool, durable: bool, modified: Option<SystemTime>) -> Self {
        Self { replace, durable, modified }
    }
}

/// How much can still be written around a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FreeSpace {
    /// So many bytes, by this user.
    pub bytes: u64,
    /// Which volume (file system) they are of, as a number that no other volume has. Downloads to one volume share its
    /// free space, and are reserved it in turn. `None` if that is not known: each then counts on all of it.
    pub volume: Option<u64>,
}

impl FreeSpace {
    /// So many bytes of this volume.
    pub const fn new(bytes: u64, volume: Option<u64>) -> Self {
        Self { bytes, volume }
    }
}

/// Takes what [`scan`](OutputStream::scan) reads.
pub type Consumer = Box<dyn FnMut(&[u8]) + Send>;

/// Opens parts, and answers questions about the places around them.
///
/// # Contract
/// - No call blocks its caller: what waits for a disk waits elsewhere.
/// - Several calls may run at a time, also for one location.
/// - The futures of questions ([`stat`](OutputStreamFactory::stat), [`free_space`](OutputStreamFactory::free_space)) may
///   be dropped.
/// - Every error's kind is chosen with care: [`NoSpace`](okdownload_types::ErrorKind::NoSpace) for a full disk or a
///   used-up quota, [`PermissionDenied`](okdownload_types::ErrorKind::PermissionDenied),
///   [`FileBusy`](okdownload_types::ErrorKind::FileBusy) for a part that someone else has open.
#[async_trait]
pub trait OutputStreamFactory: Debug + Send + Sync + 'static {
    /// What this output can do at this place.
    fn capability(&self, location: &Location) -> OutputCapability;

    /// A value that stays the same as long as what was written, and not synced, is still there: the id of this boot.
    /// `None` if that can't be known; then only what was synced counts after a restart of the process.
    async fn boot_id(&self) -> Option<String>;

    /// What stands at this place; `None` if nothing does. Symbolic links are followed; one that leads nowhere is
    /// [`StatKind::Other`].
    ///
    /// # Errors
    /// If it can't be found out; [`Misuse`](okdownload_types::ErrorKind::Misuse) for a place that can't be.
    async fn stat(&self, location: &Location) -> Result<Option<Stat>>;

    /// Opens a part, alone: until it is closed, every other attempt ends with
    /// [`FileBusy`](okdownload_types::ErrorKind::FileBusy), from this process or another. (Without
    /// [`OutputCapability::resume`] it need only be alone in this factory and its clones: what others do at the same
    /// time is decided by who commits first.) What it holds is kept. `None` only with [`OpenMode::Existing`], if nothing is there, or without [`OutputCapability::resume`]. Symbolic
    /// links are not followed.
    ///
    /// # Errors
    /// `FileBusy`; [`AlreadyExists`](okdownload_types::ErrorKind::AlreadyExists) if what stands there is no regular
    /// file.
    async fn open_part(&self, part: &Location, mode: OpenMode) -> Result<Option<Arc<dyn OutputStream>>>;

    /// How much can still be written around this place, be it there yet or not; `None` if that is not known.
    ///
    /// # Errors
    /// If it can't be found out.
    async fn free_space(&self, location: &Location) -> Result<Option<FreeSpace>>;

    /// Removes the file at this place. Returns whether there was one.
    ///
    /// # Errors
    /// If it is there and can't be removed.
    async fn remove(&self, location: &Location) -> Result<bool>;
}

/// An open part.
///
/// # Contract
/// - With [`OutputCapability::resume`], after `Ok` of [`write_at`](OutputStream::write_at), the bytes outlive the
///   process: they are with the operating system, not in a buffer here. Without it, they may be in a buffer, of a
///   size that does not depend on the file's length unless the place can't do otherwise; nothing is claimed of them
///   before `Ok` of `commit`.
/// - With [`OutputCapability::resume`], after `Ok` of [`flush_and_sync`](OutputStream::flush_and_sync), all bytes whose
///   `write_at` had returned before it was called outlive the loss of power. If it fails, nothing is known of any byte
///   written since the last one that succeeded, and calling it again must not be taken for proof. Without it, the call
///   does nothing.
/// - Core never drops the future of a call before it is done, and calls nothing after `Ok` of `commit`, or after
///   `abort` or `close`. After an error of `commit` the part is still open and still alone. With
///   [`OutputCapability::resume`] it may be committed again; without it that may fail as well, because the service has
///   given the upload up. It never makes a file of less than all bytes.
/// - Core calls `preallocate` before the first `write_at`, if at all. A sink of bytes in order learns the length by it.
/// - Calls of `write_at` at positions that do not overlap may run at a time.
/// - Without [`OutputCapability::seek`], `write_at` is called with offsets that follow each other without gaps, one
///   call at a time.
/// - With [`OutputCapability::hides_parts`], `commit` is called with the location that the part was opened with.
#[async_trait]
pub trait OutputStream: Debug + Send + Sync + 'static {
    /// Which file this is.
    fn identity(&self) -> Option<FileIdentity>;

    /// How long it was when it was opened.
    fn initial_length(&self) -> u64;

    /// Writes all of `data`, one piece after the other, from `offset` on.
    ///
    /// # Errors
    /// If not all of it could be written; then nothing is known of the bytes from `offset` on.
    /// [`Unsupported`](okdownload_types::ErrorKind::Unsupported) without [`OutputCapability::seek`] for an offset that
    /// does not follow; then nothing was written, and the part can be gone on with.
    async fn write_at(&self, offset: u64, data: Vec<Bytes>) -> Result<()>;

    /// Reads up to `length` bytes from `offset` on; fewer only at the end.
    ///
    /// # Errors
    /// [`Unsupported`](okdownload_types::ErrorKind::Unsupported) without [`OutputCapability::read`].
    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes>;

    /// Reads all of `range` and hands it to `consumer` in order, away from the caller's thread.
    ///
    /// # Errors
    /// [`Unsupported`](okdownload_types::ErrorKind::Unsupported) without [`OutputCapability::read`]; an early end.
    async fn scan(&self, range: Range<u64>, consumer: Consumer) -> Result<()>;

    /// Reserves the space for `length` bytes, without writing them, where the place can do that; else does nothing.
    /// The part's length does not change.
    ///
    /// # Errors
    /// [`NoSpace`](okdownload_types::ErrorKind::NoSpace).
    async fn preallocate(&self, length: u64) -> Result<()>;

    /// For how many bytes the part has its space already, written or reserved; by default none is known of.
    ///
    /// # Errors
    /// If it can't be found out.
    async fn allocated(&self) -> Result<u64> {
        Ok(0)
    }

    /// Cuts the part to this length, or extends it with zeros.
    ///
    /// # Errors
    /// [`Unsupported`](okdownload_types::ErrorKind::Unsupported) without [`OutputCapability::seek`], unless nothing
    /// was written yet and `length` is 0.
    async fn set_length(&self, length: u64) -> Result<()>;

    /// See the contract.
    ///
    /// # Errors
    /// If it is not certain that all bytes are safe.
    async fn flush_and_sync(&self) -> Result<()>;

    /// Gives the part its final name and closes it. In this order: time of modification, data synced (if durable),
    /// renamed, name synced (if durable).
    ///
    /// # Errors
    /// [`AlreadyExists`](okdownload_types::ErrorKind::AlreadyExists) if the name is taken and may not be replaced,
    /// or is taken by a directory; the part is kept.
    async fn commit(&self, to: &Location, options: CommitOptions) -> Result<()>;

    /// After a [`commit`](OutputStream::commit): the time of modification that the file really has, where that is known
    /// without looking again; else core asks [`stat`](OutputStreamFactory::stat).
    fn modified(&self) -> Option<SystemTime> {
        None
    }

    /// Asks the call under way to end soon, if only with an error: all that this part holds will be thrown away. After
    /// it, core calls nothing but `abort` or `close`. It waits for nothing, and may come at any time.
    ///
    /// By default it does nothing, which suits a place where no call takes long.
    fn interrupt(&self) {}

    /// Closes the part and removes it.
    ///
    /// # Errors
    /// If it can't be removed.
    async fn abort(&self) -> Result<()>;

    /// Closes the part and keeps it; gives it up without [`OutputCapability::resume`].
    ///
    /// # Errors
    /// If closing fails, where that can be told.
    async fn close(&self) -> Result<()>;
}

macro_rules! forward {
    ($pointer:ty) => {
        #[async_trait]
        impl<T: OutputStreamFactory + ?Sized> OutputStreamFactory for $pointer {
            fn capability(&self, location: &Location) -> OutputCapability {
                (**self).capability(location)
            }

            async fn boot_id(&self) -> Option<String> {
                (**self).boot_id().await
            }

            async fn stat(&self, location: &Location) -> Result<Option<Stat>> {
                (**self).stat(location).await
            }

            async fn open_part(
                &self,
                part: &Location,
                mode: OpenMode,
            ) -> Result<Option<Arc<dyn OutputStream>>> {
                (**self).open_part(part, mode).await
            }

            async fn free_space(&self, location: &Location) -> Result<Option<FreeSpace>> {
                (**self).free_space(location).await
            }

            async fn remove(&self, location: &Location) -> Result<bool> {
                (**self).remove(location).await
            }
        }
    };
}

forward!(Arc<T>);
forward!(Box<T>);

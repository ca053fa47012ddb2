//! A download that goes to whoever reads it, and to no file.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use okdownload_output::{
    CommitOptions, Consumer, FreeSpace, OpenMode, OutputCapability, OutputStream, OutputStreamFactory, Stat,
};
use okdownload_types::{Error, ErrorKind, FileIdentity, Location, Result, TaskEnd};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{Notify, mpsc};

use crate::handle::TaskHandle;

/// How many bytes may lie unread before no connection receives more.
const FULL: u64 = 1 << 20;

/// The bytes of a download in order, while they come: [`TaskRequest::into_reader`](crate::TaskRequest::into_reader).
///
/// Several connections fetch ahead, in pieces of 1 to 4 MiB and within a window of some 64 MiB; who reads slowly
/// slows them down. The bytes end without an error only after the download has completed, its digest included, if
/// there is one: what was read before that is not yet known to be right. Bytes that were handed out can't be taken back, so
/// a resource that changes on the way is an error. Dropping the reader cancels the download.
pub struct DownloadReader {
    handle: TaskHandle,
    chunks: mpsc::UnboundedReceiver<Bytes>,
    room: Arc<Room>,
    chunk: Bytes,
    ending: Ending,
}

enum Ending {
    Awaited(Pin<Box<dyn Future<Output = TaskEnd> + Send>>),
    Over(Box<TaskEnd>),
}

impl DownloadReader {
    pub(crate) fn new(handle: TaskHandle, pipe: Reading) -> Self {
        let ending = Ending::Awaited(handle.clone().into_future());
        Self { handle, chunks: pipe.chunks, room: pipe.room, chunk: Bytes::new(), ending }
    }

    /// The task that brings the bytes.
    pub fn handle(&self) -> &TaskHandle {
        &self.handle
    }

    /// The next bytes; `None` once the download has completed. Dropping the future loses none.
    ///
    /// # Errors
    /// Whatever kept the download from completing.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        std::future::poll_fn(|context| self.poll_chunk(context)).await
    }

    /// The same for synchronous programs: a [`std::io::Read`].
    pub fn into_blocking(self) -> BlockingReader {
        BlockingReader(self)
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        if self.chunk.has_remaining() {
            return Poll::Ready(Ok(Some(std::mem::take(&mut self.chunk))));
        }
        // Whether the task has ended is asked first: what it brought is all there then.
        if let Ending::Awaited(ending) = &mut self.ending
            && let Poll::Ready(end) = ending.as_mut().poll(context)
        {
            self.ending = Ending::Over(Box::new(end));
        }
        let chunk = match &self.ending {
            Ending::Awaited(_) => ready!(self.chunks.poll_recv(context)),
            // `poll_recv` may be pending although there are chunks, to let other tasks run.
            Ending::Over(_) => self.chunks.try_recv().ok(),
        };
        match (chunk, &self.ending) {
            (Some(chunk), _) => {
                self.room.taken(chunk.len());
                Poll::Ready(Ok(Some(chunk)))
            }
            (None, Ending::Awaited(_)) => Poll::Pending,
            (None, Ending::Over(end)) => Poll::Ready((**end).clone().into_result().map(|_| None)),
        }
    }
}

impl AsyncRead for DownloadReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let chunk = ready!(self.poll_chunk(context)).map_err(io::Error::other)?;
        if let Some(mut chunk) = chunk {
            let length = chunk.len().min(out.remaining());
            out.put_slice(&chunk[..length]);
            chunk.advance(length);
            self.chunk = chunk;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for DownloadReader {
    fn drop(&mut self) {
        self.handle.cancel();
    }
}

impl fmt::Debug for DownloadReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadReader").field("handle", &self.handle).finish_non_exhaustive()
    }
}

/// The bytes of a download in order, while they come, for synchronous programs:
/// [`DownloadReader::into_blocking`].
///
/// As that one does, it ends without an error only after the download has completed; an error is an
/// [`io::Error`] around an [`okdownload_types::Error`], or, where a thread must not be blocked, around that of
/// [`OkDownload::block_on`](crate::OkDownload::block_on). Dropping it cancels the download.
#[derive(Debug)]
pub struct BlockingReader(DownloadReader);

impl BlockingReader {
    /// The task that brings the bytes.
    pub fn handle(&self) -> &TaskHandle {
        self.0.handle()
    }
}

impl io::Read for BlockingReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let reader = &mut self.0;
        // Most reads find their bytes here, and need not wait.
        if reader.chunk.is_empty() && !out.is_empty() {
            let handle = reader.handle.clone();
            let next = handle.block_on(reader.chunk()).flatten().map_err(io::Error::other)?;
            reader.chunk = next.unwrap_or_default();
        }
        let length = reader.chunk.len().min(out.len());
        reader.chunk.copy_to_slice(&mut out[..length]);
        Ok(length)
    }
}

/// How much lies unread. Connections wait for room before they receive more, so a write into the pipe need not: it
/// can't be cancelled, and they can.
#[derive(Debug, Default)]
pub(crate) struct Room {
    unread: AtomicU64,
    freed: Notify,
}

impl Room {
    /// Waits until there is room.
    pub(crate) async fn wait(&self) {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if self.unread.load(Ordering::Acquire) < FULL {
                return;
            }
            freed.await;
        }
    }

    fn taken(&self, bytes: usize) {
        self.unread.fetch_sub(bytes as u64, Ordering::AcqRel);
        self.freed.notify_waiters();
    }
}

/// The reader's end of a pipe.
#[derive(Debug)]
pub(crate) struct Reading {
    chunks: mpsc::UnboundedReceiver<Bytes>,
    pub(crate) room: Arc<Room>,
}

/// The output whose bytes a reader gets.
#[derive(Debug)]
pub(crate) struct Pipe(Arc<Writing>);

#[derive(Debug)]
struct Writing {
    chunks: mpsc::UnboundedSender<Bytes>,
    room: Arc<Room>,
    written: AtomicU64,
}

/// Both ends of a pipe.
pub(crate) fn pipe() -> (Pipe, Reading) {
    let (sender, chunks) = mpsc::unbounded_channel();
    let room = Arc::new(Room::default());
    let writing = Writing { chunks: sender, room: room.clone(), written: AtomicU64::new(0) };
    (Pipe(Arc::new(writing)), Reading { chunks, room })
}

#[async_trait]
impl OutputStreamFactory for Pipe {
    fn capability(&self, _: &Location) -> OutputCapability {
        OutputCapability::STREAM
    }

    async fn boot_id(&self) -> Option<String> {
        None
    }

    async fn stat(&self, _: &Location) -> Result<Option<Stat>> {
        Ok(None)
    }

    async fn open_part(&self, _: &Location, mode: OpenMode) -> Result<Option<Arc<dyn OutputStream>>> {
        if mode == OpenMode::Existing {
            return Ok(None);
        }
        match self.0.written.load(Ordering::Acquire) {
            0 => Ok(Some(Arc::new(PipeStream(self.0.clone())))),
            bytes => Err(Error::new(ErrorKind::ResumeFailed, "what was handed out cannot be taken back")
                .with_context("bytes", bytes)
                .with_advice("read it again from the beginning, or download it to a file")),
        }
    }

    async fn free_space(&self, _: &Location) -> Result<Option<FreeSpace>> {
        Ok(None)
    }

    async fn remove(&self, _: &Location) -> Result<bool> {
        Ok(false)
    }
}

#[derive(Debug)]
struct PipeStream(Arc<Writing>);

fn unsupported() -> Error {
    Error::new(ErrorKind::Unsupported, "a reader gets its bytes once and in order")
}

#[async_trait]
impl OutputStream for PipeStream {
    fn identity(&self) -> Option<FileIdentity> {
        None
    }

    fn initial_length(&self) -> u64 {
        0
    }

    async fn write_at(&self, offset: u64, data: Vec<Bytes>) -> Result<()> {
        let Writing { chunks, room, written } = &*self.0;
        if offset != written.load(Ordering::Acquire) {
            return Err(unsupported());
        }
        for bytes in data.into_iter().filter(|bytes| !bytes.is_empty()) {
            let length = bytes.len() as u64;
            room.unread.fetch_add(length, Ordering::AcqRel);
            written.fetch_add(length, Ordering::AcqRel);
            if chunks.send(bytes).is_err() {
                return Err(Error::new(ErrorKind::Canceled, "nobody reads any more"));
            }
        }
        Ok(())
    }

    async fn read_at(&self, _: u64, _: usize) -> Result<Bytes> {
        Err(unsupported())
    }

    async fn scan(&self, _: std::ops::Range<u64>, _: Consumer) -> Result<()> {
        Err(unsupported())
    }

    async fn preallocate(&self, _: u64) -> Result<()> {
        Ok(())
    }

    async fn set_length(&self, length: u64) -> Result<()> {
        let written = self.0.written.load(Ordering::Acquire);
        if (length, written) == (0, 0) { Ok(()) } else { Err(unsupported()) }
    }

    async fn flush_and_sync(&self) -> Result<()> {
        Ok(())
    }

    async fn commit(&self, _: &Location, _: CommitOptions) -> Result<()> {
        Ok(())
    }

    async fn abort(&self) -> Result<()> {
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

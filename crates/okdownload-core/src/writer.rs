//! Between a connection and the output: gathers what comes while a write is under way.

use std::collections::VecDeque;
use std::pin::Pin;

use bytes::Bytes;
use okdownload_types::Result;

use crate::block::Transfer;
use crate::ledger::Piece;

/// How many bytes one connection may have in memory, beside the chunk that it is receiving.
const WINDOW: u64 = 1 << 20;

pub(crate) type Write = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Writes the pieces of one connection, one write at a time. A write that has begun is always waited for.
pub(crate) struct Writer<'a> {
    transfer: &'a Transfer,
    queue: VecDeque<Batch>,
    under_way: Option<(Piece, Write)>,
    bytes: u64,
}

/// Chunks whose bytes follow each other within one block.
struct Batch {
    piece: Piece,
    chunks: Vec<Bytes>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(transfer: &'a Transfer) -> Self {
        Self { transfer, queue: VecDeque::new(), under_way: None, bytes: 0 }
    }

    /// Takes a piece over. Starts to write it if nothing else is being written.
    pub(crate) fn push(&mut self, piece: Piece, chunk: Bytes) {
        self.bytes += piece.length;
        match self.queue.back_mut() {
            Some(last)
                if last.piece.block == piece.block
                    && last.piece.offset + last.piece.length == piece.offset =>
            {
                last.piece.length += piece.length;
                last.chunks.push(chunk);
            }
            _ => self.queue.push_back(Batch { piece, chunks: vec![chunk] }),
        }
    }

    /// Whether there is something to write.
    pub(crate) fn is_busy(&self) -> bool {
        self.under_way.is_some() || !self.queue.is_empty()
    }

    /// Whether no more should be received for now.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= WINDOW
    }

    /// Waits for the write that is under way, or for the next one. Dropping this future does not drop the write.
    pub(crate) async fn step(&mut self) -> Result<()> {
        if self.under_way.is_none() {
            let Some(batch) = self.queue.pop_front() else { return Ok(()) };
            self.under_way = Some((batch.piece, self.transfer.write(batch.piece.offset, batch.chunks)));
        }
        let Some((piece, write)) = &mut self.under_way else { return Ok(()) };
        let (piece, written) = (*piece, write.await);
        self.under_way = None;
        self.bytes -= piece.length;
        if written.is_err() {
            // What comes behind a hole must not be written: its block would count past the hole.
            self.queue.clear();
            self.bytes = 0;
        }
        written?;
        self.transfer.ledger.wrote(piece.block, piece.length);
        Ok(())
    }

    /// Writes all that is there.
    pub(crate) async fn drain(&mut self) -> Result<()> {
        while self.is_busy() {
            self.step().await?;
        }
        Ok(())
    }

    /// Goes on writing until `future` is done.
    pub(crate) async fn work_until<T>(&mut self, future: impl Future<Output = T>) -> Result<T> {
        tokio::pin!(future);
        loop {
            tokio::select! {
                biased;
                output = &mut future => return Ok(output),
                written = self.step(), if self.is_busy() => written?,
            }
        }
    }
}

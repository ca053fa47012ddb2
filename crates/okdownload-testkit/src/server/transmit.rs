//! Sends one response: the head, the body piece by piece, and what the script does between them.

use std::io;
use std::ops::Range;

use tokio::sync::watch;

use super::delivery::Step;
use super::log::Record;
use super::pace::Pacer;
use super::render::Response;
use super::reply::{ChunkFault, Framing};
use super::wire::Wire;

/// What becomes of the connection after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    KeepAlive,
    Close,
    Reset,
}

/// Sends a response. An error means that the client is gone.
pub(super) async fn transmit(
    wire: &mut Wire,
    response: &Response,
    rate: watch::Receiver<Option<u64>>,
    record: &mut Record,
) -> io::Result<Next> {
    if let Some(gate) = &response.delivery.head_gate {
        wire.unless_gone(gate.pass()).await?;
    }
    if !response.interim.is_empty() {
        wire.send(&response.interim).await?;
    }
    if let Some(delay) = response.delivery.pace.head_delay {
        wire.unless_gone(tokio::time::sleep(delay)).await?;
    }
    if let Some(status) = response.status {
        record.status(status);
    }
    if response.head_is_endless {
        return endless_head(wire, response).await;
    }
    let pacer = Pacer::new(&response.delivery.pace, rate);
    Sending {
        wire,
        response,
        record,
        pacer,
        buffer: response.head.clone(),
        position: 0,
        steps_done: 0,
        framing_ended: false,
    }
    .run()
    .await
}

/// Header lines without end, which stops when the client leaves.
async fn endless_head(wire: &mut Wire, response: &Response) -> io::Result<Next> {
    // Without the empty line that ends a head.
    wire.send(response.head.trim_ascii_end()).await?;
    for number in 0_u64.. {
        wire.send(format!("\r\nX-Filler-{number}: {:a<1000}", "").as_bytes()).await?;
    }
    Ok(Next::Close)
}

/// A body on its way.
struct Sending<'a> {
    wire: &'a mut Wire,
    response: &'a Response,
    record: &'a mut Record,
    pacer: Pacer,
    /// What goes out with the next write: the head, at first.
    buffer: Vec<u8>,
    /// Body bytes sent.
    position: u64,
    steps_done: usize,
    framing_ended: bool,
}

impl<'a> Sending<'a> {
    async fn run(mut self) -> io::Result<Next> {
        let total = self.response.body.len().saturating_add(self.response.surplus);
        loop {
            while let Some(step) = self.due_step() {
                if let Some(next) = self.take(step).await? {
                    return Ok(next);
                }
            }
            if self.position >= total {
                return self.finish().await;
            }
            if let Some(delay) = self.response.delivery.pace.chunk_delay.filter(|_| self.position > 0) {
                self.wire.unless_gone(tokio::time::sleep(delay)).await?;
            }
            self.send_piece(total).await?;
        }
    }

    /// The step that is to happen at this position, if one is left.
    fn due_step(&mut self) -> Option<&'a Step> {
        let (offset, step) = self.response.delivery.steps.get(self.steps_done)?;
        if *offset > self.position {
            return None;
        }
        self.steps_done += 1;
        Some(step)
    }

    async fn take(&mut self, step: &Step) -> io::Result<Option<Next>> {
        if matches!(step, Step::Cut | Step::Reset) {
            self.record.ending();
        }
        self.push(0..0).await?;
        match step {
            Step::Gate(gate) => self.wire.unless_gone(gate.pass()).await?,
            Step::Delay(delay) => self.wire.unless_gone(tokio::time::sleep(*delay)).await?,
            Step::Cut => return Ok(Some(Next::Close)),
            Step::Reset => return Ok(Some(Next::Reset)),
            Step::Stall => return Err(self.wire.gone().await),
        }
        Ok(None)
    }

    async fn send_piece(&mut self, total: u64) -> io::Result<()> {
        if self.pacer.is_held() {
            // Only the body is held; the head must not wait for it.
            self.push(0..0).await?;
        }
        let allowed = self.wire.unless_gone(self.pacer.allowance()).await?;
        let next_step =
            self.response.delivery.steps.get(self.steps_done).map_or(u64::MAX, |(offset, _)| *offset);
        let until = total.min(next_step);
        let len = usize::try_from(until - self.position).unwrap_or(usize::MAX).min(allowed);
        let end = self.position + len as u64;

        let fault = self.chunk_fault().filter(|_| end == total);
        if self.is_chunked() {
            self.buffer.extend_from_slice(size_line(len, fault).as_bytes());
        }
        let start = self.buffer.len();
        self.buffer.resize(start + len, FILLER);
        self.fill(start);
        if self.is_chunked() && fault != Some(ChunkFault::MissingLineEnd) {
            self.buffer.extend_from_slice(b"\r\n");
        }
        // With no step after the last byte, the end of the framing goes out with it.
        if end == total && next_step > end {
            self.end_framing();
            self.record.ending();
        }
        self.pacer.sent(len);
        self.position = end;
        self.push(start..start + len).await
    }

    /// Fills the buffer from `start` on with the body at this position, and leaves filler where the body has ended.
    fn fill(&mut self, start: usize) {
        let inside = self.response.body.len().saturating_sub(self.position);
        let room = self.buffer.len() - start;
        let inside = usize::try_from(inside).unwrap_or(usize::MAX).min(room);
        self.response.body.fill(self.position, &mut self.buffer[start..start + inside]);
    }

    async fn finish(mut self) -> io::Result<Next> {
        self.record.ending();
        self.end_framing();
        self.push(0..0).await?;
        Ok(if self.response.keep_alive { Next::KeepAlive } else { Next::Close })
    }

    fn end_framing(&mut self) {
        let ended = std::mem::replace(&mut self.framing_ended, true);
        if !ended && self.is_chunked() && self.chunk_fault() != Some(ChunkFault::MissingLastChunk) {
            self.buffer.extend_from_slice(b"0\r\n\r\n");
        }
    }

    fn is_chunked(&self) -> bool {
        matches!(self.response.framing, Framing::Chunked(_))
    }

    fn chunk_fault(&self) -> Option<ChunkFault> {
        match self.response.framing {
            Framing::Chunked(fault) => fault,
            _ => None,
        }
    }

    /// Writes the buffer out. `body` is where in it the body bytes are, which are counted.
    async fn push(&mut self, body: Range<usize>) -> io::Result<()> {
        self.record.sending(body.len());
        let mut written = 0;
        while written < self.buffer.len() {
            match self.wire.write(&self.buffer[written..]).await {
                Ok(count) => written += count,
                Err(error) => {
                    self.record.not_sent(body.end.saturating_sub(written.max(body.start)));
                    return Err(error);
                }
            }
        }
        self.buffer.clear();
        self.wire.flush().await
    }
}

const FILLER: u8 = b'~';

/// The line before a chunk's data.
fn size_line(len: usize, fault: Option<ChunkFault>) -> String {
    match fault {
        Some(ChunkFault::BadSize) => "size\r\n".to_owned(),
        Some(ChunkFault::HugeSize) => format!("{:f<20}\r\n", ""),
        Some(ChunkFault::LongSize) => format!("{:x}\r\n", len + 1),
        _ => format!("{len:x}\r\n"),
    }
}

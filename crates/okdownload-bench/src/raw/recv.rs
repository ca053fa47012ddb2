//! One read from the socket, one write at its position.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use super::Transfer;
use super::http::Connection;

/// As large as the chunks that HTTP clients hand over; larger ones leave the processor's cache.
const BUFFER: usize = 256 << 10;

/// A buffer.
#[derive(Debug)]
pub(crate) struct Recv(Vec<u8>);

impl Transfer for Recv {
    fn new() -> io::Result<Self> {
        Ok(Self(vec![0; BUFFER]))
    }

    fn transfer(
        &mut self,
        connection: &mut Connection,
        file: &File,
        mut at: u64,
        end: u64,
    ) -> io::Result<()> {
        while at < end {
            let most = usize::try_from(end - at).unwrap_or(BUFFER).min(BUFFER);
            let read = connection.socket().read(&mut self.0[..most])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.write_all_at(&self.0[..read], at)?;
            at += read as u64;
        }
        Ok(())
    }
}

//! From socket to file through a pipe, without the bytes ever being in this process.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use super::Transfer;
use super::http::Connection;

/// The most that a pipe holds without privilege, by default.
const PIPE: usize = 1 << 20;

/// A pipe: where it is read, and where it is written.
#[derive(Debug)]
pub(crate) struct Splice {
    read: OwnedFd,
    write: OwnedFd,
    size: usize,
}

impl Transfer for Splice {
    fn new() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
        let size = fcntl_setpipe_size(&write, PIPE)?;
        Ok(Self { read, write, size })
    }

    fn transfer(
        &mut self,
        connection: &mut Connection,
        file: &File,
        mut at: u64,
        end: u64,
    ) -> io::Result<()> {
        while at < end {
            let most = usize::try_from(end - at).unwrap_or(self.size).min(self.size);
            let mut held = splice(connection.socket(), None, &self.write, None, most, SpliceFlags::MOVE)?;
            if held == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            while held > 0 {
                // It moves `at` on.
                held -= splice(&self.read, None, file, Some(&mut at), held, SpliceFlags::MOVE)?;
            }
        }
        Ok(())
    }
}

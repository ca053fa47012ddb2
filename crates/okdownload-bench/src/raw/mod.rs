//! Downloads over plain sockets: what a program costs that does nothing else. They check no validator, resume nothing
//! and retry nothing, so they are no downloaders, but a measure for them.

mod http;
mod recv;
mod splice;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Result;
use crate::args::RawOptions;
use http::{Address, Connection};

pub(crate) use recv::Recv;
pub(crate) use splice::Splice;

/// How bytes get from a socket into a file. Each connection has one of its own.
pub(crate) trait Transfer: Sized {
    fn new() -> io::Result<Self>;

    /// Moves what the socket brings into the file, from one offset to the other.
    fn transfer(&mut self, connection: &mut Connection, file: &File, at: u64, end: u64) -> io::Result<()>;
}

/// Moves a body of so many bytes into the file: what came with its head, then the rest.
fn take<T: Transfer>(
    transfer: &mut T,
    connection: &mut Connection,
    file: &File,
    offset: u64,
    length: u64,
) -> io::Result<()> {
    let begun = connection.take_begun();
    file.write_all_at(&begun, offset)?;
    transfer.transfer(connection, file, offset + begun.len() as u64, offset + length)
}

/// Downloads one file over several connections, or a list of files over one connection each.
pub(crate) fn download<T: Transfer>(options: &RawOptions) -> Result<()> {
    match (&options.url, &options.input_file, &options.out, &options.dir) {
        (Some(url), _, Some(out), _) => one::<T>(url, out, options.connections),
        (None, Some(list), _, Some(dir)) => many::<T>(list, dir, options.parallel),
        _ => Err("say URL and --out, or --input-file and --dir".into()),
    }
}

fn one<T: Transfer>(url: &str, out: &Path, connections: u64) -> Result<()> {
    let address = Address::parse(url)?;
    let cannot = |error| format!("cannot download {url}: {error}");
    let mut first = Connection::new(&address).map_err(cannot)?;
    let total = first.length(&address.path).map_err(cannot)?;
    let file = File::create(out).map_err(|error| format!("cannot write {}: {error}", out.display()))?;
    let part = |number| (total * number / connections, total * (number + 1) / connections);
    let fetch = |mut connection: Connection, number| -> io::Result<()> {
        let (start, end) = part(number);
        if start == end {
            return Ok(());
        }
        let length = connection.get(&address.path, Some((start, end - 1)))?;
        if length != end - start {
            return Err(io::Error::other("the server sends another length than asked"));
        }
        take(&mut T::new()?, &mut connection, &file, start, length)
    };
    std::thread::scope(|scope| {
        // The first connection is there, and goes on with the first part.
        let others = (1..connections).map(|number| {
            scope.spawn({
                let (fetch, address) = (&fetch, &address);
                move || fetch(Connection::new(address)?, number)
            })
        });
        let others: Vec<_> = others.collect();
        let first = fetch(first, 0);
        join(others).and(first)
    })
    .map_err(cannot)
}

fn many<T: Transfer>(list: &Path, dir: &Path, parallel: u64) -> Result<()> {
    let text = std::fs::read_to_string(list);
    let text = text.map_err(|error| format!("cannot read {}: {error}", list.display()))?;
    let addresses: Result<Vec<_>> = text.lines().map(Address::parse).collect();
    let (addresses, next) = (addresses?, AtomicUsize::new(0));
    let work = || -> io::Result<()> {
        let (mut transfer, mut connection) = (T::new()?, None);
        while let Some(address) = addresses.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut open = match connection.take() {
                Some(open) => open,
                None => Connection::new(address)?,
            };
            let length = open.get(&address.path, None)?;
            let file = File::create(dir.join(address.name()))?;
            take(&mut transfer, &mut open, &file, 0, length)?;
            connection = Some(open).filter(|open| !open.closes());
        }
        Ok(())
    };
    std::thread::scope(|scope| join((0..parallel).map(|_| scope.spawn(work)).collect()))
        .map_err(|error| format!("cannot download {}: {error}", list.display()))
}

fn join(threads: Vec<std::thread::ScopedJoinHandle<'_, io::Result<()>>>) -> io::Result<()> {
    let ended = threads
        .into_iter()
        .map(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked"))));
    // All are waited for, and the first failure is told.
    ended.fold(Ok(()), io::Result::and)
}

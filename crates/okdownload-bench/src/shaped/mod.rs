//! A server that sends slowly: it stands for a network, which loopback does not have.
//!
//! On standard output it says its port, then a line of requests, connections and bytes sent for each line on standard
//! input, at whose end it ends too. One thread does it all, in a process of its own.

mod connection;
mod pacer;
mod reply;
mod slots;

use std::cell::Cell;
use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use crate::args::ShapedOptions;
use slots::Slots;

/// What all connections share.
#[derive(Debug)]
struct Shared {
    root: PathBuf,
    slots: Slots,
    first_byte: Duration,
    round_trip: Duration,
    requests: Cell<u64>,
    connections: Cell<u64>,
    bytes: Cell<u64>,
}

fn add(counter: &Cell<u64>, more: u64) {
    counter.set(counter.get() + more);
}

/// Serves until standard input ends.
pub(crate) fn serve(options: &ShapedOptions) -> io::Result<()> {
    let shared = Rc::new(Shared {
        root: options.root.clone(),
        slots: Slots::new(&options.rates),
        first_byte: Duration::from_millis(options.first_byte),
        round_trip: Duration::from_millis(options.round_trip),
        requests: Cell::default(),
        connections: Cell::default(),
        bytes: Cell::default(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        say(&listener.local_addr()?.port().to_string())?;
        tokio::task::spawn_local(accept(listener, Rc::clone(&shared)));
        answer(&shared).await
    });
    // A thread still reads standard input.
    runtime.shutdown_background();
    served
}

async fn accept(listener: TcpListener, shared: Rc<Shared>) {
    loop {
        let accepted = listener.accept().await;
        match accepted {
            Ok((socket, _)) => {
                let slot = shared.slots.take();
                tokio::task::spawn_local(connection::serve(socket, slot, Rc::clone(&shared)));
            }
            Err(error) => crate::tell(&format!("cannot accept a connection: {error}")),
        }
    }
}

/// Answers each line with what was counted.
async fn answer(shared: &Shared) -> io::Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while lines.next_line().await?.is_some() {
        let [requests, connections, bytes] =
            [&shared.requests, &shared.connections, &shared.bytes].map(Cell::get);
        say(&format!("{requests} {connections} {bytes}"))?;
    }
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

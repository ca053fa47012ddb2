//! Whether the bytes written to a socket have arrived at the other end.
//!
//! A reset throws away what is still in the sending socket's queue. A test that says "reset after 1000 bytes" wants
//! those 1000 bytes to arrive first, every time.

use std::net::SocketAddr;
use std::time::Duration;

/// Waits until the other end of this connection has received everything.
///
/// Linux tells the length of the queue in a table of all sockets. Where there is no such table a short wait must do.
pub(super) async fn all_arrived(local: SocketAddr, peer: SocketAddr) {
    loop {
        let table = tokio::fs::read_to_string("/proc/self/net/tcp").await.unwrap_or_default();
        match queued(&table, local, peer) {
            Some(0) => return,
            Some(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            None => return tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// The bytes in the sending queue of the socket with these ends.
fn queued(table: &str, local: SocketAddr, peer: SocketAddr) -> Option<u64> {
    // `  12: 0100007F:1F90 0100007F:D431 01 00000000:00000000 …`: ends, state, and the two queues.
    let port = |address: &str| u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok();
    table.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (ours, theirs) = (port(fields.next()?)?, port(fields.next()?)?);
        let queues = fields.nth(1)?;
        let is_it = ours == local.port() && theirs == peer.port();
        is_it.then(|| u64::from_str_radix(queues.split_once(':')?.0, 16).ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_found_by_its_ends() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000\n\
             1: 0100007F:1F90 0100007F:D431 01 000000FF:00000001 00:00000000 00000000\n";
        let local = SocketAddr::from(([127, 0, 0, 1], 0x1F90));
        assert_eq!(queued(table, local, SocketAddr::from(([127, 0, 0, 1], 0xD431))), Some(255));
        assert_eq!(queued(table, local, SocketAddr::from(([127, 0, 0, 1], 1))), None);
    }
}

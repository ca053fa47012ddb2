//! nginx's access log, of three numbers a line: the connection's, the status, and the bytes of the body.

use std::collections::HashSet;

use super::Counts;

/// The log's format, as nginx is told it.
pub(super) const FORMAT: &str = "$connection $status $body_bytes_sent";

/// What lines tell; `None` if one of them is no such line.
pub(super) fn count(lines: &str) -> Option<Counts> {
    let (mut counts, mut connections) = (Counts::default(), HashSet::new());
    for line in lines.lines() {
        let mut words = line.split(' ').map(str::parse::<u64>);
        let (connection, _status) = (words.next()?.ok()?, words.next()?.ok()?);
        counts.bytes += words.next()?.ok()?;
        counts.requests += 1;
        connections.insert(connection);
    }
    counts.connections = connections.len() as u64;
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_counts_once() {
        let counts = count("1 206 100\n2 206 50\n1 200 7\n");
        assert_eq!(counts, Some(Counts { requests: 3, connections: 2, bytes: 157 }));
        assert_eq!(count(""), Some(Counts::default()));
        assert_eq!(count("1 206\n"), None);
        assert_eq!(count("1 206 -\n"), None);
    }
}

//! The server that stands for a network: it serves right bytes, and counts what it does.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

struct Shaped {
    process: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    port: u16,
}

impl Shaped {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_okdownload-bench"));
        command.arg("serve-shaped").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        let questions = process.stdin.take();
        Self { process, questions, answers, port: line.trim().parse().unwrap() }
    }

    fn counts(&mut self) -> String {
        writeln!(self.questions.as_mut().unwrap()).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// Ends it as its parent does, by leaving.
    fn leave(mut self) -> bool {
        drop(self.questions.take());
        self.process.wait().unwrap().success()
    }
}

/// A response over a connection that is kept: its head, and so many bytes of a body.
fn get(socket: &mut TcpStream, range: &str, length: usize) -> (String, Vec<u8>) {
    write!(socket, "GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes={range}\r\n\r\n").unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body).unwrap();
    (String::from_utf8(head).unwrap(), body)
}

#[test]
fn ranges_come_at_a_rate_and_after_a_wait_and_are_counted() {
    let root = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
    std::fs::write(root.path().join("file"), &bytes).unwrap();
    let root = root.path().to_str().unwrap();
    let shape = ["--rates", "50000000,100000000", "--first-byte", "2", "--round-trip", "2"];
    let mut shaped = Shaped::start(&[&["--root", root], &shape[..]].concat());
    let connect = || TcpStream::connect(("127.0.0.1", shaped.port)).unwrap();
    let mut sockets = [connect(), connect()];
    for (number, range, part) in
        [(0, "0-99999", 0..100_000), (1, "250000-", 250_000..300_000), (0, "100000-249999", 100_000..250_000)]
    {
        let (head, body) = get(&mut sockets[number], range, part.len());
        assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
        assert!(body == bytes[part], "{range}");
    }
    assert_eq!(shaped.counts(), "3 2 300000");
    let (head, _) = get(&mut sockets[0], "300000-", 0);
    assert!(head.starts_with("HTTP/1.1 416 ") && head.contains("bytes */300000"), "{head}");
    assert_eq!(shaped.counts(), "4 2 300000");
    assert!(shaped.leave());
}

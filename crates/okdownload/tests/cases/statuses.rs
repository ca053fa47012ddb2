//! Statuses and status lines.

use okdownload::prelude::*;
use okdownload_testkit::server::{Body, Reply};

use super::table::*;

pub(crate) fn rows() -> Vec<Case> {
    [permanent(), temporary(), waits(), lines()].into_iter().flatten().collect()
}

/// Statuses that no second request changes. Their bodies are not the file.
fn permanent() -> Vec<Case> {
    const STATUSES: [u16; 34] = [
        201, 202, 204, 205, 226, 299, 300, 304, 305, 306, 400, 401, 402, 403, 404, 405, 406, 407, 409, 410,
        411, 412, 413, 414, 415, 421, 426, 428, 431, 451, 501, 505, 511, 999,
    ];
    let row = |status: u16| {
        case(format!("{status}"))
            .always(Reply::status(status).body(Body::bytes("not the file")))
            .then(fails(ErrorKind::Status, "the server answered").requests(1))
    };
    STATUSES.into_iter().map(row).collect()
}

const TEMPORARY: [u16; 7] = [408, 425, 429, 500, 502, 503, 504];

fn temporary() -> Vec<Case> {
    let once = TEMPORARY.map(|status| {
        case(format!("{status} once"))
            .answers([Reply::status(status).body(Body::bytes("not the file"))])
            .then(whole(small()).requests(2))
    });
    let always = TEMPORARY.map(|status| {
        case(format!("{status} each time"))
            .always(Reply::status(status).body(Body::bytes("not the file")))
            .then(fails(ErrorKind::Status, "tries without progress: 3").requests(3))
    });
    let mixed = case("a status of each kind, and then the file")
        .answers([408, 429, 500, 503].map(Reply::status))
        .retries(4)
        .then(whole(small()).requests(5));
    let none = case("503, and nothing is forgiven")
        .always(Reply::status(503))
        .retries(0)
        .then(fails(ErrorKind::Status, "503").requests(1));
    let in_blocks = case("503 at each second request of a big file").big().with(|stage| {
        stage.server.handle("/a", |_, nth| if nth % 2 == 1 { Reply::status(503) } else { Reply::resource() });
    });
    once.into_iter().chain(always).chain([mixed, none, in_blocks]).collect()
}

/// Retry-After.
fn waits() -> Vec<Case> {
    let once = |name: &str, after: &str| {
        case(format!("Retry-After: {name}")).answers([Reply::status(503).header("Retry-After", after)])
    };
    let paused = |least: u64| {
        move |_: &super::stage::Stage, log: &[okdownload_testkit::server::LoggedRequest]| {
            let waited = log[1].started.duration_since(log[0].started).as_millis() as u64;
            if waited >= least { Ok(()) } else { Err(format!("only {waited} ms between the requests")) }
        }
    };
    let two = || whole(small()).requests(2);
    vec![
        once("a second", "1").then(two()).log(paused(990)),
        once("0", "0").then(two()),
        once("a date", "Sun, 06 Nov 1994 08:49:38 GMT")
            .with(|stage| {
                stage.server.remove("/a");
                stage.server.serve("/a", v1(small()));
                let reply = Reply::status(503).header_override("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
                stage.server.script("/a", [reply.header("Retry-After", "Sun, 06 Nov 1994 08:49:38 GMT")]);
            })
            .then(two())
            .log(paused(990)),
        once("a date that is over", "Sun, 06 Nov 1994 08:49:37 GMT").then(two()),
        once("junk", "soon").then(two()),
        once("a negative number", "-5").then(two()),
        once("more than five minutes", "301")
            .then(fails(ErrorKind::Status, "retry after: 301 s").requests(1)),
        once("for ever", "99999999999")
            .then(fails(ErrorKind::Status, "retry after: 99999999999 s").requests(1)),
        case("Retry-After with a status that is permanent")
            .always(Reply::status(404).header("Retry-After", "0"))
            .then(fails(ErrorKind::Status, "404").requests(1)),
    ]
}

/// Status lines that are unusual, or none.
fn lines() -> Vec<Case> {
    let fine = |name: &str, line: &'static str| {
        case(name).always(Reply::ok().status_line(line).body(small())).then(whole(small()).requests(1))
    };
    let bad = |name: &str, line: &'static [u8]| {
        case(name)
            .always(Reply::ok().status_line(line).body(small()))
            .then(fails(ErrorKind::Protocol, "not valid HTTP").requests(1))
    };
    vec![
        fine("a status line without a reason", "HTTP/1.1 200"),
        fine("a status line with an empty reason", "HTTP/1.1 200 "),
        fine(
            "a status line with a long reason",
            "HTTP/1.1 200 Everything is as it should be, and here is the file",
        ),
        case("a status line with a reason that is not ASCII")
            .always(Reply::ok().status_line(&b"HTTP/1.1 200 \xe9t\xe9"[..]).body(small()))
            .then(whole(small()).requests(1)),
        bad("a status of two digits", b"HTTP/1.1 20 OK"),
        bad("a status of four digits", b"HTTP/1.1 2000 OK"),
        bad("a status of letters", b"HTTP/1.1 abc OK"),
        bad("a status of 0", b"HTTP/1.1 000 OK"),
        bad("another protocol", b"ICY 200 OK"),
        bad("the protocol in small letters", b"http/1.1 200 OK"),
        bad("version 0.9", b"HTTP/0.9 200 OK"),
        bad("version 2.0", b"HTTP/2.0 200 OK"),
        bad("version 3", b"HTTP/3 200 OK"),
        bad("version 1.10", b"HTTP/1.10 200 OK"),
        bad("a status line with NUL", b"HTTP/1.1 200 O\0K"),
    ]
}

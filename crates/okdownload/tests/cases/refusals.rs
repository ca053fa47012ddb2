//! A server that wants fewer connections than are made, and says so in one way or another: while one gets bytes, the
//! others are given up. (That it costs nothing, and what a 403 is, is shown in simulated time.)

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use okdownload::prelude::*;
use okdownload_testkit::server::{Refusal, Reply, Request};

use super::table::*;

pub(crate) fn rows() -> Vec<Case> {
    let at_once =
        at_once().into_iter().map(|(name, reply)| while_one_flows(name, reply, Duration::from_millis(15)));
    let in_time = in_time().into_iter().map(|(name, reply)| {
        while_one_flows(name, reply, Duration::from_millis(60)).short_limits().retries(1)
    });
    at_once.chain(in_time).chain(at_the_door()).chain(when_nobody_flows()).collect()
}

/// The ways to say no to a further connection.
fn at_once() -> Vec<(&'static str, Reply)> {
    vec![
        ("429", Reply::status(429)),
        ("429 with a Retry-After", Reply::status(429).header("Retry-After", "60")),
        ("429 with a Retry-After that is too long", Reply::status(429).header("Retry-After", "9999")),
        ("503", Reply::status(503)),
        ("500", Reply::status(500)),
        ("502", Reply::status(502)),
        ("504", Reply::status(504)),
        ("408", Reply::status(408)),
        ("425", Reply::status(425)),
        ("a reset", Reply::reset()),
        ("a silent close", Reply::close()),
        ("a head that is cut", Reply::raw("HTTP/1.1 206 Par")),
        ("a body that is reset at once", Reply::resource().reset_after(0)),
        ("a body that is closed at once", Reply::resource().cut_after(0)),
    ]
}

/// Those that only a limit ends.
fn in_time() -> Vec<(&'static str, Reply)> {
    vec![("no answer", Reply::hang()), ("a body that never comes", Reply::resource().stall_after(0))]
}

/// The first connection gets its bytes bit by bit, at such intervals; the next three get this.
fn while_one_flows(name: &str, reply: Reply, interval: Duration) -> Case {
    let refused = AtomicUsize::new(0);
    let answer = move |request: &Request, nth: usize| match nth {
        0 => Reply::resource().chunk_size(30_000).chunk_delay(interval),
        _ if first_byte(request) > Some(MIB) && refused.fetch_add(1, Ordering::Relaxed) < 3 => reply.clone(),
        _ => Reply::resource(),
    };
    case(format!("while one flows: {name}"))
        .big()
        .with(move |stage| stage.server.handle("/a", answer))
        .then(whole(big()).requests_within(2..=16))
}

/// Refusals of the connection itself.
fn at_the_door() -> Vec<Case> {
    let door = |name: &str, refusal: fn() -> Refusal| {
        case(format!("one connection at a time: {name}"))
            .big()
            .short_limits()
            .retries(3)
            .with(move |stage| {
                stage.server.limit_connections(1);
                stage.server.refuse_with(refusal());
            })
            .then(whole(big()).requests_within(1..=40))
    };
    vec![
        door("closed", || Refusal::Close),
        door("reset", || Refusal::Reset),
        door("left without an answer", || Refusal::Hang),
        door("503", || Refusal::Reply(Box::new(Reply::status(503)))),
    ]
}

/// Who serves nobody has other reasons.
fn when_nobody_flows() -> Vec<Case> {
    let after_the_first = |status: u16| {
        let answer =
            move |_: &Request, nth: usize| if nth == 0 { Reply::resource() } else { Reply::status(status) };
        case(format!("{status} when nobody gets bytes"))
            .big()
            .with(move |stage| stage.server.handle("/a", answer))
    };
    vec![
        after_the_first(403).then(fails(ErrorKind::Status, "403").leaves_part()),
        after_the_first(503).then(fails(ErrorKind::Status, "503").leaves_part()),
    ]
}

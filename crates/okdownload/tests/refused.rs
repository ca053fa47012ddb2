//! Servers that want fewer connections, and say so in every way there is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use common::{MIB, Place, assert_content, backends, tagged};
use okdownload::Timeouts;
use okdownload_testkit::server::{Body, Refusal, Reply};

fn reply(status: u16) -> Refusal {
    Refusal::Reply(Box::new(Reply::status(status).header("Retry-After", "0")))
}

#[tokio::test]
async fn a_server_of_two_connections_gives_the_file_to_who_wants_four() {
    let body = Body::pattern(1, 12 * MIB);
    for backend in backends() {
        // A 403 is one only while another connection gets bytes, which no real clock promises; it is in `tries`.
        for refusal in [reply(429), reply(503), Refusal::Close, Refusal::Reset, Refusal::Hang] {
            let place = Place::new().await;
            place.server.serve("/a", tagged(body.clone()).rate(16 * MIB));
            place.server.limit_connections(2);
            place.server.refuse_with(refusal.clone());
            let mut limits = Timeouts::default();
            limits.head = Duration::from_secs(2);
            let task = place.task("/a", "a").connection_count(NonZeroU32::new(4).unwrap()).timeouts(limits);
            let ok = place.builder().connection_factory(backend.clone()).build().unwrap();
            let begin = Instant::now();
            let end = ok.task(task.build().unwrap()).enqueue().await;
            assert!(end.is_completed(), "{backend:?} {refusal:?}: {end:?}");
            assert_content(&place.path("a"), &body);
            // Less than one request without an answer may take.
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "{backend:?} {refusal:?}: {:?}",
                begin.elapsed()
            );
            assert!(place.server.refused_connections() > 0, "{backend:?} {refusal:?}");
            ok.shutdown().await.unwrap();
        }
    }
}

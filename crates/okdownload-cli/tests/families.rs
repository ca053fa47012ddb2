//! Whatever a server does, at the command line: the exit code, the one line that says what happened, and what lies in
//! the directory after. One row for each family; the library's own table of cases is larger.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use common::{MIB, Place, tagged};
use okdownload_testkit::server::{Body, ChunkFault, Reply, Resource, Server};

/// What there is at `/a`, unless the row says otherwise.
fn body() -> Body {
    Body::pattern(1, 3 * MIB)
}

/// What lies in the directory after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// The whole file, under this name.
    Whole(&'static str),
    /// Its part, to be gone on with.
    Part,
    Nothing,
}
use Left::{Nothing, Part, Whole};

struct Case {
    family: &'static str,
    serve: fn(&Server),
    arguments: &'static [&'static str],
    /// Words of the one line; none if it succeeds.
    told: Option<&'static [&'static str]>,
    left: Left,
    /// Whether it ends by a limit of time.
    waits: bool,
}

const fn fails(family: &'static str, serve: fn(&Server), told: &'static [&'static str], left: Left) -> Case {
    Case { family, serve, arguments: &[], told: Some(told), left, waits: false }
}

const fn works(family: &'static str, serve: fn(&Server)) -> Case {
    Case { family, serve, arguments: &[], told: None, left: Whole("a"), waits: false }
}

impl Case {
    const fn with(mut self, arguments: &'static [&'static str]) -> Self {
        self.arguments = arguments;
        self
    }

    const fn in_time(mut self) -> Self {
        self.waits = true;
        self
    }

    const fn named(mut self, name: &'static str) -> Self {
        self.left = Whole(name);
        self
    }
}

/// All requests get this.
fn always(server: &Server, reply: impl Fn() -> Reply + Send + Sync + 'static) {
    server.serve("/a", tagged(&body()));
    server.handle("/a", move |_, _| reply());
}

/// The first requests get these.
fn first(server: &Server, replies: impl IntoIterator<Item = Reply>) {
    server.serve("/a", tagged(&body()));
    server.script("/a", replies);
}

const CASES: &[Case] = &[
    // Statuses and retries.
    works("a server that is busy for a moment", |s| first(s, [Reply::status(503)])),
    works("a wait that the server asks for", |s| first(s, [Reply::status(429).header("Retry-After", "0")])),
    fails("a server that stays busy", |s| always(s, || Reply::status(503)), &["503"], Nothing),
    fails(
        "a wait beyond all patience",
        |s| always(s, || Reply::status(503).header("Retry-After", "86400")),
        &["503", "86400"],
        Nothing,
    ),
    fails(
        "a file that is not there",
        |s| always(s, || Reply::status(404)),
        &["404", "check the URL"],
        Nothing,
    ),
    fails("no right to read", |s| always(s, || Reply::status(401)), &["401", "password"], Nothing),
    fails("an answer without a file", |s| always(s, || Reply::status(204)), &["204"], Nothing),
    fails("news that nobody asked for", |s| always(s, || Reply::status(304)), &["304"], Nothing),
    // The connection.
    works("a reset before the answer", |s| first(s, [Reply::reset()])),
    works("a body that is cut", |s| first(s, [Reply::resource().cut_after(MIB / 2)])),
    fails("a server that only hangs up", |s| always(s, Reply::close), &["/a"], Nothing),
    fails("a server that says nothing", |s| always(s, Reply::hang), &["in time"], Nothing).in_time(),
    fails(
        "a body that stalls",
        |s| {
            s.serve("/a", tagged(&body()));
            s.handle("/a", |_, number| match number {
                0 => Reply::resource().stall_after(MIB / 2),
                _ => Reply::hang(),
            });
        },
        &["in time"],
        Part,
    )
    .in_time(),
    fails("no HTTP at all", |s| always(s, || Reply::raw("SSH-2.0-OpenSSH\r\n")), &["/a"], Nothing),
    // One version or none.
    fails(
        "a file that changes all the time",
        |s| {
            s.handle("/a", |_, number| {
                Reply::resource().cut_after(MIB / 2).header_override("ETag", format!("\"{number}\""))
            });
            s.serve("/a", tagged(&body()));
        },
        &["keeps changing"],
        Part,
    ),
    works("a server without ranges", |s| s.serve("/a", tagged(&body()).without_ranges())),
    works("ranges that begin elsewhere", |s| {
        first(s, [Reply::resource().as_if("Range", "bytes=5-1000")]);
    }),
    works("many parts in one answer", |s| {
        first(s, [Reply::status(206).header("Content-Type", "multipart/byteranges; boundary=x")]);
    }),
    works("a range that is refused", |s| first(s, [Reply::status(416)])),
    // Bodies.
    works("no length", |s| s.serve("/a", tagged(&body()).without_ranges().chunked())),
    works("the end of the connection is the end", |s| {
        s.serve("/a", tagged(&body()).without_ranges().without_length());
    }),
    works("an early word", |s| first(s, [Reply::resource().interim(103, &[("Link", "</b>")])])),
    fails(
        "a length that is no number",
        |s| always(s, || Reply::resource().content_length("many")),
        &["/a"],
        Nothing,
    ),
    fails("two lengths", |s| always(s, || Reply::resource().header("Content-Length", "5")), &["/a"], Nothing),
    fails(
        "chunks that are none",
        |s| always(s, || Reply::resource().as_if_without("Range").chunk_fault(ChunkFault::BadSize)),
        &["/a"],
        Part,
    ),
    // Redirects.
    works("a redirect", |s| {
        s.serve("/b", tagged(&body()));
        s.script("/a", [Reply::redirect(302, "/b")]);
    })
    .named("b"),
    fails("a circle", |s| always(s, || Reply::redirect(302, "/a")), &["redirected too often", "10"], Nothing),
    fails("a redirect to nowhere", |s| always(s, || Reply::status(302)), &["redirect"], Nothing),
    fails(
        "a redirect to a file of ours",
        |s| always(s, || Reply::redirect(302, "file:///etc/passwd")),
        &["redirect"],
        Nothing,
    ),
    // Digests.
    fails("a wrong file", |s| s.serve("/a", tagged(&body())), &["sha-256"], Nothing)
        .with(&["--checksum", "sha-256=0000000000000000000000000000000000000000000000000000000000000000"]),
    fails(
        "a server that contradicts itself",
        |s| s.serve("/a", tagged(&body()).header("Repr-Digest", "md5=:AAAAAAAAAAAAAAAAAAAAAA==:")),
        &["md5"],
        Nothing,
    ),
    works("a server whose digest is known to be wrong", |s| {
        s.serve("/a", tagged(&body()).header("Repr-Digest", "md5=:AAAAAAAAAAAAAAAAAAAAAA==:"));
    })
    .with(&["--ignore-server-digest"]),
    // Names.
    works("a name from the server", |s| {
        s.serve("/a", tagged(&body()).content_disposition("attachment; filename=\"b.txt\""));
    })
    .named("b.txt"),
    works("a name that would lead out", |s| {
        s.serve("/a", tagged(&body()).content_disposition("attachment; filename=\"../../.ssh/b\""));
    })
    .named("b"),
    // What a server may send without end.
    fails("headers without end", |s| always(s, Reply::endless_headers), &["/a"], Nothing),
    works("a body beyond its range", |s| first(s, [Reply::resource().endless_body()])),
    works("a file without bytes", |s| s.serve("/a", Resource::new(Body::empty()))),
];

async fn check(case: &'static Case, backend: &'static str) {
    let place = Place::new().await;
    (case.serve)(&place.server);
    let url = place.url("/a");
    // Short limits only where nothing else ends it.
    let limit = if case.waits { "1" } else { "10" };
    let limits = ["--timeout", limit, "--connect-timeout", limit];
    let settings = ["--backend", backend, "--retries", "2", &url];
    let run = place.run([&settings[..], &limits, case.arguments].concat());
    let ended = tokio::time::timeout(Duration::from_secs(120), run).await;
    let told = format!("{} ({backend}): {ended:?}, left {:?}", case.family, place.files());
    let ended = ended.unwrap_or_else(|_| panic!("{told}"));
    // Warnings may come before it, and that something is tried again.
    let is_end = |line: &&str| !line.contains(": warning: ") && !line.contains(": retry 1 in ");
    let lines: Vec<_> = ended.err.lines().filter(is_end).collect();
    match case.told {
        None => assert_eq!((ended.code, &*lines), (Some(0), &[][..]), "{told}"),
        Some(words) => {
            assert_eq!((ended.code, lines.len()), (Some(1), 1), "{told}");
            assert!(words.iter().all(|word| lines[0].contains(word)), "{told}");
        }
    }
    match case.left {
        Nothing => assert!(place.files().is_empty(), "{told}"),
        Part => assert_eq!(place.files(), ["a.okdownload"], "{told}"),
        Whole(name) => {
            assert_eq!(place.files(), [name], "{told}");
            if !case.family.contains("without bytes") {
                place.assert_content(name, &body());
            }
        }
    }
}

async fn check_all(backend: &'static str) {
    let mut wrong = Vec::new();
    for cases in CASES.chunks(4) {
        let checks: Vec<_> = cases.iter().map(|case| tokio::spawn(check(case, backend))).collect();
        for (case, check) in cases.iter().zip(checks) {
            wrong.extend(check.await.err().map(|_| case.family));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test]
async fn every_family_ends_as_it_should_over_reqwest() {
    check_all("reqwest").await;
}

#[tokio::test]
async fn every_family_ends_as_it_should_over_isahc() {
    check_all("isahc").await;
}

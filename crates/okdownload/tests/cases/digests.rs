//! Digests by the user and by the server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use okdownload::prelude::*;
use okdownload::{Digest, ResumeFailedCause};
use okdownload_testkit::server::{Body, Reply, Resource};
use sha2::{Digest as _, Sha256};

use super::table::*;

pub(crate) fn rows() -> Vec<Case> {
    [users(), servers(), of_content(), on_resume()].into_iter().flatten().collect()
}

/// Digests of `abc`, by the standards' own examples.
const ABC: [&str; 5] = [
    "crc32c=364b3fb7",
    "md5=900150983cd24fb0d6963f7d28e17f72",
    "sha-1=a9993e364706816aba3e25717850c26c9cd0d89d",
    "sha-256=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "sha-512=ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
     2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
];

pub(crate) fn sha256(body: &Body) -> Digest {
    Digest::new(okdownload::DigestAlgorithm::Sha256, Sha256::digest(body.slice(..)).to_vec()).unwrap()
}

/// The digest of this as `Repr-Digest` and `Content-Digest` have it.
pub(crate) fn sha256_field(body: &Body) -> String {
    format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(body.slice(..))))
}

fn abc() -> Body {
    Body::bytes("abc")
}

fn mismatch() -> Outcome {
    fails(ErrorKind::Checksum, "does not have the expected digest").requests(1)
}

fn users() -> Vec<Case> {
    let name = |digest: &str| digest.split('=').next().unwrap().to_owned();
    let row = |digest: &'static str, body: &Body| {
        let body = body.clone();
        case("").has(v1(body)).options(move |task| task.digest(digest.parse().unwrap()))
    };
    let right = ABC.map(|digest| Case {
        name: format!("the user's {}: right", name(digest)),
        ..row(digest, &abc()).then(whole(abc()).requests(1))
    });
    let wrong = ABC.map(|digest| Case {
        name: format!("the user's {}: wrong", name(digest)),
        ..row(digest, &Body::bytes("abd")).then(mismatch())
    });
    let big = case("the user's digest of a big file").big().options(|task| task.digest(sha256(&big())));
    let empty = case("the user's digest of something, and the file is empty")
        .has(v1(Body::empty()))
        .options(|task| task.digest(sha256(&abc())))
        .then(mismatch());
    right.into_iter().chain(wrong).chain([big, empty]).collect()
}

fn servers() -> Vec<Case> {
    let row = |name: &str, value: String, outcome| {
        case(format!("Repr-Digest: {name}")).has(v1(small()).header("Repr-Digest", value)).then(outcome)
    };
    let good = || whole(small()).requests(1);
    let zeros = |name: &str, length: usize| format!("{name}=:{}:", STANDARD.encode(vec![0; length]));
    vec![
        row("right", sha256_field(&small()), good()),
        row("wrong", sha256_field(&other()), mismatch()),
        row("wrong sha-512", zeros("sha-512", 64), mismatch()),
        row("wrong md5", zeros("md5", 16), mismatch()),
        row("wrong sha", zeros("sha", 20), mismatch()),
        row("wrong crc32c", zeros("crc32c", 4), mismatch()),
        row("right sha-256 and wrong md5", format!("{}, {}", zeros("md5", 16), sha256_field(&small())), good()),
        row("wrong sha-512 and right sha-256", format!("{}, {}", sha256_field(&small()), zeros("sha-512", 64)), mismatch()),
        row("an unknown algorithm", "blake3=:AAAA:".to_owned(), good()),
        row("of another length than its algorithm has", "sha-256=:AAAA:".to_owned(), good()),
        row("no structured field", "sha-256=0011".to_owned(), good()),
        row("nothing", String::new(), good()),
        row("junk", ":::=,;".to_owned(), good()),
        row("words that are not base64", "sha-256=:not base64!:".to_owned(), good()),
        case("Repr-Digest: wrong, and the user's is right")
            .has(v1(small()).header("Repr-Digest", sha256_field(&other())))
            .options(|task| task.digest(sha256(&small())))
            .then(good()),
        case("Repr-Digest of a big file: wrong")
            .big()
            .has(v1(big()).header("Repr-Digest", sha256_field(&other())))
            .then(fails(ErrorKind::Checksum, "expected")),
        case("Repr-Digest in a trailer says nothing")
            .always(Reply::raw(format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nRepr-Digest: {}\r\n\r\n",
                sha256_field(&other())
            )))
            .then(whole(abc()).requests(1)),
    ]
}

/// Digests of what one answer carries.
fn of_content() -> Vec<Case> {
    let whole_answer = |resource: Resource| resource.without_ranges();
    let good = || whole(small()).requests(1);
    let row = |name: &str, resource, outcome| case(name).has(resource).then(outcome);
    vec![
        row(
            "Content-Digest in a 200: right",
            whole_answer(v1(small()).header("Content-Digest", sha256_field(&small()))),
            good(),
        ),
        row(
            "Content-Digest in a 200: wrong",
            whole_answer(v1(small()).header("Content-Digest", sha256_field(&other()))),
            mismatch(),
        ),
        row(
            "Content-Digest in a 206: not of the file",
            v1(small()).header("Content-Digest", sha256_field(&other())),
            good(),
        ),
        row(
            "Content-MD5 in a 200: right",
            whole_answer(v1(abc()).header("Content-MD5", "kAFQmDzST7DWlj99KOF/cg==")),
            whole(abc()),
        ),
        row(
            "Content-MD5 in a 200: wrong",
            whole_answer(v1(small()).header("Content-MD5", "kAFQmDzST7DWlj99KOF/cg==")),
            mismatch(),
        ),
        row(
            "Content-MD5 in a 206: not of the file",
            v1(small()).header("Content-MD5", "kAFQmDzST7DWlj99KOF/cg=="),
            good(),
        ),
        row(
            "Content-MD5 that is no base64",
            whole_answer(v1(small()).header("Content-MD5", "junk!")),
            good(),
        ),
        row(
            "Digest, which is obsolete, says nothing",
            v1(small()).header("Digest", "md5=kAFQmDzST7DWlj99KOF/cg=="),
            good(),
        ),
    ]
}

fn on_resume() -> Vec<Case> {
    use std::os::unix::fs::FileExt;
    let spoil = |case: Case| {
        case.half_of(v1(small())).with(|stage| {
            let part = std::fs::OpenOptions::new().write(true).open(stage.path("a.okdownload")).unwrap();
            part.write_all_at(b"somebody was here", 1000).unwrap();
        })
    };
    let anew = || whole(small()).anew(ResumeFailedCause::DigestMismatch).requests(2);
    vec![
        spoil(case("a part that somebody changed, and the server's digest"))
            .has(v1(small()).header("Repr-Digest", sha256_field(&small())))
            .then(anew()),
        spoil(case("a part that somebody changed, and the user's digest"))
            .options(|task| task.digest(sha256(&small())))
            .then(anew()),
        case("a wrong digest on a resume: once anew, then an error")
            .half_of(v1(small()))
            .options(|task| task.digest(sha256(&other())))
            .then(fails(ErrorKind::Checksum, "expected").requests(2)),
        case("a right digest on a resume")
            .half_of(v1(small()))
            .options(|task| task.digest(sha256(&small())))
            .then(whole(small()).goes_on().requests(1)),
        case("Content-Digest of the rest on a resume says nothing of the file")
            .half_of(v1(small()))
            .has(v1(small()).header("Content-Digest", sha256_field(&other())))
            .then(whole(small()).goes_on().requests(1)),
    ]
}

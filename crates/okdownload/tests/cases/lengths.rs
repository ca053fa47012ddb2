//! Content-Length, right and wrong.

use okdownload::prelude::*;
use okdownload_testkit::server::{Body, Reply};

use super::table::*;

pub(crate) fn rows() -> Vec<Case> {
    [in_partial(), in_whole(), too_long_or_short(), impossible()].into_iter().flatten().collect()
}

/// A server that knows no ranges, and sends its small file so.
fn whole_reply() -> Reply {
    Reply::ok().header("ETag", "\"v1\"").body(small())
}

/// Content-Length in a 206, whose length is known anyway.
fn in_partial() -> Vec<Case> {
    vec![
        case("206 without Content-Length")
            .answers([Reply::resource().without_header("Content-Length")])
            .then(whole(small()).requests(1)),
        case("206 with Content-Length twice")
            .answers([Reply::resource().header("Content-Length", "60000")])
            .then(whole(small()).requests(1)),
        case("206 with a Content-Length that is too long by one")
            .answers([Reply::resource().content_length(60_001)])
            .then(whole(small()).requests(2)),
        case("206 with a Content-Length that is too short by one")
            .answers([Reply::resource().content_length(59_999)])
            .then(whole(small()).requests(2)),
    ]
}

/// Lengths that are right, in whatever form.
fn in_whole() -> Vec<Case> {
    let one = || whole(small()).requests(1);
    let row = |name: &str, reply: Reply| case(name).always(reply).then(one());
    vec![
        row("a length", whole_reply()),
        row("no length, and the connection ends", whole_reply().without_length()),
        row("a length twice", whole_reply().header("Content-Length", "60000")),
        row("a length as a list of equal ones", whole_reply().content_length("60000, 60000")),
        row("a length with blanks around it", whole_reply().content_length("  60000\t ")),
        row("a length with zeros in front", whole_reply().content_length("00060000")),
        row(
            "a length in another case",
            whole_reply().without_header("Content-Length").header("cOnTeNt-LeNgTh", "60000"),
        ),
        row("a length in HTTP/1.0", whole_reply().http_1_0()),
        row("no length in HTTP/1.0", whole_reply().http_1_0().without_length()),
        row("bytes beyond the length", whole_reply().surplus(5000)),
        row("bytes beyond the length, for ever", whole_reply().endless_body()),
    ]
}

/// Lengths that are numbers, and not those of the body.
fn too_long_or_short() -> Vec<Case> {
    vec![
        case("a length that is too long, once")
            .answers([whole_reply().content_length(70_000)])
            .then(whole(small()).anew(okdownload::ResumeFailedCause::ContentLengthChanged)),
        case("a length that is too long, each time")
            .always(whole_reply().content_length(70_000))
            .then(fails(ErrorKind::Network, "").leaves_part()),
        case("a length that is too short")
            .always(whole_reply().content_length(SMALL - 1))
            .then(whole(small().range(..SMALL - 1)).requests(1)),
        case("a length that is too short, with a digest")
            .always(
                whole_reply()
                    .content_length(SMALL - 1)
                    .header("Repr-Digest", super::digests::sha256_field(&small())),
            )
            .then(fails(ErrorKind::Checksum, "expected")),
        case("a length of 2^63-1")
            .always(whole_reply().content_length(i64::MAX))
            .then(fails(ErrorKind::NoSpace, "not enough space").requests(1)),
        case("a length, and a body that ends at once")
            .always(whole_reply().cut_after(0))
            .then(fails(ErrorKind::Network, "")),
        case("a length of 0, and a body")
            .always(whole_reply().content_length(0))
            .then(whole(Body::empty()).requests(1)),
    ]
}

/// Lengths that are none.
fn impossible() -> Vec<Case> {
    let rows = [
        ("words", "many"),
        ("nothing", ""),
        ("a minus sign", "-60000"),
        ("a plus sign", "+60000"),
        ("hexadecimal digits", "0xea60"),
        ("a fraction", "60000.0"),
        ("an exponent", "6e4"),
        ("2^63", "9223372036854775808"),
        ("2^64 + 60000", "18446744073709611616"),
        ("twenty nines", "99999999999999999999"),
        ("a list of different ones", "60000, 50000"),
        ("a list with an empty member", "60000,"),
        ("a blank inside", "60 000"),
        ("digits of another script", "\u{ff16}\u{ff10}"),
    ];
    let row = |(what, value): (&str, &str)| {
        case(format!("a length with {what}"))
            .always(whole_reply().content_length(value))
            .then(fails(ErrorKind::Protocol, ""))
    };
    let twice = case("two different lengths")
        .always(whole_reply().header("Content-Length", "50000"))
        .then(fails(ErrorKind::Protocol, ""));
    rows.into_iter().map(row).chain([twice]).collect()
}

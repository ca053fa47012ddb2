//! What files are called, and that none gets out of its directory.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Place, tagged};
use okdownload_testkit::server::{Body, Reply};

/// A path, what `Content-Disposition` says (if anything), and the name that comes of both.
const NAMES: &[(&str, &[u8], &str)] = &[
    ("/url.bin", b"", "url.bin"),
    ("/a/b%20c.bin?x=/y", b"", "b c.bin"),
    ("/", b"", "download"),
    ("/..%2f..%2fetc%2fpasswd", b"", "passwd"),
    ("/%2e%2e%5cup.bin", b"", "up.bin"),
    ("/a", b"attachment; filename=\"server.bin\"", "server.bin"),
    ("/a", b"inline; filename=server.bin", "server.bin"),
    ("/a", b"anything; filename=plain; filename*=UTF-8''%e2%82%ac.bin", "\u{20ac}.bin"),
    ("/a", b"attachment; filename*=iso-8859-1''%A3.bin", "\u{a3}.bin"),
    ("/a", b"attachment; filename=\"a\\\"b\\\\c.bin\"", "c.bin"),
    ("/a", b"attachment; filename=\"raw-\xc3\xa9.bin\"", "raw-\u{e9}.bin"),
    ("/a", b"attachment; filename=\"raw-\xe9.bin\"", "raw-\u{e9}.bin"),
    ("/a", b"attachment; filename=two words.bin", "two words.bin"),
    ("/a", b"attachment; filename=\"../../up.bin\"", "up.bin"),
    ("/a", b"attachment; filename=\"/etc/passwd\"", "passwd"),
    ("/a", b"attachment; filename=\"C:\\\\windows\\\\x.dll\"", "x.dll"),
    ("/a", b"attachment; filename=\"..\"", "a"),
    ("/a", b"attachment; filename=\".bashrc\"", "bashrc"),
    ("/a", b"attachment; filename=\"con.txt\"", "_con.txt"),
    ("/a", b"attachment; filename=\"a:b*c?d<e>f|g.txt. . \"", "a_b_c_d_e_f_g.txt"),
    ("/a", b"attachment; filename*=UTF-8''gpj.%E2%80%AEexe%00%0d%0a.txt", "gpj.exe.txt"),
];

#[tokio::test]
async fn names_stay_in_their_directory() {
    let place = Place::new().await;
    let outside = (place.elsewhere(), common::names(place.root()));
    for (path, disposition, name) in NAMES {
        place.server.fallback(move |_, _| {
            let reply = Reply::ok().body(Body::bytes("a"));
            if disposition.is_empty() { reply } else { reply.header("Content-Disposition", disposition) }
        });
        let shown = String::from_utf8_lossy(disposition);
        // The path as it is written here: a URL parser takes dots out of it.
        let url = place.url("/").trim_end_matches('/').to_owned() + path;
        place.succeed(["--store", "memory", &url]).await;
        assert_eq!(place.files(), [*name], "{path}: {shown}");
        std::fs::remove_file(place.path(name)).unwrap();
    }
    assert_eq!((place.elsewhere(), common::names(place.root())), outside);
}

#[tokio::test]
async fn long_names_keep_their_extension_and_have_room_for_the_part() {
    let place = Place::new().await;
    let long = "\u{1f600}".repeat(100);
    let disposition = format!("attachment; filename=\"{long}.tar.gz\"");
    let body = Body::pattern(1, 3 << 20);
    place.server.serve("/a", tagged(&body).content_disposition(disposition));
    place.succeed([place.url("/a")]).await;
    let files = place.files();
    assert!(files.len() == 1 && files[0].ends_with("\u{1f600}.tar.gz") && files[0].len() <= 244, "{files:?}");
    place.assert_content(&files[0], &body);
}

#[tokio::test]
async fn a_name_of_the_users_is_taken_as_given() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::bytes("a")).content_disposition("attachment; filename=other"));
    for name in [".hidden", "con", "a:b*?", "trailing. ", "tab\there", "\u{202e}x"] {
        place.succeed(["--store", "memory", "-o", name, &place.url("/a")]).await;
        assert_eq!(place.files(), [name]);
        std::fs::remove_file(place.path(name)).unwrap();
    }
    // An input file may have what no argument can.
    let url = place.url("/a");
    let ended = place.run_with_input(&["-i", "-"], &format!("{url}\n out=a\0b\n")).await;
    assert!(ended.code != Some(0) && !ended.line().is_empty(), "{ended:?}");
    assert_eq!(place.files(), Vec::<String>::new());
}

#[tokio::test]
async fn a_link_in_the_place_of_the_part_or_the_file_leads_nowhere() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(1, 2 << 20)));
    let treasure = place.root().join("treasure");
    std::fs::write(&treasure, "mine").unwrap();
    std::os::unix::fs::symlink(&treasure, place.path("a.okdownload")).unwrap();
    let ended = place.run([place.url("/a")]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.line().contains("symbolic link"), "{ended:?}");
    std::fs::remove_file(place.path("a.okdownload")).unwrap();
    std::os::unix::fs::symlink(&treasure, place.path("a")).unwrap();
    let ended = place.run([place.url("/a")]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    // Overwriting takes the link's place, not that of what it leads to.
    place.succeed(["--on-exists", "overwrite", &place.url("/a")]).await;
    assert_eq!(std::fs::metadata(place.path("a")).unwrap().len(), 2 << 20);
    assert_eq!(std::fs::read(&treasure).unwrap(), b"mine");
}

#[tokio::test]
async fn line_breaks_are_no_part_of_a_request() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::bytes("a")));
    let url = place.url("/a");
    let broken = format!("{url}\r\nX-Evil: 1");
    for (arguments, word) in [
        (&[broken.as_str()][..], "control character"),
        (&["--header", "X: a\nX-Evil: 1", &url], "--header"),
        (&["--header", "X\r\nX-Evil: 1", &url], "--header"),
        (&["--user-agent", "a\r\nX-Evil: 1", &url], "--user-agent"),
        (&["--proxy", "http://h:1\r\nX-Evil: 1", &url], "--proxy"),
    ] {
        let ended = place.run(arguments).await;
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert!(ended.line().contains(word), "{arguments:?}: {ended:?}");
    }
    // In a name and a password they are encoded.
    place.succeed(["-q", "--user", "a\r\nX-Evil: 1:b", &url]).await;
    assert!(place.server.requests().iter().all(|request| request.header("x-evil").is_none()));
    assert_eq!(place.server.requests().len(), 1);
}

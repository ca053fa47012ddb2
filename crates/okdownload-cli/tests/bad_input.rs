//! What can be wrong, each with one clear line and nothing lost.

mod common;

use common::{Place, tagged};
use okdownload_testkit::server::Body;

/// Wrong commands, with a word that the answer must have. `URL` stands for a good one.
const USAGE: &[(&[&str], &str)] = &[
    (&[], "no URL"),
    (&[""], "empty"),
    (&["example.com/file"], "no scheme"),
    (&["localhost:80/file"], "no scheme"),
    (&["ftp://example.com/file"], "only http and https"),
    (&["URL", "nonsense"], "URL 2"),
    (&["-x", "0", "URL"], "--connections"),
    (&["-x", "-1", "URL"], "--connections"),
    (&["-x", "257", "URL"], "--connections"),
    (&["-x", "99999999999999999999", "URL"], "--connections"),
    (&["-x", "two", "URL"], "--connections"),
    (&["-j", "0", "URL"], "--parallel"),
    (&["-j", "1000000", "URL"], "--parallel"),
    (&["--retries", "-1", "URL"], "--retries"),
    (&["--retries", "4294967296", "URL"], "--retries"),
    (&["--timeout", "0", "URL"], "--timeout"),
    (&["--timeout", "-5", "URL"], "--timeout"),
    (&["--timeout", "nan", "URL"], "--timeout"),
    (&["--timeout", "1e99", "URL"], "--timeout"),
    (&["--connect-timeout", "soon", "URL"], "--connect-timeout"),
    (&["--deadline", "0", "URL"], "--deadline"),
    (&["--lowest-speed", "slow", "URL"], "--lowest-speed"),
    (&["--limit-rate", "0", "URL"], "--limit-rate"),
    (&["--limit-rate", "-1", "URL"], "--limit-rate"),
    (&["--limit-rate", "fast", "URL"], "--limit-rate"),
    (&["--limit-rate", "99999999999999999999G", "URL"], "--limit-rate"),
    (&["-o", "a", "URL", "URL2"], "--out"),
    (&["-o", "", "URL"], "--out"),
    (&["-o", "dir/", "URL"], "--dir"),
    (&["-d", "", "URL"], "--dir"),
    (&["--checksum", "sha-256=00", "URL"], "digest"),
    (&["--checksum", "rot13=00", "URL"], "algorithm"),
    (&["--checksum", "md5=900150983cd24fb0d6963f7d28e17f72", "URL", "URL2"], "--checksum"),
    (&["--header", "NoColon", "URL"], "--header"),
    (&["--header", "Bad Name: x", "URL"], "--header"),
    (&["--header", "A: b\r\nC: d", "URL"], "--header"),
    (&["--header", "Range: bytes=0-1", "URL"], "header"),
    (&["--user", "s3cret", "URL"], "--user"),
    (&["--user-agent", "a\nb", "URL"], "--user-agent"),
    (&["--proxy", "s3cret@host", "URL"], "--proxy"),
    (&["--cacert", "missing.pem", "URL"], "missing.pem"),
    (&["--cacert", ".", "URL"], "--cacert"),
    (&["-i", "missing"], "missing"),
    (&["-i", "."], "input file"),
    (&["-i", "-"], "no URL in standard input"),
    (&["--on-exists", "panic", "URL"], "--on-exists"),
    (&["--durability", "forever", "URL"], "--durability"),
    (&["--store", "redis", "URL"], "--store"),
    (&["--store", "sled:", "URL"], "no directory"),
    (&["--backend", "curl", "URL"], "--backend"),
    (&["--nonsense", "URL"], "--nonsense"),
];

#[tokio::test]
async fn bad_usage_is_told_before_anything_happens() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(1, 1000)));
    for (arguments, word) in USAGE {
        let arguments = arguments.iter().map(|argument| match *argument {
            "URL" => place.url("/a"),
            "URL2" => place.url("/b"),
            other => other.to_owned(),
        });
        let arguments: Vec<_> = arguments.collect();
        let ended = place.run(&arguments).await;
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert!(ended.line().contains(word), "{arguments:?}: {ended:?}");
        assert!(ended.out.is_empty() && !ended.err.contains("s3cret"), "{arguments:?}: {ended:?}");
    }
    assert_eq!(place.server.requests().len(), 0);
    assert_eq!(place.files(), Vec::<String>::new());
    assert_eq!(place.elsewhere(), Vec::<String>::new());
}

#[tokio::test]
async fn bad_lists_are_told_with_their_line() {
    let place = Place::new().await;
    let url = place.url("/a");
    for (list, word) in [
        (format!("{url}\nexample.com/x\n"), "line 2 of list"),
        (format!("{url}\n out=\n"), "line 2 of list"),
        (format!(" out=x\n{url}\n"), "line 1 of list"),
        (format!("{url}\n out=x/\n"), "line 1 of list"),
        (format!("{url}\n out=x\n{url}2\n out=x\n"), "same file"),
        ("# nothing\n".into(), "no URL in list"),
    ] {
        place.write("list", &list);
        let ended = place.run(["-i", "list"]).await;
        assert_eq!(ended.code, Some(2), "{list:?}: {ended:?}");
        assert!(ended.line().contains(word), "{list:?}: {ended:?}");
    }
    place.write("list", b"http://h/\xff\n");
    let ended = place.run(["-i", "list"]).await;
    assert!(ended.code == Some(2) && ended.line().contains("list"), "{ended:?}");
    assert_eq!(place.server.requests().len(), 0);
}

#[tokio::test]
async fn a_directory_has_the_name() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(2, 1000)));
    std::fs::create_dir(place.path("a")).unwrap();
    for arguments in [vec!["-o", "a"], vec![], vec!["-o", "a", "--on-exists", "overwrite"]] {
        let ended = place.run([arguments, vec![&place.url("/a")]].concat()).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.line().contains("directory"), "{ended:?}");
        assert_eq!(place.files(), ["a"]);
    }
}

#[tokio::test]
async fn a_file_of_somebody_else_is_kept() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(3, 1000)));
    place.write("a", "mine");
    let ended = place.run([place.url("/a")]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.line().contains("not this download"), "{ended:?}");
    assert_eq!(place.files(), ["a"]);
    assert_eq!(std::fs::read(place.path("a")).unwrap(), b"mine");
}

/// A directory that can't be written or made. (The tests may run as root, whom no mode stops.)
#[tokio::test]
async fn no_directory_can_be_there() {
    let place = Place::new().await;
    place.server.serve("/a", tagged(&Body::pattern(4, 1000)));
    place.write("file", "mine");
    for directory in ["file", "file/below", "/proc/nothing"] {
        let ended = place.run(["-d", directory, &place.url("/a")]).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.line().contains(directory), "{ended:?}");
    }
    assert_eq!(place.files(), ["file"]);
    assert_eq!(std::fs::read(place.path("file")).unwrap(), b"mine");
}

#[tokio::test]
async fn nobody_is_there() {
    let place = Place::new().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = place.run(["--retries", "0", &format!("http://{closed}/a")]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.line().contains(&closed.to_string()), "{ended:?}");
    assert_eq!(place.files(), Vec::<String>::new());
}

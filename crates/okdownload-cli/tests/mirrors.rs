//! Files that have several URLs.

mod common;

use common::{Place, tagged};
use okdownload_testkit::server::{Body, Reply, Server};

#[tokio::test]
async fn a_mirror_takes_over_and_a_line_says_why() {
    let (place, mirror) = (Place::new().await, Server::start().await.unwrap());
    let body = Body::pattern(1, 100_000);
    mirror.serve("/mirrors/a", tagged(&body));
    let other = mirror.url("/mirrors/a");
    let ended =
        place.run(["--mirror", "http://127.0.0.1:9/a", "--mirror", other.as_str(), &place.url("/a")]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // The file has the name that its own URL gives it.
    assert_eq!(place.files(), ["a"]);
    place.assert_content("a", &body);
    assert!(ended.line().contains("warning") && ended.line().contains("404"), "{ended:?}");
}

#[tokio::test]
async fn a_list_has_mirrors_behind_tabs() {
    let (place, mirror) = (Place::new().await, Server::start().await.unwrap());
    let (a, b) = (Body::pattern(2, 1000), Body::pattern(3, 2000));
    mirror.serve("/a", tagged(&a));
    place.server.serve("/b", tagged(&b));
    place.server.handle("/a", |_, _| Reply::status(503));
    let list = format!(
        "{}\t{}\n  out=x\n{}\t{}\n",
        place.url("/a"),
        mirror.url("/a"),
        place.url("/b"),
        mirror.url("/b")
    );
    let ended = place.run_with_input(&["-i", "-"], &list).await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    assert_eq!(place.files(), ["b", "x"]);
    place.assert_content("x", &a);
    place.assert_content("b", &b);
    assert!(mirror.requests_for("/b").is_empty());
}

#[tokio::test]
async fn if_none_has_it_the_error_counts_them() {
    let (place, mirror) = (Place::new().await, Server::start().await.unwrap());
    let secret = mirror.url("/a").as_str().replacen("://", "://me:s3cret@", 1);
    let ended = place.run(["--mirror", &secret, &place.url("/a")]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("sources: 2") && !ended.err.contains("s3cret"), "{}", ended.err);
    assert!(place.files().is_empty());
}

#[tokio::test]
async fn a_mirror_is_of_one_file() {
    let place = Place::new().await;
    let ended = place.run(["--mirror", "http://m/a", "http://h/a", "http://h/b"]).await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.line().contains("--mirror"), "{ended:?}");
}

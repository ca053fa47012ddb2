//! What features change, and what they don't. The gate runs this with several sets of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use okdownload::prelude::*;

/// Backends beyond the three defaults are only ever explicit.
#[cfg(all(feature = "file", feature = "reqwest", feature = "sqlite"))]
#[test]
fn defaults_are_the_same_whatever_else_is_compiled_in() {
    let parts = format!("{:?}", OkDownload::builder().build().unwrap());
    for part in ["ReqwestConnectionFactory", "FileOutput", "SqliteStore"] {
        assert!(parts.contains(part), "{part}: {parts}");
    }
    for part in ["Isahc", "UriOutput", "Sled", "MemoryStore"] {
        assert!(!parts.contains(part), "{part}: {parts}");
    }
}

#[cfg(not(all(feature = "file", feature = "reqwest", feature = "sqlite")))]
#[test]
fn a_default_that_is_not_compiled_in_is_named() {
    let error = OkDownload::builder().build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    let missing = [
        (cfg!(feature = "reqwest"), "`reqwest`"),
        (cfg!(feature = "file"), "`file`"),
        (cfg!(feature = "sqlite"), "`sqlite`"),
    ];
    let first = missing.iter().find(|(there, _)| !there).unwrap().1;
    assert!(error.to_string().contains(first), "{error}");
}

/// One backend of each seam is enough, whichever it is.
#[cfg(all(feature = "file", feature = "memory", any(feature = "reqwest", feature = "isahc")))]
#[tokio::test]
async fn one_backend_of_each_seam_downloads() {
    #[cfg(feature = "reqwest")]
    let connection = okdownload::connection::ReqwestConnectionFactory::new();
    #[cfg(not(feature = "reqwest"))]
    let connection = okdownload::connection::IsahcConnectionFactory::new();
    let body = okdownload_testkit::server::Body::pattern(1, 3 << 20);
    let server = okdownload_testkit::server::Server::start().await.unwrap();
    server.serve("/a", okdownload_testkit::server::Resource::new(body.clone()));
    let directory = tempfile::tempdir().unwrap();
    let ok = OkDownload::builder()
        .connection_factory(connection)
        .output_stream_factory(okdownload::output::FileOutput::new())
        .download_store(okdownload::store::MemoryStore::new())
        .build()
        .unwrap();
    ok.download(DownloadTask::to_directory(server.url("/a"), directory.path()).unwrap()).await.unwrap();
    let bytes = std::fs::read(directory.path().join("a")).unwrap();
    assert!(bytes.len() as u64 == body.len() && body.matches(0, &bytes));
}

//! Local paths go to the output that was given for them, and to nobody else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic here is a test that failed")]

use std::path::Path;

use okdownload_output::{CommitOptions, OpenMode, OutputCapability, OutputStreamFactory};
use okdownload_output_file::FileOutput;
use okdownload_output_uri::UriOutput;
use okdownload_types::{ErrorKind, Location};

fn both(path: &Path) -> [Location; 2] {
    [Location::Path(path.to_owned()), Location::Uri(format!("file://{}", path.display()))]
}

#[tokio::test]
async fn paths_and_file_uris_are_files() {
    let root = tempfile::tempdir().unwrap();
    let output = UriOutput::builder().files(FileOutput::new()).build();
    assert_eq!(output.boot_id().await, FileOutput::new().boot_id().await);
    for target in both(&root.path().join("file")) {
        assert_eq!(output.capability(&target), OutputCapability::FULL);
        let part = target.with_file_name("file.okdownload");
        let stream = output.open_part(&part, OpenMode::Create).await.unwrap().unwrap();
        stream.write_at(0, vec!["abc".into()]).await.unwrap();
        let uri = Location::Uri("memory://place/file".into());
        let elsewhere = stream.commit(&uri, CommitOptions::new(true, false, None)).await.unwrap_err();
        assert_eq!(elsewhere.kind(), ErrorKind::Unsupported);
        let busy = output.open_part(&part, OpenMode::Create).await.unwrap_err();
        assert_eq!(busy.kind(), ErrorKind::FileBusy);
        stream.commit(&target, CommitOptions::new(false, true, None)).await.unwrap();
        assert_eq!(std::fs::read(root.path().join("file")).unwrap(), b"abc");
        assert!(output.stat(&target).await.unwrap().is_some_and(|stat| stat.length == 3));
        assert!(output.free_space(&target).await.unwrap().is_some());
        assert!(output.remove(&target).await.unwrap());
    }
}

#[tokio::test]
async fn without_an_output_for_files_they_are_refused() {
    let output = UriOutput::new();
    assert_eq!(output.boot_id().await, None);
    for target in both(Path::new("/tmp/file")) {
        let error = output.open_part(&target, OpenMode::Create).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.advice().is_some_and(|advice| advice.contains("FileOutput")), "{error}");
        assert!(output.stat(&target).await.is_err() && output.remove(&target).await.is_err());
    }
}

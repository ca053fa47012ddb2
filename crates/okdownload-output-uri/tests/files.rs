//! Local paths go to the output that was given for them, and to nobody else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic here is a test that failed")]

use okdownload_output::{CommitOptions, OpenMode, OutputCapability, OutputStreamFactory};
use okdownload_output_file::FileOutput;
use okdownload_output_uri::UriOutput;
use okdownload_types::{ErrorKind, Location};

#[tokio::test]
async fn paths_are_files() {
    let root = tempfile::tempdir().unwrap();
    let output = UriOutput::builder().files(FileOutput::new()).build();
    assert_eq!(output.boot_id().await, FileOutput::new().boot_id().await);
    let target = Location::Path(root.path().join("file"));
    assert_eq!(output.capability(&target), OutputCapability::FULL);
    let part = target.with_file_name("file.okdownload");
    let stream = output.open_part(&part, OpenMode::Create).await.unwrap().unwrap();
    stream.write_at(0, vec!["abc".into()]).await.unwrap();
    let busy = output.open_part(&part, OpenMode::Create).await.unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::FileBusy);
    stream.commit(&target, CommitOptions::new(false, true, None)).await.unwrap();
    assert_eq!(std::fs::read(root.path().join("file")).unwrap(), b"abc");
    assert!(output.stat(&target).await.unwrap().is_some_and(|stat| stat.length == 3));
    assert!(output.free_space(&target).await.unwrap().is_some());
    assert!(output.remove(&target).await.unwrap());
}

#[tokio::test]
async fn without_an_output_for_files_they_are_refused() {
    let output = UriOutput::new();
    assert_eq!(output.boot_id().await, None);
    let target = Location::Path("/tmp/file".into());
    let error = output.open_part(&target, OpenMode::Create).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.advice().is_some_and(|advice| advice.contains("FileOutput")), "{error}");
    assert!(output.stat(&target).await.is_err() && output.remove(&target).await.is_err());
}

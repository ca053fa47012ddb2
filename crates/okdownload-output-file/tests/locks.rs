//! One part, two outputs: in this process, and in another one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic here is a test that failed"
)]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use okdownload_output::{OpenMode, OutputStream, OutputStreamFactory};
use okdownload_output_file::FileOutput;
use okdownload_types::{ErrorKind, Location, Result};

const PATH: &str = "OKDOWNLOAD_TEST_PART";
const READY: &str = "the part is locked";

async fn open(path: &Path) -> Result<Arc<dyn OutputStream>> {
    let part = FileOutput::new().open_part(&Location::Path(path.to_owned()), OpenMode::Create).await?;
    Ok(part.expect("a part"))
}

/// The other process: locks the part, writes to it, and stays until its standard input ends.
#[tokio::test]
#[ignore = "started by the tests below"]
async fn other_process() {
    let Some(path) = std::env::var_os(PATH) else { return }; // somebody runs the ignored tests as well
    let part = open(Path::new(&path)).await.unwrap();
    part.write_at(0, vec!["abc".into()]).await.unwrap();
    println!("{READY}");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    part.close().await.unwrap();
}

fn start_other(path: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "other_process", "--ignored", "--nocapture"])
        .env(PATH, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    // The test harness writes to the same line.
    assert!(lines.map_while(Result::ok).any(|line| line.contains(READY)), "the other process failed");
    child
}

async fn assert_busy(path: &Path) {
    let error = open(path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FileBusy, "{error}");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
}

#[tokio::test]
async fn another_output_of_this_process() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("part");
    let part = open(&path).await.unwrap();
    assert_busy(&path).await;
    part.close().await.unwrap();
    open(&path).await.unwrap().abort().await.unwrap();
}

#[tokio::test]
async fn another_process() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("part");
    let mut other = start_other(&path);
    assert_busy(&path).await;
    drop(other.stdin.take());
    assert!(other.wait().unwrap().success());
    assert_eq!(open(&path).await.unwrap().initial_length(), 3);
}

#[tokio::test]
async fn another_process_that_is_killed() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("part");
    let mut other = start_other(&path);
    assert_busy(&path).await;
    other.kill().unwrap();
    other.wait().unwrap();
    let part = open(&path).await.unwrap();
    assert_eq!(part.read_at(0, 10).await.unwrap(), "abc");
}

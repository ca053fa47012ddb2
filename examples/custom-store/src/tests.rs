//! What the suite can't bring about.

use std::os::fd::OwnedFd;

use super::*;

#[test]
fn what_was_written_and_not_synced_is_read_anew() {
    let directory = tempfile::tempdir().unwrap();
    let url: Url = "http://host/file".parse().unwrap();
    let name = Change::ResponseFilename(url.clone(), "name".into());

    let mut database = Database::open(directory.path()).unwrap();
    // It can't be synced.
    let (pipe, _writer) = std::io::pipe().unwrap();
    database.lock = Some(OwnedFd::from(pipe).into());
    let failed = database.commit(&[&name], CommitLevel::Power);
    assert!(matches!(failed, Err(Failure::Lost(_))), "{failed:?}");

    let mut next = Database::open(directory.path()).unwrap();
    assert_eq!(next.response_filename(&url).unwrap().as_deref(), Some("name"));
}

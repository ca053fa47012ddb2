//! Places to write to, each with a look at them that does not go through the output.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "each test file uses a part of this, and a panic here is a test that failed"
)]

pub(crate) mod s3;

use std::sync::Arc;

use async_trait::async_trait;
use okdownload_output::OutputStreamFactory;
use okdownload_output_uri::UriOutput;
use okdownload_output_uri::opendal::options::ListOptions;
use okdownload_output_uri::opendal::{EntryMode, Operator, services};
use okdownload_testkit::suite::output::OutputFixture;
use okdownload_types::Location;
use tempfile::TempDir;

/// A place whose service an operator of its own looks at.
#[derive(Debug)]
pub(crate) struct Place {
    output: UriOutput,
    uri: String,
    look: Operator,
    _directory: Option<TempDir>,
}

/// `memory://`, with an operator of the test's own: a memory is as large as its operator.
pub(crate) fn memory() -> Place {
    let look = Operator::new(services::Memory::default()).unwrap();
    let output = UriOutput::builder().operator("memory", "place", look.clone()).build();
    Place { output, uri: "memory://place".into(), look, _directory: None }
}

/// `fs://`.
pub(crate) fn fs() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap().to_owned();
    let look = Operator::new(services::Fs::default().root(&path)).unwrap();
    Place { output: UriOutput::new(), uri: format!("fs://{path}"), look, _directory: Some(directory) }
}

#[async_trait]
impl OutputFixture for Place {
    fn factory(&self) -> Arc<dyn OutputStreamFactory> {
        Arc::new(self.output.clone())
    }

    fn place(&self) -> Location {
        Location::Uri(self.uri.clone())
    }

    async fn contents(&self, location: &Location) -> Option<Vec<u8>> {
        let key = location.to_string().strip_prefix(&self.uri)?.to_owned();
        self.look.read(&key).await.ok().map(|bytes| bytes.to_vec())
    }

    async fn names(&self) -> Vec<String> {
        let all = ListOptions { recursive: true, ..ListOptions::default() };
        let entries = self.look.list_options("/", all).await.unwrap();
        let files = entries.into_iter().filter(|entry| entry.metadata().mode() == EntryMode::FILE);
        let mut names: Vec<_> = files.map(|entry| entry.path().to_owned()).collect();
        names.sort();
        names
    }

    fn keeps_modified(&self) -> bool {
        false
    }
}

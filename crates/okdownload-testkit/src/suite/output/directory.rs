//! The fixture of outputs that write below a local directory.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use okdownload_output::OutputStreamFactory;
use okdownload_types::Location;
use tempfile::TempDir;

use super::OutputFixture;

/// A temporary directory, looked at with the standard library.
#[derive(Debug)]
pub struct DirectoryFixture {
    directory: TempDir,
    make: fn() -> Arc<dyn OutputStreamFactory>,
}

impl DirectoryFixture {
    /// A fixture of factories that `make` makes.
    ///
    /// # Panics
    /// If no temporary directory can be made.
    pub fn new(make: fn() -> Arc<dyn OutputStreamFactory>) -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory"), make }
    }
}

#[async_trait]
impl OutputFixture for DirectoryFixture {
    fn factory(&self) -> Arc<dyn OutputStreamFactory> {
        (self.make)()
    }

    fn place(&self) -> Location {
        Location::Path(self.directory.path().to_owned())
    }

    async fn contents(&self, location: &Location) -> Option<Vec<u8>> {
        std::fs::read(location.path()?).ok()
    }

    async fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        collect(self.directory.path(), "", &mut names);
        names.sort();
        names
    }
}

fn collect(directory: &Path, prefix: &str, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("an entry");
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().expect("its type").is_dir() {
            collect(&entry.path(), &format!("{name}/"), names);
        } else {
            names.push(name);
        }
    }
}

//! Names of local files, brought to the disk.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use okdownload_types::{Location, Result};
use opendal::Operator;

use crate::error;

/// How a directory, or a file, is brought to the disk.
type Sync = dyn Fn(&Path) -> io::Result<()> + Send + std::marker::Sync;

/// The local disk, as far as names are concerned.
#[derive(Clone)]
pub(crate) struct Disk(Arc<Sync>);

impl Default for Disk {
    fn default() -> Self {
        Self(Arc::new(|path| File::open(path)?.sync_all()))
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").finish_non_exhaustive()
    }
}

impl Disk {
    /// A disk that is seen at work.
    #[cfg(test)]
    pub(crate) fn seen(sync: impl Fn(&Path) -> io::Result<()> + Send + std::marker::Sync + 'static) -> Self {
        Self(Arc::new(sync))
    }

    /// Brings the name that a file was just given to the disk, where the service is a local disk: it syncs what it writes,
    /// and no names. What other services have taken is theirs to keep.
    ///
    /// # Errors
    /// `Io`. The file has its name then.
    pub(crate) async fn sync_name(&self, operator: &Operator, key: &str, location: &Location) -> Result<()> {
        let info = operator.info();
        if info.scheme() != "fs" || cfg!(not(unix)) {
            return Ok(()); // elsewhere directories can't be synced; the file systems keep the order of changes to names
        }
        let (file, sync) = (Path::new(&info.root()).join(key), self.0.clone());
        let synced = blocking::unblock(move || sync_above(&file, |path| sync(path))).await;
        synced.map_err(|e| error::unsynced_name(location, e))
    }
}

/// Syncs all directories above, as nobody knows which of them the service has made.
fn sync_above(file: &Path, mut sync: impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    use io::ErrorKind as Io;
    let mut all = true;
    for directory in file.ancestors().skip(1) {
        match sync(directory) {
            Err(e) if matches!(e.kind(), Io::PermissionDenied | Io::InvalidInput | Io::Unsupported) => {
                all = false;
            }
            done => done?,
        }
    }
    // Those that can't be opened or synced: syncing the file again brings its new name along wherever names are
    // journalled.
    if all { Ok(()) } else { sync(file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is synced for `/a/b/c`, if to sync `/a` ends like that; and how it ends.
    fn synced(at_a: Option<io::ErrorKind>) -> (Vec<String>, io::Result<()>) {
        let mut synced = Vec::new();
        let sync = |path: &Path| {
            synced.push(path.display().to_string());
            at_a.filter(|_| path == Path::new("/a")).map_or(Ok(()), |kind| Err(kind.into()))
        };
        let done = sync_above(Path::new("/a/b/c"), sync);
        (synced, done)
    }

    #[test]
    fn all_directories_above_are_synced() {
        let (paths, done) = synced(None);
        assert!(done.is_ok() && paths == ["/a/b", "/a", "/"], "{paths:?}");
    }

    #[test]
    fn where_one_cannot_be_synced_the_file_is() {
        let (paths, done) = synced(Some(io::ErrorKind::PermissionDenied));
        assert!(done.is_ok() && paths == ["/a/b", "/a", "/", "/a/b/c"], "{paths:?}");
    }

    #[test]
    fn a_sync_that_fails_is_told() {
        let (_, done) = synced(Some(io::ErrorKind::StorageFull));
        assert_eq!(done.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}

//! What is found on the disk after a kill, and what must be true of it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use okdownload::store::DownloadStore;
use okdownload::{BreakpointInfo, Location};
use okdownload_testkit::server::{Body, LoggedRequest};

use crate::campaign::{File, Store};
use crate::common::{Place, names};
use crate::program;

/// What the next run has to go on with.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    files: BTreeMap<String, Kept>,
    unfinished: usize,
    /// Whether there is a write-ahead log with something in it.
    pub(crate) has_log: bool,
    /// Files that have their final names, and no record of that.
    pub(crate) unrecorded: usize,
}

/// What is kept of a file.
#[derive(Debug)]
enum Kept {
    /// It is recorded to be complete.
    Whole,
    /// These ranges of it are recorded to be written.
    Ranges(Vec<Range<u64>>),
}

impl Kept {
    fn ranges(&self) -> &[Range<u64>] {
        match self {
            Self::Whole => &[],
            Self::Ranges(ranges) => ranges,
        }
    }
}

impl Evidence {
    /// Looks at everything. Whatever has a final name must be right, and whatever is recorded must be there.
    pub(crate) async fn gather(place: &Place, store: Store, files: &[File]) -> Self {
        assert_only_ours(place, files);
        let (breakpoints, whole) = records(place, store).await;
        let log = std::fs::metadata(place.root().join("state/kills.db-wal"));
        let mut evidence = Self {
            unfinished: breakpoints.len(),
            has_log: log.is_ok_and(|log| log.len() > 0),
            ..Self::default()
        };
        for file in files {
            let path = place.path(&file.name);
            let is_new = is_new(&path, file);
            let is_recorded = whole.contains(&Location::Path(path.clone()));
            assert!(is_new || !is_recorded, "{} is recorded to be complete, and is not", file.name);
            evidence.unrecorded += usize::from(is_new && !is_recorded);
            let info = breakpoints.iter().find(|info| info.location == Location::Path(path.clone()));
            let kept = match info {
                _ if is_recorded => Kept::Whole,
                None => Kept::Ranges(Vec::new()),
                Some(info) => Kept::Ranges(claims(place, info, file)),
            };
            evidence.files.insert(file.name.clone(), kept);
        }
        evidence
    }

    /// How many bytes need not be fetched any more.
    pub(crate) fn kept(&self, files: &[File]) -> u64 {
        let of = |file: &File| match &self.files[&file.name] {
            Kept::Whole => file.body.len(),
            Kept::Ranges(ranges) => ranges.iter().map(|range| range.end - range.start).sum(),
        };
        files.iter().map(of).sum()
    }

    pub(crate) fn missing(&self, files: &[File]) -> u64 {
        files.iter().map(|file| file.body.len()).sum::<u64>() - self.kept(files)
    }

    /// After the next run: nothing that was kept was asked for.
    pub(crate) fn assert_nothing_asked_again(&self, place: &Place, files: &[File]) {
        for file in files {
            let kept = &self.files[&file.name];
            for request in place.server.requests_for(&format!("/{}", file.name)) {
                let asked = asked(&request, file.body.len());
                assert!(!matches!(kept, Kept::Whole), "{} was complete: {asked:?}", file.name);
                let overlaps = |kept: &&Range<u64>| kept.start < asked.end && asked.start < kept.end;
                let again = kept.ranges().iter().find(overlaps);
                assert_eq!(again, None, "{} was written and recorded: {asked:?}", file.name);
            }
        }
    }

    pub(crate) fn assert_all_recorded(&self, files: &[File]) {
        assert_eq!(self.unfinished, 0, "breakpoints");
        assert!(files.iter().all(|file| matches!(self.files[&file.name], Kept::Whole)), "{self:?}");
    }
}

/// No file but the final ones and their parts, and no database that was thought to be damaged.
fn assert_only_ours(place: &Place, files: &[File]) {
    for name in place.files() {
        let stem = name.strip_suffix(".okdownload").unwrap_or(&name);
        assert!(files.iter().any(|file| file.name == stem), "a stray file: {name}");
    }
    let state = names(&place.root().join("state"));
    assert!(state.iter().all(|name| !name.contains("damaged")), "{state:?}");
}

/// What the store says, read from a copy: who opens a database brings it into order, and that is for the program to do.
async fn records(place: &Place, kind: Store) -> (Vec<BreakpointInfo>, Vec<Location>) {
    let copy = tempfile::tempdir().unwrap();
    copy_all(&place.root().join("state"), copy.path());
    let path = copy.path().join(kind.path(place).file_name().unwrap());
    if !path.exists() {
        return Default::default();
    }
    let store = program::open(kind, &path);
    let (breakpoints, completed) = (store.unfinished().await.unwrap(), store.completed().await.unwrap());
    store.close().await.unwrap();
    let state = names(copy.path());
    assert!(state.iter().all(|name| !name.contains("damaged")), "{state:?}");
    (breakpoints, completed.into_iter().map(|record| record.location).collect())
}

fn copy_all(from: &Path, to: &Path) {
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy_all(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}

/// Whether the final name is the downloaded file's. It may not be there, or be that of the file that was there before;
/// anything else is wrong.
fn is_new(path: &Path, file: &File) -> bool {
    let Ok(content) = std::fs::read(path) else {
        assert!(file.old.is_none(), "the old file of {} is gone", file.name);
        return false;
    };
    let is = |body: &Body| content.len() as u64 == body.len() && body.matches(0, &content);
    let is_old = file.old.as_ref().is_some_and(is);
    assert!(is(&file.body) || is_old, "{} has the wrong bytes: {} of them", file.name, content.len());
    !is_old
}

/// What is claimed to be written. It must be there, in the part, or in the file that the part has become.
fn claims(place: &Place, info: &BreakpointInfo, file: &File) -> Vec<Range<u64>> {
    let claims = info.blocks.iter().map(|block| block.start..block.position());
    let claims: Vec<_> = claims.filter(|claim| !claim.is_empty()).collect();
    if claims.is_empty() {
        return claims;
    }
    let number = info.identity.unwrap().number;
    let places = [place.path(format!("{}.okdownload", file.name)), place.path(&file.name)];
    let holds = |path: &&std::path::PathBuf| path.metadata().is_ok_and(|found| found.ino() == number);
    let holder = places.iter().find(holds).unwrap_or_else(|| panic!("no part has what is claimed: {info:?}"));
    let holder = std::fs::File::open(holder).unwrap();
    for claim in &claims {
        let mut bytes = vec![0; usize::try_from(claim.end - claim.start).unwrap()];
        let read = holder.read_exact_at(&mut bytes, claim.start);
        assert!(read.is_ok() && file.body.matches(claim.start, &bytes), "claimed, and not there: {claim:?}");
    }
    claims
}

/// What a request asks for.
fn asked(request: &LoggedRequest, length: u64) -> Range<u64> {
    let range = request.range().map(|range| range.strip_prefix("bytes=").unwrap().split_once('-').unwrap());
    let Some((start, last)) = range else { return 0..length };
    let end = if last.is_empty() { length } else { last.parse::<u64>().unwrap() + 1 };
    start.parse().unwrap()..end.min(length)
}

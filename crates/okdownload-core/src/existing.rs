//! What something at the final name means: a pure decision.

use std::time::{Duration, SystemTime};

use okdownload_output::Stat;
use okdownload_types::{
    BlockInfo, BreakpointInfo, CompletionRecord, Location, OnExists, Validators, VersionMatch,
};

/// What to do about a file that has the final name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It is this download, whole.
    Complete,
    /// It is this download, whole, and only the record of it is missing: the last run died after the rename.
    CompleteUnrecorded,
    /// Look whether the server has just this file, by time and length; if not, do what the [`OnExists`] says.
    Compare,
    /// It is this download, whole; ask the server whether it has another version by now.
    AskForNews(Validators),
    /// Keep it, and be done.
    Skip,
    /// Take another name.
    Rename,
    /// Download, and replace it.
    Replace,
}

/// All that is known of the file and of the wishes about it.
#[derive(Debug)]
pub(crate) struct ExistingFacts<'a> {
    pub(crate) location: &'a Location,
    pub(crate) file: &'a Stat,
    pub(crate) record: Option<&'a CompletionRecord>,
    pub(crate) breakpoint: Option<&'a BreakpointInfo>,
    pub(crate) on_exists: OnExists,
    /// Whether what is known to be complete is good enough.
    pub(crate) pass: bool,
}

pub(crate) fn decide(facts: &ExistingFacts<'_>) -> Existing {
    let record = facts.record.filter(|record| agrees(record, facts));
    let renamed = facts.breakpoint.filter(|info| was_renamed(info, facts));
    let validators = record.map(|record| &record.validators).or(renamed.map(|info| &info.validators));
    if let Some(validators) = validators {
        return match facts.on_exists {
            OnExists::Update => Existing::AskForNews(validators.clone()),
            _ if !facts.pass => Existing::Replace,
            _ if record.is_some() => Existing::Complete,
            _ => Existing::CompleteUnrecorded,
        };
    }
    match facts.on_exists {
        OnExists::Overwrite => Existing::Replace,
        OnExists::Rename => Existing::Rename,
        OnExists::Skip => Existing::Skip,
        // Even an error wants to be sure first: a run that was killed after its last rename may have left no record.
        // The server is not asked by a condition: that its file is no newer does not say that it is this one.
        _ => Existing::Compare,
    }
}

fn agrees(record: &CompletionRecord, facts: &ExistingFacts<'_>) -> bool {
    record.location == *facts.location
        && record.length == facts.file.length
        && record.modified == facts.file.modified.and_then(nanoseconds)
}

/// Whether the file is the breakpoint's part under its final name, whole.
fn was_renamed(info: &BreakpointInfo, facts: &ExistingFacts<'_>) -> bool {
    info.location == *facts.location
        && info.is_part(facts.file.identity)
        && info.total == Some(facts.file.length)
        // Somebody may have given our part its name by hand.
        && info.blocks.iter().all(BlockInfo::is_full)
}

/// Whether the file is what the server has, by time and length: what we finish has the server's time. The length alone
/// says nothing: another version may be as long.
pub(crate) fn compare(file: &Stat, validators: &Validators, total: Option<u64>) -> VersionMatch {
    let same_length = total.map(|total| total == file.length);
    let same_time = validators.modified().map(|time| {
        let file_time = file.modified.and_then(nanoseconds);
        file_time.is_some() && file_time == nanoseconds(time)
    });
    match (same_length, same_time) {
        (Some(true), Some(true)) => VersionMatch::Same,
        (Some(false), _) | (_, Some(false)) => VersionMatch::Different,
        _ => VersionMatch::Unknown,
    }
}

/// Nanoseconds since 1970.
pub(crate) fn nanoseconds(time: SystemTime) -> Option<i64> {
    let signed = |duration: Duration| i64::try_from(duration.as_nanos()).ok();
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => signed(after),
        Err(before) => signed(before.duration()).map(|nanoseconds| -nanoseconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use okdownload_output::StatKind;
    use okdownload_types::{FileIdentity, TaskId};

    const IDENTITY: Option<FileIdentity> = Some(FileIdentity::new(7, None));

    fn at(seconds: u64) -> Option<SystemTime> {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }

    fn place() -> Location {
        Location::Path("/a".into())
    }

    fn record() -> CompletionRecord {
        let mut record =
            CompletionRecord::new(TaskId::from_u128(1), "http://h/".parse().unwrap(), place(), 5);
        record.modified = Some(9_000_000_000);
        record
    }

    fn decision(
        record: Option<&CompletionRecord>,
        breakpoint: Option<&BreakpointInfo>,
        on_exists: OnExists,
        pass: bool,
    ) -> Existing {
        let file = Stat::new(StatKind::File, 5, at(9), IDENTITY);
        let location = place();
        decide(&ExistingFacts { location: &location, file: &file, record, breakpoint, on_exists, pass })
    }

    #[test]
    fn what_we_know_to_be_complete() {
        let record = record();
        for on_exists in [OnExists::Error, OnExists::Skip, OnExists::Overwrite, OnExists::Rename] {
            assert_eq!(decision(Some(&record), None, on_exists, true), Existing::Complete);
            assert_eq!(decision(Some(&record), None, on_exists, false), Existing::Replace);
        }
        assert!(matches!(decision(Some(&record), None, OnExists::Update, true), Existing::AskForNews(_)));
    }

    #[test]
    fn records_of_other_files_do_not_count() {
        let (mut longer, mut newer, mut elsewhere) = (record(), record(), record());
        longer.length = 6;
        newer.modified = Some(9_000_000_001);
        elsewhere.location = Location::Path("/b".into());
        for other in [&longer, &newer, &elsewhere] {
            assert_eq!(decision(Some(other), None, OnExists::Skip, true), Existing::Skip);
        }
    }

    #[test]
    fn a_completion_that_died_after_the_rename() {
        let mut info =
            BreakpointInfo::new(TaskId::from_u128(1), "http://h/".parse().unwrap(), place(), place());
        info.total = Some(5);
        info.identity = IDENTITY;
        assert_eq!(decision(None, Some(&info), OnExists::Error, true), Existing::CompleteUnrecorded);
        info.blocks = vec![BlockInfo::new(0, Some(5)).with_progress(4, 4)];
        assert!(matches!(decision(None, Some(&info), OnExists::Error, true), Existing::Compare));
        info.blocks.clear();
        info.identity = Some(FileIdentity::new(8, None));
        assert!(matches!(decision(None, Some(&info), OnExists::Error, true), Existing::Compare));
    }

    #[test]
    fn what_is_not_ours() {
        assert_eq!(decision(None, None, OnExists::Skip, true), Existing::Skip);
        assert_eq!(decision(None, None, OnExists::Overwrite, true), Existing::Replace);
        assert_eq!(decision(None, None, OnExists::Rename, true), Existing::Rename);
        assert_eq!(decision(None, None, OnExists::Error, true), Existing::Compare);
        assert_eq!(decision(None, None, OnExists::Update, true), Existing::Compare);
    }

    #[test]
    fn the_same_by_time_and_length() {
        let file = |length, seconds| Stat::new(StatKind::File, length, at(seconds), None);
        let server = Validators::new(None, at(9), None);
        let (silent, timeless) = (Validators::default(), Stat::new(StatKind::File, 5, None, None));
        for (file, server, total, expected) in [
            (&file(5, 9), &server, Some(5), VersionMatch::Same),
            (&file(4, 9), &server, Some(5), VersionMatch::Different),
            (&file(5, 8), &server, Some(5), VersionMatch::Different),
            (&file(5, 8), &server, None, VersionMatch::Different),
            (&file(4, 9), &silent, Some(5), VersionMatch::Different),
            (&timeless, &server, Some(5), VersionMatch::Different),
            (&file(5, 9), &server, None, VersionMatch::Unknown),
            (&file(5, 9), &silent, Some(5), VersionMatch::Unknown),
            (&timeless, &silent, Some(5), VersionMatch::Unknown),
            (&file(5, 9), &silent, None, VersionMatch::Unknown),
        ] {
            assert_eq!(compare(file, server, total), expected, "{file:?} {server:?} {total:?}");
        }
    }
}

//! What to do with the file.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

use async_trait::async_trait;
use dyn_clone::DynClone;
use okdownload_types::{DownloadTask, Durability, Location, OnExists, Result};

/// Decides what happens around the file that a download is written to; core carries it out through the output.
///
/// # Contract
/// As for [`DownloadStrategy`](crate::DownloadStrategy), but for [`check`](ProcessFileStrategy::check), which may do
/// I/O of its own. Core asks several times in a run, and in the next run again: the same question has the same answer.
/// Names are single components of at most 255 bytes, for final names that are. The suite of `okdownload-testkit`
/// (`process_file_strategy_suite!`) checks it all.
#[async_trait]
pub trait ProcessFileStrategy: DynClone + Debug + Send + Sync + 'static {
    /// The name of the part, beside the final name: another one, and not that of another file's part. See
    /// [`default_part_name`].
    fn part_name(&mut self, final_name: &str) -> String {
        default_part_name(final_name)
    }

    /// Another name for a file whose name is taken, with [`OnExists::Rename`]; `attempt` counts from 1, and each has
    /// its own. See [`default_numbered_name`].
    fn numbered_name(&mut self, final_name: &str, attempt: u32) -> String {
        default_numbered_name(final_name, attempt)
    }

    /// Whether to reserve the space for a file of this length before its bytes come: the user's choice, else yes.
    fn preallocate(&mut self, task: &DownloadTask, _total: u64) -> bool {
        task.preallocate().unwrap_or(true)
    }

    /// What to do if something else has the final name: the user's choice, else an error. Nothing is replaced against
    /// that choice.
    fn on_exists(&mut self, task: &DownloadTask) -> OnExists {
        task.on_exists().unwrap_or_default()
    }

    /// What a finished download survives: the user's choice, else the loss of power. Never less than the user chose.
    fn durability(&mut self, task: &DownloadTask) -> Durability {
        task.durability().unwrap_or_default()
    }

    /// A last look at the whole part, before it gets its final name. Does nothing by default. It must leave the part as
    /// it is, and may be called again for the same part, by a later run.
    ///
    /// # Errors
    /// Any; the task ends with it, and nothing appears under the final name. The part is kept, unless the kind is
    /// [`Checksum`](okdownload_types::ErrorKind::Checksum): then its bytes are wrong, and the next run fetches them
    /// again. (So does this run, once, if some of them were an earlier run's.)
    async fn check(&mut self, _task: &DownloadTask, _part: &Location) -> Result<()> {
        Ok(())
    }
}

dyn_clone::clone_trait_object!(ProcessFileStrategy);

/// The default policy, as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct DefaultProcessFileStrategy;

impl ProcessFileStrategy for DefaultProcessFileStrategy {}

/// The longest name, in bytes, that common file systems take.
const NAME_MAX: usize = 255;

/// `<name>.okdownload`. Where that would be too long for a file system, the name is cut on a character's boundary and
/// a hash of the whole name is put in, so that two long names don't share a part.
pub fn default_part_name(final_name: &str) -> String {
    const SUFFIX: &str = ".okdownload";
    if final_name.len() + SUFFIX.len() <= NAME_MAX {
        return format!("{final_name}{SUFFIX}");
    }
    // Stable within a release is enough: the breakpoint records the part's name.
    let mut hash = DefaultHasher::new();
    final_name.hash(&mut hash);
    let tail = format!(".{:016x}{SUFFIX}", hash.finish());
    format!("{}{tail}", cut(final_name, NAME_MAX - tail.len()))
}

/// `name (1).ext`, kept short enough for a file system. `.tar.gz` and the like stay together.
pub fn default_numbered_name(final_name: &str, attempt: u32) -> String {
    let (stem, extension) = split_extension(final_name);
    let tail = format!(" ({attempt}){extension}");
    format!("{}{tail}", cut(stem, NAME_MAX - tail.len()))
}

/// The most bytes of what is taken for an extension.
const LONGEST_EXTENSION: usize = 32;

/// The name without, and its extension with, the dot. A leading dot starts no extension, and what is very long is none.
pub(crate) fn split_extension(name: &str) -> (&str, &str) {
    let dot = |name: &str| name.rfind('.').filter(|dot| *dot > 0);
    let Some(mut at) = dot(name) else { return (name, "") };
    if name[..at].ends_with(".tar") {
        at = dot(&name[..at]).unwrap_or(at);
    }
    if name.len() - at > LONGEST_EXTENSION { (name, "") } else { name.split_at(at) }
}

/// As much of `text` as fits into `length` bytes without cutting a character in two.
pub(crate) fn cut(text: &str, length: usize) -> &str {
    &text[..text.floor_char_boundary(length)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_names_fit() {
        assert_eq!(default_part_name("a.bin"), "a.bin.okdownload");
        for name in ["x".repeat(244), "x".repeat(245), "\u{e9}".repeat(127), "\u{1f600}".repeat(63)] {
            let part = default_part_name(&name);
            assert!(part.len() <= NAME_MAX && part.ends_with(".okdownload"), "{part}");
        }
        let (a, b) = ("x".repeat(250) + "a", "x".repeat(250) + "b");
        assert_ne!(default_part_name(&a), default_part_name(&b));
    }

    #[test]
    fn space_is_reserved_unless_the_user_says_no() {
        let task = DownloadTask::builder("http://h/a", okdownload_types::Target::file("/a"));
        for (wanted, expected) in [(None, true), (Some(false), false), (Some(true), true)] {
            let task = wanted.map_or(task.clone(), |wanted| task.clone().preallocate(wanted));
            assert_eq!(DefaultProcessFileStrategy.preallocate(&task.build().unwrap(), 7), expected);
        }
    }

    #[test]
    fn numbered_names() {
        for (name, expected) in [
            ("a.bin", "a (1).bin"),
            ("a", "a (1)"),
            (".profile", ".profile (1)"),
            ("a.tar.gz", "a (1).tar.gz"),
            (".tar.gz", ".tar (1).gz"),
        ] {
            assert_eq!(default_numbered_name(name, 1), expected);
        }
        for name in ["x".repeat(255), format!("a.{}", "x".repeat(253)), format!("{}.tar.gz", "x".repeat(248))]
        {
            let numbered = default_numbered_name(&name, u32::MAX);
            assert!(numbered.len() <= NAME_MAX && numbered.starts_with(&name[..1]), "{numbered}");
        }
    }
}

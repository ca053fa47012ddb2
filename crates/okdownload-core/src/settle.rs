//! The final name: what stands there already, whose it is, and which name to take instead.

use okdownload_output::{OpenMode, Stat, StatKind};
use okdownload_store::{Change, DownloadStore, Remit};
use okdownload_types::{
    BreakpointInfo, CompletionRecord, Error, ErrorKind, Location, OnExists, ResourceVersion, Result,
    Validators, VersionMatch,
};

use crate::block::Transfer;
use crate::call::{Call, Known, Rival};
use crate::digest;
use crate::existing::{self, Existing, ExistingFacts};

impl Call<'_> {
    /// Looks at what has the final name. Returns whether nothing is left to do.
    pub(crate) async fn settle(&mut self, known: &mut Known, location: Location) -> Result<bool> {
        self.figures.location = Some(location.clone());
        let Some(file) = self.run.or_stop(self.env.output.stat(&location)).await?? else {
            known.location = Some(location);
            return Ok(false);
        };
        if file.kind != StatKind::File {
            let (what, advice) = match file.kind {
                StatKind::Directory => {
                    ("the target is a directory", "make it the task's directory, or name a file in it")
                }
                _ => ("the target is no regular file", "choose another name"),
            };
            return Err(Error::new(ErrorKind::AlreadyExists, what)
                .with_context("path", &location)
                .with_advice(advice));
        }
        let on_exists = self.process.on_exists(&self.run.task);
        let facts = ExistingFacts {
            location: &location,
            file: &file,
            record: None,
            breakpoint: None,
            on_exists,
            pass: self.run.task.pass_if_already_completed(),
        };
        // What another request got, with another body maybe, answers nothing.
        let repeatable = self.run.is_repeatable();
        let (record, breakpoint) = (known.completion.as_ref(), known.breakpoint.as_ref());
        let mut decision =
            existing::decide(&ExistingFacts { record: record.filter(|_| repeatable), breakpoint, ..facts });
        // Whoever got it may have known of no digest, or of another one.
        let has_digest = match decision {
            Existing::Complete | Existing::CompleteUnrecorded | Existing::AskForNews(_) => {
                Some(self.has_wanted_digest(&location, &file).await?)
            }
            _ => None,
        };
        if has_digest == Some(false) {
            decision = existing::decide(&facts);
        }
        tracing::debug!(?decision, "something has the final name");
        known.location = Some(location.clone());
        match decision {
            Existing::Complete | Existing::Skip => {
                // One that has begun keeps its part, and so its record.
                if known.breakpoint.is_none()
                    && let Some(kept) = self.kept.take()
                {
                    self.env.recorder.defer(Change::RemoveBreakpoint(kept.id));
                }
                self.figures.length = Some(file.length);
                return Ok(true);
            }
            Existing::CompleteUnrecorded => {
                let validators =
                    known.breakpoint.as_ref().map(|info| info.validators.clone()).unwrap_or_default();
                self.record_completion(&location, &file, validators).await?;
                return Ok(true);
            }
            Existing::Replace => known.replace = true,
            Existing::Rename => {
                let free = self.free_name(&location).await?;
                if let Some(info) = &mut known.breakpoint {
                    info.location = free.clone();
                }
                known.location = Some(free);
            }
            // Who is in the middle of a download knows that the file is another one.
            Existing::Compare | Existing::AskForNews(_)
                if !repeatable || is_under_way(known.breakpoint.as_ref(), &file) =>
            {
                self.may_replace(known, on_exists, VersionMatch::Different)?;
            }
            Existing::Compare => known.set_rival(Rival { file, validators: None, has_digest }),
            Existing::AskForNews(validators) => {
                known.set_rival(Rival { file, validators: Some(validators), has_digest });
            }
        }
        self.figures.location.clone_from(&known.location);
        Ok(false)
    }

    /// Whether the file that has the final name now is this very download, which another process has finished
    /// meanwhile. Then the part is given up, and nothing is left to do.
    pub(crate) async fn was_overtaken(&mut self, known: &mut Known, transfer: &Transfer) -> Result<bool> {
        let info = transfer.ledger.info();
        if !self.run.is_recorded() || self.process.on_exists(&self.run.task) == OnExists::Rename {
            return Ok(false);
        }
        let is_there = self.has_become_complete(known, &info).await.unwrap_or_else(|error| {
            // The caller has an error of its own to tell.
            tracing::debug!(%error, "the file that appeared is another one");
            false
        });
        if is_there {
            self.env.recorder.forget(info.id);
            self.env.recorder.defer(Change::RemoveBreakpoint(info.id));
            transfer.stream.abort().await?;
        }
        Ok(is_there)
    }

    async fn has_become_complete(&mut self, known: &mut Known, info: &BreakpointInfo) -> Result<bool> {
        known.completion = self.env.recorder.store().completion(info.id).await?;
        Ok(self.settle(known, info.location.clone()).await?
            || self.is_there_already(known, &info.version()).await?)
    }

    /// A file that is not known to be what the server has may be replaced only by an update; else it is an error.
    fn may_replace(&self, known: &mut Known, on_exists: OnExists, likeness: VersionMatch) -> Result<()> {
        if on_exists == OnExists::Update {
            known.replace = true;
            return Ok(());
        }
        let (what, advice) = match likeness {
            VersionMatch::Unknown => (
                "a file of that name is there, and the server tells too little to say whether it is this download",
                "give the download's digest, remove the file, or choose another name; or say with `on_exists` that it \
                 may be overwritten, skipped, renamed or updated",
            ),
            _ => (
                "a file of that name is there, and it is not this download",
                "remove it or choose another name; or say with `on_exists` that it may be overwritten, skipped, \
                 renamed or updated",
            ),
        };
        let path = known.location.as_ref().map_or(String::new(), ToString::to_string);
        Err(Error::new(ErrorKind::AlreadyExists, what).with_context("path", path).with_advice(advice))
    }

    /// Whether the file that has the final name is what the answer brings; then nothing is left to do. If there is one
    /// and it is not, it is an error, or may be replaced.
    pub(crate) async fn is_there_already(
        &mut self,
        known: &mut Known,
        version: &ResourceVersion,
    ) -> Result<bool> {
        let (Some(rival), Some(location)) = (known.rival.take(), known.location.clone()) else {
            return Ok(false);
        };
        let likeness = self.compare(&rival, &location, version).await?;
        if likeness == VersionMatch::Same {
            // A digest shows what the file is, not that the server has just that: another version may be as long.
            let is_servers =
                existing::compare(&rival.file, &version.validators, version.total) == VersionMatch::Same;
            let known = rival.validators.unwrap_or_default();
            let validators = if is_servers { version.validators.clone() } else { known };
            self.record_completion(&location, &rival.file, validators).await?;
            return Ok(true);
        }
        let on_exists = self.process.on_exists(&self.run.task);
        self.may_replace(known, on_exists, likeness)?;
        Ok(false)
    }

    /// Whether a file is what the answer brings: a validator that says no decides, then the user's digest, then time and
    /// length. Not every server tells a time, and a copy may have lost it.
    async fn compare(
        &self,
        rival: &Rival,
        location: &Location,
        version: &ResourceVersion,
    ) -> Result<VersionMatch> {
        let said = rival.validators.as_ref().map(|old| old.compare(&version.validators));
        if said == Some(VersionMatch::Different) {
            return Ok(VersionMatch::Different);
        }
        let may_be = version.total.is_none_or(|total| total == rival.file.length);
        if self.run.task.digest().is_some() && may_be {
            let has_it = match rival.has_digest {
                Some(has_it) => has_it,
                None => self.has_wanted_digest(location, &rival.file).await?,
            };
            return Ok(if has_it { VersionMatch::Same } else { VersionMatch::Different });
        }
        Ok(existing::compare(&rival.file, &version.validators, version.total))
    }

    pub(crate) async fn free_name(&mut self, taken: &Location) -> Result<Location> {
        const MOST: u32 = 10_000;
        // Numbers count from the name that was asked for, not from a numbered one.
        let first = self.run.task.target().named().unwrap_or(taken);
        let name = first.file_name().unwrap_or_default();
        for attempt in 1..=MOST {
            let other = taken.with_file_name(&self.process.numbered_name(&name, attempt));
            let found = self.run.or_stop(self.env.output.stat(&other)).await??;
            if found.is_none() && (self.claim)(&other).is_ok() {
                return Ok(other);
            }
        }
        Err(Error::new(ErrorKind::AlreadyExists, "no free name was found").with_context("path", taken))
    }

    /// Makes a place this task's own, or another one if the user lets it be renamed.
    pub(crate) async fn own(&mut self, location: Location) -> Result<Location> {
        match (self.claim)(&location) {
            Ok(()) => Ok(location),
            Err(_) if self.process.on_exists(&self.run.task) == OnExists::Rename => {
                let other = self.free_name(&location).await?;
                self.figures.location = Some(other.clone());
                Ok(other)
            }
            Err(busy) => Err(busy),
        }
    }

    /// Whether a file that is not known to be ours has the digest that the user gave, if he gave one: time and length are
    /// weaker than that.
    async fn has_wanted_digest(&self, location: &Location, file: &Stat) -> Result<bool> {
        let Some(expected) = self.run.task.digest() else { return Ok(true) };
        let opened = match self.env.output.capability(location).read {
            true => self.env.output.open_part(location, OpenMode::Existing).await,
            false => Ok(None),
        };
        // What can't be read can't be shown to be the right one.
        let Ok(Some(stream)) = opened else { return Ok(false) };
        let checked = digest::check(self.run, stream.as_ref(), file.length, expected).await;
        stream.close().await?;
        match checked {
            Err(error) if error.kind() == ErrorKind::Checksum => Ok(false),
            checked => checked.map(|()| true),
        }
    }

    /// Remembers that a file which is there is this download, whole.
    ///
    /// # Errors
    /// If it can't be made as durable as it is to be.
    pub(crate) async fn record_completion(
        &mut self,
        location: &Location,
        file: &Stat,
        validators: Validators,
    ) -> Result<()> {
        self.settle_name(location).await?;
        if let Err(error) = self.clear_part(location).await {
            self.run.hub.warn(format!("the file is complete, and a part of it is left: {error}"));
        }
        self.figures.length = Some(file.length);
        let task = &self.run.task;
        let mut record = CompletionRecord::new(task.id(), task.url().clone(), location.clone(), file.length);
        record.modified = file.modified.and_then(existing::nanoseconds);
        record.validators = validators;
        self.env.recorder.defer(Change::Complete(record));
        Ok(())
    }

    /// Syncs a file that has its final name already: who gave it the name may have died before that was on the disk.
    async fn settle_name(&mut self, location: &Location) -> Result<()> {
        let output = self.env.output.capability(location);
        if !self.is_durable() || !output.resume || output.hides_parts {
            return Ok(());
        }
        match self.env.output.open_part(location, OpenMode::Existing).await {
            Ok(Some(file)) => {
                let synced = file.flush_and_sync().await;
                file.close().await?;
                synced
            }
            Ok(None) => Ok(()),
            // Somebody has taken the right to it, or made it a link: no other try will open it, and its bytes are right.
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::AlreadyExists) => {
                self.run
                    .hub
                    .warn(format!("{location} is complete, but may not survive a loss of power: {error}"));
                Ok(())
            }
            Err(error) => Err(error.with_context("to be synced", location)),
        }
    }

    /// Removes a part beside a file that is complete without it: one that a run left which died before it was recorded.
    async fn clear_part(&mut self, location: &Location) -> Result<()> {
        let output = self.env.output.capability(location);
        if !output.resume || output.hides_parts || !self.run.is_recorded() {
            return Ok(());
        }
        let others = self.env.recorder.store().breakpoints_at(location).await?;
        if others.iter().any(|info| info.id != self.run.task.id()) {
            return Ok(());
        }
        let part =
            location.with_file_name(&self.process.part_name(&location.file_name().unwrap_or_default()));
        match self.env.output.open_part(&part, OpenMode::Existing).await {
            Ok(Some(stream)) => {
                stream.abort().await?;
                if stream.initial_length() > Remit::THRESHOLD {
                    self.run.hub.warn(format!("{part} was removed: the file is complete without it"));
                }
                Ok(())
            }
            Ok(None) => Ok(()),
            // It is another one's, or no part at all.
            Err(error) => {
                tracing::debug!(%error, "what has the part's name stays");
                Ok(())
            }
        }
    }
}

/// Whether a download is in the middle, and the file that has its final name is not its own part.
fn is_under_way(info: Option<&BreakpointInfo>, file: &Stat) -> bool {
    info.is_some_and(|info| !info.is_part(file.identity))
}

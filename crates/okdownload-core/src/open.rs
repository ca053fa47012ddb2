//! The part: opened where an earlier run left it, or anew, and never before the store knows.

use std::sync::Arc;

use okdownload_output::{OpenMode, OutputCapability, OutputStream};
use okdownload_store::{Change, CommitLevel, DownloadStore, Remit};
use okdownload_types::{
    BreakpointInfo, Error, ErrorKind, Location, ResourceVersion, Result, ResumeFailedCause,
};

use crate::block::Transfer;
use crate::call::{Call, Known, Opened, PROBE};
use crate::resume::{self, PartFacts};
use crate::sources::MAIN;
use crate::space::{Need, Shortage};

impl Call<'_> {
    /// Opens the part of an earlier run, if its bytes can be trusted. If another task has left it, it becomes this one's,
    /// now that nobody else can have it open.
    pub(crate) async fn reopen(
        &mut self,
        mut info: BreakpointInfo,
    ) -> Result<Result<Opened, ResumeFailedCause>> {
        let output = self.env.output.capability(&info.location);
        if !self.is_resumable(output) {
            return Ok(Err(ResumeFailedCause::OutputStreamNotSupport));
        }
        (self.claim)(&info.location)?;
        let Some(stream) = self.env.output.open_part(&info.part, OpenMode::Existing).await? else {
            return Ok(Err(ResumeFailedCause::FileNotExist));
        };
        let boot = self.env.output.boot_id().await;
        let part = PartFacts {
            identity: stream.identity(),
            length: stream.initial_length(),
            boot: boot.clone(),
            trusting: self.run.is_trusting(),
        };
        match resume::resume(&info, &part) {
            Ok(blocks) => {
                // Claims that are not believed are taken back before anything is written: the part may grow beyond
                // them again, and then nobody could tell.
                let lowered = info.blocks.iter().zip(&blocks).any(|(old, new)| old.written != new.written);
                let old = info.clone();
                info.blocks = blocks;
                info.boot = boot;
                info.hand_over(&self.run.task);
                let changed = (old.id, &old.options) != (info.id, &info.options);
                if lowered || changed {
                    let gone = (old.id != info.id).then_some(Change::RemoveBreakpoint(old.id));
                    let changes = gone.into_iter().chain([Change::Put(info.clone())]).collect();
                    self.env.recorder.commit(changes, self.commit_level()).await?;
                }
                self.settle_written(&mut info, stream.as_ref()).await?;
                Ok(Ok(Opened { stream, output, info }))
            }
            Err(cause) => {
                stream.close().await?;
                Ok(Err(cause))
            }
        }
    }

    /// What the last run wrote and could not sync becomes safe now, so that it need never be doubted again. If that
    /// fails, it is gone, and a later sync that succeeds must not be taken for this one.
    pub(crate) async fn settle_written(
        &mut self,
        info: &mut BreakpointInfo,
        stream: &dyn OutputStream,
    ) -> Result<()> {
        let unsynced = info.blocks.iter().any(|block| block.synced < block.written);
        if !unsynced || !self.is_durable() {
            return Ok(());
        }
        let synced = stream.flush_and_sync().await;
        for block in &mut info.blocks {
            match synced {
                Ok(()) => block.synced = block.written,
                Err(_) => block.written = block.synced,
            }
        }
        if synced.is_err() {
            let told = self.env.recorder.commit(vec![Change::Put(info.clone())], CommitLevel::Power).await;
            // A claim whose part is gone does no harm; one whose bytes are not those that were written does.
            if told.is_ok() { stream.close() } else { stream.abort() }.await?;
            told?;
        }
        synced
    }

    /// Opens an empty part, and takes back, durably, whatever the store claims of bytes that were there.
    pub(crate) async fn open_fresh(
        &mut self,
        known: &Known,
        location: &Location,
        version: &ResourceVersion,
    ) -> Result<Opened> {
        let output = self.env.output.capability(location);
        if self.run.task.digest().is_some() && output.seek && !output.read {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "what this output has taken cannot be read again",
            )
            .with_context("location", location)
            .with_advice("download it without a digest, or to another place"));
        }
        let part = if output.hides_parts {
            location.clone()
        } else {
            let name = location.file_name().unwrap_or_default();
            location.with_file_name(&self.process.part_name(&name))
        };
        self.env.recorder.store().withdraw(self.run.task.id());
        let (stream, dropped) = self.empty_part(&part).await?;
        let mut info =
            BreakpointInfo::new(self.run.task.id(), self.run.task.url().clone(), location.clone(), part);
        info.identity = stream.identity();
        info.validators = version.validators.clone();
        // A date says something only to the server that gave it, and a record does not tell which that was.
        info.validators.last_modified_is_strong &= self.run.sources().is_home(MAIN);
        info.total = version.total;
        info.boot = self.env.output.boot_id().await;
        info.hand_over(&self.run.task);
        match self.take_back_claims(known, &info, dropped).await {
            Ok(()) => Ok(Opened { stream, output, info }),
            Err(error) => {
                stream.abort().await?;
                Err(error)
            }
        }
    }

    /// Opens a part without bytes; says how many were dropped for that.
    ///
    /// What was there is removed rather than cut: with the new file's identity, no record of the old one is believed
    /// any more, whatever store it is in. (A file system that keeps no time of birth may give the same identity again;
    /// there, only this store's records are known to be void.)
    pub(crate) async fn empty_part(&self, part: &Location) -> Result<(Arc<dyn OutputStream>, u64)> {
        let make = || async {
            let stream = self.env.output.open_part(part, OpenMode::Create).await?;
            stream.ok_or_else(|| Error::new(ErrorKind::Unexpected, "the output made no part"))
        };
        let stream = make().await?;
        let dropped = stream.initial_length();
        if dropped == 0 {
            return Ok((stream, 0));
        }
        stream.abort().await?;
        let stream = make().await?;
        if stream.initial_length() > 0 {
            stream.close().await?;
            return Err(Error::new(ErrorKind::FileBusy, "somebody else is writing the part")
                .with_context("path", part));
        }
        Ok((stream, dropped))
    }

    pub(crate) async fn take_back_claims(
        &mut self,
        known: &Known,
        info: &BreakpointInfo,
        dropped: u64,
    ) -> Result<()> {
        if !self.run.is_recorded() {
            return Ok(());
        }
        let store = self.env.recorder.store();
        let mut others = match &known.claims {
            // There was nobody. Who has come since then, in another process, has left bytes in the part.
            Some((place, claims)) if *place == info.location && claims.is_empty() && dropped == 0 => {
                Vec::new()
            }
            _ => store.breakpoints_at(&info.location).await?,
        };
        // One that has not begun claims nothing.
        others.retain(|claim| claim.id != info.id && !claim.blocks.is_empty());
        // What is in the store already must not be held back: its old claims have to go first.
        store.start(info.id, known.recorded);
        if known.recorded || !others.is_empty() {
            let removed = others.iter().map(|claim| Change::RemoveBreakpoint(claim.id));
            let changes = removed.chain([Change::Put(info.clone())]).collect();
            self.env.recorder.commit(changes, self.commit_level()).await?;
        }
        // A run that died young left no record; so little is not worth a word.
        let nobodys = !known.recorded && dropped > Remit::THRESHOLD;
        if !others.is_empty() || nobodys {
            let part = &info.part;
            self.run.hub.warn(format!("taking over {part}, which belonged to another download"));
        }
        Ok(())
    }

    /// Whether a later run can go on with what this one leaves.
    pub(crate) fn is_resumable(&self, output: OutputCapability) -> bool {
        output.seek && output.resume && self.run.is_repeatable()
    }

    /// Makes sure that there is space for what is missing: what is free is reserved against all other tasks of the
    /// engine, until the space is allocated or the transfer is over.
    pub(crate) async fn make_room(&mut self, transfer: &mut Transfer, location: &Location) -> Result<()> {
        let Some(total) = transfer.version.total.filter(|total| *total > PROBE) else { return Ok(()) };
        let _turn = self.run.or_stop(self.env.space.turn.lock()).await?;
        let allocated = transfer.stream.allocated().await?;
        if let Some(free) = self.run.or_stop(self.env.output.free_space(location)).await?? {
            let need = Need { total, allocated, ledger: transfer.ledger.clone() };
            let reserved = self.env.space.reserve(free, need);
            transfer.space = Some(reserved.map_err(|shortage| no_room(&shortage, location))?);
        }
        // An output that takes bytes in order learns the length by it: an upload cuts its pieces accordingly.
        let in_order = transfer.in_order.is_some();
        if self.process.preallocate(&self.run.task, total) || in_order {
            transfer.stream.preallocate(total).await?;
            if transfer.stream.allocated().await? >= total {
                // It is no longer among what is free.
                transfer.space = None;
            }
        }
        Ok(())
    }

    /// Says of a disk that became full how much is missing, and where.
    pub(crate) async fn with_shortage(&self, error: Error, transfer: &Transfer) -> Error {
        let told = error.context().any(|(key, _)| key == MISSING);
        let Some(total) = transfer.ledger.total().filter(|_| error.kind() == ErrorKind::NoSpace && !told)
        else {
            return error;
        };
        let rest = total.saturating_sub(transfer.ledger.written());
        let allocated = transfer.stream.allocated().await.unwrap_or(0);
        let needed = rest.min(total.saturating_sub(allocated));
        let location = transfer.ledger.info().location;
        let mut error = error.with_context("needed", needed);
        if let Ok(Some(free)) = self.env.output.free_space(&location).await {
            error = error.with_context("free", free.bytes);
        }
        if error.context().all(|(key, _)| key != "path") {
            error = error.with_context("path", location);
        }
        if error.advice().is_none() { error.with_advice(MAKE_ROOM) } else { error }
    }
}

/// The key under which an error tells how much space is missing.
const MISSING: &str = "missing";

const MAKE_ROOM: &str = "make room, and start it again; what is there is kept";

fn no_room(shortage: &Shortage, location: &Location) -> Error {
    let error = Error::new(ErrorKind::NoSpace, "there is not enough space")
        .with_context("path", location)
        .with_context(MISSING, shortage.missing())
        .with_context("needed", shortage.needed)
        .with_context("free", shortage.free);
    if shortage.promised == 0 {
        return error.with_advice(MAKE_ROOM);
    }
    error
        .with_context("reserved for other downloads", shortage.promised)
        .with_advice("make room or wait for the other downloads, and start it again; what is there is kept")
}

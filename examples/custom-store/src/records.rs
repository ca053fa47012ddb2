//! Records as rows of plain values, which serde reads and writes. Places are bytes: paths need not be text.

use okdownload_types::{BlockInfo, BreakpointInfo, CompletionRecord, EntityTag, FileIdentity, Location};
use okdownload_types::{Error, ErrorKind, Result, Validators};
use url::Url;

/// Strong or weak and what is between the quotes; the date, and whether it is strong.
type Tags = (Option<(bool, String)>, Option<u64>, bool);
type Identity = Option<(u64, Option<i64>)>;
type Rest = (Identity, Tags, Option<u64>, Option<String>, bool);
/// Start, length, written, synced.
type Block = (u64, Option<u64>, u64, u64);

pub(crate) type Breakpoint = (String, String, Vec<u8>, Vec<u8>, Rest, Vec<Block>);
pub(crate) type Completion = (String, String, Vec<u8>, u64, Option<i64>, Tags);

pub(crate) fn breakpoint_row(info: &BreakpointInfo) -> Breakpoint {
    let identity = info.identity.map(|identity| (identity.number, identity.born));
    let rest = (identity, tags(&info.validators), info.total, info.boot.clone(), info.needs_credentials);
    let block = |block: &BlockInfo| (block.start, block.length, block.written, block.synced);
    let blocks = info.blocks.iter().map(block).collect();
    (info.id.to_string(), info.url.to_string(), info.location.to_bytes(), info.part.to_bytes(), rest, blocks)
}

pub(crate) fn breakpoint((id, url, location, part, rest, blocks): Breakpoint) -> Result<BreakpointInfo> {
    let (location, part) = (Location::from_bytes(&location)?, Location::from_bytes(&part)?);
    let mut info = BreakpointInfo::new(id.parse()?, parse(&url)?, location, part);
    let (identity, tags, total, boot, needs_credentials) = rest;
    info.identity = identity.map(|(number, born)| FileIdentity::new(number, born));
    info.validators = validators(tags);
    (info.total, info.boot, info.needs_credentials) = (total, boot, needs_credentials);
    let block =
        |(start, length, written, synced)| BlockInfo::new(start, length).with_progress(written, synced);
    info.blocks = blocks.into_iter().map(block).collect();
    Ok(info)
}

pub(crate) fn completion_row(record: &CompletionRecord) -> Completion {
    let (id, url, location) = (record.id.to_string(), record.url.to_string(), record.location.to_bytes());
    (id, url, location, record.length, record.modified, tags(&record.validators))
}

pub(crate) fn completion(
    (id, url, location, length, modified, tags): Completion,
) -> Result<CompletionRecord> {
    let (url, location) = (parse(&url)?, Location::from_bytes(&location)?);
    let mut record = CompletionRecord::new(id.parse()?, url, location, length);
    (record.modified, record.validators) = (modified, validators(tags));
    Ok(record)
}

fn tags(of: &Validators) -> Tags {
    (of.etag.clone().map(|tag| (tag.weak, tag.opaque)), of.last_modified, of.last_modified_is_strong)
}

fn validators((etag, last_modified, is_strong): Tags) -> Validators {
    let mut validators = Validators::default();
    validators.etag = etag.map(|(weak, opaque)| EntityTag { weak, opaque });
    (validators.last_modified, validators.last_modified_is_strong) = (last_modified, is_strong);
    validators
}

fn parse(url: &str) -> Result<Url> {
    Url::parse(url).map_err(|error| Error::new(ErrorKind::StoreCorrupt, "a stored URL").with_source(error))
}

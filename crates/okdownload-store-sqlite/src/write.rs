//! Changes into rows.

use okdownload_store::{Change, no_breakpoint};
use okdownload_types::{BlockInfo, BreakpointInfo, CompletionRecord, Error, ErrorKind, TaskId, Validators};
use rusqlite::{Connection, Params, params};

use crate::error::Failure;
use crate::rows::id_bytes;

pub(crate) fn apply(connection: &Connection, change: &Change) -> Result<(), Failure> {
    match change {
        Change::Put(info) => put(connection, info),
        Change::Progress(id, blocks) => progress(connection, *id, blocks),
        Change::Complete(record) => complete(connection, record),
        Change::RemoveBreakpoint(id) => remove_breakpoint(connection, *id),
        Change::RemoveCompletion(id) => {
            execute(connection, "DELETE FROM completion WHERE id = ?1", [id_bytes(*id)])
        }
        Change::ResponseFilename(url, name) => execute(
            connection,
            "INSERT OR REPLACE INTO response_filename (url, name) VALUES (?1, ?2)",
            [url.as_str(), name],
        ),
    }
}

fn execute(connection: &Connection, sql: &str, parameters: impl Params) -> Result<(), Failure> {
    connection.prepare_cached(sql)?.execute(parameters)?;
    Ok(())
}

/// SQLite's integers have a sign. Nothing that a server can send is as long as that, so refusing costs nothing.
fn number(field: &'static str, value: u64) -> Result<i64, Error> {
    i64::try_from(value).map_err(|_| {
        Error::new(ErrorKind::Unsupported, "the SQLite store keeps numbers up to 2^63-1")
            .with_context("field", field)
            .with_context("value", value)
    })
}

fn optional(field: &'static str, value: Option<u64>) -> Result<Option<i64>, Error> {
    value.map(|value| number(field, value)).transpose()
}

/// The columns of the validators: tag, whether it is weak, date.
fn tag_and_date(validators: &Validators) -> Result<(Option<&str>, bool, Option<i64>), Error> {
    let tag = validators.etag.as_ref();
    let date = optional("last_modified", validators.last_modified)?;
    Ok((tag.map(|tag| tag.opaque.as_str()), tag.is_some_and(|tag| tag.weak), date))
}

fn put(connection: &Connection, info: &BreakpointInfo) -> Result<(), Failure> {
    const PUT: &str = "INSERT INTO breakpoint (id, url, location, part, file_number, file_born, total, boot, \
        needs_credentials, etag, etag_weak, last_modified, last_modified_is_strong, options) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
        ON CONFLICT (id) DO UPDATE SET url = ?2, location = ?3, part = ?4, file_number = ?5, file_born = ?6, \
        total = ?7, boot = ?8, needs_credentials = ?9, etag = ?10, etag_weak = ?11, last_modified = ?12, \
        last_modified_is_strong = ?13, options = ?14";
    let id = id_bytes(info.id);
    let (tag, weak, date) = tag_and_date(&info.validators)?;
    execute(
        connection,
        PUT,
        params![
            id,
            info.url.as_str(),
            info.location.to_bytes(),
            info.part.to_bytes(),
            info.identity.map(|identity| identity.number.cast_signed()),
            info.identity.and_then(|identity| identity.born),
            optional("total", info.total)?,
            info.boot,
            info.needs_credentials,
            tag,
            weak,
            date,
            info.validators.last_modified_is_strong,
            info.options,
        ],
    )?;
    execute(connection, "DELETE FROM block WHERE id = ?1", [id])?;
    info.blocks.iter().try_for_each(|block| put_block(connection, id, block))
}

fn put_block(connection: &Connection, id: [u8; 16], block: &BlockInfo) -> Result<(), Failure> {
    execute(
        connection,
        "INSERT INTO block (id, start, length, written, synced) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            id,
            number("start", block.start)?,
            optional("length", block.length)?,
            number("written", block.written)?,
            number("synced", block.synced)?,
        ],
    )
}

/// Blocks that have not moved cost no write.
fn progress(connection: &Connection, id: TaskId, blocks: &[BlockInfo]) -> Result<(), Failure> {
    const PROGRESS: &str = "UPDATE block SET written = ?3, synced = ?4 WHERE id = ?1 AND start = ?2 \
        AND (written <> ?3 OR synced <> ?4)";
    let mut statement = connection.prepare_cached(PROGRESS)?;
    let mut moved = 0;
    for block in blocks {
        // Such a block was refused when it was put, so it is one that is not there.
        let Ok(start) = i64::try_from(block.start) else { continue };
        let (written, synced) = (number("written", block.written)?, number("synced", block.synced)?);
        moved += statement.execute(params![id_bytes(id), start, written, synced])?;
    }
    // A block that moved is a breakpoint's.
    let mut there = connection.prepare_cached("SELECT 1 FROM breakpoint WHERE id = ?1")?;
    if moved > 0 || there.exists([id_bytes(id)])? { Ok(()) } else { Err(no_breakpoint(id).into()) }
}

fn complete(connection: &Connection, record: &CompletionRecord) -> Result<(), Failure> {
    // A replaced row gets a new `seq`: this completion is the newest.
    const COMPLETE: &str = "INSERT OR REPLACE INTO completion (id, url, location, length, modified, etag, \
        etag_weak, last_modified, last_modified_is_strong) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    remove_breakpoint(connection, record.id)?;
    let (tag, weak, date) = tag_and_date(&record.validators)?;
    execute(
        connection,
        COMPLETE,
        params![
            id_bytes(record.id),
            record.url.as_str(),
            record.location.to_bytes(),
            number("length", record.length)?,
            record.modified,
            tag,
            weak,
            date,
            record.validators.last_modified_is_strong,
        ],
    )
}

fn remove_breakpoint(connection: &Connection, id: TaskId) -> Result<(), Failure> {
    execute(connection, "DELETE FROM block WHERE id = ?1", [id_bytes(id)])?;
    execute(connection, "DELETE FROM breakpoint WHERE id = ?1", [id_bytes(id)])
}

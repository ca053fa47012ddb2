//! Rows into records. What can't be read is an error that names the record.

use std::error::Error as StdError;

use okdownload_types::{
    BlockInfo, BreakpointInfo, CompletionRecord, EntityTag, Error, ErrorKind, FileIdentity, Location, TaskId,
    Validators,
};
use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params, Row};
use url::Url;

use crate::error::Failure;

type Unreadable = Box<dyn StdError + Send + Sync>;

pub(crate) fn id_bytes(id: TaskId) -> [u8; 16] {
    id.as_u128().to_be_bytes()
}

/// The columns of a breakpoint and one of its blocks, in the order in which they are read. One statement for both,
/// so that a reader never sees the blocks of another moment.
macro_rules! breakpoints {
    ($condition:literal) => {
        concat!(
            "SELECT b.id, b.url, b.location, b.part, b.file_number, b.file_born, b.total, b.boot, ",
            "b.needs_credentials, b.etag, b.etag_weak, b.last_modified, b.last_modified_is_strong, b.options, ",
            "k.start, k.length, k.written, k.synced ",
            "FROM breakpoint b LEFT JOIN block k ON k.id = b.id ",
            $condition,
            " ORDER BY b.seq, k.start"
        )
    };
}

pub(crate) fn breakpoint(connection: &Connection, id: TaskId) -> Result<Option<BreakpointInfo>, Failure> {
    Ok(read_breakpoints(connection, breakpoints!("WHERE b.id = ?1"), [id_bytes(id)])?.pop())
}

pub(crate) fn breakpoints_at(
    connection: &Connection,
    location: &[u8],
) -> Result<Vec<BreakpointInfo>, Failure> {
    read_breakpoints(connection, breakpoints!("WHERE b.location = ?1"), [location])
}

pub(crate) fn unfinished(connection: &Connection) -> Result<Vec<BreakpointInfo>, Failure> {
    read_breakpoints(connection, breakpoints!(""), [])
}

fn read_breakpoints(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
) -> Result<Vec<BreakpointInfo>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut found: Vec<BreakpointInfo> = Vec::new();
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row, "breakpoint")?;
        if found.last().is_none_or(|last| last.id != columns.id) {
            let read = read_breakpoint(&mut columns);
            found.push(read.map_err(|error| columns.unreadable(error))?);
        }
        if let Some(last) = found.last_mut() {
            columns.at = BLOCK;
            let block = read_block(&mut columns);
            last.blocks.extend(block.map_err(|error| columns.unreadable(error))?);
        }
    }
    Ok(found)
}

/// The first column of the block.
const BLOCK: usize = 14;

fn read_breakpoint(columns: &mut Columns<'_>) -> Result<BreakpointInfo, Unreadable> {
    let (url, location, part) = (columns.url()?, columns.location()?, columns.location()?);
    let mut info = BreakpointInfo::new(columns.id, url, location, part);
    let (number, born) = (columns.next::<Option<i64>>()?, columns.next()?);
    info.identity = number.map(|number| FileIdentity::new(number.cast_unsigned(), born));
    info.total = columns.optional_number()?;
    info.boot = columns.next()?;
    info.needs_credentials = columns.next()?;
    info.validators = columns.validators()?;
    info.options = columns.next()?;
    Ok(info)
}

/// A breakpoint without blocks has one row, without a start.
fn read_block(columns: &mut Columns<'_>) -> Result<Option<BlockInfo>, Unreadable> {
    let Some(start) = columns.optional_number()? else { return Ok(None) };
    let length = columns.optional_number()?;
    let (written, synced) = (columns.number()?, columns.number()?);
    Ok(Some(BlockInfo::new(start, length).with_progress(written, synced)))
}

macro_rules! completions {
    ($condition:literal) => {
        concat!(
            "SELECT id, url, location, length, modified, ",
            "etag, etag_weak, last_modified, last_modified_is_strong FROM completion ",
            $condition
        )
    };
}

pub(crate) fn completion(connection: &Connection, id: TaskId) -> Result<Option<CompletionRecord>, Failure> {
    Ok(read_completions(connection, completions!("WHERE id = ?1"), [id_bytes(id)])?.pop())
}

pub(crate) fn completed(connection: &Connection) -> Result<Vec<CompletionRecord>, Failure> {
    read_completions(connection, completions!("ORDER BY seq"), [])
}

fn read_completions(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
) -> Result<Vec<CompletionRecord>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row, "completion")?;
        let read = read_completion(&mut columns);
        found.push(read.map_err(|error| columns.unreadable(error))?);
    }
    Ok(found)
}

fn read_completion(columns: &mut Columns<'_>) -> Result<CompletionRecord, Unreadable> {
    let (url, location, length) = (columns.url()?, columns.location()?, columns.number()?);
    let mut record = CompletionRecord::new(columns.id, url, location, length);
    record.modified = columns.next()?;
    record.validators = columns.validators()?;
    Ok(record)
}

pub(crate) fn response_filename(connection: &Connection, url: &str) -> Result<Option<String>, Failure> {
    let mut statement = connection.prepare_cached("SELECT name FROM response_filename WHERE url = ?1")?;
    Ok(statement.query_row([url], |row| row.get(0)).optional()?)
}

/// A row that is read from left to right.
struct Columns<'row> {
    row: &'row Row<'row>,
    table: &'static str,
    id: TaskId,
    at: usize,
}

impl<'row> Columns<'row> {
    fn of(row: &'row Row<'row>, table: &'static str) -> Result<Self, Error> {
        let id: [u8; 16] = row.get(0).map_err(|error| unreadable(table, "?", error.into()))?;
        Ok(Self { row, table, id: TaskId::from_u128(u128::from_be_bytes(id)), at: 1 })
    }

    fn unreadable(&self, error: Unreadable) -> Error {
        unreadable(self.table, self.id, error)
    }

    fn next<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        let value = self.row.get(self.at);
        self.at += 1;
        value
    }

    fn number(&mut self) -> Result<u64, Unreadable> {
        Ok(self.next::<i64>()?.try_into()?)
    }

    fn optional_number(&mut self) -> Result<Option<u64>, Unreadable> {
        Ok(self.next::<Option<i64>>()?.map(u64::try_from).transpose()?)
    }

    fn url(&mut self) -> Result<Url, Unreadable> {
        Ok(Url::parse(&self.next::<String>()?)?)
    }

    fn location(&mut self) -> Result<Location, Unreadable> {
        Ok(Location::from_bytes(&self.next::<Vec<u8>>()?)?)
    }

    fn validators(&mut self) -> Result<Validators, Unreadable> {
        let (opaque, weak) = (self.next::<Option<String>>()?, self.next()?);
        let mut validators = Validators::default();
        validators.etag = opaque.map(|opaque| EntityTag { weak, opaque });
        validators.last_modified = self.optional_number()?;
        validators.last_modified_is_strong = self.next()?;
        Ok(validators)
    }
}

fn unreadable(table: &str, id: impl std::fmt::Display, error: Unreadable) -> Error {
    let cause = Error::new(ErrorKind::StoreCorrupt, error.to_string());
    Error::new(ErrorKind::StoreCorrupt, "a stored record cannot be read")
        .with_context("record", format!("{table} {id}"))
        .with_source(cause)
        .with_advice("remove the record, or start the download over")
}

#[cfg(test)]
mod tests;

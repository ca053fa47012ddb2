//! A local part that was asked for by a `file:` URI, and will be asked by one for its name.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use okdownload_output::{CommitOptions, Consumer, OutputStream};
use okdownload_types::{FileIdentity, Location, Result};

use crate::error;
use crate::place::Place;

/// The other output's stream, which knows paths only.
#[derive(Debug)]
pub(crate) struct FilePart(pub(crate) Arc<dyn OutputStream>);

#[async_trait]
impl OutputStream for FilePart {
    fn identity(&self) -> Option<FileIdentity> {
        self.0.identity()
    }

    fn initial_length(&self) -> u64 {
        self.0.initial_length()
    }

    async fn write_at(&self, offset: u64, data: Vec<Bytes>) -> Result<()> {
        self.0.write_at(offset, data).await
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        self.0.read_at(offset, length).await
    }

    async fn scan(&self, range: Range<u64>, consumer: Consumer) -> Result<()> {
        self.0.scan(range, consumer).await
    }

    async fn preallocate(&self, length: u64) -> Result<()> {
        self.0.preallocate(length).await
    }

    async fn set_length(&self, length: u64) -> Result<()> {
        self.0.set_length(length).await
    }

    async fn flush_and_sync(&self) -> Result<()> {
        self.0.flush_and_sync().await
    }

    async fn commit(&self, to: &Location, options: CommitOptions) -> Result<()> {
        match Place::of(to)? {
            Place::Local(path) => self.0.commit(&Location::Path(path), options).await,
            Place::Remote(_) => {
                Err(error::unsupported("a local part cannot get the name of something at a service", to))
            }
        }
    }

    async fn abort(&self) -> Result<()> {
        self.0.abort().await
    }

    async fn close(&self) -> Result<()> {
        self.0.close().await
    }
}

//! What the behaviours share.

use std::sync::Arc;

use bytes::Bytes;
use okdownload_output::{CommitOptions, OpenMode, OutputCapability, OutputStream, OutputStreamFactory};
use okdownload_types::{ErrorKind, Location, Result};

use super::OutputFixture;

/// A fixture with a factory of it.
pub(super) struct Bench<'a> {
    pub(super) fixture: &'a dyn OutputFixture,
    pub(super) factory: Arc<dyn OutputStreamFactory>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(fixture: &'a dyn OutputFixture) -> Self {
        Self { fixture, factory: fixture.factory() }
    }

    /// The same places, as the next run of the program sees them.
    pub(super) fn restarted(self) -> Self {
        let fixture = self.fixture;
        drop(self);
        Self::new(fixture)
    }

    pub(super) fn capability(&self) -> OutputCapability {
        self.factory.capability(&self.fixture.place())
    }

    pub(super) fn at(&self, name: &str) -> Location {
        name.split('/').fold(self.fixture.place(), |place, name| place.join(name))
    }

    /// The name that the part of a file is opened under.
    pub(super) fn part_name(&self, name: &str) -> String {
        if self.capability().hides_parts { name.to_owned() } else { format!("{name}.part") }
    }

    /// Opens the part of the file `done`, or makes it.
    pub(super) async fn open_done(&self) -> Arc<dyn OutputStream> {
        self.open(&self.part_name("done")).await
    }

    /// The part of the file `name` with these bytes, still open.
    pub(super) async fn part_of(&self, name: &str, bytes: &str) -> Arc<dyn OutputStream> {
        self.part(&self.part_name(name), bytes).await
    }

    /// Opens or makes the part of this name.
    pub(super) async fn open(&self, name: &str) -> Arc<dyn OutputStream> {
        self.factory.open_part(&self.at(name), OpenMode::Create).await.expect("a part opens").expect("a part")
    }

    /// A part of this name with these bytes, still open.
    pub(super) async fn part(&self, name: &str, bytes: &str) -> Arc<dyn OutputStream> {
        let stream = self.open(name).await;
        write(&*stream, 0, &[bytes]).await.expect("bytes are written");
        stream
    }

    /// A finished file of this name with these bytes.
    pub(super) async fn file(&self, name: &str, bytes: &str) {
        let part = self.part_of(name, bytes).await;
        part.commit(&self.at(name), PLAIN).await.expect("a file is committed");
    }

    /// The bytes of the file of this name, as text.
    pub(super) async fn text(&self, name: &str) -> Option<String> {
        let contents = self.fixture.contents(&self.at(name)).await?;
        Some(String::from_utf8(contents).expect("the behaviours write text"))
    }

    /// Finishes the part of `done`, and gives back what is in it.
    pub(super) async fn finished(&self, part: &dyn OutputStream) -> Vec<u8> {
        part.commit(&self.at("done"), PLAIN).await.expect("the part is committed");
        self.fixture.contents(&self.at("done")).await.expect("a file")
    }
}

/// A commit without anything special.
pub(super) const PLAIN: CommitOptions = CommitOptions::new(false, false, None);

pub(super) async fn write(stream: &dyn OutputStream, offset: u64, pieces: &[&str]) -> Result<()> {
    stream
        .write_at(offset, pieces.iter().map(|piece| Bytes::copy_from_slice(piece.as_bytes())).collect())
        .await
}

/// That it failed, and as what.
#[track_caller]
pub(super) fn assert_kind<T>(result: Result<T>, kind: ErrorKind) {
    let Err(error) = result else { panic!("it succeeded, and should have been {kind:?}") };
    assert_eq!(error.kind(), kind, "{error}");
}

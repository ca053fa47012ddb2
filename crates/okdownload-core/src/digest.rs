//! Digests over a finished part.

use std::sync::{Arc, Mutex};

use md5::Md5;
use okdownload_output::OutputStream;
use okdownload_types::{Digest, DigestAlgorithm, Error, ErrorKind, Result};
use sha1::Sha1;
use sha2::digest::DynDigest;
use sha2::{Sha256, Sha512};

use crate::run::{Run, canceled};
use crate::sync::lock;

/// How much is read before somebody looks whether the run was told to stop.
const SLICE: u64 = 16 << 20;

/// Reads the part once and compares.
///
/// # Errors
/// `Checksum`, with both digests; `Canceled`.
pub(crate) async fn check(
    run: &Run,
    stream: &dyn OutputStream,
    length: u64,
    expected: &Digest,
) -> Result<()> {
    let hash = Arc::new(Mutex::new(Some(Hash::new(expected.algorithm()))));
    let mut start = 0;
    while start < length {
        if run.stop.is_cancelled() {
            break;
        }
        let end = length.min(start + SLICE);
        let feed = hash.clone();
        let update = move |bytes: &[u8]| lock(&feed).iter_mut().for_each(|hash| hash.update(bytes));
        stream.scan(start..end, Box::new(update)).await?;
        start = end;
    }
    if run.stop.is_cancelled() {
        return Err(canceled());
    }
    let got = lock(&hash).take().and_then(Hash::finish);
    compare(expected, got)
}

/// Compares the digest that was wanted with the one of the bytes.
///
/// # Errors
/// `Checksum`, with both.
pub(crate) fn compare(expected: &Digest, got: Option<Digest>) -> Result<()> {
    if got.as_ref() == Some(expected) {
        return Ok(());
    }
    let error = Error::new(ErrorKind::Checksum, "the file does not have the expected digest")
        .with_context("expected", expected)
        .with_advice("check the digest, or find out who changed the file");
    Err(match got {
        Some(got) => error.with_context("got", got),
        None => error,
    })
}

/// A digest in the making.
pub(crate) struct Hash {
    algorithm: DigestAlgorithm,
    hasher: Box<dyn Hasher>,
}

impl Hash {
    pub(crate) fn new(algorithm: DigestAlgorithm) -> Self {
        Self { algorithm, hasher: hasher(algorithm) }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    pub(crate) fn finish(mut self) -> Option<Digest> {
        Digest::new(self.algorithm, self.hasher.finalize_reset().into_vec()).ok()
    }
}

fn hasher(algorithm: DigestAlgorithm) -> Box<dyn Hasher> {
    match algorithm {
        DigestAlgorithm::Md5 => Box::new(Md5::default()),
        DigestAlgorithm::Sha1 => Box::new(Sha1::default()),
        DigestAlgorithm::Sha256 => Box::new(Sha256::default()),
        DigestAlgorithm::Sha512 => Box::new(Sha512::default()),
        _ => Box::new(Crc32c(0)),
    }
}

/// A hash function at work.
trait Hasher: Send {
    fn update(&mut self, bytes: &[u8]);
    fn finalize_reset(&mut self) -> Box<[u8]>;
}

impl<D: DynDigest + Send> Hasher for D {
    fn update(&mut self, bytes: &[u8]) {
        DynDigest::update(self, bytes);
    }

    fn finalize_reset(&mut self) -> Box<[u8]> {
        DynDigest::finalize_reset(self)
    }
}

struct Crc32c(u32);

impl Hasher for Crc32c {
    fn update(&mut self, bytes: &[u8]) {
        self.0 = crc32c::crc32c_append(self.0, bytes);
    }

    fn finalize_reset(&mut self) -> Box<[u8]> {
        Box::new(std::mem::take(&mut self.0).to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests_of_abc() {
        for (algorithm, expected) in [
            (DigestAlgorithm::Crc32c, "364b3fb7"),
            (DigestAlgorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (DigestAlgorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (DigestAlgorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ] {
            let mut hash = Hash::new(algorithm);
            hash.update(b"a");
            hash.update(b"bc");
            assert_eq!(hash.finish().unwrap().to_string(), format!("{}={expected}", algorithm.name()));
        }
    }
}

//! Digests that a user expects.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// A hash function, under its name in the IANA registry (RFC 9530 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DigestAlgorithm {
    /// CRC-32C (Castagnoli). Finds accidents, not attacks.
    Crc32c,
    /// MD5. Finds accidents, not attacks.
    Md5,
    /// SHA-1. Finds accidents, not attacks.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl DigestAlgorithm {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Crc32c, Self::Md5, Self::Sha1, Self::Sha256, Self::Sha512];

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc32c => "crc32c",
            Self::Md5 => "md5",
            Self::Sha1 => "sha-1",
            Self::Sha256 => "sha-256",
            Self::Sha512 => "sha-512",
        }
    }

    /// How many bytes a digest has.
    pub const fn length(self) -> usize {
        match self {
            Self::Crc32c => 4,
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// The registered name; case does not count and the hyphen may be missing.
impl FromStr for DigestAlgorithm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let plain = |name: &str| name.replace('-', "").to_ascii_lowercase();
        Self::ALL.iter().copied().find(|algorithm| plain(algorithm.name()) == plain(text)).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|algorithm| algorithm.name()).collect();
            Error::misuse("unknown digest algorithm", format!("use one of {}", names.join(", ")))
                .with_context("algorithm", text)
        })
    }
}

/// A digest that the finished file must have. Reads and shows as `sha-256=hex`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Digest {
    algorithm: DigestAlgorithm,
    value: Vec<u8>,
}

impl Digest {
    /// A digest of these bytes.
    ///
    /// # Errors
    /// [`Misuse`](crate::ErrorKind::Misuse) if the algorithm's digests have another length.
    pub fn new(algorithm: DigestAlgorithm, value: impl Into<Vec<u8>>) -> Result<Self> {
        let value = value.into();
        if value.len() == algorithm.length() {
            return Ok(Self { algorithm, value });
        }
        let advice = format!("{} has {} hexadecimal digits", algorithm.name(), algorithm.length() * 2);
        Err(Error::misuse("a digest of the wrong length", advice).with_context("digits", value.len() * 2))
    }

    /// The hash function.
    pub const fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    /// The digest's bytes.
    pub fn value(&self) -> &[u8] {
        &self.value
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.algorithm.name(), hex::encode(&self.value))
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::misuse("not a digest", "write it as sha-256=HEX").with_context("digest", text);
        let (algorithm, digits) = text.split_once('=').ok_or_else(wrong)?;
        let algorithm = algorithm.trim().parse()?;
        let value = hex::decode(digits.trim()).map_err(|_| wrong())?;
        Self::new(algorithm, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_shows() {
        let text = "md5=900150983cd24fb0d6963f7d28e17f72";
        assert_eq!(text.parse::<Digest>().unwrap().to_string(), text);
        let loose = "MD5=900150983CD24FB0D6963F7D28E17F72".parse::<Digest>().unwrap();
        assert_eq!(loose.to_string(), text);
        assert_eq!("sha256".parse::<DigestAlgorithm>().unwrap(), DigestAlgorithm::Sha256);
    }

    #[test]
    fn bad_digests_are_refused() {
        for text in ["", "sha-256", "sha-256=", "sha-256=abc", "md5=00", "rot13=00", "sha-256=zz"] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}

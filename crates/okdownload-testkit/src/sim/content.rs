//! Bytes that cost nothing to make and little to compare.

use std::sync::LazyLock;

use bytes::Bytes;

/// After how many bytes a content repeats itself: a prime, so that no round number of bytes leads back to it.
pub const PERIOD: u64 = 262_139;

/// Noise without a zero, twice over, so that every piece of up to a period lies in one place.
static NOISE: LazyLock<Bytes> = LazyLock::new(|| {
    let mut random = fastrand::Rng::with_seed(0x6f6b_646f_776e);
    let once: Vec<u8> = (0..PERIOD).map(|_| random.u8(1..)).collect();
    once.repeat(2).into()
});

/// The bytes of one version of one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    shift: u64,
}

impl Content {
    /// The content that this number stands for. Others differ from it nearly everywhere.
    pub fn new(number: u64) -> Self {
        Self { shift: number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) % PERIOD }
    }

    /// The bytes from `offset` on: `length` of them, but at most a period.
    pub fn bytes(self, offset: u64, length: u64) -> Bytes {
        let begin = ((self.shift + offset) % PERIOD) as usize;
        NOISE.slice(begin..begin + length.min(PERIOD) as usize)
    }

    /// Whether these are the bytes from `offset` on.
    pub fn is(self, offset: u64, bytes: &[u8]) -> bool {
        self.differs(offset, bytes).is_none()
    }

    /// The first place at which these are not the bytes from `offset` on.
    pub fn differs(self, offset: u64, bytes: &[u8]) -> Option<u64> {
        let mut position = offset;
        for piece in bytes.chunks(PERIOD as usize) {
            let ours = self.bytes(position, piece.len() as u64);
            if ours != piece {
                let same = ours.iter().zip(piece).take_while(|(a, b)| a == b).count();
                return Some(position + same as u64);
            }
            position += piece.len() as u64;
        }
        None
    }
}

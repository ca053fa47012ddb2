//! The space that running downloads still need, so that no two of them count on the same free bytes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use okdownload_output::FreeSpace;

use crate::ledger::Ledger;
use crate::sync::lock;

/// What the downloads of one engine still need, volume by volume.
#[derive(Debug, Default)]
pub(crate) struct Space {
    claims: Mutex<Claims>,
    /// Held from the look at what is free until what was allocated is not among the promises any more: it would be
    /// counted twice in between.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Claims {
    next: u64,
    all: BTreeMap<u64, (u64, Need)>,
}

/// What one download needs.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    /// The length of the file.
    pub(crate) total: u64,
    /// How much of it had its space before a byte was written: an earlier run may have allocated it.
    pub(crate) allocated: u64,
    /// What is written, as it goes on.
    pub(crate) ledger: Arc<Ledger>,
}

impl Need {
    /// What has no space yet.
    fn bytes(&self) -> u64 {
        self.total.saturating_sub(self.allocated.max(self.ledger.written()))
    }
}

/// Why a download can't be reserved its space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shortage {
    /// What it needs.
    pub(crate) needed: u64,
    /// What is free.
    pub(crate) free: u64,
    /// What of that other downloads will take.
    pub(crate) promised: u64,
}

impl Shortage {
    /// The shortage, if there is one.
    fn of(needed: u64, free: u64, promised: u64) -> Option<Self> {
        let short = needed > free.saturating_sub(promised);
        short.then_some(Self { needed, free, promised })
    }

    /// How many bytes more would do.
    pub(crate) fn missing(&self) -> u64 {
        let wanted = u128::from(self.needed) + u128::from(self.promised);
        u64::try_from(wanted.saturating_sub(u128::from(self.free))).unwrap_or(u64::MAX)
    }
}

impl Space {
    /// Reserves what a download still needs of the space that was found to be free, until the reservation is dropped. What
    /// it writes counts no more.
    pub(crate) fn reserve(self: &Arc<Self>, free: FreeSpace, need: Need) -> Result<Reservation, Shortage> {
        let mut claims = lock(&self.claims);
        let others = claims.all.values().filter(|(volume, _)| Some(*volume) == free.volume);
        let promised = others.fold(0_u64, |sum, (_, need)| sum.saturating_add(need.bytes()));
        if let Some(shortage) = Shortage::of(need.bytes(), free.bytes, promised) {
            return Err(shortage);
        }
        let number = claims.next;
        claims.next += 1;
        // Of a place whose volume is not known, nobody can tell who shares it.
        if let Some(volume) = free.volume {
            claims.all.insert(number, (volume, need));
        }
        Ok(Reservation { space: self.clone(), number })
    }
}

/// Space that is promised to one download.
#[derive(Debug)]
pub(crate) struct Reservation {
    space: Arc<Space>,
    number: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        lock(&self.space.claims).all.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use okdownload_types::{BlockInfo, BreakpointInfo, Location, TaskId};

    fn need(total: u64, allocated: u64, written: u64) -> Need {
        let place = Location::Path("/a".into());
        let mut info =
            BreakpointInfo::new(TaskId::from_u128(1), "http://h/".parse().unwrap(), place.clone(), place);
        info.blocks = vec![BlockInfo::new(0, Some(total)).with_progress(written, 0)];
        Need { total, allocated, ledger: Arc::new(Ledger::new(info)) }
    }

    fn free(bytes: u64) -> FreeSpace {
        FreeSpace::new(bytes, Some(1))
    }

    #[test]
    fn shortages() {
        for (needed, there, promised, missing) in [
            (6, 10, 0, None),
            (6, 10, 4, None),
            (6, 10, 6, Some(2)),
            (6, 10, 20, Some(16)),
            (0, 0, 0, None),
            (0, 10, 20, None),
            (u64::MAX, u64::MAX, 1, Some(1)),
            (u64::MAX, 0, u64::MAX, Some(u64::MAX)),
        ] {
            let found = Shortage::of(needed, there, promised).map(|shortage| shortage.missing());
            assert_eq!(found, missing, "{needed} of {there}, {promised} promised");
        }
    }

    #[test]
    fn nothing_is_promised_twice() {
        let space = Arc::new(Space::default());
        let first = space.reserve(free(10), need(6, 0, 0)).unwrap();
        let refused = space.reserve(free(10), need(6, 0, 0)).unwrap_err();
        assert_eq!(refused, Shortage { needed: 6, free: 10, promised: 6 });
        // Another volume, or one that is not known, is another matter.
        let elsewhere = space.reserve(FreeSpace::new(10, Some(2)), need(6, 0, 0)).unwrap();
        let somewhere = space.reserve(FreeSpace::new(10, None), need(6, 0, 0)).unwrap();
        drop((elsewhere, somewhere));
        drop(first);
        space.reserve(free(10), need(6, 0, 0)).unwrap();
    }

    #[test]
    fn what_has_its_space_is_not_counted_again() {
        let space = Arc::new(Space::default());
        // Half of it is written, or was allocated before.
        for half in [need(6, 0, 3), need(6, 3, 0), need(6, 3, 3)] {
            let _first = space.reserve(free(3), half).unwrap();
            assert!(space.reserve(free(3), need(1, 0, 0)).is_err());
            space.reserve(free(4), need(1, 0, 0)).unwrap();
        }
        let running = need(6, 0, 0);
        let _running = space.reserve(free(6), running.clone()).unwrap();
        running.ledger.reserve(Some(0), 0, 4);
        running.ledger.wrote(0, 4);
        let refused = space.reserve(free(2), need(1, 0, 0)).unwrap_err();
        assert_eq!(refused, Shortage { needed: 1, free: 2, promised: 2 });
        space.reserve(free(3), need(1, 0, 0)).unwrap();
    }
}

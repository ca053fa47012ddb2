//! Syncs that are shared.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The syncs of one directory. Who comes while one is under way waits for the next, which is for all who came until it
/// began: files that finish together share it.
#[derive(Debug, Default)]
pub(crate) struct Barrier {
    /// How many have come.
    came: AtomicU64,
    /// Held by who syncs.
    done: Mutex<Done>,
}

#[derive(Debug, Default)]
struct Done {
    /// For how many of those who came it was done, well or not.
    of: u64,
    /// The last of them whose sync failed, and how: the system tells that once, so a later sync says nothing about it.
    failed: Option<(u64, io::ErrorKind)>,
}

impl Barrier {
    /// Returns once a sync that began after this call has succeeded.
    ///
    /// # Errors
    /// That of the sync, for all who share it.
    pub(crate) fn pass(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let place = self.came.fetch_add(1, Ordering::AcqRel) + 1;
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if done.of >= place {
            return match done.failed {
                Some((failed, kind)) if place <= failed => Err(kind.into()),
                _ => Ok(()),
            };
        }
        let of = self.came.load(Ordering::Acquire);
        let synced = sync();
        done.of = of;
        if let Err(error) = &synced {
            done.failed = Some((of, error.kind()));
        }
        synced
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc;
    use std::thread;

    /// One syncs, and `others` come meanwhile; returns how the others ended, and how many syncs there were.
    fn crowd(others: u64, second: fn() -> io::Result<()>) -> (Vec<io::Result<()>>, u64) {
        let (barrier, syncs) = (Arc::new(Barrier::default()), Arc::new(AtomicU64::new(0)));
        let (begun, has_begun) = mpsc::channel();
        let (go_on, goes_on) = mpsc::channel::<()>();
        let first = {
            let (barrier, syncs) = (barrier.clone(), syncs.clone());
            thread::spawn(move || {
                barrier.pass(|| {
                    syncs.fetch_add(1, Ordering::Relaxed);
                    begun.send(()).unwrap();
                    goes_on.recv().unwrap();
                    Ok(())
                })
            })
        };
        has_begun.recv().unwrap();
        let others: Vec<_> = (0..others)
            .map(|_| {
                let (barrier, syncs) = (barrier.clone(), syncs.clone());
                thread::spawn(move || {
                    barrier.pass(|| {
                        syncs.fetch_add(1, Ordering::Relaxed);
                        second()
                    })
                })
            })
            .collect();
        while barrier.came.load(Ordering::Acquire) < others.len() as u64 + 1 {
            thread::yield_now();
        }
        go_on.send(()).unwrap();
        first.join().unwrap().unwrap();
        let ends = others.into_iter().map(|other| other.join().unwrap()).collect();
        (ends, syncs.load(Ordering::Relaxed))
    }

    #[test]
    fn who_comes_meanwhile_shares_the_next_sync() {
        let (ends, syncs) = crowd(20, || Ok(()));
        assert!(ends.iter().all(Result::is_ok));
        assert_eq!(syncs, 2);
    }

    #[test]
    fn a_sync_that_fails_fails_for_all_who_share_it() {
        let (ends, syncs) = crowd(20, || Err(io::ErrorKind::StorageFull.into()));
        assert!(ends.iter().all(|end| end.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::StorageFull)));
        assert_eq!(syncs, 2);
    }

    #[test]
    fn one_after_the_other_each_has_its_own() {
        let (barrier, mut syncs) = (Barrier::default(), 0);
        for good in [true, false, true] {
            let sync = || {
                syncs += 1;
                if good { Ok(()) } else { Err(io::ErrorKind::Other.into()) }
            };
            assert_eq!(barrier.pass(sync).is_ok(), good);
        }
        assert_eq!(syncs, 3);
    }
}

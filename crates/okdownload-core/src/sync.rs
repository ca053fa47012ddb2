//! Locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after somebody panicked with the lock in hand: what is behind our locks is never left half-changed.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

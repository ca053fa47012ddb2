//! Which connection has which rate.

use std::cell::RefCell;
use std::rc::Rc;

/// The rates, each with how many connections have it. They are ways to the server: who closes a connection and opens
/// another one has the same again, so that all together are never faster than the sum while there are no more of them
/// than rates.
#[derive(Debug, Clone)]
pub(super) struct Slots(Rc<RefCell<Vec<(u64, u32)>>>);

/// A connection's rate, free for the next one once dropped.
#[derive(Debug)]
pub(super) struct Slot {
    /// Bytes a second; `None` for no limit.
    pub(super) rate: Option<u64>,
    index: usize,
    slots: Slots,
}

impl Slots {
    pub(super) fn new(rates: &[u64]) -> Self {
        Self(Rc::new(RefCell::new(rates.iter().map(|rate| (*rate, 0)).collect())))
    }

    /// The first of those that the fewest have.
    pub(super) fn take(&self) -> Slot {
        let mut slots = self.0.borrow_mut();
        let free = slots.iter_mut().enumerate().min_by_key(|(_, (_, users))| *users);
        let (index, rate) = free.map_or((0, None), |(index, (rate, users))| {
            *users += 1;
            (index, Some(*rate))
        });
        Slot { rate, index, slots: self.clone() }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some((_, users)) = self.slots.0.borrow_mut().get_mut(self.index) {
            *users -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_again_has_the_same_rate_again() {
        let slots = Slots::new(&[2, 4, 8]);
        let taken: Vec<_> = (0..3).map(|_| slots.take()).collect();
        assert_eq!(taken.iter().map(|slot| slot.rate).collect::<Vec<_>>(), [Some(2), Some(4), Some(8)]);
        let mut taken = taken.into_iter();
        let (first, second) = (taken.next(), taken.next());
        drop(second);
        let again = slots.take();
        assert_eq!(again.rate, Some(4));
        let fourth = slots.take();
        assert_eq!(fourth.rate, Some(2), "all have one, and it is the first");
        drop(first);
    }

    #[test]
    fn without_rates_there_is_no_limit() {
        let slots = Slots::new(&[]);
        assert_eq!((slots.take().rate, slots.take().rate), (None, None));
    }
}

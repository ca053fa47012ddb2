//! Which of the many states are tried.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use okdownload_testkit::disk::Side;

use super::disk::{Crash, Left, Moment, Recording, Survivors};

/// A crash to try: when, and what it leaves.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) moment: u32,
    pub(crate) survivors: Survivors,
}

/// At most so many states of this recording, each another one. The same seed chooses the same.
pub(crate) fn choose(recording: &Recording, crash: Crash, most: usize, seed: u64) -> Vec<Choice> {
    let mut rng = Rng::with_seed(seed);
    let mut known = BTreeSet::new();
    let mut choices = Vec::new();
    for now in moments(recording, most, &mut rng) {
        let moment = recording.moment(now, crash);
        let survivors = recording.survivors(&moment, &drawn(recording, &moment, crash, &mut rng));
        // Many moments differ in nothing; but what the user was told is part of what has to hold.
        if known.insert((survivors.clone(), recording.told(now).len())) {
            choices.push(Choice { moment: now, survivors });
        }
    }
    choices
}

/// Two thirds are spread from the first moment to the last; the others are where names change, something is synced, or the
/// user is told something: these are few, and orders are broken there.
fn moments(recording: &Recording, most: usize, rng: &mut Rng) -> Vec<u32> {
    let turns = recording.turns();
    let spread = most - most / 3;
    let step = f64::from(recording.moments) / spread as f64;
    let mut moments: Vec<u32> =
        (0..spread).map(|number| ((number as f64 + rng.f64()) * step) as u32).collect();
    moments.extend((spread..most).filter_map(|_| rng.choice(&turns).copied()));
    moments
}

type Taken = BTreeMap<usize, Left>;

fn all(moment: &Moment) -> Taken {
    moment.open.iter().map(|place| (*place, Left::Whole)).collect()
}

fn without(moment: &Moment, place: usize) -> Taken {
    let mut taken = all(moment);
    taken.remove(&place);
    taken
}

/// What the disk has taken: nothing, all, all but one change, one alone, all with one torn, or any part.
fn drawn(recording: &Recording, moment: &Moment, crash: Crash, rng: &mut Rng) -> Taken {
    let Some(one) = rng.choice(&moment.open).copied() else { return Taken::new() };
    match rng.u8(0..6) {
        0 => Taken::new(),
        1 => all(moment),
        2 => without(moment, one),
        3 => Taken::from([(one, Left::Whole)]),
        4 => {
            let mut taken = all(moment);
            taken.insert(one, torn(recording, one, crash, rng));
            taken
        }
        _ => {
            let kept = [0.1, 0.5, 0.9][rng.usize(0..3)];
            let mut taken = Taken::new();
            for place in &moment.open {
                if rng.f64() < kept {
                    let left =
                        if rng.u8(0..5) == 0 { torn(recording, *place, crash, rng) } else { Left::Whole };
                    taken.insert(*place, left);
                }
            }
            taken
        }
    }
}

/// Torn at any byte, or where a sector or a page of the file begins. If it is the process that dies, the system has copied
/// the first pages, and no part of one: it looks for signals between them only.
fn torn(recording: &Recording, place: usize, crash: Crash, rng: &mut Rng) -> Left {
    let Some((offset, length)) = recording.data(place) else { return Left::Whole };
    let (unit, side) = match crash {
        Crash::Process => (4096, Side::Head),
        Crash::Power => ([1, 512, 4096][rng.usize(0..3)], if rng.bool() { Side::Head } else { Side::Tail }),
    };
    let cut = (offset + rng.u64(0..=length as u64)).next_multiple_of(unit) - offset;
    Left::Torn((cut as usize).min(length), side)
}

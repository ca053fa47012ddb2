//! The singleton, set by many at a time. One story, one process.

use std::sync::Barrier;

use okdownload::prelude::*;

#[test]
fn one_of_many_wins() {
    let barrier = Barrier::new(32);
    let wins: Vec<bool> = std::thread::scope(|scope| {
        let racing = || {
            let ok = OkDownload::builder().build().expect("an engine");
            barrier.wait();
            OkDownload::set_singleton(ok).is_ok()
        };
        let threads: Vec<_> = (0..32).map(|_| scope.spawn(racing)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(wins.into_iter().filter(|won| *won).count(), 1);
}

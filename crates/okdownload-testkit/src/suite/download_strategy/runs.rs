//! What one run knows of another: nothing.

use okdownload_strategy::{BlockFacts, DownloadStrategy, NameFacts, ResponseFacts, RetryFacts, SplitFacts};
use okdownload_types::{ByteRange, DownloadTask, Error, ErrorKind};
use url::Url;

use super::blocks::LENGTHS;
use super::fresh;
use super::responses::head;

/// All that a strategy decides in a run that has seen much.
fn decisions(strategy: &mut dyn DownloadStrategy) -> Vec<String> {
    let task = DownloadTask::to_file("http://h/a", "/a").unwrap();
    let url: Url = "http://h/a.bin".parse().unwrap();
    let mut made = Vec::new();
    for (failures, total) in (1..).zip(LENGTHS) {
        let facts = BlockFacts::new(total);
        made.push(format!("{:?}", strategy.inspect_network(&task)));
        made.push(format!("{:?}", (strategy.multi_block(&facts), strategy.block_count(&facts))));
        let smallest = strategy.smallest_block().get();
        made.push(format!("{:?}", strategy.split(&SplitFacts::new(total, smallest))));
        let head = head(200, &[("content-length", &total.to_string()), ("etag", "\"v1\"")]);
        made.push(strategy.file_name(&NameFacts::new(&url, &head)));
        let mut facts = ResponseFacts::new(&head);
        facts.asked = Some(ByteRange::from(0));
        made.push(format!("{:?}", strategy.judge_response(&facts)));
        let error = Error::new(ErrorKind::Network, "reset").temporary();
        made.push(format!("{:?}", strategy.retry(&RetryFacts::new(&error, failures, 20, total))));
    }
    made
}

/// No clock, no randomness but the seed that the facts bring, nothing of the system: a run can be repeated.
pub fn equal_histories_give_equal_decisions(strategy: &dyn DownloadStrategy) {
    let (mut one, mut other) = (fresh(strategy), fresh(strategy));
    for _ in 0..3 {
        assert_eq!(decisions(&mut *one), decisions(&mut *other));
    }
}

/// What one run learns, no other one knows, and the template neither.
pub fn clones_are_independent(strategy: &dyn DownloadStrategy) {
    let expected = decisions(&mut *fresh(strategy));
    let mut busy = fresh(strategy);
    for _ in 0..10 {
        decisions(&mut *busy);
        assert_eq!(decisions(&mut *fresh(strategy)), expected);
    }
}

/// Facts that contradict each other, and numbers at their ends, are decided somehow; they do not end the program.
pub fn extremes_are_decided(strategy: &dyn DownloadStrategy) {
    let mut run = fresh(strategy);
    let error = Error::new(ErrorKind::Network, "reset").temporary();
    for number in [0, 1, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
        for other in [0, 1, u64::MAX] {
            let mut facts = BlockFacts::new(number);
            facts.remaining = other;
            run.multi_block(&facts);
            run.block_count(&facts);
            run.split(&SplitFacts::new(number, other));
            run.retry(&RetryFacts::new(&error, number as u32, other as u32, number));
        }
    }
}

/// Programs tell a forbidden network from a broken one by the kind of the error.
pub fn a_denied_network_is_told_as_such(strategy: &dyn DownloadStrategy) {
    let task = DownloadTask::to_file("http://h/a", "/a").unwrap();
    if let Err(error) = fresh(strategy).inspect_network(&task) {
        assert_eq!(error.kind(), ErrorKind::NetworkPolicy, "{error:?}");
    }
}

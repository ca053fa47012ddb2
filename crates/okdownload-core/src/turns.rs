//! Whose listeners are told first, where one task comes behind an equal one that leaves.

use std::collections::BTreeMap;
use std::sync::Arc;

use okdownload_types::TaskId;
use tokio::sync::watch;

/// Of each id, who was last to come to tell listeners.
#[derive(Debug, Default)]
pub(crate) struct Turns(BTreeMap<TaskId, watch::Receiver<()>>);

/// A turn: begins when the one before it is over. It is over itself when its last clone is dropped. The default comes
/// behind nobody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turn {
    before: Option<watch::Receiver<()>>,
    _own: Option<Arc<watch::Sender<()>>>,
}

impl Turns {
    /// The next turn of this id.
    pub(crate) fn take(&mut self, id: TaskId) -> Turn {
        let (own, over) = watch::channel(());
        Turn { before: self.0.insert(id, over), _own: Some(Arc::new(own)) }
    }

    /// Forgets the id if all its turns are over.
    pub(crate) fn tidy(&mut self, id: TaskId) {
        if self.0.get(&id).is_some_and(|last| last.has_changed().is_err()) {
            self.0.remove(&id);
        }
    }
}

impl Turn {
    /// Waits until it begins.
    pub(crate) async fn begins(&mut self) {
        if let Some(before) = &mut self.before {
            // Nothing is ever sent: it fails when the one before is over.
            while before.changed().await.is_ok() {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn turns_of_one_id_come_one_after_the_other_and_nothing_is_kept_of_them() {
        let (mut turns, id) = (Turns::default(), TaskId::from_u128(1));
        let mut first = turns.take(id);
        let also_first = first.clone();
        let mut second = turns.take(id);
        assert!(first.begins().now_or_never().is_some());
        assert!(turns.take(TaskId::from_u128(2)).begins().now_or_never().is_some());
        drop(first);
        turns.tidy(id);
        assert!(second.begins().now_or_never().is_none());
        drop(also_first);
        turns.tidy(id);
        assert_eq!(turns.0.len(), 2);
        assert!(second.begins().now_or_never().is_some());
        drop(second);
        turns.tidy(id);
        turns.tidy(TaskId::from_u128(2));
        assert!(turns.0.is_empty());
    }
}

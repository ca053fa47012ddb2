//! Stores that pass every call on to another.

use std::sync::Arc;

use crate::DownloadStore;

/// Implements [`DownloadStore`](crate::DownloadStore) for a type that has the real store inside, by passing every call
/// on to that.
///
/// ```
/// use okdownload_store::Remit;
///
/// #[derive(Debug)]
/// struct MyStore {
///     inner: Remit,
/// }
///
/// okdownload_store::forward_store!(MyStore, |store| &store.inner);
/// ```
#[macro_export]
macro_rules! forward_store {
    ($type:ty, |$store:ident| $inner:expr $(, where $($generics:tt)+)?) => {
        #[$crate::__private::async_trait]
        impl $(<$($generics)+>)? $crate::DownloadStore for $type {
            fn capability(&self) -> $crate::StoreCapability {
                let $store = self;
                $crate::DownloadStore::capability($inner)
            }

            async fn breakpoint(
                &self,
                id: $crate::__private::TaskId,
            ) -> $crate::__private::Result<Option<$crate::__private::BreakpointInfo>> {
                let $store = self;
                $crate::DownloadStore::breakpoint($inner, id).await
            }

            async fn completion(
                &self,
                id: $crate::__private::TaskId,
            ) -> $crate::__private::Result<Option<$crate::__private::CompletionRecord>> {
                let $store = self;
                $crate::DownloadStore::completion($inner, id).await
            }

            async fn breakpoints_at(
                &self,
                location: &$crate::__private::Location,
            ) -> $crate::__private::Result<Vec<$crate::__private::BreakpointInfo>> {
                let $store = self;
                $crate::DownloadStore::breakpoints_at($inner, location).await
            }

            async fn recall(
                &self,
                id: $crate::__private::TaskId,
                place: Option<&$crate::__private::Location>,
            ) -> $crate::__private::Result<$crate::Recalled> {
                let $store = self;
                $crate::DownloadStore::recall($inner, id, place).await
            }

            async fn unfinished(
                &self,
            ) -> $crate::__private::Result<Vec<$crate::__private::BreakpointInfo>> {
                let $store = self;
                $crate::DownloadStore::unfinished($inner).await
            }

            async fn completed(
                &self,
            ) -> $crate::__private::Result<Vec<$crate::__private::CompletionRecord>> {
                let $store = self;
                $crate::DownloadStore::completed($inner).await
            }

            async fn response_filename(
                &self,
                url: &$crate::__private::Url,
            ) -> $crate::__private::Result<Option<String>> {
                let $store = self;
                $crate::DownloadStore::response_filename($inner, url).await
            }

            async fn commit(
                &self,
                changes: Vec<$crate::Change>,
                level: $crate::CommitLevel,
            ) -> $crate::__private::Result<()> {
                let $store = self;
                $crate::DownloadStore::commit($inner, changes, level).await
            }

            async fn close(&self) -> $crate::__private::Result<()> {
                let $store = self;
                $crate::DownloadStore::close($inner).await
            }
        }
    };
}

forward_store!(Arc<T>, |store| &**store, where T: DownloadStore + ?Sized);
forward_store!(Box<T>, |store| &**store, where T: DownloadStore + ?Sized);

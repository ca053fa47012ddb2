//! The database, open or not, as the thread sees it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use okdownload_types::{Error, ErrorKind, Result};

use super::{BlockingStore, Failure, Opener};

pub(super) struct Session<O: Opener> {
    opener: Arc<O>,
    database: Option<O::Store>,
}

impl<O: Opener> Session<O> {
    /// Opens nothing yet.
    pub(super) fn new(opener: Arc<O>) -> Self {
        Self { opener, database: None }
    }

    /// Does the work on the open database; once more if that had to be recovered.
    pub(super) fn run<T>(&mut self, work: &dyn Fn(&mut O::Store) -> Result<T, Failure>) -> Result<T> {
        let result = match self.attempt(work) {
            Err(Failure::Damaged(error)) => {
                catch(|| self.opener.recover(error)).and_then(|()| self.attempt(work))
            }
            result => result,
        };
        result.map_err(Failure::into_error)
    }

    fn attempt<T>(&mut self, work: &dyn Fn(&mut O::Store) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut database = match self.database.take() {
            Some(database) => database,
            None => catch(|| self.opener.open())?,
        };
        let result = catch(|| work(&mut database));
        match &result {
            Err(Failure::Lost(_) | Failure::Damaged(_)) => {
                // Should it panic once more: there is nothing left to let go of it with.
                let _ = catch(|| {
                    database.abandon();
                    Ok(())
                });
            }
            Ok(_) | Err(Failure::Refused(_)) => self.database = Some(database),
        }
        result
    }

    pub(super) fn close(&mut self) -> Result<()> {
        let Some(database) = self.database.take() else { return Ok(()) };
        catch(|| database.close()).map_err(Failure::into_error)
    }
}

/// A call that panics must not take the thread with it: others wait there. What it leaves behind is not used again.
fn catch<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let panicked = || Error::new(ErrorKind::Unexpected, "the database panicked; see standard error");
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Failure::Lost(panicked())))
}

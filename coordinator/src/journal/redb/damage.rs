//! What of the store's errors is damage.

use crate::journal::JournalError;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::Path;

/// Why a store operation failed, before it is known whether that is damage.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Runs a store operation; a panic inside redb and its own word for damage both become [`JournalError::Damaged`].
pub(super) fn guarded<T>(
    path: &Path,
    operation: impl FnOnce() -> Result<T, Cause>,
) -> Result<T, JournalError> {
    let damaged = |reason: String| JournalError::Damaged {
        path: path.to_owned(),
        place: "as a whole".to_owned(),
        reason,
    };
    match std::panic::catch_unwind(AssertUnwindSafe(operation)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) if is_corruption(&*source) => Err(damaged(source.to_string())),
        Ok(Err(source)) => Err(JournalError::Store {
            path: path.to_owned(),
            source,
        }),
        Err(_) => Err(damaged("the store gave up on its content".to_owned())),
    }
}

fn is_corruption(error: &(dyn std::error::Error + 'static)) -> bool {
    let storage = |error: &redb::StorageError| matches!(error, redb::StorageError::Corrupted(_));
    let opening = |error: &redb::DatabaseError| match error {
        redb::DatabaseError::Storage(inner) => {
            storage(inner)
                || matches!(inner, redb::StorageError::Io(io) if io.kind() == io::ErrorKind::InvalidData)
        }
        redb::DatabaseError::UpgradeRequired(_) | redb::DatabaseError::RepairAborted => true,
        _ => false,
    };
    error.downcast_ref().is_some_and(storage)
        || error.downcast_ref().is_some_and(opening)
        || matches!(error.downcast_ref(), Some(redb::TableError::Storage(inner)) if storage(inner))
        || matches!(error.downcast_ref(), Some(redb::TransactionError::Storage(inner)) if storage(inner))
        || matches!(error.downcast_ref(), Some(redb::CommitError::Storage(inner)) if storage(inner))
        || matches!(
            error.downcast_ref(),
            Some(redb::TableError::TableTypeMismatch { .. })
        )
}

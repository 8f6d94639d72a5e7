//! Gives up work of a store after a time: nothing waits for ever. What is given up may or may not have
//! been saved.

use std::future::Future;
use std::time::Duration;

use super::StoreError;

/// Gives up after `limit`.
pub async fn bounded<T>(
    doing: &'static str,
    place: &str,
    limit: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let late = |_| StoreError::unavailable(doing, place, format!("it took longer than {limit:?}"));
    tokio::time::timeout(limit, work).await.map_err(late)?
}

//! Control: decided by the root in one transaction of the store, in effect here before the answer.

use std::sync::Arc;

use tokio::time::timeout;

use super::refollow::refollow;
use super::{Service, Unable};
use crate::root::control::control;
use crate::root::{Actor, Command, Rows};
use crate::store::{Controlled, StoreError};

impl Service {
    /// Has the root decide a command; what it changed is followed here before this returns.
    ///
    /// Once the transaction has begun it runs to its end in a task of its own: when this is dropped
    /// (the caller hung up) or gives up waiting, the engine still follows what the store committed.
    pub async fn control(&self, command: Command, actor: Actor) -> Result<Controlled, Unable> {
        let order = Arc::clone(&self.order).lock_owned();
        let order = timeout(self.options.store_wait, order).await.map_err(|_| Unable::Timeout)?;
        let (meter, store, now) = (Arc::clone(&self.meter), Arc::clone(&self.store), self.clock.now());
        let deciding = tokio::spawn(async move {
            let rule = |rows: &mut Rows| control(rows, &command, &actor, now);
            let controlled = store.control(&rule, &actor, now).await;
            match &controlled {
                Ok(controlled) => meter.follow(&controlled.rows),
                // It may have been saved although no answer came.
                Err(StoreError::Unavailable(_)) => refollow(&meter, &*store, &command, now).await,
                Err(_) => {}
            }
            drop(order);
            Ok(controlled?)
        });
        match timeout(self.options.store_wait, deciding).await {
            Err(_) => Err(Unable::Timeout),
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Ok(Err(_)) => Err(Unable::Stopping),
        }
    }
}

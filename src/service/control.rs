//! Control: decided by the root in one transaction of the store, in effect here before the answer.

use super::{Service, Unable};
use crate::root::control::control;
use crate::root::{Actor, Command};
use crate::store::Controlled;

impl Service {
    /// Has the root decide a command; what it changed is followed here before this returns.
    pub async fn control(&self, command: &Command, actor: &Actor) -> Result<Controlled, Unable> {
        let _order = self.order.lock().await;
        let now = self.clock.now();
        let rule = |rows: &mut crate::root::Rows| control(rows, command, actor, now);
        let deciding = self.store.control(&rule, actor, now);
        let controlled = tokio::time::timeout(self.options.store_wait, deciding).await;
        let controlled = controlled.map_err(|_| Unable::Timeout)??;
        self.meter.follow(&controlled.rows);
        Ok(controlled)
    }
}

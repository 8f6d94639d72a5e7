//! What sidecars that were given up leave behind: their open holds end when they expire, or as others were
//! asked to end them. Any sidecar does it; whoever comes second finds nothing to do.

use super::{Service, Unable};
use crate::domain::{AskedEnd, Operation, Scope};
use crate::root::abandoned::{self, Ending};
use crate::root::pending::What;
use crate::root::sidecar::State;
use crate::root::{Actor, Change, Pending, Rows};
use crate::store::Hold;

/// Who the ledger says it was.
const ACTOR: &str = "purser";

impl Service {
    /// Ends what can be ended now; answers how many holds.
    ///
    /// # Errors
    /// The store is away; what is left is done the next time.
    pub async fn end_abandoned(&self) -> Result<u64, Unable> {
        let mut ended = 0;
        for sidecar in self.store.sidecars().await? {
            if sidecar.state != State::WrittenOff {
                continue;
            }
            let (holds, pending) = self.store.abandoned(sidecar.id).await?;
            for pending in &pending {
                ended += self.end_as_asked(sidecar.id, pending).await?;
            }
            let now = self.clock.now();
            for hold in holds.iter().filter(|hold| hold.expires_at <= now) {
                ended += self.end_one(sidecar.id, &operation(hold), Ending::Expired, None).await?;
            }
        }
        Ok(ended)
    }

    /// What of a hold that has ended was asked for, or of a debit, nobody can do.
    async fn end_as_asked(&self, sidecar: u128, pending: &Pending) -> Result<u64, Unable> {
        let ending = match &pending.what {
            What::End(AskedEnd::Settle { credits }) => Some(Ending::Settled(*credits)),
            What::End(AskedEnd::Release) => Some(Ending::Released),
            _ => None,
        };
        if let Some(ending) = ending {
            let ended = self.end_one(sidecar, &pending.operation, ending, Some(pending.key)).await?;
            if ended > 0 {
                return Ok(ended);
            }
        }
        let rule = |rows: &mut Rows| Ok(Ok(abandoned::orphan(rows, sidecar, pending.key)?));
        let controlled = self.store.control(&rule, &actor(), self.clock.now()).await?;
        let changes = controlled.answer.map_or(Vec::new(), |done| done.changes);
        self.metrics.ends.orphaned.increment(changes.len() as u64);
        Ok(0)
    }

    async fn end_one(
        &self,
        sidecar: u128,
        operation: &Operation,
        ending: Ending,
        pending: Option<crate::root::PendingKey>,
    ) -> Result<u64, Unable> {
        let now = self.clock.now();
        let rule = |rows: &mut Rows| Ok(Ok(abandoned::end(rows, (sidecar, operation), ending, pending, now)?));
        let controlled = self.store.control(&rule, &actor(), now).await?;
        let changes = controlled.answer.map_or(Vec::new(), |done| done.changes);
        Ok(changes.iter().filter(|change| matches!(change, Change::HoldEnded(_))).count() as u64)
    }
}

fn actor() -> Actor {
    Actor::Service(ACTOR.to_owned())
}

fn operation(hold: &Hold) -> Operation {
    Operation { scope: Scope::of(&hold.drawer), id: hold.id.clone() }
}

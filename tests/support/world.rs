//! One sidecar with its meter, the store behind it, and the time.

use std::collections::BTreeMap;

use purser::domain::{Credits, OperationId, SubscriptionId, Timestamp};
use purser::engine::{Draw, DrawFault, Drawn, EndFault, Meter, Options, Scope, Settled};
use purser::root::control::control;
use purser::root::sync::{Batch, Request, register, sync};
use purser::root::{Actor, Change, Command, Done, GrantKind, Lease, Refusal, Row};

use super::{Store, VecLog};

/// The sidecar's id and its one incarnation.
const SIDECAR: (u128, u64) = (7, 1);

/// What has been returned of a subscription's accounts in all, by window.
pub type Returns = BTreeMap<SubscriptionId, Vec<(Timestamp, Credits)>>;

/// A sidecar and its store.
pub struct World {
    pub meter: Meter<VecLog>,
    pub store: Store,
    pub now: Timestamp,
    /// The store does not answer.
    pub store_is_away: bool,
    /// Micro-credits that ever came into each subscription, by month or purchase.
    pub granted: BTreeMap<SubscriptionId, i64>,
    /// What the meter was lent last.
    pub lent: BTreeMap<SubscriptionId, Vec<Lease>>,
    /// The last entry that the store has confirmed to the sidecar.
    pub confirmed: u64,
}

impl World {
    /// A world without anybody in it.
    pub fn new(options: Options, now: Timestamp) -> Self {
        let mut store = Store::default();
        let (id, incarnation) = SIDECAR;
        let (registered, _) = store.run(|rows| register(rows, id, incarnation, 1));
        registered.expect("the first incarnation");
        let (meter, granted, lent) = (Meter::new(VecLog::default(), options), BTreeMap::new(), BTreeMap::new());
        Self { meter, store, now, store_is_away: false, granted, lent, confirmed: 0 }
    }

    /// Lets time pass.
    pub fn pass(&mut self, millis: u64) {
        self.now = self.now.plus_millis(millis);
    }

    /// Has an admin change something; in effect at once.
    pub fn control(&mut self, command: &Command) -> Result<Done, Refusal> {
        let actor = Actor::Service("test".to_owned());
        let now = self.now;
        let (done, changed) = self.store.run(|rows| control(rows, command, &actor, now));
        self.meter.follow(&changed);
        self.count(done.as_ref().map_or(&[], |done| &done.changes));
        self.lent.extend(changed.iter().filter_map(|row| match row {
            Row::Subscription(row) => Some((row.id.clone(), row.leases())),
            _ => None,
        }));
        done
    }

    /// Does what the sync task does: deducts what is returned, then reports it with the new entries.
    pub fn sync(&mut self, wanted: &[SubscriptionId]) -> Returns {
        let wants = self.meter.give_back(wanted, self.now);
        self.report(&wants, true, true);
        wants
    }

    /// One report; it or its answer may be lost on the way.
    pub fn report(&mut self, wants: &Returns, arrives: bool, is_answered: bool) {
        let batch = Batch { first: self.confirmed + 1, entries: self.meter.log().after(self.confirmed) };
        let (sidecar, incarnation) = SIDECAR;
        let request = Request { sidecar, incarnation, batch, wants: wants.clone(), shares: None };
        if !arrives {
            return;
        }
        let now = self.now;
        let (answer, _) = self.store.run(|rows| sync(rows, &request, now));
        let (reply, synced) = answer.expect("the one sidecar is registered and its batch has no gap");
        self.store.take(&request.batch.entries, &synced);
        self.count(&synced.changes);
        if is_answered {
            self.confirmed = reply.acked;
            self.meter.lend(&reply.leases);
            self.lent.extend(reply.leases);
        }
    }

    fn count(&mut self, changes: &[Change]) {
        for change in changes {
            if let Change::Granted { subscription, kind, credits, .. } = change
                && *kind != GrantKind::Rollover
            {
                *self.granted.entry(subscription.clone()).or_default() += credits.micros();
            }
        }
    }

    /// Asks the meter; when the lease has run out, syncs and asks once more.
    pub fn draw(&mut self, draw: &Draw) -> Result<Drawn, DrawFault> {
        self.ask(draw, |meter, now| meter.draw(draw, now))
    }

    /// What a draw would be answered.
    pub fn check(&mut self, draw: &Draw) -> Result<Drawn, DrawFault> {
        self.ask(draw, |meter, now| meter.check(draw, now))
    }

    fn ask(
        &mut self,
        draw: &Draw,
        ask: impl Fn(&Meter<VecLog>, Timestamp) -> Result<Drawn, DrawFault>,
    ) -> Result<Drawn, DrawFault> {
        let first = ask(&self.meter, self.now)?;
        let Drawn::Short(subscription) = &first else { return Ok(first) };
        if !self.store_is_away {
            self.sync(std::slice::from_ref(subscription));
        }
        match ask(&self.meter, self.now)? {
            Drawn::Short(_) => Ok(self.meter.unavailable(draw)),
            second => Ok(second),
        }
    }

    /// Settles; when the lease has run out, syncs and urges.
    pub fn settle(&mut self, scope: &Scope, id: &OperationId, cost: Credits) -> Result<Settled, EndFault> {
        match self.meter.settle(scope, id, cost, false, self.now) {
            Err(EndFault::Short(subscription)) => {
                if !self.store_is_away {
                    self.sync(&[subscription]);
                }
                self.meter.settle(scope, id, cost, true, self.now)
            }
            first => first,
        }
    }
}

//! One of many sidecars as a store sees it: reports entries and what it holds, and is lent.

use std::collections::BTreeMap;

use purser::domain::{Credits, Tally, Timestamp};
use purser::root::pending::Outcome;
use purser::root::sync::Reply;
use purser::root::{PendingKey, Position, Shared, Shares, Want};
use purser::store::{Store, StoreError};

use crate::support::*;

/// How long peers remember operations.
const REMEMBERS_MILLIS: u64 = 24 * 3_600_000;

pub struct Peer {
    pub id: u128,
    pub incarnation: u64,
    pub engine: Engine,
    /// The time of its next sync.
    pub now: Timestamp,
    /// The last entry that the store is known to have.
    pub acked: u64,
    /// The store's generation, as far as it is known here.
    pub generation: u64,
    beat: u64,
    positions: Vec<Position>,
    /// What came of what the last answers asked to be done.
    pub done: Vec<(PendingKey, Outcome)>,
}

impl Peer {
    pub async fn join(store: &dyn Store, id: u128) -> Self {
        store.register(id, 1, id).await.expect("the store answers").expect("it is the first");
        let (engine, now) = (Engine::new(), now());
        Self {
            id,
            incarnation: 1,
            engine,
            now,
            acked: 0,
            generation: 0,
            beat: 0,
            positions: Vec::new(),
            done: Vec::new(),
        }
    }

    /// What it was ever lent.
    pub fn granted(&self) -> Credits {
        self.positions.iter().fold(Credits::ZERO, |sum, position| sum.plus(position.granted))
    }

    /// Reports everything that the store may not have, and wants `goal` free.
    pub async fn sync(&mut self, store: &dyn Store, goal: &str) -> Result<Box<Shared>, StoreError> {
        self.beat += 1;
        let goal = credits(goal);
        let want = Want { goal, step: goal, least: goal, waiting: goal };
        let tally = self.engine.tally();
        self.positions.iter_mut().for_each(|position| position.tally = tally);
        let shares = Shares {
            host: format!("host-{}", self.id),
            beat: self.beat,
            generation: self.generation,
            tells_all: true,
            remembers_millis: REMEMBERS_MILLIS,
            done: std::mem::take(&mut self.done),
            funds: BTreeMap::from([(sub("s"), self.positions.clone())]),
            wants: BTreeMap::from([(sub("s"), want)]),
            ..Shares::default()
        };
        let mut request = self.engine.request(self.acked as usize + 1, self.engine.entries.len());
        (request.sidecar, request.incarnation, request.shares) = (self.id, self.incarnation, Some(shares));
        let reply = store.sync(&request, self.now).await?.expect("the report is taken");
        Ok(self.take(reply))
    }

    fn take(&mut self, reply: Reply) -> Box<Shared> {
        let shared = reply.shared.expect("there are many");
        assert!(reply.acked >= self.acked, "what was answered is not lost");
        assert!(shared.generation >= self.generation, "no earlier state of the store answers");
        (self.acked, self.generation) = (reply.acked, shared.generation);
        // A store that does not know the account says nothing of it.
        let Some(leases) = reply.leases.get(&sub("s")) else { return shared };
        let position = |lease: &purser::root::Lease| Position {
            window: lease.window,
            granted: lease.granted,
            returned: lease.returned,
            lost: lease.lost,
            tally: Tally::default(),
        };
        self.positions = leases.iter().map(position).collect();
        shared
    }

    /// As [`Peer::sync`], again and again until the store is back.
    pub async fn sync_soon(&mut self, store: &dyn Store, goal: &str) -> Box<Shared> {
        for _ in 0..600 {
            match self.sync(store, goal).await {
                Ok(shared) => return shared,
                Err(StoreError::Unavailable(_)) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the store did not come back");
    }

    /// Whether it is lent nothing because the store may have forgotten something.
    pub fn is_withheld(shared: &Shared) -> bool {
        shared.flags[&sub("s")].withheld
    }
}

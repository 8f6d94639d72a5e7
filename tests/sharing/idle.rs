//! What idles with a sidecar that knows of many accounts: how many it keeps, and how soon each can be called back.

use purser::domain::{Ask, Credits, Features, OperationId, SubscriptionId, Timestamp, UserId};
use purser::engine::pace::{Round, Waiting, Waits};
use purser::engine::paced::{KEPT_MAX, TURN};
use purser::engine::{Draw, Drawn, Meter, Options};
use purser::lease::Session;
use purser::root::control::control;
use purser::root::sync::{Batch, Request};
use purser::root::{Actor, Command, Rollover, Sharing, Status, Terms};
use purser::store::{Memory, Store};

use crate::log::VecLog;
use crate::world::credits;

/// What every pool has.
const POOL: u32 = 1_000;

/// Between two turns.
const BEAT_MILLIS: u64 = 1_000;

/// Between two turns while others call.
const PUSH_MILLIS: u64 = 100;

/// Between two draws: few accounts are told of with every sync.
const DRAW_MILLIS: u64 = 100;

/// The core of a sidecar: what decides, and its conversation with the root.
struct Core {
    id: u128,
    meter: Meter<VecLog>,
    session: Session,
    acked: u64,
    asked: usize,
}

impl Core {
    async fn join(store: &Memory, id: u128) -> Self {
        store.register(id, 1, id).await.expect("the store is there").expect("it is the first");
        let session = Session::default();
        let meter = Meter::new(VecLog::default(), Options { sharing: Sharing::Many, ..Options::default() });
        Self { id, meter, session, acked: 0, asked: 0 }
    }

    /// One sync, with a turn or without; answers how many accounts it told of.
    async fn sync(&mut self, store: &Memory, waits: &Waits, is_turn: bool, now: Timestamp) -> usize {
        let tells_all = self.session.owes_all();
        let telling = self.meter.tell(waits, Round { now, trip_millis: 5, is_turn, tells_all, closes: false });
        let told = telling.funds.len();
        let mut shares = self.session.begin("host", 0);
        (shares.funds, shares.wants, shares.members) = (telling.funds, telling.wants, telling.members);
        let batch = Batch { first: self.acked + 1, entries: self.meter.log().after(self.acked) };
        let request = Request { sidecar: self.id, incarnation: 1, batch, shares: Some(shares), ..Request::default() };
        let reply = store.sync(&request, now).await.expect("the store is there").expect("it has registered");
        assert!(self.session.believes(reply.shared.as_deref().expect("there are many")));
        self.acked = reply.acked;
        self.meter.take(&reply, now);
        let changes = store.changes(self.session.config).await.expect("the store is there");
        self.meter.follow(&changes.rows);
        self.session.config = changes.upto;
        told
    }

    /// Draws; whether it was allowed, at once or after one sync.
    async fn debit(&mut self, store: &Memory, pool: usize, credits: Credits, now: Timestamp) -> bool {
        self.asked += 1;
        let draw = Draw {
            id: OperationId::new(&format!("o{}", self.asked)).expect("an id"),
            team: None,
            member: owner(pool),
            ask: Ask { credits, min_credits: None, model: None },
            ttl_millis: None,
            pricing: Default::default(),
        };
        if let Drawn::Short(_) = self.meter.draw(&draw, now).expect("in range") {
            let mut waiting = Waiting::default();
            waiting.add(credits, credits);
            self.sync(store, &Waits { books: [(id(pool), waiting)].into(), ..Waits::default() }, false, now).await;
        }
        matches!(self.meter.draw_again(&draw, now), Ok(Drawn::Allowed(_)))
    }
}

fn id(pool: usize) -> SubscriptionId {
    SubscriptionId::new(&format!("s{pool:05}")).expect("an id")
}

fn owner(pool: usize) -> UserId {
    UserId::new(&format!("u{pool:05}")).expect("an id")
}

fn now(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_795_000_000_000).expect("1970 to 9999").plus_millis(millis)
}

async fn found(store: &Memory, pools: usize) {
    for pool in 0..pools {
        let terms = Terms {
            owner: owner(pool),
            plan: String::new(),
            status: Status::Active,
            seats: 1,
            credits_per_seat: credits(POOL),
            anchor: now(0),
            rollover: Rollover::default(),
            features: Features::default(),
        };
        let (actor, command) = (Actor::Service("test".into()), Command::PutSubscription { id: id(pool), terms });
        let controlled = store.control(&|rows| control(rows, &command, &actor, now(0)), &actor, now(0)).await;
        controlled.expect("the store is there").answer.expect("the rules allow it");
    }
}

/// In how many pools a sidecar has something free, as the store knows it.
async fn held(store: &Memory, pools: usize, sidecar: u128) -> usize {
    let mut held = 0;
    for pool in 0..pools {
        let row = store.subscription(&id(pool)).await.expect("the store is there").expect("it was put");
        held += usize::from(!row.open_account().of(sidecar).free().is_zero());
    }
    held
}

#[tokio::test]
async fn a_sidecar_keeps_of_few_idle_accounts_and_each_is_soon_called_back() {
    let (store, pools) = (Memory::shared(), KEPT_MAX + 500);
    found(&store, pools).await;
    let (mut first, mut second) = (Core::join(&store, 1).await, Core::join(&store, 2).await);
    let (none, mut at) = (Waits::default(), 0);
    for _ in 0..KEPT_MAX / TURN {
        at += BEAT_MILLIS;
        first.sync(&store, &none, true, now(at)).await;
    }
    let untouched = held(&store, pools, 1).await;
    assert_eq!(untouched, KEPT_MAX / 2, "a little of what control named, before anybody asks");

    for pool in 0..pools {
        at += DRAW_MILLIS;
        assert!(first.debit(&store, pool, credits(1), now(at)).await, "{pool}");
        if at.is_multiple_of(BEAT_MILLIS) {
            first.sync(&store, &none, true, now(at)).await;
        }
    }
    for _ in 0..2 * KEPT_MAX / TURN {
        at += BEAT_MILLIS;
        first.sync(&store, &none, true, now(at)).await;
    }
    let kept = held(&store, pools, 1).await;
    assert!((KEPT_MAX / 2..KEPT_MAX).contains(&kept), "{kept} of {pools} are kept");
    assert_eq!(first.meter.kept(), kept);
    assert_eq!(first.sync(&store, &none, true, now(at)).await, TURN, "no sync tells of more");

    second.sync(&store, &none, false, now(at)).await;
    let mut longest = 0;
    for pool in (0..pools).step_by(197) {
        let mut turns = 0;
        while !second.debit(&store, pool, credits(POOL - 1), now(at)).await {
            at += PUSH_MILLIS;
            turns += 1;
            first.sync(&store, &none, true, now(at)).await;
            // What it was asked to return it tells at once.
            first.sync(&store, &none, false, now(at)).await;
            // Who was denied asks the root again after 250 ms.
            assert!(turns <= KEPT_MAX / TURN + 4, "all that is left of {pool} is not there");
        }
        longest = longest.max(turns);
    }
    assert!(longest > 1, "what idles was told of in turn");
}

//! What one sidecar does with a lender: finds it, borrows, and keeps track of what the root has to be told.
//! A lender that does not answer in time is not asked again before it has been found anew, so that who
//! waits for credits waits for it once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::domain::{Credits, SubscriptionId, Timestamp};
use crate::lease::Tabs;
use crate::root::blocks::{Asked, lender_id, take_over};
use crate::root::shelf::{Borrowed, Fence, Pool, Take, Taken, Turned};
use crate::root::subscription::Subscription;
use crate::root::sync::Reply;
use crate::root::{Shares, sidecar};
use crate::store::Borrowing;
use crate::store::redis::Lender;

/// The longest that somebody waits for an answer of the lender: half of what a decision waits at all.
const WAIT: Duration = Duration::from_millis(25);

/// The longest that a start waits for it.
const START_WAIT: Duration = Duration::from_secs(1);

/// Between two tries to find it.
const PAUSE: Duration = Duration::from_secs(1);

/// See the module.
pub struct Clerk {
    lender: Lender,
    state: Mutex<State>,
    is_wanted: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The sidecar and its incarnation.
    me: (u128, u64),
    tabs: Tabs,
    /// The lender that the root refuses.
    refused: u128,
}

impl std::fmt::Debug for Clerk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clerk({})", self.lender.place())
    }
}

impl Clerk {
    /// A clerk who has not looked for the lender yet.
    pub fn new(lender: Lender) -> Self {
        Self { lender, state: Mutex::default(), is_wanted: Notify::new() }
    }

    /// From now on for this incarnation of a sidecar.
    pub fn serve(&self, sidecar: u128, incarnation: u64) {
        self.state.lock().me = (sidecar, incarnation);
    }

    /// Adds to what is said to the root.
    pub fn tell(&self, shares: &mut Shares) {
        self.state.lock().tabs.tell(shares, &self.lender.place());
    }

    /// Takes the root's answer over; what is borrowed because it was called back comes on top of what the
    /// answer lends, to be returned.
    pub async fn heard(&self, sent: &Shares, reply: &mut Reply) {
        let due = {
            let mut state = self.state.lock();
            if state.tabs.heard(sent, reply) {
                state.refused = sent.lender.as_ref().map_or(0, |lender| lender.id);
                state.tabs.set_fence(None);
            }
            if state.tabs.lacks_fence().is_some() {
                self.is_wanted.notify_one();
            }
            // Who has stopped returns nothing any more.
            if sent.closes { Vec::new() } else { state.tabs.due() }
        };
        for (pool, asked) in due {
            let Some(borrowed) = self.ask(&pool, asked).await else { return };
            let leases = reply.leases.get_mut(&pool.0).into_iter().flatten();
            for lease in leases.filter(|lease| lease.window.start == pool.1) {
                lease.granted = lease.granted.checked_add(borrowed).unwrap_or(Credits::MAX);
            }
        }
    }

    /// Borrows what waits or runs low.
    pub async fn borrow(&self, asked: &BTreeMap<SubscriptionId, Asked>, now: Timestamp) -> Borrowing {
        let mut borrowing = Borrowing::default();
        for (id, Asked { window, free, want }) in asked {
            let pool = (id.clone(), *window);
            let asked = self.state.lock().tabs.ask(&pool, *free, want, now);
            let Some(asked) = asked else { continue };
            if !self.borrow_of(&mut borrowing, pool, asked).await {
                break;
            }
        }
        borrowing
    }

    /// Borrows all that is left of what was borrowed of.
    pub async fn call_in(&self) -> Borrowing {
        let mut borrowing = Borrowing::default();
        let all = self.state.lock().tabs.all();
        for (pool, asked) in all {
            if !self.borrow_of(&mut borrowing, pool, asked).await {
                break;
            }
        }
        borrowing
    }

    /// Borrows of one pool and notes what came of it; whether the lender is there for the next.
    async fn borrow_of(&self, borrowing: &mut Borrowing, pool: Pool, asked: Credits) -> bool {
        borrowing.asked += 1;
        let borrowed = self.ask(&pool, asked).await;
        match borrowed {
            Some(borrowed) => borrowing.credits.push((pool, borrowed)),
            None => borrowing.failed += 1,
        }
        borrowed.is_some()
    }

    /// One exchange; answers what was borrowed, `None` where the lender is not there.
    async fn ask(&self, pool: &Pool, asked: Credits) -> Option<Credits> {
        let take = {
            let state = self.state.lock();
            state.tabs.take(pool, asked, state.me)?
        };
        let answer = tokio::time::timeout(WAIT, self.lender.take(&take)).await;
        let lost = |why: String| {
            tracing::warn!(lender = %self.lender.place(), why, "the lender of blocks is away; the store is asked instead");
            self.state.lock().tabs.set_fence(None);
            self.is_wanted.notify_one();
            None
        };
        match answer {
            Ok(Ok(Ok(taken))) => Some(self.took(&take, &taken)),
            Ok(Ok(Err(Turned::Fenced))) => Some(Credits::ZERO),
            Ok(Ok(Err(Turned::Stale))) => lost("it has begun another life".to_owned()),
            Ok(Err(error)) => lost(error.to_string()),
            Err(_) => {
                self.lender.drop_connection().await;
                lost("it did not answer in time".to_owned())
            }
        }
    }

    fn took(&self, take: &Take, taken: &Taken) -> Credits {
        self.state.lock().tabs.took(take, taken)
    }

    /// What the incarnation before has borrowed as far as the lender tells it in time.
    pub async fn unheard(&self, sidecar: u128) -> Unheard<'_> {
        let asked = tokio::time::timeout(START_WAIT, self.lender.borrowed(sidecar)).await;
        let (fence, rows) = match asked {
            Ok(Ok(Some((fence, rows)))) => (Some(fence), rows),
            Ok(Ok(None)) => (None, Vec::new()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the lender of blocks is away at the start");
                (None, Vec::new())
            }
            Err(_) => {
                tracing::warn!(lender = %self.lender.place(), "the lender of blocks did not answer at the start");
                (None, Vec::new())
            }
        };
        Unheard { clerk: self, sidecar, fence, rows }
    }

    /// Finds the lender whenever it is wanted; never ends.
    pub async fn find(self: Arc<Self>) {
        loop {
            self.is_wanted.notified().await;
            loop {
                let (generation, refused) = {
                    let state = self.state.lock();
                    (state.tabs.lacks_fence(), state.refused)
                };
                let Some(generation) = generation else { break };
                let new = Fence { lender: lender_id(rand::random()), generation };
                match self.lender.begin(new, refused).await {
                    Ok(fence) if fence.generation > generation => {
                        // The store has passed on; this sidecar will hear of it.
                        tokio::time::sleep(PAUSE).await;
                    }
                    Ok(fence) => {
                        let (lender, place) = (sidecar::id_text(fence.lender), self.lender.place());
                        tracing::info!(lender, place, is_new = fence == new, "a lender of blocks was found");
                        self.state.lock().tabs.set_fence(Some(fence));
                    }
                    Err(error) => {
                        tracing::debug!(%error, "the lender of blocks is away");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        }
    }
}

/// Loans of the incarnation before that the root may not have heard of.
pub struct Unheard<'c> {
    clerk: &'c Clerk,
    sidecar: u128,
    fence: Option<Fence>,
    rows: Vec<Borrowed>,
}

impl Unheard<'_> {
    /// Counts them as lent, and sees to it that the root is told.
    pub fn add_to(&mut self, subscription: &mut Subscription) {
        let Some(fence) = self.fence else { return };
        let mut state = self.clerk.state.lock();
        let before = state.me.1.saturating_sub(1);
        let is_due = |row: &&Borrowed| row.incarnation == before && row.pool.0 == subscription.id;
        for row in self.rows.iter().filter(is_due) {
            let account = subscription.accounts.iter_mut().find(|account| account.window.start == row.pool.1);
            let Some(account) = account.filter(|_| state.me.0 == self.sidecar) else { continue };
            let told = account.of(self.sidecar).borrowed;
            if take_over(account, self.sidecar, row.borrowed) {
                state.tabs.take_over(row.pool.clone(), fence.lender, row.borrowed, told);
            }
        }
    }
}

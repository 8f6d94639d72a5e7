//! What this sidecar has borrowed of blocks: what to ask a lender for, and what to tell the root of it.
//! The root hears of every loan before it hears what came of it, and of all of one lender before anything
//! is borrowed of the next. See docs/decisions/0012-blocks.md.

use std::collections::BTreeMap;

use crate::domain::{Credits, SubscriptionId, Timestamp};
use crate::root::shelf::{Fence, Pool, Take, Taken};
use crate::root::size::{self, Asking};
use crate::root::sync::Reply;
use crate::root::{Block, Lender, Loan, Shares, Want};

/// What was borrowed of one account.
#[derive(Clone, Debug, Default)]
struct Tab {
    /// Of which lender all is that the root may not know of yet.
    lender: u128,
    /// Borrowed before the first loan of this lender, in all.
    base: Credits,
    /// What the lender has lent to this incarnation.
    lent: Credits,
    /// What the root has confirmed to know, in all.
    told: Credits,
    /// The block, where it may be borrowed of.
    block: Option<Block>,
    /// What of the block's `granted` the lender knows.
    known: Credits,
    /// What the lender then had left.
    rest: Credits,
    /// What was last wanted to be free here, for as long as somebody asks.
    goal: Credits,
}

impl Tab {
    fn borrowed(&self) -> Credits {
        self.base.plus(self.lent)
    }

    /// What the lender has left, as far as is known here.
    fn left(&self, block: &Block) -> Credits {
        self.rest.plus(block.granted.saturating_sub(self.known))
    }
}

/// Everything that this incarnation has borrowed.
#[derive(Clone, Debug, Default)]
pub struct Tabs {
    /// The store's generation, once it is known.
    generation: Option<u64>,
    fence: Option<Fence>,
    /// The newest change of control that has been taken over.
    config: u64,
    tabs: BTreeMap<Pool, Tab>,
}

impl Tabs {
    /// Takes note of which lender there is; `None`: it is to be asked for anew.
    pub fn set_fence(&mut self, fence: Option<Fence>) {
        if fence != self.fence {
            self.tabs.values_mut().for_each(|tab| tab.block = None);
        }
        self.fence = fence;
    }

    /// The generation for which a lender has to be found; `None` where there is one, or none is of use yet.
    pub fn lacks_fence(&self) -> Option<u64> {
        self.generation.filter(|generation| self.fence.is_none_or(|fence| fence.generation < *generation))
    }

    /// The lender that may be borrowed of: one that lends for the store as it is.
    fn lender(&self) -> Option<u128> {
        self.fence.filter(|fence| Some(fence.generation) == self.generation).map(|fence| fence.lender)
    }

    /// After a restart: what the incarnation before has borrowed, in all, of which the root knows `told`.
    pub fn take_over(&mut self, pool: Pool, lender: u128, borrowed: Credits, told: Credits) {
        self.tabs.insert(pool, Tab { lender, base: borrowed, told, ..Tab::default() });
    }

    /// Adds what has to be told to what is said to the root.
    pub fn tell(&mut self, shares: &mut Shares, place: &str) {
        self.config = self.config.max(shares.config);
        for ((id, window), tab) in &self.tabs {
            if tab.told < tab.borrowed() || shares.tells_all {
                let loan = Loan { window: *window, lender: tab.lender, borrowed: tab.borrowed() };
                shares.loans.entry(id.clone()).or_default().push(loan);
            }
        }
        let Some(id) = self.lender().filter(|_| !shares.closes) else { return };
        shares.lender = Some(Lender { id, place: place.to_owned() });
        let asked = self.tabs.iter().filter(|(_, tab)| !tab.goal.is_zero());
        let of_tabs = asked.map(|((id, _), tab)| (id.clone(), tab.goal));
        let of_wants =
            shares.wants.iter().filter(|(_, want)| !want.is_little()).map(|(id, want)| (id.clone(), want.goal));
        shares.blocks = of_wants.chain(of_tabs).collect();
    }

    /// Takes the root's answer over to what was told; answers whether the lender is refused.
    pub fn heard(&mut self, sent: &Shares, reply: &Reply) -> bool {
        let Some(shared) = reply.shared.as_deref() else { return false };
        if self.generation.is_some_and(|known| shared.generation < known) {
            return false;
        }
        if self.generation != Some(shared.generation) {
            // The store may have forgotten all that it was told.
            self.tabs.values_mut().for_each(|tab| (tab.told, tab.block) = (Credits::ZERO, None));
            self.generation = Some(shared.generation);
        }
        for (id, loans) in &sent.loans {
            for loan in loans {
                let tab = self.tabs.get_mut(&(id.clone(), loan.window));
                tab.into_iter().for_each(|tab| tab.told = tab.told.max(loan.borrowed));
            }
        }
        let lender = self.lender();
        for (id, leases) in &reply.leases {
            let blocks = shared.blocks.get(id).map_or(&[][..], Vec::as_slice);
            let is_withheld = shared.flags.get(id).is_some_and(|flags| flags.withheld);
            for lease in leases {
                let block = blocks.iter().find(|block| block.window.start == lease.window.start).copied();
                self.place((id, lease.window.start), block.filter(|b| !is_withheld && Some(b.lender) == lender));
            }
            // What the root has dropped cannot be told it any more.
            let first = leases.iter().map(|lease| lease.window.start).min();
            self.tabs.retain(|(of, window), tab| of != id || first <= Some(*window) || tab.told < tab.borrowed());
        }
        sent.lender.as_ref().is_some_and(|sent| Some(sent.id) == lender && shared.lender != sent.id)
    }

    fn place(&mut self, (id, window): (&SubscriptionId, Timestamp), block: Option<Block>) {
        let pool = (id.clone(), window);
        let known = self.tabs.get_mut(&pool);
        let Some(block) = block else {
            known.into_iter().for_each(|tab| (tab.block, tab.goal) = (None, Credits::ZERO));
            return;
        };
        match known {
            Some(tab) if tab.lender == block.lender => {
                tab.block = Some(block);
                tab.goal = if block.is_called { Credits::ZERO } else { tab.goal };
            }
            Some(tab) if tab.told < tab.borrowed() => tab.block = None,
            known => {
                let base = known.map_or(block.borrowed, |tab| block.borrowed.max(tab.borrowed()));
                let tab = Tab { lender: block.lender, base, told: base, block: Some(block), ..Tab::default() };
                self.tabs.insert(pool, tab);
            }
        }
    }

    /// How much to ask the lender for, where `own` is free here; `None`: the root is to be asked.
    pub fn ask(&mut self, pool: &Pool, own: Credits, want: &Want, now: Timestamp) -> Option<Credits> {
        let (lender, config) = (self.lender()?, self.config);
        let tab = self.tabs.get_mut(pool).filter(|tab| tab.lender == lender)?;
        let block = tab.block.filter(|block| !block.is_called && now < block.until && block.limited <= config)?;
        if want.is_little() {
            return None;
        }
        tab.goal = tab.goal.max(want.goal);
        let asking = Asking { holders: block.asking.max(1), steps: want.step };
        let asked = size::lend(tab.left(&block), own, want, asking).credits;
        (!asked.is_zero()).then_some(asked)
    }

    /// What the lender has to be told or asked without anybody waiting: how much it may lend by now, and all
    /// of what is called back.
    pub fn due(&self) -> Vec<(Pool, Credits)> {
        let Some(lender) = self.lender() else { return Vec::new() };
        let of_lender = self.tabs.iter().filter(|(_, tab)| tab.lender == lender);
        let due = of_lender.filter_map(|(pool, tab)| {
            let block = tab.block?;
            let is_left = block.is_called && !tab.left(&block).is_zero();
            let asked = if is_left { Credits::MAX } else { Credits::ZERO };
            (is_left || tab.known < block.granted).then(|| (pool.clone(), asked))
        });
        due.collect()
    }

    /// All that is left of blocks, for who stops and may be the last: it is borrowed to be returned.
    pub fn all(&self) -> Vec<(Pool, Credits)> {
        let lender = self.lender();
        let of_lender = self.tabs.iter().filter(|(_, tab)| Some(tab.lender) == lender && tab.block.is_some());
        of_lender.map(|(pool, _)| (pool.clone(), Credits::MAX)).collect()
    }

    /// The message to the lender.
    pub fn take(&self, pool: &Pool, asked: Credits, (sidecar, incarnation): (u128, u64)) -> Option<Take> {
        let tab = self.tabs.get(pool)?;
        let Block { granted, limited, .. } = tab.block?;
        let (lender, base, config) = (tab.lender, tab.base, self.config);
        Some(Take { lender, pool: pool.clone(), sidecar, incarnation, base, granted, limited, config, asked })
    }

    /// Takes the lender's answer over; answers how much more has been borrowed than was known.
    pub fn took(&mut self, take: &Take, taken: &Taken) -> Credits {
        let tab = self.tabs.get_mut(&take.pool).filter(|tab| tab.lender == take.lender);
        let Some(tab) = tab else { return Credits::ZERO };
        let before = tab.borrowed();
        (tab.base, tab.lent, tab.rest) = (taken.base, taken.lent, taken.rest);
        tab.known = tab.known.max(take.granted);
        tab.borrowed().saturating_sub(before)
    }
}

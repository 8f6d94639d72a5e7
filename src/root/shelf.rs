//! What a lender keeps of blocks and how it lends of them: two counters, compared and added. This is the
//! specification that the function inside of Redis matches; nothing here knows whose credits they are.

use std::collections::BTreeMap;

use crate::domain::{Credits, SubscriptionId, Timestamp};

/// An account of a pool: a subscription, and the start of its window.
pub type Pool = (SubscriptionId, Timestamp);

/// Which life of a lender it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The lender's id in this life.
    pub lender: u128,
    /// The generation of the store whose blocks it lends.
    pub generation: u64,
}

/// What one sidecar asks of one block. Asking again answers what was lent before, and lends `asked` more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    /// Of whom.
    pub lender: u128,
    /// Which account's block.
    pub pool: Pool,
    /// Who asks.
    pub sidecar: u128,
    /// Its incarnation's counter.
    pub incarnation: u64,
    /// Borrowed of this account before this incarnation's first loan of this lender, in all.
    pub base: Credits,
    /// What the root has charged to the lender in all, as far as the sidecar knows.
    pub granted: Credits,
    /// The newest change of control that gave somebody a limit, as far as the sidecar knows.
    pub limited: u64,
    /// The newest change of control that it has taken over.
    pub config: u64,
    /// The most that it wants to be lent now.
    pub asked: Credits,
}

/// What a lender answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// As the incarnation said with its first loan.
    pub base: Credits,
    /// Lent to this incarnation in all.
    pub lent: Credits,
    /// Left for anybody.
    pub rest: Credits,
}

/// Why a lender lends nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// It is not the lender that was asked: it has begun another life.
    Stale,
    /// A newer incarnation of the sidecar has borrowed.
    Fenced,
}

/// What an incarnation of a sidecar has borrowed of one account, as the lender tells after a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Borrowed {
    /// Of which account.
    pub pool: Pool,
    /// The incarnation's counter.
    pub incarnation: u64,
    /// In all, over the sidecar's life.
    pub borrowed: Credits,
}

#[derive(Clone, Copy, Debug, Default)]
struct Stock {
    granted: Credits,
    lent: Credits,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tab {
    incarnation: u64,
    base: Credits,
    lent: Credits,
}

/// A lender's whole memory.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    fence: Option<Fence>,
    limited: u64,
    blocks: BTreeMap<Pool, Stock>,
    tabs: BTreeMap<(u128, Pool), Tab>,
}

impl Shelf {
    /// Begins another life with nothing to lend where there is none, where the one that there is lends
    /// for an earlier generation, or is the one to be replaced; answers which life it is then.
    pub fn begin(&mut self, new: Fence, replaced: u128) -> Fence {
        let is_kept = |known: &Fence| {
            known.generation > new.generation || known.generation == new.generation && known.lender != replaced
        };
        if let Some(known) = self.fence.filter(is_kept) {
            return known;
        }
        *self = Self { fence: Some(new), ..Self::default() };
        new
    }

    /// Lends up to what is asked and never more than is left.
    pub fn take(&mut self, take: &Take) -> Result<Taken, Turned> {
        if self.fence.is_none_or(|fence| fence.lender != take.lender) {
            return Err(Turned::Stale);
        }
        let tab = self.tabs.entry((take.sidecar, take.pool.clone())).or_default();
        if tab.incarnation > take.incarnation {
            return Err(Turned::Fenced);
        }
        if tab.incarnation < take.incarnation {
            *tab = Tab { incarnation: take.incarnation, base: take.base, lent: Credits::ZERO };
        }
        let stock = self.blocks.entry(take.pool.clone()).or_default();
        stock.granted = stock.granted.max(take.granted);
        self.limited = self.limited.max(take.limited);
        let rest = stock.granted.saturating_sub(stock.lent);
        let part = if take.config < self.limited { Credits::ZERO } else { take.asked.min(rest) };
        stock.lent = stock.lent.plus(part);
        tab.lent = tab.lent.plus(part);
        assert!(stock.lent <= stock.granted, "no more is lent than was charged");
        Ok(Taken { base: tab.base, lent: tab.lent, rest: rest.minus(part) })
    }

    /// What a sidecar has borrowed in this life of the lender.
    pub fn borrowed(&self, sidecar: u128) -> Vec<Borrowed> {
        let own = self.tabs.iter().filter(|((of, _), _)| *of == sidecar);
        own.map(|((_, pool), tab)| Borrowed {
            pool: pool.clone(),
            incarnation: tab.incarnation,
            borrowed: tab.base.plus(tab.lent),
        })
        .collect()
    }

    /// Which life it is.
    pub fn fence(&self) -> Option<Fence> {
        self.fence
    }
}

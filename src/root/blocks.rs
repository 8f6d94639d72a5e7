//! Blocks: parts of a pool that are charged to a *lender* beside the store, which lends them on without
//! asking the root. A lender is one of the account's holders. It tells nothing itself: who borrows of a
//! block tells the root, and what it tells passes from the lender's charge to its own. So a lender may
//! forget, and be forgotten, and nothing is overspent. See docs/decisions/0012-blocks.md.

use super::desk::Desk;
use super::holder::Holder;
use super::rows::{Missing, Rows};
use super::share::{Flags, Shared, Shares};
use super::sidecar::{Root, Sidecar, State};
use super::size::{DEMAND_MILLIS, Want};
use super::subscription::{Account, Subscription};
use crate::domain::{Credits, SubscriptionId, Timestamp, Window};

/// A block is at most one of so many parts of what is free: what a lender that forgets can strand.
const PARTS: i64 = 100;

/// The step of who borrows without having asked the root.
const SOME: Credits = match Credits::from_micros(1) {
    Some(one) => one,
    None => Credits::ZERO,
};

/// A lender beside the store, as a sidecar finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lender {
    /// Its id, new whenever it may have forgotten what it lent; see [`lender_id`].
    pub id: u128,
    /// Where it is, for people.
    pub place: String,
}

/// What a sidecar says that it has borrowed of one account's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loan {
    /// The start of the account's window.
    pub window: Timestamp,
    /// Of which lender all is that the root may not know of yet.
    pub lender: u128,
    /// Borrowed in all over the sidecar's life, of whichever lender.
    pub borrowed: Credits,
}

/// How one account's block stands, as a sidecar is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// The account's window.
    pub window: Window,
    /// Whose block.
    pub lender: u128,
    /// Charged to the lender in all.
    pub granted: Credits,
    /// From when on nothing of it may be borrowed to be spent.
    pub until: Timestamp,
    /// Who has not taken over this change of control may borrow nothing.
    pub limited: u64,
    /// How many ask of this account.
    pub asking: u32,
    /// Whoever hears this borrows all that is left, to return it: it has run out, others were denied, or nobody
    /// asks any more.
    pub is_called: bool,
    /// What the root knows that the asking sidecar has borrowed, in all.
    pub borrowed: Credits,
}

/// What a sidecar lacks of a pool's funds, and may borrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The start of the window that is drawn on.
    pub window: Timestamp,
    /// What it has free.
    pub free: Credits,
    /// What it wants.
    pub want: Want,
}

/// Makes an id of a lender of random bits: a UUID of version 8. Those of sidecars are of version 4.
pub const fn lender_id(random: u128) -> u128 {
    random & !(0xf << 76) & !(0x3 << 62) | 0x8 << 76 | 0x2 << 62
}

/// Whether an id is a lender's.
pub const fn is_lender(id: u128) -> bool {
    id >> 76 & 0xf == 8
}

/// Asks for the rows that [`follow`] reads.
pub(super) fn need(rows: &Rows, root: &Root, shares: &Shares) -> Result<(), Missing> {
    if let Some(lender) = shares.lender.as_ref().filter(|lender| lender.id != root.lender) {
        rows.sidecar(lender.id)?;
    }
    Ok(())
}

/// No lender is lent anything any more: the one that was may have forgotten, or is not to be believed.
pub(super) fn retire(rows: &mut Rows, root: Root) -> Result<Root, Missing> {
    if root.lender == 0 {
        return Ok(root);
    }
    if let Some(mut before) = rows.sidecar(root.lender)?.filter(|row| row.state == State::Lender).cloned() {
        before.state = State::Burned;
        rows.put_sidecar(before);
    }
    Ok(Root { lender: 0, ..root })
}

/// A lender of which nobody has heard before takes the place of the one before, which may have
/// forgotten what it lent. One that was replaced or given up does not come back.
pub(super) fn follow(rows: &mut Rows, root: Root, shares: &Shares, now: Timestamp) -> Result<Root, Missing> {
    let new = shares.lender.as_ref().filter(|lender| lender.id != root.lender && is_lender(lender.id));
    let Some(Lender { id, place }) = new else { return Ok(root) };
    if rows.sidecar(*id)?.is_some() {
        return Ok(root);
    }
    let root = retire(rows, root)?;
    let (host, state, generation) = (place.clone(), State::Lender, root.generation);
    rows.put_sidecar(Sidecar { id: *id, host, state, generation, synced_at: now, ..Sidecar::default() });
    Ok(Root { lender: *id, ..root })
}

/// Takes over what a sidecar says that it has borrowed: it passes from the lender's charge to its own.
/// Comes before what the sidecar says that it did with it.
pub(super) fn report(subscription: &mut Subscription, sidecar: u128, loans: Option<&Vec<Loan>>, now: Timestamp) {
    for loan in loans.into_iter().flatten() {
        let account = subscription.accounts.iter_mut().find(|account| account.window.start == loan.window);
        let Some(account) = account.filter(|_| is_lender(loan.lender)) else { continue };
        let borrower = account.of_mut(sidecar);
        let new = loan.borrowed.saturating_sub(borrower.borrowed);
        if new.is_zero() {
            continue;
        }
        borrower.borrowed = loan.borrowed;
        borrower.granted = borrower.granted.checked_add(new).unwrap_or(Credits::MAX);
        borrower.asked_at = borrower.asked_at.max(now);
        borrower.step = borrower.step.max(SOME);
        if account.holders.iter().any(|holder| holder.sidecar == loan.lender) {
            account.of_mut(loan.lender).pass_on(new);
        }
    }
}

/// Draws a block for the lender where one is wanted, and tells how the subscription's blocks stand.
/// Comes after the sidecar itself has been lent what it asked for.
pub(super) fn lend(
    desk: &Desk,
    subscription: &mut Subscription,
    root: &Root,
    (id, shares): (&SubscriptionId, &Shares),
    shared: &mut Shared,
) {
    let burned = subscription.accounts.iter_mut().map(|account| account.burn_blocks(root.lender));
    let burned = burned.fold(Credits::ZERO, |sum, part| sum.checked_add(part).unwrap_or(Credits::MAX));
    if !burned.is_zero() {
        shared.burned.insert(id.clone(), burned);
    }
    let flags = shared.flags.get(id).copied().unwrap_or_default();
    if root.lender == 0 {
        return;
    }
    if shares.funds.contains_key(id) && !shares.wants.contains_key(id) {
        subscription.rest(desk.sidecar);
    }
    draw(desk, subscription, root, shares.blocks.get(id).copied(), flags);
    let (now, last) = (subscription.clamped(desk.now), subscription.accounts.len() - 1);
    let accounts = subscription.accounts.iter().enumerate();
    let blocks: Vec<Block> = accounts
        .flat_map(|(at, account)| account.holders.iter().map(move |holder| (at, account, holder)))
        .filter(|(_, _, holder)| holder.sidecar == root.lender)
        .filter(|(at, _, holder)| *at == last || !holder.out().is_zero())
        .map(|(at, account, holder)| Block {
            window: account.window,
            lender: holder.sidecar,
            granted: holder.granted,
            until: holder.until,
            limited: root.limited,
            asking: account.asking(now).0,
            is_called: at < last || now >= holder.until || flags.recall || account.asking(now).0 == 0,
            borrowed: account.of(desk.sidecar).borrowed,
        })
        .collect();
    if !blocks.is_empty() {
        shared.blocks.insert(id.clone(), blocks);
    }
}

/// Charges a block to the lender, or brings the one that it has up to size.
fn draw(desk: &Desk, subscription: &mut Subscription, root: &Root, goal: Option<Credits>, flags: Flags) {
    let now = subscription.clamped(desk.now);
    let (left, boundary) = (subscription.left(now), subscription.next_boundary(now));
    let open = subscription.accounts.last_mut().expect("advance comes before lending");
    let cover = open.burned().checked_add(left).unwrap_or(Credits::MAX);
    let (free, is_uncovered) = (cover.saturating_sub(open.claims()), open.claims() > cover);
    let (asking, steps) = open.asking(now);
    let mut block = open.of(root.lender);
    block.renew(is_uncovered, boundary, now);
    let may_lend = desk.is_newest && !desk.is_withheld && !flags.recall && now < block.until;
    if let Some(goal) = goal.filter(|_| may_lend) {
        let raise = raise(free, block.free(), goal, (asking, steps)).min(Credits::MAX.minus(block.granted));
        block.granted = block.granted.plus(raise);
    }
    if !block.granted.is_zero() {
        *open.of_mut(root.lender) = block;
    }
}

/// How much to raise a block of which `block` is left, where somebody wants to have `goal` free to
/// spend alone: to half as much again for each who asks, which all together spend in thirty seconds,
/// but never above a hundredth of what is free. Where that is not even a step for each, nothing: the
/// root lends what little is left itself. A block that is at least half of its size stays.
fn raise(free: Credits, block: Credits, goal: Credits, (asking, steps): (u32, Credits)) -> Credits {
    let all = goal.micros().saturating_mul(i64::from(asking)).saturating_mul(3) / 2;
    let part = free.micros() / PARTS;
    let size = Credits::from_micros(all.min(part)).unwrap_or(Credits::ZERO);
    let is_enough = block.checked_add(block).is_none_or(|twice| twice >= size);
    if asking < 2 || size < steps || is_enough { Credits::ZERO } else { size.minus(block) }
}

/// After a start: takes into account what the lender has lent that the root has not heard of yet, in
/// all; answers whether there was any.
pub fn take_over(account: &mut Account, sidecar: u128, borrowed: Credits) -> bool {
    let own = account.of_mut(sidecar);
    let new = borrowed.saturating_sub(own.borrowed);
    own.borrowed = own.borrowed.max(borrowed);
    own.granted = own.granted.checked_add(new).unwrap_or(Credits::MAX);
    !new.is_zero()
}

impl Subscription {
    /// Who has nothing free and wants nothing asks no more.
    fn rest(&mut self, sidecar: u128) {
        let open = self.accounts.last_mut().into_iter().flat_map(|open| &mut open.holders);
        let resting = open.filter(|holder| holder.sidecar == sidecar && holder.free().is_zero());
        resting.for_each(|holder| holder.step = Credits::ZERO);
    }
}

impl Account {
    /// Puts into suspense what lenders hold that have been replaced; answers how much.
    fn burn_blocks(&mut self, lender: u128) -> Credits {
        let replaced = self.holders.iter_mut().filter(|h| is_lender(h.sidecar) && h.sidecar != lender);
        replaced.fold(Credits::ZERO, |sum, holder| {
            let burned = holder.free();
            holder.lost = holder.lost.plus(burned);
            sum.plus(burned)
        })
    }

    /// What all lenders hold: whoever may borrow it.
    pub(super) fn lent_in_blocks(&self) -> Credits {
        let lenders = self.holders.iter().filter(|holder| is_lender(holder.sidecar));
        lenders.fold(Credits::ZERO, |sum, holder| sum.checked_add(holder.out()).unwrap_or(Credits::MAX))
    }

    /// How many have asked lately, and the sum of their steps.
    fn asking(&self, now: Timestamp) -> (u32, Credits) {
        let asks = |h: &&Holder| !h.step.is_zero() && now.millis_since(h.asked_at) <= DEMAND_MILLIS;
        self.holders.iter().filter(asks).fold((0, Credits::ZERO), |(asking, steps), holder| {
            (asking + 1, steps.checked_add(holder.step).unwrap_or(Credits::MAX))
        })
    }
}

impl Holder {
    /// What was borrowed of this lender's block is the borrower's. More than is left of it was given up
    /// by an operator, or forgotten: that is charged anew.
    fn pass_on(&mut self, credits: Credits) {
        self.returned = self.returned.plus(credits.min(self.out()));
        self.lost = self.lost.min(self.granted.minus(self.returned));
        assert!(self.forgiven <= self.lost, "what is forgiven stays");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credits(whole: u32) -> Credits {
        Credits::from_credits(whole).expect("small")
    }

    #[test]
    fn a_block_is_what_all_spend_in_thirty_seconds_but_a_hundredth_at_most() {
        for (name, free, block, goal, asking, steps, raised) in [
            ("by demand", 1_000_000, 0, 200, 4, 4, 1_200),
            ("by what is free", 100_000, 0, 200, 8, 4, 1_000),
            ("what is there counts", 100_000, 400, 200, 8, 4, 600),
            ("half full", 100_000, 500, 200, 8, 4, 0),
            ("one who asks needs none", 100_000, 0, 200, 1, 4, 0),
            ("less than a step for each", 800, 0, 200, 8, 9, 0),
            ("nothing is free", 0, 0, 200, 8, 0, 0),
        ] {
            let made = raise(credits(free), credits(block), credits(goal), (asking, credits(steps)));
            assert_eq!(made, credits(raised), "{name}");
        }
    }

    #[test]
    fn what_is_borrowed_passes_from_the_lender_and_more_is_charged_anew() {
        let lender = Holder { granted: credits(100), returned: credits(20), ..Holder::new(lender_id(7)) };
        let burned = Holder { lost: credits(80), ..lender };
        let forgiven = Holder { forgiven: credits(80), ..burned };
        for (name, mut holder, passed, out, suspense) in [
            ("part", lender, 30, 50, 0),
            ("more than there is", lender, 90, 0, 0),
            ("out of suspense", burned, 30, 50, 50),
            ("after it was forgiven", forgiven, 30, 0, 0),
        ] {
            holder.pass_on(credits(passed));
            assert_eq!((holder.out(), holder.suspense()), (credits(out), credits(suspense)), "{name}");
        }
    }

    #[test]
    fn lenders_are_told_from_sidecars_by_their_ids() {
        assert!(is_lender(lender_id(0)) && is_lender(lender_id(u128::MAX)) && !is_lender(0));
        assert_eq!(crate::root::sidecar::id_text(lender_id(0)), "00000000-0000-8000-8000-000000000000");
        assert!(!is_lender(0x0000_0000_0000_4000_8000_0000_0000_0000));
    }
}

//! A lender of blocks beside the store: it forgets, is replaced while others still ask the one before, and
//! is asked by messages that are lost, late and repeated.

use purser::domain::{Credits, Timestamp};
use purser::lease::{Standing, plan};
use purser::root::blocks::lender_id;
use purser::root::shelf::{Fence, Shelf, Take, Taken, Turned};
use purser::root::sync::Reply;
use purser::root::{Account, Shares};

use super::process::{Process, Shared};
use super::syncing::ROUND_TRIP_MILLIS;
use super::world::{Random, SUBSCRIPTION, id};

/// How the lender is asked in this world.
pub struct Lenders {
    /// Every life of the lender that may still be asked; the last is the newest. Empty: there is none.
    lives: Vec<Shelf>,
    /// Messages that were repeated and are under way.
    late: Vec<(usize, Take)>,
    random: Random,
    is_unreliable: bool,
    /// Draws are so many times smaller: blocks are a hundredth of a pool.
    scale: i64,
    /// A process may have spent what it borrowed unheard, and nobody can tell any more of whom: it stays charged
    /// to the lender as well.
    pub has_lost_track: bool,
    /// Nothing ever goes wrong with it.
    pub is_reliable: bool,
}

impl Lenders {
    /// There is a lender, or none.
    pub fn new(mut random: Random, is_there: bool) -> Self {
        let lives = if is_there { vec![Shelf::default()] } else { Vec::new() };
        let is_unreliable = random.once_in(2);
        let scale = if lives.is_empty() { 1 } else { [1, 60, 300, 300][random.below(4) as usize] };
        let late = Vec::new();
        Self { lives, late, random, is_unreliable, scale, has_lost_track: false, is_reliable: !is_unreliable }
    }

    /// What somebody draws in this world.
    pub fn scaled(&self, credits: Credits) -> Credits {
        Credits::from_micros(credits.micros() / self.scale).expect("a part is an amount")
    }

    /// How many draws come one after the other: more where they are small, so that pools are exhausted.
    pub fn asks_at_once(&mut self) -> u64 {
        if self.scale == 1 { 1 } else { 1 + self.random.below(16) }
    }

    /// From now on every message arrives, once.
    pub fn heal(&mut self) {
        self.is_unreliable = false;
        self.late.clear();
    }

    /// Something goes wrong with the lender, perhaps.
    pub fn step(&mut self) {
        if self.lives.is_empty() || !self.is_unreliable {
            return;
        }
        match self.random.below(200) {
            // It is emptied, restarted, or another takes its place that has none of its data.
            0 => self.lives.push(Shelf::default()),
            1..12 if !self.late.is_empty() => {
                let at = self.random.below(self.late.len() as u64) as usize;
                let (life, take) = self.late.swap_remove(at);
                // Nobody hears the answer.
                let _ = self.lives[life].take(&take);
            }
            _ => {}
        }
    }

    /// One message there and back; `None`: one of the two is lost.
    fn take(&mut self, life: usize, take: &Take) -> Option<Result<Taken, Turned>> {
        if self.is_unreliable && self.random.once_in(12) {
            return None;
        }
        let answer = self.lives.get_mut(life)?.take(take);
        if self.is_unreliable && self.random.once_in(8) {
            self.late.push((life, take.clone()));
        }
        (!self.is_unreliable || !self.random.once_in(12)).then_some(answer)
    }

    fn begin(&mut self, life: usize, generation: u64, replaced: u128) -> Option<Fence> {
        let new = Fence { lender: lender_id(u128::from(self.random.next()) << 64), generation };
        Some(self.lives.get_mut(life)?.begin(new, replaced))
    }

    /// Which life a process asks: the newest, or for a while the one that it asked before.
    fn life_for(&mut self, known: usize) -> usize {
        let newest = self.lives.len().saturating_sub(1);
        if self.is_unreliable && self.random.below(4) > 0 { known.min(newest) } else { newest }
    }
}

impl Process {
    /// Borrows of the pool's block what waits or runs low; answers whether anything came of it.
    fn borrow(&mut self, lenders: &mut Lenders, now: Timestamp) -> bool {
        let Some(start) = self.book.current(now).map(|funds| funds.window.start) else { return false };
        let (free, least) = (self.book.free(now), self.waiting.map_or(Credits::ZERO, |waiting| waiting.credits));
        let (is_called, excess_since) = (self.pool.is_called, self.pool.excess_since);
        let standing = Standing { free, least, waiting: least, is_called, excess_since, ..Standing::default() };
        let want = plan(&standing, &self.pool.demand, ROUND_TRIP_MILLIS, now).want;
        let pool = (id(SUBSCRIPTION), start);
        let asked = want.filter(|_| !is_called).and_then(|want| self.tabs.ask(&pool, free, &want, now));
        let new = asked.map_or(Credits::ZERO, |asked| self.ask_lender(lenders, &pool, asked));
        self.book.borrow(start, new);
        !new.is_zero()
    }

    /// Borrows; who waited asks again where something came of it.
    pub fn borrow_and_decide(&mut self, lenders: &mut Lenders, shared: &mut Shared, now: Timestamp) {
        if self.borrow(lenders, now)
            && let Some(waiting) = self.waiting.take()
        {
            self.decide(waiting, false, shared, now);
        }
    }

    /// One exchange with the lender; answers what was borrowed.
    fn ask_lender(&mut self, lenders: &mut Lenders, pool: &purser::root::shelf::Pool, asked: Credits) -> Credits {
        let Some(take) = self.tabs.take(pool, asked, (self.id, self.incarnation)) else { return Credits::ZERO };
        self.life = lenders.life_for(self.life);
        match lenders.take(self.life, &take) {
            Some(Ok(taken)) => self.tabs.took(&take, &taken),
            Some(Err(Turned::Stale)) => {
                self.tabs.set_fence(None);
                Credits::ZERO
            }
            Some(Err(Turned::Fenced)) | None => Credits::ZERO,
        }
    }

    /// Takes the root's answer over as far as it is about blocks; what is called back is borrowed, to be
    /// returned, and comes on top of what the root lends.
    pub fn heard(&mut self, sent: &Shares, reply: &mut Reply, lenders: &mut Lenders) {
        let is_refused = self.tabs.heard(sent, reply);
        let refused = sent.lender.as_ref().filter(|_| is_refused).map_or(0, |lender| lender.id);
        if let Some(generation) = self.tabs.lacks_fence().or(is_refused.then_some(sent.generation)) {
            self.life = lenders.life_for(self.life);
            let fence = lenders.begin(self.life, generation, refused);
            self.tabs.set_fence(fence);
        }
        for (pool, asked) in self.tabs.due() {
            let new = self.ask_lender(lenders, &pool, asked);
            let leases = reply.leases.get_mut(&pool.0).into_iter().flatten();
            leases.filter(|lease| lease.window.start == pool.1).for_each(|l| l.granted = l.granted.plus(new));
        }
    }

    /// After a start: what the incarnation before borrowed unheard counts as lent.
    pub fn take_over(&mut self, accounts: &mut [Account], lenders: &mut Lenders) {
        self.tabs = Default::default();
        self.life = lenders.life_for(self.life);
        lenders.has_lost_track |= self.incarnation > 1 && !lenders.lives.is_empty();
        let Some(shelf) = lenders.lives.get(self.life).filter(|_| !lenders.is_unreliable || lenders.random.once_in(2))
        else {
            return;
        };
        let Some(fence) = shelf.fence() else { return };
        let before = shelf.borrowed(self.id).into_iter().filter(|row| row.incarnation + 1 == self.incarnation);
        for row in before {
            let account = accounts.iter_mut().find(|account| account.window.start == row.pool.1);
            let Some(account) = account else { continue };
            let told = account.of(self.id).borrowed;
            if purser::root::blocks::take_over(account, self.id, row.borrowed) {
                self.tabs.take_over(row.pool, fence.lender, row.borrowed, told);
            }
        }
    }
}

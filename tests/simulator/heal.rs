//! The end of a run: failures stop, messages arrive, everything is told. Then nothing is stranded but
//! what is in suspense, every draw is charged, and whoever asks for all that is left gets it, what others keep too.

use purser::domain::{Credits, OperationId};
use purser::root::Holder;
use purser::root::blocks::is_lender;

use super::network::Message;
use super::process::{Phase, Waiting};
use super::world::{Chaos, USERS, World};

/// How often everybody syncs until nothing moves any more.
const ROUNDS: u32 = 14;

/// How often who is denied what others keep asks again, 300 ms apart.
const TRIES: u32 = 4;

impl World {
    pub fn heal(&mut self) {
        self.under_way.clear();
        self.lenders.heal();
        while !self.asked_again.is_empty() {
            self.ask_again();
        }
        // Of several processes of one sidecar the last that was started stays.
        for at in 0..self.processes.len() {
            let id = self.processes[at].id;
            if self.processes[at + 1..].iter().any(|other| other.id == id && other.phase != Phase::Gone) {
                self.processes[at].phase = Phase::Gone;
            }
        }
        for _ in 0..ROUNDS {
            self.settle_down();
            self.pass_millis(4_000);
        }
        self.check();
        self.nothing_is_stranded();
        self.every_draw_is_charged();
        self.what_is_left_is_there_for_who_asks();
    }

    /// Everybody lives, ends what is open, and syncs.
    fn settle_down(&mut self) {
        for at in 0..self.processes.len() {
            let now = self.processes[at].now(&self.shared, self.start);
            let process = &mut self.processes[at];
            match process.phase {
                Phase::Gone => continue,
                Phase::Starting => {
                    let nonce = u128::from(self.random.next());
                    process.mint(nonce, &self.store);
                    continue;
                }
                Phase::Registering => {
                    self.register(at, now);
                    continue;
                }
                Phase::Running => process.follow(&self.store),
            }
            let holds: Vec<OperationId> = process.holds.keys().cloned().collect();
            for hold in holds {
                process.end(&hold, None, &mut self.shared, now);
            }
            process.waiting = None;
            self.exchange(at);
        }
        let sidecars = self.store.sidecars().filter(|sidecar| !is_lender(sidecar.id));
        let lost: Vec<u128> = sidecars.map(|sidecar| sidecar.id).collect();
        for id in lost {
            if !self.processes.iter().any(|process| process.id == id && process.phase != Phase::Gone) {
                self.give_up(id);
            }
        }
    }

    /// A process syncs until everything it had is told.
    pub fn exchange(&mut self, at: usize) {
        for _ in 0..200 {
            let now = self.processes[at].now(&self.shared, self.start);
            let request = self.processes[at].request(&mut self.shared, now);
            let is_last = request.shares.as_ref().is_some_and(|shares| !shares.members.is_empty());
            let confirmed = self.processes[at].confirmed;
            let sender = (at, self.processes[at].serial);
            self.hand_over(Message::Ask(sender, Box::new(request)));
            let answer = self.under_way.pop().expect("every request is answered");
            self.hand_over(answer);
            if is_last && self.processes[at].confirmed >= confirmed || self.processes[at].phase != Phase::Running {
                return;
            }
        }
        panic!("process {at} never comes to an end");
    }

    fn nothing_is_stranded(&self) {
        let row = self.store.subscription();
        for account in &row.accounts {
            for holder in &account.holders {
                let is_alive = self.processes.iter().any(|p| p.id == holder.sidecar && p.phase == Phase::Running);
                assert!(!is_alive || holder.held.is_zero(), "holds stay: {holder:?}");
                let is_home = !is_lender(holder.sidecar) || holder.free().is_zero();
                let is_calm = self.chaos == Chaos::None && self.lenders.is_reliable;
                assert!(!is_calm || is_home, "a block is stranded: {holder:?}");
            }
        }
    }

    /// What was answered is in the ledger where nothing was lost, and covered by suspense where it was.
    fn every_draw_is_charged(&self) {
        let truth = &self.shared.truth;
        for account in &self.store.subscription().accounts {
            let really = truth.taken.get(&account.window.start).copied().unwrap_or_default();
            let used = account.spent().minus(account.refunded()).micros();
            let charged = used + account.held().micros() + account.suspense().micros();
            let stays = account.out().micros().max(charged);
            // What was settled above all that was lent may be lost with the journal's end: no ceiling bounds it.
            assert!(stays + truth.owed >= really, "{really} were allowed, {stays} are charged");
            if !truth.is_lossy {
                let sidecars = account.holders.iter().filter(|holder| !is_lender(holder.sidecar));
                let doubted: i64 = sidecars.map(|holder| holder.suspense().micros()).sum();
                assert_eq!((used, doubted), (really, 0), "every draw is told, none is doubted");
            }
        }
    }

    /// Who asks for all that is left, at the root and idle at others, of a limit and then of the pool, has it
    /// after a few syncs of everybody.
    fn what_is_left_is_there_for_who_asks(&mut self) {
        let Some(at) = self.processes.iter().position(|process| process.phase == Phase::Running) else { return };
        let mut row = self.store.subscription().clone();
        row.accounts.iter_mut().for_each(|account| self.return_all(&mut account.holders));
        // What was lent on a grant that has expired since is then gone.
        row.advance(self.store.now);
        let open = row.open_account();
        let debt = row.accounts.iter().any(|account| !account.debt().is_zero());
        if debt || !open.window.contains(self.store.now) {
            return;
        }
        let window = open.window.start;
        let cover = open.burned().plus(row.left(self.store.now.max(window)));
        let of_pool = cover.saturating_sub(open.claims());
        let account = self.store.funds(USERS[1]).and_then(|funds| funds.of(window));
        let mut holders = account.map_or(Vec::new(), |account| account.holders.clone());
        self.return_all(&mut holders);
        let claims = holders.iter().fold(Credits::ZERO, |sum, holder| sum.plus(holder.claim()));
        let limit = self.store.config().1.into_iter().find_map(|row| match row {
            purser::root::Row::Member(_, member) if member.user.as_str() == USERS[1] => member.limit,
            _ => None,
        });
        let of_limit = limit.map_or(Credits::ZERO, |limit| limit.saturating_sub(claims)).min(of_pool);
        for (user, credits) in [(1, of_limit), (0, of_pool.minus(of_limit))] {
            if !credits.is_zero() {
                self.is_drawn_soon(at, Waiting { user, credits, is_hold: false });
            }
        }
    }

    /// Everybody who lives returns what is free.
    fn return_all(&self, holders: &mut [Holder]) {
        for holder in holders {
            if self.processes.iter().any(|p| p.id == holder.sidecar && p.phase == Phase::Running) {
                holder.returned = holder.returned.plus(holder.free());
            }
        }
    }

    fn is_drawn_soon(&mut self, at: usize, asked: Waiting) {
        let before = self.shared.truth.allowed;
        for _ in 0..TRIES {
            let now = self.processes[at].now(&self.shared, self.start);
            self.processes[at].ask(asked, &mut self.shared, now);
            // Who asks, those who are called upon, and who asks again.
            for other in std::iter::once(at).chain(0..self.processes.len()).chain([at]) {
                if self.shared.truth.allowed > before {
                    return self.check();
                }
                if self.processes[other].phase == Phase::Running {
                    self.exchange(other);
                }
            }
            self.pass_millis(300);
        }
        let (row, book) = (self.store.subscription(), &self.processes[at].book);
        panic!("{} are left and cannot be drawn: {row:?}\n{book:?}", asked.credits);
    }
}

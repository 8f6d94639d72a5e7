//! How a process begins: its incarnation, its registration, and what it believes of what was before.

use std::collections::BTreeMap;

use purser::domain::{Credits, Fact, Funds, Hold, OperationId, Scopes, Set, Share, Timestamp, Window};
use purser::lease::crash::gross;
use purser::lease::{Proof, Session, holding};
use purser::root::sync::register;

use super::lender::Lenders;
use super::process::{Before, Closing, Disk, Durability, Phase, Process, Shared, take};
use super::store::Store;
use super::world::USERS;

#[cfg(feature = "faults")]
use purser::root::faults::{Fault, has};

/// The longest window: how long one was is not asked where only its start is known.
const WINDOW_MILLIS: u64 = 31 * 86_400_000;

impl Process {
    /// Chooses the incarnation: a number from the own disk, written before it is used, and a random one.
    pub fn mint(&mut self, nonce: u128, store: &Store) {
        self.disk.incarnation += 1;
        (self.incarnation, self.nonce) = (self.disk.incarnation, nonce);
        #[cfg(feature = "faults")]
        if has(Fault::StoreNumbers) {
            let known = store.sidecars().find(|sidecar| sidecar.id == self.id).map_or(0, |s| s.incarnation);
            (self.incarnation, self.nonce) = (known + 1, 0);
        }
        assert!(store.sidecars().count() < 100, "few sidecars");
        self.phase = Phase::Registering;
    }

    /// Registers and recovers; one who comes too late chooses again.
    pub fn register(&mut self, store: &mut Store, lenders: &mut Lenders, shared: &mut Shared, now: Timestamp) {
        let (id, incarnation, nonce) = (self.id, self.incarnation, self.nonce);
        let Ok(sidecar) = store.run(|rows| register(rows, id, incarnation, nonce)) else {
            self.phase = Phase::Starting;
            return;
        };
        if !self.disk.registered.contains(&sidecar.before) {
            // Another journal's incarnation was the newest.
            self.before = self.before.max(Before::Copied);
        }
        self.disk.registered.insert(nonce);
        self.recover(sidecar.last, (store, lenders), shared, now);
        self.phase = Phase::Running;
    }

    /// Registers again, where the store has forgotten that it did.
    pub fn register_again(&mut self, store: &mut Store) {
        let (id, incarnation, nonce) = (self.id, self.incarnation, self.nonce);
        match store.run(|rows| register(rows, id, incarnation, nonce)) {
            Ok(_) => self.session.forgotten(),
            Err(_) => self.phase = Phase::Gone,
        }
    }

    /// The store's rows and the journal give the sums; what was held is closed by what can be proved.
    fn recover(&mut self, last: u64, (store, lenders): (&Store, &mut Lenders), shared: &mut Shared, now: Timestamp) {
        let kept = usize::try_from(last).expect("few entries");
        // A journal that is not the newest may go on otherwise than the ledger does.
        if self.disk.entries.len() < kept || self.before == Before::Copied {
            self.disk.entries = store.ledger.get(&self.id).map_or(Vec::new(), |entries| entries[..kept].to_vec());
        }
        (self.disk.written, self.disk.synced) = (self.disk.entries.len(), self.disk.entries.len());
        (self.session, self.confirmed) = (Session::default(), last);
        self.begins = self.disk.entries.len() as u64;
        let mut row = store.subscription().clone();
        self.take_over(&mut row.accounts, lenders);
        let leases = row.leases_of(self.id);
        self.lent_before = leases.last().map_or(Credits::ZERO, |lease| lease.granted);
        holding::take(&mut self.book, &leases);
        for (at, name) in USERS.iter().enumerate() {
            let funds = store.funds(name).map_or(&[][..], |funds| &funds.accounts);
            let leases: Vec<_> = funds.iter().map(|account| account.lease_of(self.id)).collect();
            holding::take_member(&mut self.members[at], &leases);
        }
        let doubts = self.replay();
        let forgot = store.may_have_forgotten(self.id);
        self.remember_closing(doubts, forgot);
        let proof = match (self.before, self.durability) {
            (Before::New | Before::Intact, _) | (Before::Cut, Durability::Disk) => Some(true),
            (Before::Cut, _) => Some(false),
            (Before::Copied, _) => None,
        };
        #[cfg(feature = "faults")]
        let proof = match proof {
            Some(false) if has(Fault::TrustUnsynced) => Some(true),
            None if has(Fault::TrustCopy) => Some(true),
            proof => proof,
        };
        match proof {
            Some(true) => {}
            Some(false) => {
                let debits = self.debits.iter().map(|(id, ..)| id);
                self.disk.closing.doubted.extend(self.holds.keys().chain(debits).cloned());
            }
            None => {
                self.forget_operations(now);
                self.disk.closing.forgotten = self.disk.entries.len();
            }
        }
        #[cfg(feature = "faults")]
        if has(Fault::ResumeLease) && self.before == Before::Cut {
            // It goes on as if nothing had been.
            self.session.resume(shared.mono);
            return;
        }
        assert!(shared.mono < u64::MAX / 2, "the clock goes on");
        let ceilings = self.disk.ceilings.clone();
        let proof_of = |account: &'static str, window: Timestamp| match proof {
            Some(true) => Proof::Exact,
            Some(false) => Proof::Ceiling(ceilings.get(&(account, window)).copied().unwrap_or_default()),
            None => Proof::Nothing,
        };
        if proof == Some(false) {
            self.remember_accounts(&ceilings);
        }
        let closed = holding::close(&mut self.book, now, forgot, |window| proof_of("", window));
        let mut pending: BTreeMap<_, _> = closed.into_iter().map(|(window, rest)| (("", window), rest)).collect();
        for (at, name) in USERS.iter().enumerate() {
            let closed = holding::close_member(&mut self.members[at], forgot, |window| proof_of(name, window));
            pending.extend(closed.into_iter().map(|(window, rest)| ((*name, window), rest)));
        }
        self.close(pending);
    }

    /// A ceiling tells of an account that was lent, even where the store has forgotten it and the journal's end is gone.
    fn remember_accounts(&mut self, ceilings: &BTreeMap<(&'static str, Timestamp), Credits>) {
        for &(account, start) in ceilings.keys() {
            let window = Window { start, end: start.plus_millis(WINDOW_MILLIS) };
            let (granted, returned, lost) = (Credits::ZERO, Credits::ZERO, Credits::ZERO);
            match USERS.iter().position(|name| *name == account) {
                None if self.book.of(start).is_none() => self.book.lend(window, granted, returned, Timestamp::MIN),
                Some(at) if self.members[at].share(start).is_none() => {
                    self.members[at].lend(Share { window, granted, returned, lost, until: Timestamp::MIN });
                }
                _ => {}
            }
        }
    }

    /// Folds the journal into sums and operations.
    fn replay(&mut self) -> BTreeMap<(&'static str, Timestamp), Credits> {
        let mut doubts: BTreeMap<(&str, Timestamp), Credits> = BTreeMap::new();
        let closing = self.disk.closing.clone();
        self.pending.clone_from(&closing.pending);
        let entries = std::mem::take(&mut self.disk.entries);
        for (at, entry) in entries.iter().enumerate() {
            let user = USERS.iter().position(|name| *name == entry.drawer.member.as_str()).expect("one of few");
            for posting in &entry.postings {
                if self.book.of(posting.window).is_none() {
                    let window = Window { start: posting.window, end: posting.window.plus_millis(WINDOW_MILLIS) };
                    let at = self.book.funds.partition_point(|funds| funds.window.start < window.start);
                    self.book.funds.insert(at, Funds::new(window));
                }
            }
            Scopes { book: &mut self.book, member: Some(&mut self.members[user]) }.apply(entry);
            let window = entry.postings[0].window;
            match &entry.fact {
                Fact::Debited { .. } if at < closing.forgotten => {}
                Fact::Debited { credits, .. } => self.debits.push((entry.id.clone(), user, window, *credits)),
                Fact::Held { credits, expires_at, .. } => {
                    let set = Set { credits: *credits, expires_at: *expires_at };
                    self.holds.insert(entry.id.clone(), (user, Hold { window, set }));
                }
                Fact::Refunded { debit, credits, .. } => {
                    self.debits.retain(|(id, ..)| id != debit);
                    if at >= closing.from && closing.doubted.contains(debit) {
                        for account in ["", USERS[user]] {
                            let key = (account, window);
                            let part = take(&mut self.pending, key, *credits);
                            let sum = doubts.entry(key).or_default();
                            *sum = sum.plus(part);
                        }
                    }
                }
                _ => {
                    let hold = self.holds.remove(&entry.id);
                    let Some((_, hold)) = hold.filter(|_| at >= closing.from && closing.doubted.contains(&entry.id))
                    else {
                        continue;
                    };
                    let rest = hold.set.credits.saturating_sub(entry.postings[0].spent);
                    for account in ["", USERS[user]] {
                        let sum = doubts.entry((account, hold.window)).or_default();
                        *sum = sum.plus(rest);
                    }
                }
            }
        }
        self.disk.entries = entries;
        doubts
    }

    /// What was in suspense when the incarnation before closed, and has come to it since.
    fn remember_closing(&mut self, mut doubts: BTreeMap<(&'static str, Timestamp), Credits>, forgot: bool) {
        for (key, lost) in &self.disk.closing.lost {
            let sum = doubts.entry(*key).or_default();
            *sum = sum.plus(*lost);
        }
        for ((account, window), lost) in doubts {
            match USERS.iter().position(|name| *name == account) {
                None => holding::remember_lost(&mut self.book, window, forgot, lost),
                Some(at) => holding::remember_lost_of_member(&mut self.members[at], window, forgot, lost),
            }
        }
    }

    /// Puts on disk how this incarnation closed the one before.
    fn close(&mut self, new: BTreeMap<(&'static str, Timestamp), Credits>) {
        let Closing { from, lost, doubted, pending, .. } = &mut self.disk.closing;
        for (key, rest) in new {
            let sum = self.pending.entry(key).or_default();
            *sum = sum.plus(rest);
        }
        pending.clone_from(&self.pending);
        *from = self.disk.entries.len();
        let is_known =
            |id: &OperationId| self.holds.contains_key(id) || self.debits.iter().any(|(debit, ..)| debit == id);
        doubted.retain(is_known);
        *lost = self.book.funds.iter().map(|funds| (("", funds.window.start), funds.lost)).collect();
        self.disk.ceilings.clear();
        for funds in &self.book.funds {
            self.disk.ceilings.insert(("", funds.window.start), gross(&funds.draws.tally()));
        }
        for (name, draws) in USERS.iter().zip(&self.members) {
            for share in draws.shares() {
                let tally = draws.of(share.window.start).map(|draws| draws.tally()).unwrap_or_default();
                lost.insert((*name, share.window.start), share.lost);
                self.disk.ceilings.insert((*name, share.window.start), gross(&tally));
            }
        }
    }

    /// Operations of a journal that cannot be trusted are ended here without effect on what happened.
    fn forget_operations(&mut self, now: Timestamp) {
        self.debits.clear();
        let at = now.max(self.book.latest);
        for (id, (user, hold)) in std::mem::take(&mut self.holds) {
            let id: OperationId = id;
            let heading = self.heading(id, user, at);
            let scopes = Scopes { book: &mut self.book, member: Some(&mut self.members[user]) };
            let entry = match hold.has_lapsed(at) {
                true => hold.expired(heading, &scopes),
                false => hold.released(heading, &scopes),
            };
            self.enter(entry.expect("sums stay small"), user);
        }
    }

    /// The process dies, perhaps with its host; another one starts on what is left of its disk.
    pub fn crashed(&self, is_host: bool, now: Timestamp) -> Self {
        let kept = if is_host { self.disk.synced } else { self.disk.written };
        let mut disk = self.disk.clone();
        let is_cut = is_host && self.durability != Durability::Disk || self.durability == Durability::Memory;
        disk.entries.truncate(kept);
        let before = if is_cut { Before::Cut } else { Before::Intact };
        self.successor(disk, before, now)
    }

    /// Another process starts on a copy of its disk, while it lives.
    pub fn copied(&self, now: Timestamp) -> Self {
        self.successor(self.disk.clone(), Before::Copied, now)
    }

    fn successor(&self, disk: Disk, before: Before, now: Timestamp) -> Self {
        // What was to be proved when it died before it closed is to be proved still.
        let before = if self.phase == Phase::Running { before } else { before.max(self.before) };
        let mut next = Self::new(self.id, self.durability, disk, before, now);
        next.skew_millis = self.skew_millis;
        next.serial = self.serial + 1;
        next
    }
}

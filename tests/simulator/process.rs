//! One process of a sidecar on its disk: decides with the real core, journals, forgets what it must.

use std::collections::{BTreeMap, BTreeSet};

use purser::domain::decide::decide_within;
use purser::domain::hold::{debited, held, refunded};
use purser::domain::{
    Ask, Asker, Book, Credits, Drawer, Entry, Heading, Hold, Member, MemberDraws, OperationId, Payer, Posting, Reach,
    Refused, Rights, Scopes, Set, Tally, Team, Timestamp,
};
use purser::lease::crash::{gross, raised};
use purser::lease::{Demand, Session, Tabs, holding};
use smallvec::smallvec;

use super::truth::Truth;
use super::world::{SUBSCRIPTION, TEAM, USERS, id, team, user};

/// What a crash may put in doubt of one account.
const STRETCH: u32 = 12;

/// How safe an entry is before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    Memory,
    Os,
    Disk,
}

/// A journal; the numbers of entries that survive a dying process and a dying host.
#[derive(Clone)]
pub struct Disk {
    pub incarnation: u64,
    /// The random parts of the incarnations that have registered from here.
    pub registered: BTreeSet<u128>,
    pub entries: Vec<Entry>,
    pub written: usize,
    pub synced: usize,
    /// Ceilings by account: the pool's, or a member's, in a window.
    pub ceilings: BTreeMap<(&'static str, Timestamp), Credits>,
    /// How the newest incarnation closed the one before; synced before its first sync is sent.
    pub closing: Closing,
}

/// What an incarnation found of those before it.
#[derive(Clone, Default)]
pub struct Closing {
    /// Entries that were there.
    pub from: usize,
    /// In suspense then, by account and window.
    pub lost: BTreeMap<(&'static str, Timestamp), Credits>,
    /// Operations that were open when the journal's end was lost: they may have ended unheard.
    pub doubted: BTreeSet<OperationId>,
    /// Entries whose operations are unknown here: another may have ended them.
    pub forgotten: usize,
    /// What refunds of those may give back in vain, by account and window.
    pub pending: BTreeMap<(&'static str, Timestamp), Credits>,
}

/// What became of the process that ran on a disk before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Before {
    /// Nothing ran.
    New,
    /// Its journal has everything.
    Intact,
    /// Its journal's end is gone.
    Cut,
    /// Its disk was copied, and it may live.
    Copied,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// About to choose its incarnation.
    Starting,
    /// It has chosen, and is about to register.
    Registering,
    Running,
    /// Fenced or killed; nobody starts it again.
    Gone,
}

/// A debit that waits for a lease.
#[derive(Clone, Copy)]
pub struct Waiting {
    pub user: usize,
    pub credits: Credits,
    pub is_hold: bool,
}

/// One account's wants between syncs.
pub struct Need {
    pub demand: Demand,
    pub is_called: bool,
    pub excess_since: Option<Timestamp>,
}

impl Need {
    pub fn new(now: Timestamp) -> Self {
        Self { demand: Demand::new(now), is_called: false, excess_since: None }
    }
}

pub struct Process {
    /// Which of those that were in its place.
    pub serial: u64,
    pub id: u128,
    pub incarnation: u64,
    pub nonce: u128,
    pub durability: Durability,
    pub disk: Disk,
    pub before: Before,
    pub phase: Phase,
    pub book: Book,
    pub members: [MemberDraws; USERS.len()],
    pub config: Option<(Team, Vec<Member>)>,
    /// Control has changed something that has not been taken over.
    pub is_behind: bool,
    pub holds: BTreeMap<OperationId, (usize, Hold)>,
    pub debits: Vec<(OperationId, usize, Timestamp, Credits)>,
    pub waiting: Option<Waiting>,
    pub pool: Need,
    pub needs: [Need; USERS.len()],
    pub session: Session,
    /// What it has borrowed of blocks, and which life of the lender it asks.
    pub tabs: Tabs,
    pub life: usize,
    pub confirmed: u64,
    /// What is left of the pending doubt.
    pub pending: BTreeMap<(&'static str, Timestamp), Credits>,
    /// Where this incarnation begins in the journal, and what had been lent before.
    pub begins: u64,
    pub lent_before: Credits,
    pub skew_millis: i64,
    /// The root's time as it was last told.
    pub not_before: Timestamp,
}

/// What all processes share: what really happened, and who gives out ids.
pub struct Shared {
    pub truth: Truth,
    pub next_id: u64,
    /// Milliseconds of a clock that never steps.
    pub mono: u64,
    pub is_told: bool,
}

impl Process {
    pub fn new(id: u128, durability: Durability, disk: Disk, before: Before, now: Timestamp) -> Self {
        let owner = user(USERS[0]);
        Self {
            serial: 0,
            id,
            incarnation: 0,
            nonce: 0,
            durability,
            disk,
            before,
            phase: Phase::Starting,
            book: Book::new(super::world::id(SUBSCRIPTION), owner),
            members: Default::default(),
            config: None,
            is_behind: true,
            holds: BTreeMap::new(),
            debits: Vec::new(),
            waiting: None,
            pool: Need::new(now),
            needs: [Need::new(now), Need::new(now), Need::new(now)],
            session: Session::default(),
            tabs: Tabs::default(),
            life: 0,
            confirmed: 0,
            pending: BTreeMap::new(),
            begins: 0,
            lent_before: Credits::ZERO,
            skew_millis: 0,
            not_before: now,
        }
    }

    pub fn now(&self, shared: &Shared, start: Timestamp) -> Timestamp {
        let millis = start.millis() + i64::try_from(shared.mono).expect("not that long") + self.skew_millis;
        let own = Timestamp::from_millis(millis).expect("this century");
        own.max(self.not_before).max(self.book.latest)
    }

    /// Asks for a debit or a hold; one that does not fit waits for the next answer of the root.
    pub fn ask(&mut self, asked: Waiting, shared: &mut Shared, now: Timestamp) {
        self.pool.demand.ask(asked.credits, now);
        self.needs[asked.user].demand.ask(asked.credits, now);
        self.decide(asked, false, shared, now);
    }

    /// Decides; whether it was allowed.
    pub fn decide(&mut self, asked: Waiting, is_asked: bool, shared: &mut Shared, now: Timestamp) -> bool {
        if !self.session.may_spend(shared.mono) {
            return false;
        }
        self.expire(shared, now);
        let Some((team, members)) = &self.config else { return false };
        let Some(member) = members.iter().find(|member| member.user.as_str() == USERS[asked.user]) else {
            return false;
        };
        let draws = &self.members[asked.user];
        let window = self.book.current(now).map(|funds| funds.window.start);
        let share = window.and_then(|window| draws.share(window));
        let reach = Reach::Part { share, is_asked };
        let asker = Asker { user: &member.user, place: Some((team, member.membership())) };
        let ask = Ask { credits: asked.credits, min_credits: None, model: None };
        let decided = decide_within(reach, &asker, &Rights::default(), Some(&self.book), |w| draws.of(w), &ask, now);
        match decided {
            Ok(granted) => {
                shared.next_id += 1;
                let operation = OperationId::new(&format!("o{}", shared.next_id)).expect("an id");
                let heading = self.heading(operation.clone(), asked.user, now);
                let expires_at = now.plus_millis(30_000);
                let member = Some(&mut self.members[asked.user]);
                let scopes = Scopes { book: &mut self.book, member };
                let payer = heading.drawer.payer;
                let (fact, mut posting) = match asked.is_hold {
                    false => debited(granted, None, 0),
                    true => held(granted, expires_at, None, 0),
                };
                scopes.fill_in(payer, &mut posting).expect("sums stay small");
                self.enter(heading.entry(fact, smallvec![posting]), asked.user);
                shared.truth.drew(
                    operation.clone(),
                    USERS[asked.user],
                    granted.window,
                    granted.credits.micros(),
                    asked.is_hold,
                );
                if shared.is_told {
                    println!("{} {:x} draws {operation} {} of {window:?}", shared.mono, self.id, granted.credits);
                }
                let set = Set { credits: granted.credits, expires_at };
                match asked.is_hold {
                    true => drop(self.holds.insert(operation, (asked.user, Hold { window: granted.window, set }))),
                    false => self.debits.push((operation, asked.user, granted.window, granted.credits)),
                }
                true
            }
            Err(Refused::Short) if !is_asked => {
                self.waiting = Some(asked);
                false
            }
            Err(_) => false,
        }
    }

    pub fn heading(&self, id: OperationId, user: usize, now: Timestamp) -> Heading {
        Heading { at: now, id, drawer: drawer(user) }
    }

    /// Applies an entry and journals it; before, the ceilings that it would pass are raised.
    pub fn enter(&mut self, entry: Entry, user: usize) {
        for posting in &entry.postings {
            let member = posting.member.expect("the pool pays");
            for (account, tally) in [("", posting.account), (USERS[user], member)] {
                self.raise(account, posting, &tally);
            }
        }
        Scopes { book: &mut self.book, member: Some(&mut self.members[user]) }.apply(&entry);
        self.disk.entries.push(entry);
        if self.durability != Durability::Memory {
            self.disk.written = self.disk.entries.len();
        }
        if self.durability == Durability::Disk {
            self.disk.synced = self.disk.entries.len();
        }
    }

    fn raise(&mut self, account: &'static str, posting: &Posting, tally: &Tally) {
        let key = (account, posting.window);
        let known = self.disk.ceilings.get(&key).copied().unwrap_or_default();
        let stretch = Credits::from_credits(STRETCH).expect("small");
        if gross(tally) > known || raised(tally, known, stretch).is_some() {
            self.disk.ceilings.insert(key, gross(tally).plus(stretch));
        }
    }

    /// Ends every hold that has run out, as the decisions count it.
    pub fn expire(&mut self, shared: &mut Shared, now: Timestamp) {
        let due: Vec<_> =
            self.holds.iter().filter(|(_, (_, hold))| hold.has_lapsed(now)).map(|(id, _)| id.clone()).collect();
        for id in due {
            self.end(&id, None, shared, now);
        }
    }

    /// Settles a hold with its cost, or lets it go.
    pub fn end(&mut self, id: &OperationId, cost: Option<Credits>, shared: &mut Shared, now: Timestamp) {
        let Some((user, hold)) = self.holds.remove(id) else { return };
        let heading = self.heading(id.clone(), user, now);
        let current = self.book.current(now).map_or(hold.window, |funds| funds.window.start);
        let has_lapsed = hold.has_lapsed(now);
        let scopes = Scopes { book: &mut self.book, member: Some(&mut self.members[user]) };
        let entry = match cost.filter(|_| !has_lapsed) {
            Some(cost) => hold.settled(heading, cost, &scopes),
            None if has_lapsed => hold.expired(heading, &scopes),
            None => hold.released(heading, &scopes),
        };
        self.enter(entry.expect("sums stay small"), user);
        let cost = cost.filter(|_| !has_lapsed).unwrap_or_default();
        if shared.is_told {
            println!("{} {:x} ends {id} {cost}", shared.mono, self.id);
        }
        if self.disk.closing.doubted.contains(id) {
            let rest = hold.set.credits.saturating_sub(cost);
            holding::doubt(&mut self.book, hold.window, rest);
            holding::doubt_member(&mut self.members[user], hold.window, rest);
        }
        shared.truth.ended(id, cost.micros(), current);
    }

    /// Gives a debit back as a whole.
    pub fn refund(&mut self, at: usize, shared: &mut Shared, now: Timestamp) {
        let (debit, user, window, credits) = self.debits.swap_remove(at);
        if self.book.of(window).is_none() {
            return;
        }
        shared.next_id += 1;
        let id = OperationId::new(&format!("r{}", shared.next_id)).expect("an id");
        let heading = self.heading(id, user, now);
        let scopes = Scopes { book: &mut self.book, member: Some(&mut self.members[user]) };
        let entry = refunded(heading, debit.clone(), window, credits, 0, &scopes).expect("sums stay small");
        self.enter(entry, user);
        if self.disk.closing.doubted.contains(&debit) {
            let part = |account| take(&mut self.pending, (account, window), credits);
            let [pool, member] = ["", USERS[user]].map(part);
            holding::doubt(&mut self.book, window, pool);
            holding::doubt_member(&mut self.members[user], window, member);
        }
        if shared.is_told {
            println!("{} {:x} refunds {debit}", shared.mono, self.id);
        }
        shared.truth.refunded(&debit);
    }
}

/// Takes up to so much of what is pending.
pub fn take<K: Ord>(pending: &mut BTreeMap<K, Credits>, key: K, most: Credits) -> Credits {
    let Some(rest) = pending.get_mut(&key) else { return Credits::ZERO };
    let part = most.min(*rest);
    *rest = rest.minus(part);
    part
}

pub fn drawer(of: usize) -> Drawer {
    Drawer { team: Some(team(TEAM)), member: user(USERS[of]), payer: Payer::Pool, subscription: id(SUBSCRIPTION) }
}

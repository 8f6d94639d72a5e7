//! What must hold after every schedule, recomputed from the log alone.

use std::collections::BTreeMap;

use purser::domain::{
    Credits, Denial, Entry, Fact, OperationId, Payer, Reason, SubscriptionId, TeamId, Timestamp, UserId,
};
use purser::engine::balance::Totals;
use purser::engine::{Drawn, Meter};

use crate::log::Queue;
use crate::steps::{Answer, draw};
use crate::world::{WHO, World, credits, follower, granted, id, limit, scope, scopes, subscription, team, user};

/// An operation's id and the team in which it counts; `None`: wil's own.
type Name = (Option<TeamId>, OperationId);

fn name(entry: &Entry) -> Name {
    (entry.drawer.team.clone(), entry.id.clone())
}

/// A hold as the log tells of it.
struct Hold {
    credits: Credits,
    expires_at: Timestamp,
    has_ended: bool,
    has_expired: bool,
}

/// One scope of credits: what was charged, what is held by which hold, and what may exceed it.
#[derive(Default)]
struct Sums {
    used: Credits,
    held: BTreeMap<Name, (Credits, Timestamp)>,
    declared: Credits,
    now: Timestamp,
}

impl Sums {
    fn held(&self, now: Timestamp) -> Credits {
        let open = self.held.values().filter(|(_, expires_at)| now < *expires_at);
        open.fold(Credits::ZERO, |sum, (credits, _)| sum.plus(*credits))
    }

    fn taken(&self, now: Timestamp) -> Credits {
        self.used.plus(self.held(now))
    }

    fn take(&mut self, entry: &Entry) {
        assert!(entry.at >= self.now, "a payer's entries are decided in the order of their times");
        self.now = entry.at;
        let name = name(entry);
        match &entry.fact {
            Fact::Debited { credits, .. } => self.used = self.used.plus(*credits),
            Fact::Held { credits, expires_at, .. } => drop(self.held.insert(name, (*credits, *expires_at))),
            Fact::Extended { expires_at } => self.held.get_mut(&name).expect("an open hold").1 = *expires_at,
            Fact::Settled { charged, late, .. } => {
                let (held, _) = self.held.remove(&name).unwrap_or_default();
                assert_eq!(*late, held.is_zero(), "a hold is settled late only after its end");
                self.used = self.used.plus(*charged);
                self.declared = self.declared.plus(charged.saturating_sub(held));
            }
            Fact::Released { .. } | Fact::Expired { .. } => drop(self.held.remove(&name).expect("an open hold")),
            Fact::Refunded { credits, .. } => self.used = self.used.minus(*credits),
            Fact::Voided { .. } | Fact::EndAsked { .. } => unreachable!("one sidecar has its store to itself"),
        }
    }

    /// I2, I3: an allow fits; whatever else is drawn is declared.
    fn check(&self, entry: &Entry, most: Credits, of: &str) {
        if matches!(entry.fact, Fact::Debited { .. } | Fact::Held { .. }) {
            assert!(self.taken(self.now) <= most, "I2: {of} allowed above {most}: {entry:?}");
        }
        assert!(self.taken(self.now) <= most.plus(self.declared), "I3: {of} drew above {most} undeclared: {entry:?}");
    }
}

/// All sums that the log tells of.
#[derive(Default)]
struct Fold {
    payers: BTreeMap<SubscriptionId, Sums>,
    members: BTreeMap<UserId, Sums>,
    holds: BTreeMap<Name, Hold>,
}

impl Fold {
    fn take(&mut self, entry: &Entry, granted: &BTreeMap<SubscriptionId, Credits>) {
        self.take_end(entry);
        let payer = self.payers.entry(entry.drawer.subscription.clone()).or_default();
        payer.take(entry);
        payer.check(entry, granted[&entry.drawer.subscription], entry.drawer.subscription.as_str());
        if entry.drawer.payer == Payer::Pool {
            let member = self.members.entry(entry.drawer.member.clone()).or_default();
            member.take(entry);
            if let Some(limit) = limit(entry.drawer.member.as_str()) {
                member.check(entry, limit, entry.drawer.member.as_str());
            }
        }
    }

    /// I5: a hold ends once; only an expired one may still be charged, once.
    fn take_end(&mut self, entry: &Entry) {
        let key = name(entry);
        match &entry.fact {
            Fact::Held { credits, expires_at, .. } => {
                let (credits, expires_at) = (*credits, *expires_at);
                let hold = Hold { credits, expires_at, has_ended: false, has_expired: false };
                assert!(self.holds.insert(key, hold).is_none(), "I6: an id is held once");
            }
            Fact::Extended { expires_at } => {
                let hold = self.holds.get_mut(&key).expect("a hold");
                assert!(!hold.has_ended && !hold.has_expired && entry.at < hold.expires_at, "I5: {entry:?}");
                hold.expires_at = *expires_at;
            }
            Fact::Expired { returned } => {
                let hold = self.holds.get_mut(&key).expect("a hold");
                assert!(!hold.has_ended && !hold.has_expired && hold.expires_at <= entry.at, "I5: {entry:?}");
                assert_eq!(*returned, hold.credits);
                hold.has_expired = true;
            }
            Fact::Settled { late, .. } => {
                let hold = self.holds.get_mut(&key).expect("a hold");
                assert!(!hold.has_ended && hold.has_expired == *late, "I5: {entry:?}");
                hold.has_ended = true;
            }
            Fact::Released { returned } => {
                let hold = self.holds.get_mut(&key).expect("a hold");
                assert!(!hold.has_ended && !hold.has_expired, "I5: {entry:?}");
                assert_eq!(*returned, hold.credits);
                hold.has_ended = true;
            }
            Fact::Debited { .. } | Fact::Refunded { .. } => {}
            Fact::Voided { .. } | Fact::EndAsked { .. } => unreachable!("one sidecar has its store to itself"),
        }
    }
}

/// Checks everything, once every thread has ended.
pub fn audit(world: &World, answers: &[Answer]) {
    scopes().iter().for_each(|scope| _ = world.meter.expire(scope, world.now()));
    world.meter.log().append_waiting();
    world.sync();
    world.sync();
    let entries = world.meter.log().after(0);
    let granted = granted(world);
    let mut fold = Fold::default();
    entries.iter().for_each(|entry| fold.take(entry, &granted));
    nothing_but_what_was_allowed(&entries, answers);
    let replayed = replay(world, &entries);
    same_state(world, &replayed);
    same_answers(world, &replayed, answers);
    conserved(world, &fold);
}

/// I4: every entry belongs to one answer; a denial, a check or a repeated id has entered nothing.
fn nothing_but_what_was_allowed(entries: &[Entry], answers: &[Answer]) {
    let expired = entries.iter().filter(|entry| matches!(entry.fact, Fact::Expired { .. })).count();
    let is_new = |answer: &&Answer| match answer {
        Answer::Drew(_, Drawn::Allowed(allowed)) => !allowed.replayed,
        Answer::Drew(..) => false,
        Answer::Settled(_, _, _, settled) => !settled.replayed,
        Answer::Ended => true,
    };
    assert_eq!(entries.len(), expired + answers.iter().filter(is_new).count(), "I4: {entries:#?}");
}

/// I7: the log in its order is a history that a fresh meter can live through.
fn replay(world: &World, entries: &[Entry]) -> Meter<Queue> {
    let meter = follower(world);
    for (entry, seq) in entries.iter().zip(1..) {
        meter.recover_entry(entry, seq).unwrap_or_else(|why| panic!("I7: {why}"));
    }
    meter
}

fn same_state(world: &World, replayed: &Meter<Queue>) {
    let now = world.now();
    for (name, in_team) in WHO {
        let Some(in_team) = in_team.map(team) else { continue };
        let balance = |meter: &Meter<Queue>| meter.member_balance(&in_team, &user(name), now);
        assert_eq!(balance(&world.meter), balance(replayed), "I7: {name}");
    }
    let totals = |meter: &Meter<Queue>| {
        let mut totals = meter.totals(now);
        scopes().iter().for_each(|scope| _ = meter.tend(scope, now, &mut totals));
        Totals { oldest: None, ..totals }
    };
    assert_eq!(totals(&world.meter), totals(replayed), "I7");
}

/// I6: whoever was allowed is answered the same again, by either meter, and nothing is entered.
fn same_answers(world: &World, replayed: &Meter<Queue>, answers: &[Answer]) {
    for meter in [&world.meter, replayed] {
        let before = meter.log().after(0).len();
        for answer in answers {
            match answer {
                Answer::Drew(draw, Drawn::Allowed(first)) => {
                    let again = meter.draw(draw, world.now());
                    let Ok(Drawn::Allowed(again)) = again else { panic!("I6: {first:?}, then {again:?}") };
                    let told =
                        |allowed: &purser::engine::Allowed| (allowed.credits, allowed.drawer.payer, allowed.expires_at);
                    assert!(again.replayed && told(&again) == told(first), "I6: {first:?}, then {again:?}");
                }
                Answer::Settled(who, number, cost, first) => {
                    let (scope, id) = (scope(WHO[*who]), id(&format!("h{number}")));
                    let again = meter.settle(&scope, &id, credits(*cost), true, world.now()).expect("I6");
                    let told = |s: &purser::engine::Settled| (s.charged, s.returned, s.debt, s.late);
                    assert!(again.replayed && told(&again) == told(first), "I6: {first:?}, then {again:?}");
                }
                Answer::Drew(..) | Answer::Ended => {}
            }
        }
        assert_eq!(meter.log().after(0).len(), before, "I6: repeating enters nothing");
    }
}

/// I1: `granted + debt = free + held + spent + returned`, with the root's numbers, the log's and the
/// book's own.
fn conserved(world: &World, fold: &Fold) {
    let root = world.root();
    let now = world.now();
    for (name, asker) in [("pool", ("olga", Some("acme"))), ("wallet", ("wil", None))] {
        let row = root.rows.subscription(&subscription(name)).expect("loaded").expect("put");
        let account = row.open_account();
        let none = Sums::default();
        let sums = fold.payers.get(&subscription(name)).unwrap_or(&none);
        assert_eq!(account.spent().minus(account.refunded()), sums.used, "I9: the root has what the log has");
        assert_eq!(account.held(), sums.held(now), "I9: expired holds were entered");
        let lent = account.out();
        let (free, debt) = match world.meter.check(&draw(asker, 'd', 9), now).expect("a decision") {
            Drawn::Allowed(allowed) => (allowed.remaining.payer, Credits::ZERO),
            Drawn::Denied(denial) => left(&denial),
            Drawn::Short(_) => panic!("a sync has just been"),
        };
        assert_eq!(lent.plus(debt), free.plus(sums.taken(now)), "I1: {name}");
    }
}

/// What is free and what is owed, as a denial tells.
fn left(denial: &Denial) -> (Credits, Credits) {
    match (denial.reason, denial.numbers, denial.debt) {
        (Reason::InDebt, _, Some(debt)) => (Credits::ZERO, debt),
        (_, Some(numbers), _) => (numbers.remaining(), Credits::ZERO),
        _ => panic!("a denial without numbers: {denial:?}"),
    }
}

//! Whether operations are remembered as a plain map remembers them, whatever comes in which order.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use smallvec::SmallVec;

use super::*;
use crate::domain::{Drawer, Entry, Heading, Model, Payer, Posting, SubscriptionId, UserId};
use crate::engine::known::{HoldKnown, Kind};

/// So many ids there are, each of which comes again once it is forgotten.
const IDS: u32 = 600;
/// So many entries are remembered.
const KEPT: u64 = 900;
const DAY_MILLIS: i64 = 24 * 3_600_000;

/// What is known of an operation.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    at: Timestamp,
    seq: u64,
    content: u64,
    by: By,
    what: PlainKind,
}

#[derive(Clone, Debug, PartialEq)]
enum PlainKind {
    Debit { window: Timestamp, credits: Credits, refunded: Credits, parts: usize, rest: Option<(Credits, u64)> },
    Hold { hold: Hold, first_expiry: Timestamp, end: Option<End>, terms: Option<Terms> },
    Refund { credits: Credits },
}

impl Plain {
    fn of(known: Known<'_>) -> Self {
        let Known { at, seq, content, by, kind } = known;
        let what = match kind {
            Kind::Debit { window, credits, refunds } => {
                let refunds = refunds.cloned().unwrap_or_default();
                let (refunded, parts, rest) = (refunds.credits, refunds.parts.len(), refunds.rest);
                PlainKind::Debit { window, credits, refunded, parts, rest }
            }
            Kind::Hold(hold) => PlainKind::Hold {
                hold: hold.hold(),
                first_expiry: hold.first_expiry(),
                end: hold.end(),
                terms: hold.terms().cloned(),
            },
            Kind::Refund { credits, .. } => PlainKind::Refund { credits },
            Kind::Elsewhere(_) => unreachable!("nobody else has any"),
        };
        Self { at, seq, content, by, what }
    }

    fn is_open(&self) -> bool {
        matches!(self.what, PlainKind::Hold { end: None, .. })
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis.max(0)).expect("1970 to 9999")
}

fn micros(micros: i64) -> Credits {
    Credits::from_micros(micros).expect("an amount")
}

fn id(number: u32) -> OperationId {
    // Some lie in their ids and some elsewhere.
    let length = if number.is_multiple_of(3) { 60 } else { 6 };
    OperationId::new(&format!("{number:0length$}")).expect("an id")
}

/// A hash of which many share some bits.
fn key(id: &OperationId) -> Key {
    let number: u128 = id.as_str().parse().expect("a number");
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835) & !(0xFF << 28)
}

struct World {
    random: StdRng,
    operations: Operations,
    model: BTreeMap<u32, Plain>,
    now: i64,
    seq: u64,
    far: usize,
}

impl World {
    fn horizon(&self) -> Horizon {
        let seq = (self.seq + 1).saturating_sub(KEPT);
        Horizon { at: at(self.now - 31 * DAY_MILLIS), seq, kept: KEPT }
    }

    /// What is known by the model under an id, once what lies before the horizon is forgotten.
    fn known(&mut self, number: u32) -> Option<Plain> {
        let horizon = self.horizon();
        let known = self.model.get(&number)?;
        if !known.is_open() && horizon.is_after(known.at, known.seq) {
            self.model.remove(&number);
            return None;
        }
        self.model.get(&number).cloned()
    }

    /// What is known under an id, once both have been found to agree.
    fn recall(&mut self, number: u32) -> Option<Plain> {
        let (horizon, known) = (self.horizon(), self.known(number));
        assert_eq!(self.operations.recall(key(&id(number)), horizon).map(Plain::of), known, "{number}");
        known
    }

    fn note(&mut self, number: u32, by: By, fact: Fact, posting: Posting, terms: Option<&Terms>) {
        let (user, subscription) = (UserId::new("ana").expect("a name"), SubscriptionId::new("s").expect("a name"));
        let drawer = Drawer { team: None, member: user, payer: Payer::Wallet, subscription };
        let heading = Heading { at: at(self.now), id: id(number), drawer };
        let entry = heading.entry(fact, SmallVec::from_iter([posting]));
        let entry = Entry { rates: terms.map(|terms| terms.rates), ..entry };
        self.operations.note(key, entry.view(), by, self.seq);
    }

    fn begin(&mut self, number: u32) {
        let random = &mut self.random;
        // Few have a source of which the number is large, or come long after their window's start.
        let source = if random.random_ratio(1, 20) { 70_000 } else { random.random_range(0..4) };
        let by = By { member: random.random(), source };
        let window = at(self.now - if random.random_ratio(1, 20) { 60 } else { 20 } * DAY_MILLIS);
        let (content, credits) = (random.random(), micros(random.random_range(0..1_000)));
        let (at, seq) = (at(self.now), self.seq);
        self.far += usize::from(source == 70_000);
        if random.random() {
            let what = PlainKind::Debit { window, credits, refunded: Credits::ZERO, parts: 0, rest: None };
            self.model.insert(number, Plain { at, seq, content, by, what });
            let fact = Fact::Debited { credits, model: None, content };
            return self.note(number, by, fact, Posting { spent: credits, ..Posting::new(window) }, None);
        }
        let expires_at = at.plus_millis(random.random_range(0..100_000) << random.random_range(0..18));
        let model = Some(Model::new("m").expect("a model"));
        let rates = random.random::<bool>().then(|| RateVersion::from_bits(7));
        let terms = Terms::of(rates, model.as_ref());
        let hold = Hold { window, set: Set { credits, expires_at } };
        let what = PlainKind::Hold { hold, first_expiry: expires_at, end: None, terms: terms.clone() };
        self.model.insert(number, Plain { at, seq, content, by, what });
        let fact = Fact::Held { credits, expires_at, model, content };
        let posting = Posting { held: Some(Set { credits, expires_at }), ..Posting::new(window) };
        self.note(number, by, fact, posting, terms.as_ref());
    }

    /// Ends or extends a hold, or gives back a part of a debit under another id, or the rest.
    fn go_on(&mut self, number: u32, known: Plain) {
        let Plain { by, what, .. } = known;
        let (at, seq) = (at(self.now), self.seq);
        match what {
            PlainKind::Hold { hold, end: None, .. } => {
                let set = hold.set;
                let (fact, end) = match self.random.random_range(0..4) {
                    0 => (Fact::Extended { expires_at: at.plus_millis(self.random.random_range(0..1 << 36)) }, None),
                    1 => (Fact::Released { returned: set.credits }, Some(End::Released { returned: set.credits })),
                    2 => (Fact::Expired { returned: set.credits }, Some(End::Expired)),
                    _ => {
                        let (charged, returned, debt, late) = (set.credits, Credits::ZERO, Credits::ZERO, false);
                        let end = End::Settled { charged, returned, debt, late };
                        (Fact::Settled { charged, returned, debt, late }, Some(end))
                    }
                };
                self.note(number, by, fact.clone(), Posting { unheld: Some(set), ..Posting::new(hold.window) }, None);
                let known = self.model.get_mut(&number).expect("is known");
                let PlainKind::Hold { hold, end: ends, .. } = &mut known.what else { unreachable!("it is a hold") };
                match fact {
                    Fact::Extended { expires_at } => hold.set.expires_at = expires_at,
                    _ => (*ends, known.at, known.seq) = (end, at, seq),
                }
            }
            PlainKind::Debit { window, credits, refunded, rest: None, .. } => {
                let other = self.random.random_range(0..IDS);
                let is_whole = self.recall(other).is_some();
                let part = if is_whole { credits.minus(refunded) } else { Credits::ZERO };
                let into = if is_whole { number } else { other };
                let fact = Fact::Refunded { debit: id(number), credits: part, content: 3 };
                self.note(into, by, fact, Posting { refunded: part, ..Posting::new(window) }, None);
                let known = self.model.get_mut(&number).expect("is known");
                let PlainKind::Debit { refunded, parts, rest, .. } = &mut known.what else { unreachable!("a debit") };
                *refunded = refunded.plus(part);
                if is_whole {
                    *rest = Some((part, seq));
                } else {
                    *parts += 1;
                    let what = PlainKind::Refund { credits: part };
                    self.model.insert(other, Plain { at, seq, content: 3, by, what });
                }
            }
            _ => {}
        }
    }

    /// What falls due, and how many holds are open.
    fn check(&mut self) {
        let now = at(self.now);
        let open = self.model.values().filter(|known| known.is_open());
        assert_eq!(self.operations.open_holds(), open.clone().count());
        let expiry = |known: &Plain| match &known.what {
            PlainKind::Hold { hold, .. } => hold.set.expires_at,
            _ => unreachable!("only holds are open"),
        };
        let first = open.map(expiry).min().filter(|first| *first <= now);
        let due = self.operations.due(now).map(|id| self.operations.get(key(id)).expect("is known"));
        let due = due.map(|known| match known.kind {
            Kind::Hold(HoldKnown::Open { expires_at, .. }) => expires_at,
            other => unreachable!("{other:?} is not open"),
        });
        assert_eq!(due, first);
    }
}

#[test]
fn operations_are_known_as_a_plain_map_knows_them() {
    let (operations, model) = (Operations::default(), BTreeMap::new());
    let random = StdRng::seed_from_u64(0x0BE7A);
    let mut world = World { random, operations, model, now: 1_795_000_000_000, seq: 1 << 40, far: 0 };
    let (mut begun, mut went_on) = (0, 0);
    for step in 0..20_000 {
        // At times weeks pass, or milliards of entries elsewhere: what was entered before the horizon of then is gone.
        world.now += match world.random.random_range(0..4_000) {
            0 => 40 * DAY_MILLIS,
            1 => 10 * DAY_MILLIS,
            _ => world.random.random_range(0..60_000),
        };
        world.seq += if world.random.random_ratio(1, 5_000) { 1 << 33 } else { 1 };
        let number = world.random.random_range(0..IDS);
        match world.recall(number) {
            None => {
                world.begin(number);
                begun += 1;
            }
            Some(known) => {
                world.go_on(number, known);
                went_on += 1;
            }
        }
        world.check();
        if step % 64 == 0 {
            let horizon = world.horizon();
            world.operations.forget(horizon, usize::MAX);
            (0..IDS).for_each(|number| _ = world.recall(number));
            assert_eq!(world.operations.len(), world.model.len());
        }
    }
    assert!(begun > 4_000 && went_on > 4_000 && world.far > 100, "{begun} {went_on} {}", world.far);
}

#[test]
fn once_what_was_before_a_jump_of_the_clock_has_left_records_are_small_again() {
    let mut operations = Operations::default();
    let header = |number: u32, millis| {
        let by = By { member: 0, source: 0 };
        Header { at: at(millis), seq: number.into(), content: 0, by }
    };
    let (before, after) = (1_795_000_000_000, 1_795_000_000_000 + 60 * DAY_MILLIS);
    let remember = |operations: &mut Operations, numbers: std::ops::Range<u32>, millis| {
        for number in numbers {
            let done = Done::Debit { window: at(millis), credits: Credits::ZERO };
            operations.remember(key(&id(number)), header(number, millis), done);
        }
    };
    remember(&mut operations, 0..10, before);
    remember(&mut operations, 10..20, after);
    assert_eq!((operations.len(), operations.near), (20, 10));
    operations.forget(Horizon { at: at(after), seq: 0, kept: KEPT }, usize::MAX);
    assert_eq!((operations.len(), operations.near), (10, 0));
    remember(&mut operations, 20..30, after + 1);
    assert_eq!((operations.len(), operations.near), (20, 10));
    for number in 10..30 {
        let known = operations.get(key(&id(number))).expect("is remembered");
        assert_eq!((known.at, known.seq), (at(after + i64::from(number >= 20)), number.into()));
    }
}

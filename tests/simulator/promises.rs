//! What the root promises many sidecars, step by step, where a random story says too little.

use std::collections::BTreeMap;

use purser::domain::{Credits, Timestamp, Window};
use purser::root::operate::{forgive_funds, identify, write_off};
use purser::root::sync::{Batch, Reply, Request, SyncRefusal, register, sync};
use purser::root::{Flags, MemberShare, Position, Shares, Want};

use super::store::Store;
use super::world::{SUBSCRIPTION, TEAM, World, id, team, user};

fn credits(whole: u32) -> Credits {
    Credits::from_credits(whole).expect("small")
}

fn want(goal: u32) -> Want {
    Want { goal: credits(goal), step: credits(1), ..Want::default() }
}

const ONE: u128 = 11;
const TWO: u128 = 12;

/// A sidecar by hand.
struct Hand {
    id: u128,
    incarnation: u64,
    beat: u64,
    generation: u64,
    config: u64,
    positions: Vec<Position>,
}

impl Hand {
    fn new(store: &mut Store, id: u128) -> Self {
        store.run(|rows| register(rows, id, 1, id)).expect("the first incarnation");
        Self { id, incarnation: 1, beat: 0, generation: 0, config: 1_000, positions: Vec::new() }
    }

    fn shares(&mut self) -> Shares {
        self.beat += 1;
        let (beat, generation, config) = (self.beat, self.generation, self.config);
        let funds = BTreeMap::from([(id(SUBSCRIPTION), self.positions.clone())]);
        Shares { beat, generation, config, funds, tells_all: true, ..Shares::default() }
    }

    fn send(&mut self, store: &mut Store, shares: Shares) -> Result<Reply, SyncRefusal> {
        let batch = Batch { first: 1, entries: Vec::new() };
        let shares = Some(shares);
        let request = Request { sidecar: self.id, incarnation: self.incarnation, batch, shares, ..Request::default() };
        let now = store.now;
        let (reply, _) = store.run(|rows| sync(rows, &request, now))?;
        if let Some(lease) = reply.leases.get(&id(SUBSCRIPTION)).and_then(|leases| leases.last()) {
            let (granted, returned, lost) = (lease.granted, lease.returned, lease.lost);
            let tally = self.positions.last().map(|position| position.tally).unwrap_or_default();
            self.positions = vec![Position { window: lease.window, granted, returned, lost, tally }];
        }
        Ok(reply)
    }

    /// Asks for so much; answers what it was lent in all, and how the pool stands.
    fn ask(&mut self, store: &mut Store, goal: u32) -> (Credits, Flags) {
        let mut shares = self.shares();
        shares.wants.insert(id(SUBSCRIPTION), want(goal));
        let reply = self.send(store, shares).expect("it is registered");
        let granted = reply.leases[&id(SUBSCRIPTION)].last().expect("a window").granted;
        (granted, reply.shared.expect("one of many").flags[&id(SUBSCRIPTION)])
    }
}

/// A store with 600 credits in a pool, and two sidecars.
fn world() -> (World, Hand, Hand) {
    let mut world = World::new(0, false);
    let terms = world.store.subscription().terms.clone();
    let seats = purser::root::Terms { seats: 3, credits_per_seat: credits(200), ..terms };
    world.control(&purser::root::Command::PutSubscription { id: id(SUBSCRIPTION), terms: seats });
    let others: Vec<_> = world.store.sidecars().map(|sidecar| sidecar.id).collect();
    others.into_iter().for_each(|id| world.give_up(id));
    let (one, two) = (Hand::new(&mut world.store, ONE), Hand::new(&mut world.store, TWO));
    (world, one, two)
}

#[test]
fn blocks_are_borrowed_burned_and_brought_home_in_these_stories() {
    let (mut borrowed, mut burned, mut home) = (0, 0, 0);
    // SIM_LENDER_SEEDS and SIM_STEPS run more; a failure comes after the number of its seed.
    for seed in 0..super::number("SIM_LENDER_SEEDS", 60) {
        println!("seed {seed}");
        let mut world = World::beside_a_lender(seed, false);
        world.run(super::steps());
        for holder in world.store.subscription().accounts.iter().flat_map(|account| &account.holders) {
            borrowed += u32::from(!holder.borrowed.is_zero());
            let is_lender = purser::root::blocks::is_lender(holder.sidecar);
            burned += u32::from(is_lender && !holder.suspense().is_zero());
            home += u32::from(is_lender && !holder.granted.is_zero() && holder.out().is_zero());
        }
    }
    println!("{borrowed} borrowed, {burned} blocks were burned, {home} came home");
    assert!(borrowed > 0 && burned > 0 && home > 0, "{borrowed} {burned} {home}");
}

#[test]
fn each_is_lent_its_goal_and_a_repeated_or_late_sync_lends_nothing() {
    let (mut world, mut one, mut two) = world();
    let store = &mut world.store;
    assert_eq!(one.ask(store, 50).0, credits(50));
    assert_eq!(two.ask(store, 70).0, credits(70));
    one.beat -= 1;
    assert_eq!(one.ask(store, 90).0, credits(50), "the same beat again");
    assert_eq!(one.ask(store, 90).0, credits(90), "up to the goal");
}

#[test]
fn what_is_returned_can_be_lent_to_another_and_not_before() {
    let (mut world, mut one, mut two) = world();
    let store = &mut world.store;
    for _ in 0..60 {
        one.ask(store, 10_000);
    }
    let (lent, flags) = two.ask(store, 1);
    assert!(lent < credits(3) && flags.tight, "near exhaustion only what waits is lent: {lent}");
    store.now = store.now.plus_millis(20 * 60_000);
    assert!(two.ask(store, 100).0 < credits(3), "time gives nothing back");
    one.positions[0].returned = one.positions[0].granted;
    let shares = one.shares();
    one.send(store, shares).expect("it is registered");
    assert_eq!(two.ask(store, 100).0, credits(100));
}

#[test]
fn who_returns_what_it_was_not_lent_is_quarantined() {
    let (mut world, mut one, _) = world();
    let store = &mut world.store;
    one.ask(store, 50);
    one.positions[0].returned = credits(51);
    let (granted, flags) = one.ask(store, 60);
    assert!(flags.withheld && granted == credits(50), "lent nothing more");
    let account = store.subscription().open_account().clone();
    assert_eq!(account.of(ONE).returned, Credits::ZERO, "nor believed");
}

#[test]
fn another_store_lends_nothing_until_everybody_has_told() {
    let (mut world, mut one, mut two) = world();
    let store = &mut world.store;
    one.ask(store, 50);
    store.run(|rows| identify(rows, "another"));
    two.generation = 1;
    assert!(two.ask(store, 10).1.withheld, "one has not told");
    one.generation = 1;
    assert!(one.ask(store, 60).1.withheld, "others may be heard yet that it has forgotten");
    store.now = store.now.plus_millis(3_000);
    assert_eq!(one.ask(store, 60).0, credits(60));
    assert_eq!(two.ask(store, 10).0, credits(10));
}

#[test]
fn a_store_that_has_forgotten_an_account_takes_its_sums_from_who_holds_it() {
    let (mut world, mut one, _) = world();
    one.ask(&mut world.store, 50);
    one.positions[0].tally.spent = credits(45);
    let (mut anew, _, mut two) = self::world();
    let store = &mut anew.store;
    store.run(|rows| register(rows, ONE, 2, 7)).expect("a later incarnation");
    one.generation = 1;
    let mut shares = one.shares();
    shares.wants.insert(id(SUBSCRIPTION), want(20));
    one.incarnation = 2;
    let reply = one.send(store, shares).expect("it is registered");
    assert_eq!(reply.shared.expect("one of many").regressions, 1);
    let holder = store.subscription().open_account().of(ONE);
    assert_eq!((holder.spent, store.subscription().open_account().used_and_held()), (credits(45), credits(45)));
    two.generation = 2;
    two.ask(store, 1);
    one.generation = 2;
    store.now = store.now.plus_millis(3_000);
    one.positions[0].returned = credits(5);
    assert_eq!(one.ask(store, 20).0, credits(70), "what was left is returned, as of every lease that has run out");
}

#[test]
fn an_account_that_was_forgotten_is_lent_once_who_named_it_before_it_was_put_again_has_told() {
    let (mut world, mut one, mut two) = world();
    one.ask(&mut world.store, 400);
    one.positions[0].tally.spent = credits(400);
    world.store.empty();
    world.store.run(|rows| identify(rows, "1"));
    for hand in [&mut one, &mut two] {
        world.store.run(|rows| register(rows, hand.id, 1, hand.id)).expect("nobody is known");
        hand.generation = 1;
        let shares = hand.shares();
        hand.send(&mut world.store, shares).expect("it is registered");
    }
    world.store.now = world.store.now.plus_millis(60_000);
    let shares = two.shares();
    two.send(&mut world.store, shares).expect("it is registered");
    let terms = purser::root::Terms { seats: 3, credits_per_seat: credits(200), ..world.terms.clone() };
    world.control(&purser::root::Command::PutSubscription { id: id(SUBSCRIPTION), terms });
    let store = &mut world.store;
    assert!(two.ask(store, 300).1.withheld, "one has named it and not told since");
    let shares = one.shares();
    one.send(store, shares).expect("it is registered");
    let (lent, flags) = two.ask(store, 300);
    assert!(!flags.withheld && credits(0) < lent && lent <= credits(200), "{lent}");
    let terms = purser::root::Terms { owner: user("dan"), ..world.terms.clone() };
    world.control(&purser::root::Command::PutSubscription { id: id("other"), terms });
    assert!(!two.ask(&mut world.store, 300).1.withheld, "nobody has named what else is put");
}

#[test]
fn what_was_lent_on_a_purchase_that_expired_does_not_rest_on_what_others_were_lent() {
    let (mut world, mut one, mut two) = world();
    let borrow = |hand: &mut Hand, store: &mut Store, goal| (0..60).for_each(|_| _ = hand.ask(store, goal));
    borrow(&mut one, &mut world.store, 390);
    one.positions[0].tally.spent = credits(250);
    one.ask(&mut world.store, 0);
    let (id_of, expires_at) =
        (purser::domain::OperationId::new("p1").expect("an id"), Some(world.store.now.plus_millis(60_000)));
    let (subscription, credits_of) = (id(SUBSCRIPTION), credits(300));
    world.control(&purser::root::Command::Purchase { subscription, id: id_of, credits: credits_of, expires_at });
    let store = &mut world.store;
    borrow(&mut two, store, 500);
    let covered = |store: &Store| {
        let (row, now) = (store.subscription(), store.now);
        (row.open_account().claims(), row.open_account().burned().plus(row.left(now)))
    };
    assert_eq!(covered(store), (credits(890), credits(900)));
    store.now = store.now.plus_millis(60_000);
    one.ask(store, 0);
    assert_eq!(
        covered(store),
        (credits(890), credits(890)),
        "two may have spent of the purchase what nobody knows of yet"
    );
    two.positions[0].returned = credits(500);
    two.ask(store, 0);
    assert_eq!(covered(store), (credits(390), credits(600)), "what comes back of it has expired");
}

#[test]
fn who_is_written_off_is_fenced_and_forgiving_gives_back_what_it_held() {
    let (mut world, mut one, mut two) = world();
    let store = &mut world.store;
    one.ask(store, 50);
    let forgive = |store: &mut Store| store.run(|rows| forgive_funds(rows, &id(SUBSCRIPTION), ONE));
    assert_eq!(forgive(store), Credits::ZERO, "it may live");
    assert!(store.run(|rows| write_off(rows, ONE)));
    assert_eq!(forgive(store), credits(50));
    assert_eq!(forgive(store), Credits::ZERO, "once");
    assert_eq!(store.subscription().open_account().claims(), Credits::ZERO);
    let shares = one.shares();
    let again = store.run(|rows| register(rows, ONE, 2, 9));
    assert_eq!(again, Err(SyncRefusal::Fenced), "for ever");
    assert_eq!(one.send(store, shares).err(), Some(SyncRefusal::Fenced), "it stops when it hears");
    assert_eq!(two.ask(store, 10).0, credits(10));
}

#[test]
fn a_new_limit_counts_what_those_who_have_not_heard_may_draw() {
    let (mut world, mut one, mut two) = world();
    (one.config, two.config) = (world.store.config().0, world.store.config().0);
    one.ask(&mut world.store, 15);
    let limit = purser::root::Patch { limit: Some(Some(credits(20))), ..Default::default() };
    world.control(&purser::root::Command::PatchMember { team: team(TEAM), user: user("cyd"), patch: limit });
    let (store, window) = (&mut world.store, one.positions[0].window);
    assert!(two.ask(store, 10).1.withheld, "nor is a pool lent to who has not heard");
    two.config = store.config().0;
    assert_eq!(limit_of(&mut two, store, window), credits(5), "20 less the 15 that the other may draw");
    one.config = two.config;
    one.ask(store, 15);
    assert_eq!(limit_of(&mut two, store, window), credits(20));
}

/// Waits for 20 of the limit of cyd, who settles for 1; answers what was lent of it in all.
fn limit_of(hand: &mut Hand, store: &mut Store, window: Window) -> Credits {
    let person = (team(TEAM), user("cyd"));
    let mut shares = hand.shares();
    let wanted = Want { least: credits(1), waiting: credits(20), ..want(20) };
    shares.members.insert(person.clone(), MemberShare { positions: Vec::new(), want: Some((window, wanted)) });
    let reply = hand.send(store, shares).expect("it is registered");
    let lease = &reply.shared.expect("one of many").members[&person];
    assert!(Timestamp::MIN < window.start && lease.limit == Some(credits(20)));
    lease.leases.last().map_or(Credits::ZERO, |lease| lease.granted)
}

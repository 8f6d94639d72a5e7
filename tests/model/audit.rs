//! What must hold at any time: a restart forgets nothing (I7), and nothing is made of nothing (I1, I3).

use purser::domain::{Credits, Tally, Timestamp};
use purser::engine::Meter;

use super::contrast::Contrast;
use super::facts::{Fact, What};
use super::history::{SUBSCRIPTIONS, Scope, TEAMS, USERS};
use super::plain::meter_draw;
use super::setting::{instant, operation, options, scope, subscription, team, user};
use super::support::{VecLog, recovery};

/// A meter from what the store and the log have kept is the one that is alive: every sum of every
/// book and member, and the first answer to everything that is remembered.
pub fn recovers(contrast: &Contrast) {
    let (live, fresh) = (&contrast.world.meter, recovery::recovered(&contrast.world, options()));
    fresh.set_on_pool_spend(contrast.model.on_pool_spend);
    let (model, now) = (&contrast.model, contrast.world.now);
    for number in 0..SUBSCRIPTIONS {
        // Windows that the store has forgotten are not known after a restart, heard of or not.
        let accounts = &contrast.world.store.subscriptions[&subscription(number)].accounts;
        let mut known = book(live, number, now);
        known.retain(|(start, ..)| accounts.iter().any(|account| account.window.start == *start));
        assert_eq!(book(&fresh, number, now), known, "the book of s{number}");
        for &start in model.subscriptions[number as usize].leases.keys() {
            assert_eq!(sums(live, number, start), predicted(model.of_subscription(number, start)), "s{number} {start}");
        }
    }
    for (number, member) in (0..TEAMS).flat_map(|number| (0..USERS).map(move |member| (number, member))) {
        // A restart may know more: windows of long ago that a live meter has dropped.
        let known = draws(&fresh, number, member);
        for drawn in draws(live, number, member) {
            assert!(known.contains(&drawn), "what u{member} drew in t{number}: {drawn:?} is not among {known:?}");
        }
    }
    for fact in &model.facts.0 {
        answers_again(contrast, &fresh, fact);
    }
}

/// A repeated request gets the same answer from both, and neither enters it again.
fn answers_again(contrast: &Contrast, fresh: &Meter<VecLog>, fact: &Fact) {
    let (model, live, now) = (&contrast.model, &contrast.world.meter, contrast.world.now);
    let Some((at, hold)) = model.known(fact.scope, fact.id) else { return };
    let What::Drawn { place, .. } = &model.facts.0[at].what else { return };
    // Where an answer of the store was lost, the restart is lent more than the live meter knows of.
    let id = subscription(place.subscription);
    let is_told = contrast.world.lent[&id] == contrast.world.store.subscriptions[&id].leases();
    let is_kept = !matches!(fact.scope, Scope::User(user) if model.owned_by(user).is_none());
    if model.is_full || !is_told || !is_kept {
        return;
    }
    let entered = (live.log().last(), fresh.log().last());
    if let What::Drawn { draw, .. } = &model.facts.0[at].what {
        let draw = meter_draw(draw);
        assert_eq!(fresh.draw(&draw, now), live.draw(&draw, now), "{draw:?} again");
    }
    if let Some(What::Settled { charged, .. }) = hold.and_then(|hold| hold.end).map(|end| &model.facts.0[end].what) {
        let cost = Credits::from_micros(*charged).expect("an amount");
        let again = |meter: &Meter<VecLog>| meter.settle(&scope(fact.scope), &operation(fact.id), cost, true, now);
        assert_eq!(again(fresh), again(live), "settle {} again", fact.id);
        assert!(again(live).is_ok_and(|settled| settled.replayed), "a settled hold replays");
    }
    assert_eq!((live.log().last(), fresh.log().last()), entered, "what is repeated is not entered");
}

/// After everything has ended and been reported: the root knows what the model knows, covers each
/// account or counts its debt, and never gave more than came in.
pub fn conserves(contrast: &mut Contrast) {
    contrast.world.meter.log().set_full(false);
    (contrast.model.is_full, contrast.world.store_is_away) = (false, false);
    contrast.take(&super::history::Step::Pass { millis: 32 * 86_400_000 });
    contrast.take(&super::history::Step::Expire);
    let all: Vec<u8> = (0..SUBSCRIPTIONS).collect();
    contrast.sync(&all, true);
    contrast.sync(&all, false);
    for number in 0..SUBSCRIPTIONS {
        let row = &contrast.world.store.subscriptions[&subscription(number)];
        let window = row.open_account().window;
        for account in &row.accounts {
            let start = account.window.start.millis();
            let sums = contrast.model.of_subscription(number, start);
            let reported = (account.spent().micros(), account.refunded().micros(), account.held().micros());
            assert_eq!(reported, (sums.spent, sums.refunded, 0), "what the root knows of s{number} {start}");
            let is_open = account.window == window;
            let covered = account.burned().checked_add(account.debt()).expect("an amount");
            assert_eq!(covered, account.used_and_held(), "s{number} {start} is covered or in debt");
            let out = account.out().saturating_sub(account.used_and_held());
            assert!(is_open || out.is_zero(), "nothing free stays outside of an ended window");
        }
        let burned: i64 = row.grants.iter().map(|grant| grant.burned.micros()).sum();
        let covered: i64 = row.accounts.iter().map(|account| account.burned().micros()).sum();
        assert!(covered <= burned, "no more is covered than grants were burned");
        let used = contrast.model.used_in_all(number);
        let granted = contrast.world.granted.get(&subscription(number)).copied().unwrap_or_default();
        assert!(used - contrast.model.debt(number) <= granted, "s{number}: no more is spent than came in (I3)");
    }
}

/// A book's sums by window, leaving out windows without any.
fn book(meter: &Meter<VecLog>, number: u8, now: Timestamp) -> Vec<(Timestamp, Tally, Credits)> {
    let book = meter.book(&subscription(number)).expect("a book");
    let sums = book.funds.iter().map(|funds| (funds.window.start, funds.draws.tally(), funds.draws.held(now)));
    sums.filter(|(_, tally, _)| *tally != Tally::default()).collect()
}

fn sums(meter: &Meter<VecLog>, number: u8, start: i64) -> Tally {
    let book = meter.book(&subscription(number)).expect("a book");
    book.of(instant(start)).map(|funds| funds.draws.tally()).expect("funds that are lent")
}

fn predicted(sums: super::facts::Sums) -> Tally {
    let amount = |micros| Credits::from_micros(micros).expect("an amount");
    Tally { spent: amount(sums.spent), refunded: amount(sums.refunded), held: amount(sums.held) }
}

/// What a member drew in the windows that matter, by window.
fn draws(meter: &Meter<VecLog>, of: u8, member: u8) -> Vec<(Timestamp, Tally)> {
    let draws = meter.member_draws(&team(of), &user(member)).unwrap_or_default();
    let mut tallies: Vec<_> = (0..800)
        .map(|day| instant(1_793_404_800_000 + day * 86_400_000))
        .filter_map(|start| draws.of(start).map(|draws| (start, draws.tally())))
        .collect();
    tallies.retain(|(_, tally)| *tally != Tally::default());
    tallies
}

//! What must hold at any time: a restart forgets nothing (I7), and nothing is made of nothing (I1, I3).

use purser::domain::{Credits, Tally, Timestamp};
use purser::engine::Meter;

use super::contrast::{Contrast, meter_draw};
use super::facts::{Fact, What};
use super::history::{SUBSCRIPTIONS, Scope, TEAMS, USERS};
use super::model::Model;
use super::setting::{instant, operation, options, scope, subscription, team, user};
use super::support::{VecLog, recovery};

/// A meter from what the store and the log have kept is the one that is alive: every sum of every
/// book and member, and the first answer to everything that is remembered.
pub fn recovers(contrast: &Contrast) {
    let (live, fresh) = (&contrast.world.meter, recovery::recovered(&contrast.world, options()));
    fresh.set_on_pool_spend(contrast.model.on_pool_spend);
    let (model, now) = (&contrast.model, contrast.world.now);
    for number in 0..SUBSCRIPTIONS {
        assert_eq!(book(&fresh, number, now), book(live, number, now), "the book of s{number}");
        for &start in model.subscriptions[number as usize].leases.keys() {
            assert_eq!(sums(live, number, start), predicted(model.of_subscription(number, start)), "s{number} {start}");
        }
    }
    for (number, member) in (0..TEAMS).flat_map(|number| (0..USERS).map(move |member| (number, member))) {
        assert_eq!(draws(&fresh, number, member), draws(live, number, member), "what u{member} drew in t{number}");
    }
    for fact in &model.facts.0 {
        answers_again(model, live, &fresh, fact, now);
    }
}

/// A repeated request gets the same answer from both, and neither enters it again.
fn answers_again(model: &Model, live: &Meter<VecLog>, fresh: &Meter<VecLog>, fact: &Fact, now: Timestamp) {
    let Some((at, hold)) = model.known(fact.scope, fact.id) else { return };
    if model.is_full || matches!(fact.scope, Scope::User(user) if model.owned_by(user).is_none()) {
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
            let reported = (account.spent.micros(), account.refunded.micros(), account.held.micros());
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
fn draws(meter: &Meter<VecLog>, of: u8, member: u8) -> Option<Vec<(Timestamp, Tally)>> {
    let draws = meter.member_draws(&team(of), &user(member))?;
    let mut tallies: Vec<_> = (0..800)
        .map(|day| instant(1_793_404_800_000 + day * 86_400_000))
        .filter_map(|start| draws.of(start).map(|draws| (start, draws.tally())))
        .collect();
    tallies.retain(|(_, tally)| *tally != Tally::default());
    Some(tallies)
}

//! Credits in one window: burn order, expiry while lent, debt, refunds. The sidecar is played by hand.

use purser::domain::{Credits, Features};
use purser::root::{Report, Rollover, SOLE, Status, Subscription, Terms};

use crate::support::check;
use crate::support::script::{amount, at, subscription_id, user_id};

#[test]
fn the_soonest_expiry_is_burned_first_then_rollover_monthly_purchased() {
    check(
        "ana subscription s1 owner=ana credits=100 cap=20 => created
         at 2026-02-01
         sync s1
         ana purchase s1 never 50 => created
         ana purchase s1 soon 10 expires=2026-02-10 => created
         ana purchase s1 end 5 expires=2026-03-01 => created
         see s1 rollover=20 monthly=100 purchased=65
         spend s1 15
         sync s1
         at 2026-02-10                                # soon was burned: nothing of it lapses
         sync s1
         see s1 rollover=20 monthly=100 purchased=65 used=15 remaining=170
         spend s1 120                                 # the 15 left of rollover, monthly, all of end
         sync s1
         at 2026-03-01
         sync s1
         see s1 rollover=0 monthly=100 purchased=50",
    );
}

#[test]
fn what_expires_while_it_is_lent_lapses_when_it_comes_back() {
    check(
        "ana subscription s1 owner=ana credits=100 windows=0 => created
         ana purchase s1 soon 40 expires=2026-01-10 => created
         spend s1 10
         hold s1 5
         sync s1
         at 2026-01-10
         spend s1 1 => short                          # the lease has run out
         see s1 purchased=40 monthly=100 remaining=125 # all of it is still out
         sync s1
         see s1 purchased=15 monthly=100 used=10 held=5 remaining=100
         spend s1 100
         spend s1 0.000001 => short
         sync s1
         drop s1 5                                    # lapses at the lease's end, not before
         sync s1
         see s1 purchased=15 remaining=5
         spend s1 5
         sync s1
         see s1 used=115 debt=0 remaining=0",
    );
}

#[test]
fn a_purchase_that_expires_sooner_shortens_a_lease_that_is_out() {
    check(
        "ana subscription s1 owner=ana credits=100 windows=0 => created
         at 2026-01-05
         ana purchase s1 soon 40 expires=2026-01-10 => created
         at 2026-01-10
         spend s1 1 => short
         sync s1
         see s1 purchased=0 monthly=100 remaining=100
         spend s1 101 => short
         spend s1 100",
    );
}

#[test]
fn debt_is_covered_by_the_next_purchase() {
    check(
        "ana subscription s1 owner=ana credits=100 windows=0 => created
         owe s1 120
         spend s1 1 => short
         sync s1
         see s1 used=120 debt=20 remaining=0
         ana purchase s1 p1 15 => created
         see s1 debt=5 remaining=0 purchased=15
         spend s1 1 => short
         ana purchase s1 p2 15 => created
         see s1 debt=0 purchased=30 remaining=10
         spend s1 10
         spend s1 1 => short",
    );
}

#[test]
fn seats_that_are_added_cover_debt() {
    check(
        "ana subscription s1 owner=ana credits=100 windows=0 => created
         owe s1 120
         sync s1
         ana subscription s1 owner=ana seats=2 credits=100 windows=0 => changed
         see s1 debt=0 monthly=200 remaining=80
         spend s1 80",
    );
}

#[test]
fn debt_goes_on_into_the_next_window_and_is_covered_first() {
    check(
        "ana subscription s1 owner=ana credits=100 => created
         owe s1 130
         sync s1
         see s1 debt=30
         at 2026-02-01
         sync s1
         see s1 debt=0 monthly=70 used=0 remaining=70 rollover=0
         spend s1 71 => short
         spend s1 70
         sync s1
         at 2026-03-01
         sync s1
         see s1 monthly=100 rollover=0 debt=0",
    );
}

#[test]
fn debt_that_is_reported_late_takes_back_the_new_windows_lease() {
    check(
        "ana subscription s1 owner=ana credits=100 => created
         owe s1 130                                   # not reported before the window ends
         at 2026-02-01
         ana purchase s1 p1 1 => created              # control opens the window and lends it
         spend s1 1 => short                          # the sidecar knows that it is in debt
         sync s1
         see s1 debt=0 monthly=70 purchased=1
         spend s1 1 => short                          # what was lent is called back first
         sync s1
         spend s1 71.5 => short
         spend s1 71
         sync s1
         see s1 used=71 debt=0 remaining=0",
    );
}

#[test]
fn what_comes_back_covers_an_earlier_debt_in_the_same_sync() {
    check(
        "ana subscription s1 owner=ana credits=100 windows=0 => created
         owe s1 130
         at 2026-02-01
         ana purchase s1 soon 5 expires=2026-02-10 => created
         at 2026-02-10
         ana purchase s1 p2 1 => created              # all that is lent counts as consumed
         sync s1
         spend s1 71.5 => short
         spend s1 71",
    );
}

#[test]
fn a_refund_goes_back_to_where_it_was_burned() {
    check(
        "ana subscription s1 owner=ana credits=100 windows=0 => created
         ana purchase s1 p1 50 => created
         spend s1 120
         sync s1
         see s1 used=120 remaining=30
         refund s1 30
         sync s1
         see s1 used=90 remaining=60
         at 2026-02-01
         sync s1
         see s1 purchased=50 monthly=100              # the 20 of it came back first",
    );
}

#[test]
fn a_refund_in_an_ended_window_gives_back_what_still_lives() {
    check(
        "ana subscription s1 owner=ana credits=100 cap=25 => created
         ana purchase s1 p1 50 => created
         spend s1 120
         sync s1
         at 2026-02-01
         sync s1
         see s1 purchased=30 rollover=0 remaining=130
         refund s1 60 in 2026-01-01
         see s1 remaining=130
         sync s1
         see s1 purchased=50 rollover=25 remaining=175
         spend s1 175
         spend s1 1 => short",
    );
}

#[test]
fn a_refund_of_what_expired_may_be_spent_until_the_lease_ends() {
    check(
        "ana subscription s1 owner=ana credits=100 windows=0 => created
         ana purchase s1 soon 30 expires=2026-01-10 => created
         spend s1 30
         sync s1
         at 2026-01-10
         sync s1
         refund s1 30
         sync s1
         see s1 used=0 remaining=130
         spend s1 130
         spend s1 1 => short
         sync s1
         see s1 used=130 debt=0",
    );
}

#[test]
fn a_report_of_a_window_that_the_root_has_not_opened_opens_it() {
    check(
        "ana subscription s1 owner=ana credits=100 windows=0 => created
         at 2026-02-01
         owe s1 107                                   # settled with no lease of the new window
         at 2026-03-05
         sync s1
         see s1 window=2026-03-01/2026-04-01 monthly=93 remaining=93 debt=0",
    );
    check(
        "ana subscription s1 owner=ana credits=100 windows=0 => created
         at 2026-02-01
         owe s1 7
         at 2026-03-05
         ana purchase s1 p1 1 => created              # opens March before February is reported
         sync s1
         see s1 monthly=93 purchased=1 debt=0",
    );
}

#[test]
fn a_wallet_may_have_no_plan_and_only_bought_credits() {
    check(
        "ana subscription s1 owner=ana seats=0 credits=0 => created
         spend s1 1 => short
         ana purchase s1 p1 5 => created
         spend s1 3
         at 2027-01-01
         sync s1
         see s1 purchased=2 monthly=0 rollover=0 remaining=2",
    );
}

#[test]
fn a_clock_that_steps_back_over_a_windows_end_lends_nothing_twice() {
    check(
        "ana subscription s1 owner=ana credits=100 => created
         spend s1 30
         at 2026-02-01
         sync s1
         see s1 rollover=70 monthly=100 remaining=170
         at 2026-01-31T23:59:59Z
         sync s1
         at 2026-02-01T00:00:01Z
         spend s1 170.000001 => short
         spend s1 170
         sync s1
         see s1 used=170 debt=0",
    );
}

#[test]
fn syncing_again_changes_nothing() {
    check(
        "ana subscription s1 owner=ana credits=100 => created
         spend s1 30
         sync s1
         sync s1
         sync s1
         see s1 used=30 remaining=70
         at 2026-02-01
         sync s1
         sync s1
         see s1 rollover=70 monthly=100 remaining=170",
    );
}

/// A holder that returns one account's credits long before another's, which none does in tables.
#[test]
fn what_has_rolled_over_is_not_burned_again_where_it_came_from() {
    let (seats, credits_per_seat, anchor) = (1, amount("100"), at("2026-01-01"));
    let (owner, plan, features) = (user_id("ana"), String::new(), Features::default());
    let (status, rollover) = (Status::Active, Rollover::default());
    let terms = Terms { owner, plan, status, seats, credits_per_seat, anchor, rollover, features };
    let report = |start, spent, refunded, returned| Report {
        window: at(start),
        spent: amount(spent),
        refunded: amount(refunded),
        returned: amount(returned),
        ..Report::default()
    };
    let mut pool = Subscription::new(subscription_id("s1"), terms.clone(), anchor);
    pool.lend_all(anchor);
    pool.advance(at("2026-02-01"));
    pool.lend_all(at("2026-02-01"));
    pool.report(SOLE, &report("2026-01-01", "130", "0", "0"));
    pool.put_terms(Terms { seats: 0, ..terms }, at("2026-02-02"));
    pool.lend_all(at("2026-02-02"));
    pool.advance(at("2026-03-01"));
    pool.report(SOLE, &report("2026-01-01", "130", "30", "30"));
    pool.advance(at("2026-03-01"));
    pool.report(SOLE, &report("2026-02-01", "100", "0", "0"));
    pool.advance(at("2026-03-01"));
    assert_eq!(pool.left(at("2026-03-01")), Credits::ZERO, "200 came in and 200 were spent");
}

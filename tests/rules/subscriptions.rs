//! Subscriptions and purchases: who may change them, what is refused, what is granted.

use crate::support::check;

#[test]
fn a_subscription_is_its_owners() {
    check(
        "bo subscription s1 owner=ana => forbidden
         ana subscription s1 owner=ana => created
         ana subscription s1 owner=ana => same
         bo subscription s1 owner=bo => forbidden
         bo subscription s1 owner=ana seats=5 => forbidden
         ana subscription s1 owner=bo => owner_fixed
         root subscription s1 owner=bo => owner_fixed
         ana subscription s1 owner=ana seats=2 => changed",
    );
}

#[test]
fn a_user_owns_one_subscription_at_most() {
    check(
        "ana subscription s1 owner=ana => created
         ana subscription s2 owner=ana => already_subscribed
         root subscription s2 owner=ana => already_subscribed
         root subscription s2 owner=bo => created
         root subscription s2 owner=ana => owner_fixed",
    );
}

#[test]
fn terms_have_limits() {
    check(
        "ana subscription s1 owner=ana seats=1000001 credits=0 => invalid /seats
         ana subscription s1 owner=ana seats=1000000 credits=9000 => created
         ana subscription s1 owner=ana seats=1000000 credits=9000.000001 => invalid /credits_per_seat
         ana subscription s1 owner=ana windows=121 => invalid /rollover/windows
         ana subscription s1 owner=ana windows=120 => changed",
    );
}

#[test]
fn a_purchase_is_granted_once_per_id() {
    check(
        "ana subscription s1 owner=ana seats=0 => created
         ana purchase s1 p1 50 => created
         log granted:purchased:50:p1
         ana purchase s1 p1 50 => same
         log
         see s1 purchased=50 remaining=50
         ana purchase s1 p1 51 => id_reused
         ana purchase s1 p1 50 expires=2027-01-01 => id_reused
         ana purchase s1 p2 1.5 expires=2026-01-02 => created
         see s1 purchased=51.5
         at 2026-01-02
         sync s1
         see s1 purchased=50
         ana purchase s1 p2 1.5 expires=2026-01-02 => same",
    );
}

#[test]
fn purchases_are_checked() {
    check(
        "ana subscription s1 owner=ana => created
         ana purchase s9 p1 50 => no_subscription
         bo purchase s1 p1 50 => forbidden
         ana purchase s1 p1 0 => invalid /credits
         ana purchase s1 p1 8999999900.000001 => invalid /credits
         ana purchase s1 p1 5 expires=2026-01-01 => invalid /expires_at
         ana purchase s1 p1 8999999900 => created
         ana purchase s1 p2 0.000001 => invalid /credits
         spend s1 100
         root purchase s1 p2 0.000001 => invalid /credits # what is not reported is not known
         sync s1
         root purchase s1 p2 0.000001 => created
         ana subscription s1 owner=ana credits=200 => invalid /credits_per_seat",
    );
}

#[test]
fn purchases_that_are_neither_spent_nor_expired_are_a_thousand_at_most() {
    let many: String = (0..1_000).map(|n| format!("ana purchase s1 p{n} 1 => created\n")).collect();
    check(&format!(
        "ana subscription s1 owner=ana seats=0 => created
         {many}
         ana purchase s1 more 1 => too_many_purchases
         spend s1 1
         sync s1
         ana purchase s1 more 1 => created"
    ));
}

#[test]
fn seats_added_grant_at_once_and_seats_removed_take_nothing_back() {
    check(
        "ana subscription s1 owner=ana seats=2 windows=0 => created
         at 2026-01-10
         ana subscription s1 owner=ana seats=3 windows=0 => changed
         log subscription_put granted:monthly:100
         see s1 monthly=300 remaining=300
         spend s1 250
         ana subscription s1 owner=ana seats=1 windows=0 => changed
         log subscription_put
         see s1 monthly=300
         ana subscription s1 owner=ana seats=3 windows=0 => changed
         log subscription_put                         # removed and added again grants nothing twice
         at 2026-02-01
         ana subscription s1 owner=ana seats=1 windows=0 => changed
         log granted:monthly:300 subscription_put     # the new window was granted before the change
         sync s1
         see s1 monthly=300 remaining=300
         at 2026-03-01
         see s1 monthly=100",
    );
}

#[test]
fn a_canceled_subscription_gives_no_further_window_and_no_features() {
    check(
        "ana subscription s1 owner=ana seats=1 features => created
         ana purchase s1 p1 20 => created
         ana team acme => created
         see s1 private=true
         ana subscription s1 owner=ana seats=5 features canceled => changed
         see s1 monthly=100 purchased=20 remaining=120 private=false
         spend s1 30                                  # what is left may be spent
         at 2026-02-01
         sync s1
         see s1 monthly=0 rollover=0 purchased=20 remaining=20
         ana purchase s1 p2 5 => created              # what was paid for is owed
         see s1 purchased=25
         ana subscription s1 owner=ana seats=1 features => changed
         see s1 monthly=100 remaining=125 private=true",
    );
}

#[test]
fn another_anchor_counts_from_the_end_of_the_current_window() {
    check(
        "ana subscription s1 owner=ana anchor=2026-01-01 windows=0 => created
         at 2026-01-10
         ana subscription s1 owner=ana anchor=2026-01-15 windows=0 => changed
         see s1 window=2026-01-01/2026-02-01 monthly=100
         at 2026-01-31
         see s1 window=2026-01-01/2026-02-01
         at 2026-02-01
         see s1 window=2026-02-01/2026-02-15 monthly=100
         at 2026-02-15
         see s1 window=2026-02-15/2026-03-15 monthly=100",
    );
}

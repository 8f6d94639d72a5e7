//! Windows and expiring grants, decided by the time of the request alone.

use crate::check;

#[test]
fn the_window_rolls_with_holds_open() {
    check(
        "
        month pool 10 seats 1 / seat olga
        at 2026-11-30T23:59:30Z
        hold h1 olga 6 ttl 60s / debit d1 olga 4 / debit d2 olga 1 -> deny held
        at 2026-12-01T00:00:00Z
        debit d2 olga 8 -> allow pool-left 2 / expect pool lent 10 used 8 held 0
        settle h1 8 -> charged 8 returned 0 debt 0 pool-left 0
        expect pool used 10 debt 0
        ",
    );
}

#[test]
fn a_settle_above_an_old_hold_may_end_in_debt_of_the_new_window() {
    check(
        "
        month pool 10 seats 1 / seat olga
        at 2026-11-30T23:59:30Z / hold h1 olga 6 ttl 60s
        at 2026-12-01T00:00:00Z / debit d1 olga 9
        settle h1 10 -> debt 3 / expect pool used 13 debt 3
        ",
    );
}

#[test]
fn what_is_left_rolls_over_up_to_the_cap() {
    check(
        "
        month pool 10 seats 1 roll 3 for 1 / seat olga
        debit d1 olga 2
        at 2026-12-01T00:00:00Z
        debit d2 olga 13 -> allow pool-left 0    # 10 new and 3 of the 8 that were left
        ",
    );
}

#[test]
fn left_overs_below_the_cap_roll_over_whole_and_expire() {
    check(
        "
        month pool 10 seats 1 roll 5 for 1 / seat olga
        debit d1 olga 8
        at 2026-12-01T00:00:00Z
        debit d2 olga 1 -> allow pool-left 11    # burns the rolled 2 first
        at 2027-01-01T00:00:00Z
        debit d3 olga 1 -> allow pool-left 14    # 10 new, and 5 of the 10 of December; November's are gone
        ",
    );
}

#[test]
fn what_comes_back_late_from_an_old_hold_rolls_over_too() {
    check(
        "
        month pool 10 seats 1 for 1 / seat olga
        at 2026-11-30T23:59:30Z / hold h1 olga 10 ttl 60s
        at 2026-12-01T00:00:00Z
        debit d1 olga 11 -> deny pool_exhausted limit 10
        release h1 -> returned 10 / sync pool
        debit d1 olga 20 -> allow pool-left 0
        ",
    );
}

#[test]
fn a_hold_that_expired_at_the_windows_end_rolls_over_once() {
    check(
        "
        month pool 10 seats 1 for 1 / seat olga
        at 2026-11-30T23:59:30Z / hold h1 olga 10 ttl 30s
        at 2026-12-01T00:00:00Z
        debit d1 olga 11 -> deny pool_exhausted
        expire -> ended 1 / sync pool
        debit d1 olga 11 -> allow pool-left 9
        sync pool / expect pool lent 20 used 11
        ",
    );
}

#[test]
fn a_grant_that_expires_in_mid_window_takes_its_rest_along() {
    check(
        "
        grant pool 50 until +1h / grant pool 100 / seat ana
        debit d1 ana 30 -> pool-left 120
        at +1h
        debit d2 ana 101 -> deny pool_exhausted limit 130 used 30 remaining 100
        debit d2 ana 100 -> allow pool-left 0
        ",
    );
}

#[test]
fn a_grant_that_expires_leaves_what_was_held_of_it() {
    check(
        "
        grant pool 50 until +1h / grant pool 100 / seat ana
        hold h1 ana 50 ttl 2h
        at +1h
        debit d1 ana 1 -> allow pool-left 99
        settle h1 20 -> returned 30 debt 0
        expect pool used 21
        ",
    );
}

#[test]
fn a_grant_that_expires_sooner_than_the_lease_calls_it_back() {
    check(
        "
        grant pool 100 / seat ana
        debit d1 ana 10 / sync pool    # so that the root knows that these are none of the next grant's
        grant pool 50 until +1h
        at +1h
        debit d2 ana 91 -> deny pool_exhausted / debit d2 ana 90 -> allow pool-left 0
        ",
    );
}

#[test]
fn a_canceled_subscription_grants_no_further_window() {
    check(
        "
        month pool 10 seats 1 / grant pool 3 / seat olga
        cancel pool
        debit d1 olga 11 -> allow pool-left 2
        at 2026-12-01T00:00:00Z
        debit d2 olga 3 -> deny pool_exhausted / debit d2 olga 2 -> allow pool-left 0
        ",
    );
}

#[test]
fn several_windows_may_pass_at_once() {
    check(
        "
        month pool 10 seats 1 / seat olga limit 5
        hold h1 olga 5 ttl 24h
        at 2027-03-15T12:00:00Z
        debit d1 olga 5 -> allow left 0 pool-left 5
        settle h1 3 -> late charged 3 debt 0 / expect olga used 8 held 0 / expect pool used 8
        ",
    );
}

#[test]
fn balances_show_nothing_before_a_lapsed_lease_is_renewed() {
    check(
        "
        month pool 10 seats 1 / seat olga
        debit d1 olga 4
        at 2026-12-01T00:00:00Z
        expect pool short / sync pool / expect pool lent 10 used 0 free 10
        ",
    );
}

#[test]
fn without_the_store_a_settle_above_is_debt() {
    check(
        "
        month pool 10 seats 1 / seat olga
        at 2026-11-30T23:59:30Z / hold h1 olga 6 ttl 60s / hold h2 olga 4 ttl 60s
        at 2026-12-01T00:00:00Z
        store away
        settle h1 5 -> charged 5 returned 1 debt 0
        settle h2 9 -> charged 9 debt 5
        store back
        debit d1 olga 6 -> allow
        expect pool debt 0
        ",
    );
}

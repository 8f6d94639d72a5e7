//! Refunds: all or part of a debit goes back to where it was drawn.

use crate::check;

#[test]
fn a_whole_refund_gives_all_back_once() {
    check(
        "
        grant pool 10 / seat ana limit 5
        debit d1 ana 4 / refund d1 -> refunded 4 fresh left 5 pool-left 10
        refund d1 -> refunded 4 replayed
        expect ana used 0 / expect pool used 0 free 10
        ",
    );
}

#[test]
fn a_partial_refund_needs_its_own_id_and_is_given_once() {
    check(
        "
        grant pool 10 / seat ana
        debit d1 ana 4
        refund d1 1 as r1 -> refunded 1 fresh / refund d1 1 as r1 -> refunded 1 replayed
        refund d1 2 as r1 -> id_reused / refund d1 1 as d1 -> id_reused
        expect pool used 3
        ",
    );
}

#[test]
fn a_whole_refund_after_partial_ones_gives_the_rest() {
    check(
        "
        grant pool 10 / seat ana
        debit d1 ana 4 / refund d1 1 as r1 / refund d1 -> refunded 3
        refund d1 1 as r2 -> above_debit / refund d1 -> refunded 3 replayed / refund d1 1 as r1 -> replayed
        expect pool used 0
        ",
    );
}

#[test]
fn no_more_is_refunded_than_was_debited() {
    check(
        "
        grant pool 10 / seat ana
        debit d1 ana 4 / refund d1 3 as r1
        refund d1 2 as r2 -> above_debit / refund d1 1 as r2 -> refunded 1
        expect pool used 0 free 10
        ",
    );
}

#[test]
fn a_refund_goes_to_the_book_that_paid_whatever_has_changed() {
    check(
        "
        grant pool 10 / grant ana 10 / seat ana
        debit d1 ana 4 / optout ana / debit d2 ana 3 -> payer wallet
        refund d1 -> refunded 4 pool-left 10 / refund d2 -> refunded 3 pool-left 10 left none
        expect pool used 0 / expect ana.own used 0
        ",
    );
}

#[test]
fn a_refund_after_the_window_has_ended_helps_the_old_window_only() {
    check(
        "
        month pool 10 seats 1 / seat olga limit 10
        at 2026-11-30T23:00:00Z
        debit d1 olga 10
        at 2026-12-01T00:00:00Z
        debit d2 olga 1 -> allow left 9 pool-left 9
        refund d1 -> refunded 10
        sync pool
        expect olga used 1 / expect pool lent 10 used 1 free 9
        ",
    );
}

#[test]
fn a_refund_of_purchased_credits_comes_back_in_the_next_window() {
    check(
        "
        grant pool 10 / seat ana
        at 2026-11-30T23:00:00Z
        debit d1 ana 10
        at 2026-12-01T00:00:00Z
        debit d2 ana 1 -> deny pool_exhausted
        refund d1 -> refunded 10 / sync pool
        debit d2 ana 9 -> allow pool-left 1
        ",
    );
}

#[test]
fn a_refund_covers_debt() {
    check(
        "
        grant pool 10 / seat ana
        debit d1 ana 6 / hold h1 ana 4 / settle h1 9 -> debt 5
        refund d1 2 as r1 / debit d2 ana 1 -> deny in_debt debt 3
        refund d1 -> refunded 4 / debit d2 ana 1 -> allow pool-left 0
        ",
    );
}

#[test]
fn a_refund_of_nothing_is_nothing() {
    check(
        "
        grant pool 10 / seat ana / debit d1 ana 0
        refund d1 -> refunded 0 / refund d1 -> replayed
        ",
    );
}

#[test]
fn refunds_without_a_team_name_the_user() {
    check(
        "
        grant ana 10 / debit d1 ~ana 4
        refund d1 of ~ana -> refunded 4 pool-left 10 / refund d1 -> not_found / refund d1 of ~bob -> not_found
        ",
    );
}

//! Pools: assigned, unassigned, emptied, topped up, in debt.

use crate::check;

#[test]
fn everybody_draws_on_one_pool() {
    check(
        "
        grant pool 10 / seat ana / seat bea
        debit d1 ana 6 -> pool-left 4 / debit d2 bea 5 -> deny pool_exhausted used 6 / debit d2 bea 4 -> pool-left 0
        debit d3 ana 0.000001 -> deny pool_exhausted
        ",
    );
}

#[test]
fn seats_added_grant_at_once_and_seats_removed_take_nothing_back() {
    check(
        "
        month pool 10 seats 1 / seat olga
        debit d1 olga 10 / debit d2 olga 1 -> deny pool_exhausted
        month pool 10 seats 3
        debit d2 olga 1 -> allow pool-left 19
        month pool 10 seats 1
        debit d3 olga 19 -> allow pool-left 0
        at 2026-12-01T00:00:00Z
        debit d4 olga 1 -> allow pool-left 9
        ",
    );
}

#[test]
fn unassigning_makes_everybody_personal_and_holds_settle_where_they_were_drawn() {
    check(
        "
        grant pool 100 / seat ana limit 50 / seat bea / grant bea 5
        hold h1 ana 20 / debit d0 ana 10 / hold h2 ana 5 ttl 60s
        unassign acme
        expect ana access personal limit 50 used 0 left none
        debit d1 ana 1 -> deny wallet_exhausted next buy_credits / debit d2 bea 1 -> allow payer wallet
        settle h1 25 -> charged 25 debt 0 / refund d0 4 as r0 -> refunded 4
        at +60s / expire -> ended 1
        expect pool used 31 held 0 free 69
        ",
    );
}

#[test]
fn assigning_again_restores_no_access_and_keeps_what_was_used() {
    check(
        "
        grant pool 100 / seat ana limit 50
        debit d1 ana 30 / hold h1 ana 5
        unassign acme / assign acme pool
        expect ana access personal used 30 held 5 / debit d2 ana 1 -> deny wallet_exhausted
        seat ana limit 50
        debit d2 ana 16 -> deny held used 30 held 5 / debit d2 ana 15 -> allow left 0
        ",
    );
}

#[test]
fn a_hold_settles_where_it_was_drawn_after_the_pool_went_to_another_team() {
    check(
        "
        grant pool 100 / seat ana
        hold h1 ana 20
        team beta owner bea / seat olga/acme / unassign acme / personal olga/beta / assign beta pool / seat bea/beta
        debit d1 bea/beta 81 -> deny held limit 100 held 20
        settle h1 30 -> charged 30 pool-left 70
        debit d1 bea/beta 70 -> allow pool-left 0
        expect bea/beta used 70
        ",
    );
}

#[test]
fn debt_blocks_everybody_until_a_purchase_covers_it() {
    check(
        "
        grant pool 10 / seat ana / seat bea
        hold h1 ana 10 / settle h1 25 -> debt 15
        debit d1 bea 1 -> deny in_debt debt 15 / hold h2 bea 1 -> deny in_debt
        grant pool 14 / debit d1 bea 1 -> deny in_debt debt 1
        grant pool 3 / debit d1 bea 1 -> allow pool-left 1
        expect pool used 26 debt 0 free 1
        ",
    );
}

#[test]
fn a_new_window_covers_debt_first() {
    check(
        "
        month pool 10 seats 1 / seat olga
        hold h1 olga 10 / settle h1 14 -> debt 4
        at 2026-12-01T00:00:00Z
        debit d1 olga 7 -> deny pool_exhausted limit 6 / debit d1 olga 6 -> allow pool-left 0
        expect pool debt 0
        ",
    );
}

#[test]
fn debts_add_up() {
    check(
        "
        grant pool 10 / seat ana
        hold h1 ana 5 / hold h2 ana 5
        settle h1 8 -> debt 3 / settle h2 7 -> debt 2
        expect pool debt 5 used 15
        ",
    );
}

#[test]
fn own_debt_blocks_own_draws_in_every_team() {
    check(
        "
        grant ana 5 / grant pool 10 / team beta owner bob / personal ana/beta / seat ana
        hold h1 ana/beta 5 / settle h1 6 of beta -> debt 1
        debit d1 ~ana 1 -> deny in_debt debt 1 payer wallet / debit d1 ana/beta 1 -> deny in_debt
        debit d1 ana 1 -> allow payer pool
        ",
    );
}

#[test]
fn a_purchase_helps_at_once_and_in_later_windows() {
    check(
        "
        grant pool 10 / seat ana
        debit d1 ana 10 / debit d2 ana 1 -> deny pool_exhausted
        grant pool 5 / debit d2 ana 1 -> allow pool-left 4
        at 2027-02-01T00:00:00Z
        debit d3 ana 4 -> allow pool-left 0
        ",
    );
}

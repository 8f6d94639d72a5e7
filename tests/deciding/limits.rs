//! Member limits: per window, on the pool only, and never reset by an edit.

use crate::check;

#[test]
fn a_limit_caps_what_is_used_and_held() {
    check(
        "
        grant pool 100 / seat ana limit 60
        hold h1 ana 50 -> left 10 / debit d1 ana 20 -> deny held / debit d1 ana 10 -> allow left 0
        release h1 -> left 50 / debit d2 ana 50.000001 -> deny member_limit / debit d2 ana 50 -> allow left 0
        ",
    );
}

#[test]
fn no_limit_is_none_and_zero_is_nothing() {
    check(
        "
        grant pool 100 / seat ana
        debit d1 ana 40 -> allow left none
        limit ana 0
        debit d2 ana 0.000001 -> deny member_limit limit 0 used 40 remaining 0 / expect ana limit 0 used 40 left 0
        limit ana none
        debit d2 ana 60 -> allow left none
        ",
    );
}

#[test]
fn lowering_below_used_denies_and_keeps_what_was_used() {
    check(
        "
        grant pool 100 / seat ana limit 60
        debit d1 ana 40 / limit ana 30
        debit d2 ana 1 -> deny member_limit limit 30 used 40 remaining 0 / expect ana used 40 left 0
        limit ana 45
        debit d2 ana 5 -> allow left 0
        ",
    );
}

#[test]
fn a_limit_does_not_cap_own_credits() {
    check(
        "
        grant pool 100 / grant ana 50 / seat ana limit 10
        optout ana
        debit d1 ana 20 -> allow payer wallet left none pool-left 30
        optin ana
        debit d2 ana 10 -> allow payer pool left 0 / debit d3 ana 1 -> deny member_limit used 10
        ",
    );
}

#[test]
fn opting_out_after_exhausting_and_back_in_keeps_what_was_used() {
    check(
        "
        grant pool 100 / grant ana 5 / seat ana limit 10
        debit d1 ana 10 / debit d2 ana 1 -> deny member_limit next switch_to_personal
        optout ana
        debit d2 ana 1 -> allow payer wallet subscription ana.own / expect ana access personal given seat used 10
        optin ana
        debit d3 ana 1 -> deny member_limit limit 10 used 10 / expect ana access seat
        ",
    );
}

#[test]
fn a_new_window_starts_from_nothing_used() {
    check(
        "
        month pool 100 seats 1 / seat olga limit 10
        debit d1 olga 10 / debit d2 olga 1 -> deny member_limit resets 2026-12-01T00:00:00Z
        at 2026-11-30T23:59:59.999Z
        debit d2 olga 1 -> deny member_limit
        at 2026-12-01T00:00:00Z
        debit d2 olga 1 -> allow left 9
        ",
    );
}

#[test]
fn a_hold_of_an_ended_window_does_not_count_in_the_new_one() {
    check(
        "
        month pool 100 seats 1 / seat olga limit 10
        at 2026-11-30T23:59:30Z
        hold h1 olga 10 ttl 60s
        at 2026-12-01T00:00:00Z
        debit d1 olga 10 -> allow left 0
        settle h1 5 -> timely returned 5 left 0
        expect olga used 10 held 0
        ",
    );
}

#[test]
fn a_settle_above_a_hold_of_an_ended_window_is_used_in_the_new_one() {
    check(
        "
        month pool 100 seats 1 / seat olga limit 10
        at 2026-11-30T23:59:30Z
        hold h1 olga 10 ttl 60s
        at 2026-12-01T00:00:00Z
        settle h1 14 -> charged 14 debt 0 left 6
        expect olga used 4 held 0 / expect pool used 4 free 96
        ",
    );
}

#[test]
fn leaving_and_rejoining_within_a_window_keeps_what_was_used() {
    check(
        "
        grant pool 100 / seat ana limit 10
        debit d1 ana 7 / hold h1 ana 2
        remove ana / debit d2 ana 1 -> deny not_a_member
        seat ana limit 10
        expect ana used 7 held 2 / debit d2 ana 2 -> deny held / debit d2 ana 1 -> allow
        ",
    );
}

#[test]
fn a_removed_members_holds_settle_where_they_were_drawn() {
    check(
        "
        grant pool 100 / seat ana limit 10
        hold h1 ana 5 / hold h2 ana 2 ttl 1s
        remove ana
        settle h1 6 -> charged 6 debt 0 / at +1s / expire -> ended 1
        expect pool used 6 held 0
        ",
    );
}

#[test]
fn changing_access_while_holds_are_open_leaves_them_where_they_are() {
    check(
        "
        grant pool 100 / grant ana 10 / seat ana limit 20
        hold h1 ana 10
        credits ana limit 20 / expect ana access credits held 10 / debit d1 ana 5 -> payer pool
        personal ana limit 20 / debit d2 ana 5 -> payer wallet
        settle h1 8 -> charged 8 returned 2 pool-left 87
        expect ana used 13 held 0 / expect ana.own used 5
        ",
    );
}

//! Holds: how much they set aside, and the ways in which they end.

use crate::check;

#[test]
fn settle_above_the_hold_is_recorded_as_debt() {
    check(
        "
        grant pool 100 / seat ana limit 60
        hold h1 ana 50 -> allow left 10 pool-left 50
        debit d1 ana 20 -> deny held used 0 held 50
        settle h1 170 -> charged 170 returned 0 debt 70 timely
        expect ana used 170 held 0 left 0 / expect pool used 170 free 0 debt 70
        ",
    );
}

#[test]
fn settle_below_the_hold_returns_the_rest() {
    check(
        "
        grant pool 100 / seat ana limit 60
        hold h1 ana 50 / settle h1 20 -> charged 20 returned 30 debt 0 left 40 pool-left 80
        ",
    );
}

#[test]
fn settle_at_the_hold_returns_nothing() {
    check("grant pool 100 / seat ana / hold h1 ana 50 / settle h1 50 -> charged 50 returned 0 debt 0 pool-left 50");
}

#[test]
fn settle_above_takes_what_is_free_first() {
    check("grant pool 100 / seat ana / hold h1 ana 50 / settle h1 70 -> charged 70 returned 0 debt 0 pool-left 30");
}

#[test]
fn settling_is_not_stopped_by_the_members_limit() {
    check("grant pool 100 / seat ana limit 10 / hold h1 ana 10 / settle h1 30 -> debt 0 left 0 / expect ana used 30");
}

#[test]
fn settling_with_nothing_charges_nothing() {
    check("grant pool 9 / seat ana / hold h1 ana 5 / settle h1 0 -> charged 0 returned 5 / expect pool used 0 free 9");
}

#[test]
fn settling_again_with_the_same_amount_replays() {
    check(
        "
        grant pool 10 / seat ana
        hold h1 ana 5 / settle h1 3 -> fresh
        settle h1 3 -> replayed charged 3 returned 2 / settle h1 4 -> hold_ended / release h1 -> hold_ended
        extend h1 60s -> hold_ended
        expect pool used 3
        ",
    );
}

#[test]
fn release_returns_all() {
    check(
        "
        grant pool 10 / seat ana limit 5
        hold h1 ana 5 / release h1 -> returned 5 fresh left 5 pool-left 10
        release h1 -> replayed returned 5 / settle h1 5 -> hold_ended / extend h1 60s -> hold_ended
        ",
    );
}

#[test]
fn a_hold_counts_as_returned_from_its_expiry_on_without_any_loop() {
    check(
        "
        grant pool 10 / seat ana
        hold h1 ana 10 ttl 60s -> until 2026-11-01T00:01:00Z
        at +59999ms
        debit d1 ana 1 -> deny held / expect pool held 10
        at +1ms
        expect pool held 0 free 10 / expect ana held 0 / expect journal last held
        debit d1 ana 10 -> allow pool-left 0
        expire -> ended 1 / expire -> ended 0 / expect journal last expired
        expect pool used 10 held 0 free 0
        ",
    );
}

#[test]
fn an_expired_hold_is_free_for_every_team_that_draws_on_the_wallet() {
    check(
        "
        grant ana 10 / team beta owner bob / personal ana / personal ana/beta
        hold h1 ana 10 ttl 60s
        debit d1 ana/beta 1 -> deny held / debit d2 ~ana 1 -> deny held
        at +60s
        debit d1 ana/beta 4 -> allow payer wallet pool-left 6
        debit d2 ~ana 4 -> allow pool-left 2
        settle h1 1 -> late charged 1 debt 0 pool-left 1
        ",
    );
}

#[test]
fn settling_late_is_charged_anew_and_marked() {
    check(
        "
        grant pool 10 / seat ana
        hold h1 ana 4 ttl 60s / at +60s
        settle h1 3 -> late charged 3 returned 0 debt 0 fresh
        settle h1 3 -> late replayed / settle h1 4 -> hold_ended
        expect pool used 3 held 0 / expire -> ended 0
        ",
    );
}

#[test]
fn settling_late_after_its_expiry_was_entered_is_the_same() {
    check(
        "
        grant pool 10 / seat ana
        hold h1 ana 4 ttl 60s / at +60s / expire -> ended 1
        debit d1 ana 9 -> allow
        settle h1 3 -> late charged 3 debt 2 / expect pool used 12 debt 2
        ",
    );
}

#[test]
fn after_its_expiry_a_hold_is_neither_released_nor_extended() {
    check(
        "
        grant pool 10 / seat ana
        hold h1 ana 4 ttl 60s / at +60s
        release h1 -> hold_ended / extend h1 60s -> hold_ended
        settle h1 1 -> late
        ",
    );
}

#[test]
fn extending_counts_from_now_and_may_shorten() {
    check(
        "
        grant pool 10 / seat ana
        hold h1 ana 4 ttl 60s / at +30s
        extend h1 60s -> kept 4 until 2026-11-01T00:01:30Z
        at +40s
        expect pool held 4
        extend h1 5s -> until 2026-11-01T00:01:15Z
        at +5s
        expect pool held 0 / expire -> ended 1
        ",
    );
}

#[test]
fn with_min_credits_what_is_left_is_held() {
    check(
        "
        grant pool 10 / seat ana limit 8
        hold h1 ana 20 min 5 -> allow credits 8 left 0 pool-left 2
        hold h1 ana 20 min 5 -> replayed credits 8
        limit ana none
        hold h2 ana 20 min 5 -> deny held
        hold h2 ana 20 min 2 -> allow credits 2
        hold h3 ana 20 min 11 -> deny pool_exhausted
        settle h1 9 -> debt 1
        ",
    );
}

#[test]
fn ends_of_what_is_unknown_are_not_found() {
    check(
        "
        grant pool 10 / seat ana / team beta owner bob / debit d1 ana 1 / hold h1 ana 1
        settle nope 1 -> not_found / release nope -> not_found / extend nope 60s -> not_found / refund nope -> not_found
        settle d1 1 -> not_found / refund h1 -> not_found
        settle h1 1 of beta -> not_found / settle h1 1 of ~ana -> not_found / settle h1 1 of nowhere -> not_found
        settle h1 1 -> ok
        ",
    );
}

#[test]
fn holds_without_a_team_belong_to_the_user() {
    check(
        "
        grant ana 10
        hold h1 ~ana 4 -> allow payer wallet subscription ana.own left none
        settle h1 5 of ~ana -> charged 5 debt 0 pool-left 5
        hold h2 ~ana 4 / release h2 of ~ana -> returned 4
        ",
    );
}

#[test]
fn a_hold_of_nothing_begins_and_ends() {
    check(
        "
        grant pool 1 / seat ana limit 0
        hold h1 ana 0 -> allow credits 0 / hold h2 ana 0 ttl 1s
        at +1s
        expire -> ended 1 / settle h1 0 -> ok / settle h2 0 -> late
        ",
    );
}

#[test]
fn a_hold_of_nothing_may_outlive_the_account_that_it_was_drawn_in() {
    check(
        "
        month pool 10 seats 2 / seat olga / seat ana
        hold h1 olga 0 / hold h2 olga 0 ttl 4000h
        at 2027-01-01T00:00:00Z / sync pool / at 2027-02-01T00:00:00Z / sync pool / at 2027-03-01T00:00:00Z / sync pool
        expire -> ended 1 / settle h2 3 -> timely charged 3 debt 0
        expect pool used 3
        ",
    );
}

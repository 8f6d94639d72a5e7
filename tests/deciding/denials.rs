//! Every row of the table of denials, with its numbers, its status and the way out for each role.

use crate::check;

#[test]
fn pool_exhausted_tells_an_admin_to_buy_and_a_member_to_switch() {
    check(
        "
        grant pool 10
        seat ana / seat adam role admin
        debit d1 ana 4 -> allow
        debit d2 ana 7 -> deny pool_exhausted status 402 next switch_to_personal asked 7 payer pool team acme
        debit d2 ana 7 -> deny pool_exhausted limit 10 used 4 held 0 remaining 6 resets 2026-12-01T00:00:00Z
        debit d3 adam 7 -> deny pool_exhausted next buy_credits
        debit d4 olga 7 -> deny pool_exhausted next buy_credits
        ",
    );
}

#[test]
fn wallet_exhausted_tells_to_buy() {
    check(
        "
        grant ana 5
        personal ana
        debit d1 ana 6 -> deny wallet_exhausted status 402 next buy_credits payer wallet limit 5 used 0 remaining 5
        debit d1 ~ana 6 -> deny wallet_exhausted status 402 next buy_credits payer wallet
        ",
    );
}

#[test]
fn wallet_exhausted_tells_a_member_who_opted_out_to_opt_back_in() {
    check(
        "
        grant pool 100
        seat ana / seat adam role admin
        optout ana / optout adam
        debit d1 ana 1 -> deny wallet_exhausted next opt_back_in
        debit d2 adam 1 -> deny wallet_exhausted next buy_credits
        ",
    );
}

#[test]
fn without_own_credits_a_denial_has_no_numbers() {
    check(
        "
        personal ana
        debit d1 ana 1 -> deny wallet_exhausted detail ana_has_no_credits_of_its_own;_1_asked.
        debit d1 ~zoe 1 -> deny wallet_exhausted status 402
        ",
    );
}

#[test]
fn member_limit_tells_who_manages_to_raise_it_and_a_member_to_switch() {
    check(
        "
        grant pool 1000
        seat ana limit 100 / seat adam limit 100 role admin
        debit d1 ana 99 / hold h1 ana 0.5
        debit d2 ana 1.25 -> deny member_limit status 403 next switch_to_personal limit 100 used 99 held 0.5 remaining 0.5
        debit d2 ana 1.25 -> deny member_limit asked 1.25 payer pool team acme resets 2026-12-01T00:00:00Z
        debit d3 adam 101 -> deny member_limit next raise_limit used 0 held 0
        ",
    );
}

#[test]
fn a_denial_says_in_one_sentence_what_is_wrong() {
    check(
        "
        grant pool 1000 / seat ana limit 100
        debit d1 ana 99 / hold h1 ana 0.5
        debit d2 ana 1.25 -> detail ana_has_used_99_and_holds_0.5_of_100_credits_of_this_window_in_team_acme;_1.25_asked.
        ",
    );
}

#[test]
fn model_not_allowed_tells_to_choose_another() {
    check(
        "
        feature pool / whitelist on m1,m2 / grant pool 10 / seat ana
        debit d1 ana 1 model m3 -> deny model_not_allowed status 403 next choose_another_model payer pool
        debit d1 ana 1 -> deny model_not_allowed
        debit d1 ana 1 model m2 -> allow
        ",
    );
}

#[test]
fn strangers_are_told_to_ask_an_admin() {
    check(
        "
        grant pool 10 / seat ana
        debit d1 zoe 1 -> deny not_a_member status 403 next ask_admin payer none team acme
        debit d1 ana/nowhere 1 -> deny not_a_member team nowhere
        remove ana
        debit d1 ana 1 -> deny not_a_member
        ",
    );
}

#[test]
fn held_says_when_to_ask_again() {
    check(
        "
        grant pool 10 / seat ana limit 8
        hold h1 ana 6 ttl 60s
        debit d1 ana 3 -> deny held status 429 next retry retry 1000 limit 8 used 0 held 6 remaining 2
        at +59500ms
        debit d1 ana 3 -> deny held retry 500
        at +500ms
        debit d1 ana 3 -> allow
        ",
    );
}

#[test]
fn held_is_of_the_scope_that_fails() {
    check(
        "
        grant pool 10 / seat ana / seat bea limit 5
        hold h1 ana 8
        debit d1 bea 3 -> deny held limit 10 held 8 remaining 2
        debit d2 bea 6 -> deny member_limit limit 5 held 0
        debit d3 ana 11 -> deny pool_exhausted held 8
        ",
    );
}

#[test]
fn what_would_not_fit_without_holds_either_is_exhausted() {
    check(
        "
        grant pool 10 / seat ana
        debit d1 ana 5 / hold h1 ana 2
        debit d2 ana 5 -> deny held
        debit d2 ana 5.000001 -> deny pool_exhausted used 5 held 2 remaining 3
        ",
    );
}

#[test]
fn in_debt_tells_to_buy() {
    check(
        "
        grant pool 10 / seat ana
        hold h1 ana 10 / settle h1 13 -> debt 3
        debit d1 ana 1 -> deny in_debt status 402 next buy_credits debt 3 payer pool
        ",
    );
}

#[test]
fn unavailable_while_the_journal_takes_nothing() {
    check(
        "
        grant pool 10 / seat ana / hold h0 ana 1 / debit d0 ana 1
        journal full
        debit d1 ana 1 -> deny unavailable status 503 next retry retry 1000 payer none
        hold h1 ana 1 -> deny unavailable
        check c1 ana 1 -> deny unavailable
        settle h0 1 -> unavailable / release h0 -> unavailable / extend h0 9s -> unavailable / refund d0 -> unavailable
        expect ana used 1 held 1 / expect pool used 1 held 1 free 8 / expect journal entries 2
        journal ok
        debit d1 ana 1 -> allow fresh / settle h0 1 -> ok fresh
        ",
    );
}

#[test]
fn unavailable_where_the_journals_room_goes_while_it_is_decided() {
    check(
        "
        grant pool 10 / seat ana limit 5
        journal filling
        debit d1 ana 1 -> deny unavailable status 503 next retry retry 1000 payer none
        expect ana used 0 / expect pool used 0 free 10 / expect journal entries 0
        journal ok
        debit d1 ana 1 -> allow fresh
        ",
    );
}

#[test]
fn unavailable_while_the_lease_has_run_out_and_the_store_is_away() {
    check(
        "
        month pool 10 seats 1 / seat olga
        store away
        debit d1 olga 1 -> allow
        at 2026-12-01T00:00:00Z
        debit d2 olga 1 -> deny unavailable status 503
        store back
        debit d2 olga 1 -> allow pool-left 9
        ",
    );
}

#[test]
fn the_order_of_reasons_is_that_of_the_contract() {
    check(
        "
        feature pool / whitelist on m1 / grant pool 10 / seat ana limit 1
        journal full
        debit d1 zoe 99 -> deny not_a_member
        debit d1 ana 99 model m2 -> deny unavailable
        journal ok
        hold h1 ana 1 model m1 / settle h1 11 -> debt 1
        debit d1 ana 99 model m2 -> deny model_not_allowed
        debit d1 ana 99 model m1 -> deny in_debt
        grant pool 1
        debit d1 ana 99 model m1 -> deny member_limit
        limit ana none
        debit d1 ana 99 model m1 -> deny pool_exhausted
        ",
    );
}

#[test]
fn a_denied_draw_changes_nothing() {
    check(
        "
        grant pool 10 / seat ana limit 20
        debit d1 ana 15 -> deny pool_exhausted / hold h1 ana 25 -> deny member_limit
        expect ana used 0 held 0 left 20 / expect pool used 0 held 0 free 10 / expect journal entries 0 last none
        ",
    );
}

#[test]
fn a_check_answers_what_a_debit_would_and_changes_nothing() {
    check(
        "
        grant pool 10 / seat ana limit 8
        check c1 ana 3 -> allow credits 3 payer pool left 5 pool-left 7
        debit c1 ana 3 -> allow credits 3 payer pool left 5 pool-left 7 fresh
        check c2 ana 6 -> deny member_limit used 3
        expect ana used 3 / expect journal entries 1
        ",
    );
}

#[test]
fn a_member_of_a_team_without_a_pool_has_nothing_to_draw_on() {
    check(
        "
        team beta owner bob / personal ana/beta
        debit d1 ana/beta 1 -> deny wallet_exhausted
        ",
    );
}

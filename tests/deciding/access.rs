//! Access and whitelist: whose features, whose credits.

use crate::check;

#[test]
fn seats_and_credits_draw_on_the_pool_and_personal_on_own_credits() {
    check(
        "
        grant pool 100 / grant carl 5 / seat ana / credits bea / personal carl
        debit d1 ana 1 -> payer pool subscription pool / debit d2 bea 1 -> payer pool / debit d3 carl 1 -> payer wallet
        expect pool used 2 / expect carl.own used 1
        ",
    );
}

#[test]
fn the_owner_of_a_pooled_subscription_has_no_own_credits() {
    check(
        "
        grant pool 100
        optout olga
        debit d1 olga 1 -> deny wallet_exhausted next buy_credits / debit d1 ~olga 1 -> deny wallet_exhausted
        unassign acme
        debit d1 ~olga 1 -> allow payer wallet pool-left 99
        ",
    );
}

#[test]
fn own_holds_settle_after_the_subscription_became_a_pool() {
    check(
        "
        grant bob 10 / hold h1 ~bob 4
        team beta owner bob / credits bob/beta
        debit d1 ~bob 1 -> deny wallet_exhausted / debit d1 bob/beta 7 -> deny held
        settle h1 3 of ~bob -> charged 3 returned 1
        debit d1 bob/beta 7 -> allow payer pool pool-left 0
        ",
    );
}

#[test]
fn a_whitelist_restricts_only_when_enabled_with_a_model() {
    check(
        "
        feature pool / grant pool 100 / seat ana
        debit d1 ana 1 model m9 -> allow
        whitelist on / debit d2 ana 1 model m9 -> allow
        whitelist on m1 / debit d3 ana 1 model m9 -> deny model_not_allowed / debit d3 ana 1 model m1 -> allow
        whitelist on m9 / debit d4 ana 1 model m1 -> deny model_not_allowed / debit d4 ana 1 model m9 -> allow
        whitelist off m9 / debit d5 ana 1 model m1 -> allow
        ",
    );
}

#[test]
fn a_whitelist_applies_to_seats_and_not_to_own_features() {
    check(
        "
        feature pool / whitelist on m1 / grant pool 100 / grant carl 9 / seat ana / credits bea / personal carl
        debit d1 ana 1 model m2 -> deny model_not_allowed
        debit d1 bea 1 model m2 -> allow payer pool / debit d2 carl 1 model m2 -> allow payer wallet
        ",
    );
}

#[test]
fn a_whitelist_applies_to_own_features_that_include_it() {
    check(
        "
        feature pool / whitelist on m1 / grant pool 100 / grant bea 9 / feature bea / credits bea
        debit d1 bea 1 model m2 -> deny model_not_allowed payer pool
        debit d1 ~bea 1 model m2 -> allow
        ",
    );
}

#[test]
fn on_pool_spend_extends_a_whitelist_to_every_draw_on_the_pool() {
    check(
        "
        feature pool / whitelist on m1 / grant pool 100 / grant carl 9 / credits bea / personal carl
        debit d1 bea 1 model m2 -> allow
        policy on_pool_spend on
        debit d2 bea 1 model m2 -> deny model_not_allowed / debit d2 bea 1 model m1 -> allow
        debit d3 carl 1 model m2 -> allow
        ",
    );
}

#[test]
fn opting_out_leaves_the_teams_features_and_so_its_whitelist() {
    check(
        "
        feature pool / whitelist on m1 / grant pool 100 / grant ana 9 / seat ana
        optout ana / debit d1 ana 1 model m2 -> allow payer wallet
        optin ana / debit d2 ana 1 model m2 -> deny model_not_allowed
        ",
    );
}

#[test]
fn a_canceled_subscription_has_no_whitelist() {
    check(
        "
        feature pool / whitelist on m1 / grant pool 100 / seat ana
        debit d1 ana 1 model m2 -> deny model_not_allowed
        cancel pool
        debit d1 ana 1 model m2 -> allow
        ",
    );
}

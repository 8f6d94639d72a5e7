//! Operation ids: the first answer again, for a time and a number of operations.

use purser::engine::Options;

use crate::check;
use crate::language::check_with;

#[test]
fn the_same_id_and_content_replays_with_what_remains_today() {
    check(
        "
        grant pool 10 / seat ana limit 8
        debit d1 ana 2 -> fresh left 6 pool-left 8
        debit d2 ana 1
        debit d1 ana 2 -> replayed credits 2 payer pool left 5 pool-left 7
        expect ana used 3
        ",
    );
}

#[test]
fn the_same_id_with_other_content_is_refused() {
    check(
        "
        grant pool 10 / seat ana / seat bea
        debit d1 ana 2 model m1
        debit d1 ana 3 model m1 -> id_reused / debit d1 ana 2 model m2 -> id_reused / debit d1 ana 2 -> id_reused
        debit d1 bea 2 model m1 -> id_reused / hold d1 ana 2 model m1 -> id_reused
        debit d1 ana 2 model m1 -> replayed
        expect pool used 2
        ",
    );
}

#[test]
fn ids_are_shared_by_all_kinds_of_operations() {
    check(
        "
        grant pool 10 / seat ana
        hold h1 ana 2 ttl 60s / debit d1 ana 2 / refund d1 1 as r1
        debit h1 ana 2 -> id_reused / hold h1 ana 2 ttl 61s -> id_reused / hold h1 ana 2 ttl 60s min 1 -> id_reused
        debit r1 ana 1 -> id_reused / hold r1 ana 1 -> id_reused / refund d1 1 as h1 -> id_reused
        hold h1 ana 2 ttl 60s -> replayed
        ",
    );
}

#[test]
fn a_hold_replays_its_first_answer_even_after_it_has_ended() {
    check(
        "
        grant pool 10 / seat ana
        hold h1 ana 2 -> until 2026-11-01T00:01:00Z
        extend h1 300s / hold h1 ana 2 -> replayed until 2026-11-01T00:01:00Z
        settle h1 1 / hold h1 ana 2 -> replayed credits 2 pool-left 9
        ",
    );
}

#[test]
fn ids_are_scoped_to_the_team_or_to_the_user() {
    check(
        "
        grant pool 10 / grant ana 10 / team beta owner bob / personal ana/beta / seat ana
        debit x ana 1 -> fresh payer pool / debit x ana/beta 1 -> fresh payer wallet / debit x ~ana 1 -> fresh
        debit x ana 1 -> replayed payer pool / debit x ana/beta 1 -> replayed payer wallet / debit x ~ana 1 -> replayed
        expect ana.own used 2
        ",
    );
}

#[test]
fn a_denial_is_not_remembered() {
    check(
        "
        grant pool 10 / seat ana
        debit d1 ana 11 -> deny pool_exhausted
        grant pool 1
        debit d1 ana 11 -> allow fresh
        ",
    );
}

#[test]
fn a_replay_needs_no_room_no_lease_and_no_membership() {
    check(
        "
        month pool 10 seats 2 / seat ana
        debit d1 ana 2
        journal full / debit d1 ana 2 -> replayed / journal ok
        optout ana / debit d1 ana 2 -> replayed payer pool pool-left 18 / remove ana / debit d1 ana 2 -> replayed
        store away / at 2026-12-01T00:00:00Z
        debit d1 ana 2 -> deny not_a_member    # a month later it is forgotten
        ",
    );
}

#[test]
fn an_operation_is_forgotten_after_its_time() {
    let options = Options { retain_millis: 60_000, ..Options::default() };
    check_with(
        options,
        "
        grant pool 10 / seat ana
        debit d1 ana 2
        at +60s / debit d1 ana 2 -> replayed
        at +1ms / refund d1 -> not_found / debit d1 ana 2 -> fresh
        expect pool used 4
        ",
    );
}

#[test]
fn an_operation_is_forgotten_after_so_many_entries() {
    let options = Options { entries_max: 3, ..Options::default() };
    check_with(
        options,
        "
        grant pool 10 / seat ana
        debit d1 ana 1 / debit d2 ana 1 / debit d3 ana 1
        debit d1 ana 1 -> replayed
        debit d4 ana 1 -> fresh / debit d2 ana 1 -> replayed / debit d1 ana 1 -> fresh
        expect pool used 5
        ",
    );
}

#[test]
fn an_open_hold_is_never_forgotten() {
    let options = Options { entries_max: 2, retain_millis: 1_000, ..Options::default() };
    check_with(
        options,
        "
        grant pool 10 / seat ana
        hold h1 ana 1 ttl 3h
        debit d1 ana 1 / debit d2 ana 1 / debit d3 ana 1 / at +2h
        hold h1 ana 1 ttl 3h -> replayed / settle h1 1 -> fresh
        at +2s
        settle h1 1 -> not_found
        ",
    );
}

#[test]
fn a_hold_settled_late_is_remembered_from_then_on() {
    let options = Options { retain_millis: 60_000, ..Options::default() };
    check_with(
        options,
        "
        grant pool 10 / seat ana
        hold h1 ana 1 ttl 10s / at +10s / expire -> ended 1
        at +50s / settle h1 1 -> late fresh
        at +50s / settle h1 1 -> late replayed
        at +11s / settle h1 1 -> not_found
        ",
    );
}

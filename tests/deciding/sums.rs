//! Sums near the largest amount: refused, never wrapped, never a panic.

use crate::check;

#[test]
fn the_largest_amount_is_granted_and_spent() {
    check(
        "
        grant pool 9000000000 / seat ana
        debit d1 ana 9000000000 -> allow pool-left 0
        debit d2 ana 0.000001 -> deny pool_exhausted
        ",
    );
}

#[test]
fn charges_of_one_window_above_the_largest_amount_are_out_of_range() {
    check(
        "
        grant pool 9000000000 / seat ana
        debit d1 ana 9000000000 / refund d1
        debit d2 ana 0.000001 -> out_of_range
        expect pool used 0 free 9000000000
        ",
    );
}

#[test]
fn a_settle_above_the_largest_amount_is_out_of_range_and_the_hold_stays() {
    check(
        "
        grant pool 9000000000 / seat ana
        debit d1 ana 8999999999 / hold h1 ana 1
        settle h1 2 -> out_of_range / expect pool held 1
        settle h1 1 -> ok charged 1
        ",
    );
}

#[test]
fn a_late_settle_above_the_largest_amount_is_out_of_range() {
    check(
        "
        grant pool 9000000000 / seat ana
        hold h1 ana 1 ttl 1s / at +1s / expire / debit d1 ana 9000000000
        settle h1 1 -> out_of_range
        expect pool used 9000000000 debt 0
        ",
    );
}

#[test]
fn a_month_of_the_largest_amount_rolls_over_without_a_panic() {
    check(
        "
        month pool 9000000000 seats 1 for 1 / seat olga
        at 2026-11-30T23:59:30Z / hold h1 olga 9000000000 ttl 60s
        at 2026-12-01T00:00:00Z / debit d1 olga 1 -> allow
        release h1 / sync pool
        debit d2 olga 8999999999 -> allow
        at 2027-01-01T00:00:00Z / debit d3 olga 1 -> allow
        ",
    );
}

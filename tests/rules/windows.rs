//! Windows roll: what is left lives on up to the cap, the rest expires, whenever one looks.

use crate::support::check;

#[test]
fn left_overs_roll_up_to_the_cap_for_one_window() {
    check(
        "ana subscription s1 owner=ana seats=1 credits=100 cap=30 => created
         spend s1 80
         at 2026-02-01
         sync s1                                      # 20 are left: below the cap
         see s1 window=2026-02-01/2026-03-01 monthly=100 rollover=20 used=0 remaining=120
         spend s1 10                                  # of the rollover, which goes first
         sync s1
         see s1 rollover=20 monthly=100 used=10 remaining=110
         at 2026-03-01
         sync s1                                      # 100 are left: above the cap
         see s1 rollover=30 monthly=100 remaining=130
         at 2026-04-01
         sync s1
         see s1 rollover=30 remaining=130             # of March; what rolled from February is gone",
    );
}

#[test]
fn without_a_cap_one_windows_grant_rolls() {
    check(
        "ana subscription s1 owner=ana seats=2 credits=100 => created
         at 2026-02-01
         sync s1
         see s1 rollover=200 monthly=200
         at 2026-03-01
         sync s1
         see s1 rollover=200 monthly=200",
    );
}

#[test]
fn rollover_lives_for_as_many_windows_as_the_terms_say() {
    for (windows, february, march, april, june) in
        [(0, "100", "100", "100", "100"), (1, "140", "140", "140", "140"), (3, "140", "180", "220", "220")]
    {
        check(&format!(
            "ana subscription s1 owner=ana cap=40 windows={windows} => created
             at 2026-02-01
             sync s1
             see s1 remaining={february}
             at 2026-03-01
             sync s1
             see s1 remaining={march}
             at 2026-04-01
             sync s1
             see s1 remaining={april}
             at 2026-06-01
             sync s1
             see s1 remaining={june}"
        ));
    }
}

#[test]
fn what_comes_back_of_an_ended_window_raises_its_rollover_up_to_the_cap() {
    check(
        "ana subscription s1 owner=ana cap=30 => created
         hold s1 90
         sync s1
         at 2026-02-01
         see s1 rollover=0 monthly=100                # all is out: lent, not returned
         sync s1
         see s1 rollover=10 monthly=100               # what was free came back
         drop s1 15 in 2026-01-01
         see s1 rollover=10                           # the hold came back to the sidecar alone
         sync s1
         see s1 rollover=25
         drop s1 75 in 2026-01-01
         sync s1
         see s1 rollover=30 remaining=130             # no higher than the cap",
    );
}

#[test]
fn what_comes_back_after_its_rollover_has_expired_lapses() {
    check(
        "ana subscription s1 owner=ana => created
         hold s1 90
         sync s1
         at 2026-02-01
         sync s1
         log granted:rollover:10 granted:monthly:100
         spend s1 10                                  # so that the rollover is remembered
         at 2026-03-01
         sync s1
         log granted:rollover:100 granted:monthly:100
         drop s1 90 in 2026-01-01
         sync s1
         log                                          # nothing came in
         see s1 rollover=100 monthly=100              # February's alone",
    );
}

#[test]
fn windows_begin_on_the_31st_where_there_is_one() {
    check(
        "at 2026-01-31
         ana subscription s1 owner=ana anchor=2026-01-31 windows=0 => created
         see s1 window=2026-01-31/2026-02-28
         at 2026-02-27T23:59:59.999Z
         see s1 window=2026-01-31/2026-02-28
         at 2026-02-28
         sync s1
         see s1 window=2026-02-28/2026-03-31
         at 2026-03-31
         sync s1
         see s1 window=2026-03-31/2026-04-30
         at 2026-04-30
         see s1 window=2026-04-30/2026-05-31",
    );
}

#[test]
fn windows_know_the_29th_of_february_and_the_year() {
    check(
        "at 2028-01-31
         ana subscription s1 owner=ana anchor=2027-12-31 => created
         see s1 window=2028-01-31/2028-02-29
         at 2028-02-29
         see s1 window=2028-02-29/2028-03-31
         at 2028-12-31
         see s1 window=2028-12-31/2029-01-31 rollover=100
         at 2029-02-28
         see s1 window=2029-02-28/2029-03-31",
    );
    check(
        "at 2028-02-29
         ana subscription s1 owner=ana anchor=2028-02-29 => created
         at 2029-02-28
         see s1 window=2029-02-28/2029-03-29 monthly=100 rollover=100",
    );
}

#[test]
fn many_idle_months_leave_what_they_would_leave_one_by_one() {
    check(
        "ana subscription s1 owner=ana cap=40 windows=3 => created
         ana purchase s1 p1 7 => created
         spend s1 10
         at 2027-06-15
         sync s1
         see s1 window=2027-06-01/2027-07-01 monthly=100 rollover=120 purchased=7 remaining=227",
    );
}

#[test]
fn a_debt_is_covered_by_the_first_window_that_can_even_when_nobody_looks() {
    check(
        "ana subscription s1 owner=ana cap=100 windows=1 => created
         owe s1 130
         sync s1
         see s1 debt=30 remaining=0
         at 2026-04-10
         sync s1
         see s1 debt=0 monthly=100 rollover=100       # February paid, March rolled",
    );
}

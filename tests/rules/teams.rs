//! Teams: created, handed over, given pools and whitelists.

use crate::support::check;

#[test]
fn a_subscriber_who_creates_a_team_brings_pool_and_takes_a_seat() {
    check(
        "ana subscription s1 owner=ana seats=2 => created
         log subscription_put granted:monthly:200
         ana team acme name=Acme => created
         log team_put assigned member_put:ana
         see acme owner=ana pool=s1 seats=1 members=1 name=Acme
         see acme/ana role=owner access=seat limit=none
         see s1 team=acme
         ana team acme name=Acme => same",
    );
}

#[test]
fn without_a_seat_or_a_subscription_the_owner_starts_personal() {
    check(
        "ana subscription s1 owner=ana seats=0 => created
         ana team acme => created
         see acme pool=s1 seats=0 name=acme
         see acme/ana role=owner access=personal
         bo team beta => created
         see beta/bo role=owner access=personal
         see beta pool=none",
    );
}

#[test]
fn a_subscription_that_is_assigned_stays_where_it_is_when_its_owner_creates_another_team() {
    check(
        "ana subscription s1 owner=ana => created
         ana team acme => created
         ana team beta => created
         see beta pool=none
         see beta/ana access=personal
         see s1 team=acme",
    );
}

#[test]
fn a_new_team_belongs_to_who_creates_it_and_tokens_name_an_owner() {
    check(
        "ana team acme owner=bo => forbidden
         root team acme => invalid /owner
         root team acme owner=bo => created
         see acme owner=bo
         ana team acme name=Mine => forbidden
         ana team acme => forbidden",
    );
}

#[test]
fn names_of_teams_are_short_and_printable() {
    let long = "x".repeat(201);
    check(&format!("ana team acme name={long} => invalid /name\nana team acme name= => invalid /name"));
    let fits = "ä".repeat(200);
    check(&format!("ana team acme name={fits} => created"));
}

#[test]
fn handing_over_leaves_an_admin_and_the_subscription_with_its_owner() {
    check(
        "ana subscription s1 owner=ana seats=2 => created
         ana team acme => created
         ana member acme bo access=credits => created
         ana team acme owner=cy => not_a_member
         bo team acme owner=bo => forbidden
         ana team acme owner=bo => changed
         log team_put member_put:ana member_put:bo
         see acme owner=bo pool=s1
         see acme/ana role=admin access=seat
         see acme/bo role=owner access=credits
         ana team acme owner=ana => forbidden
         bo unassign acme => forbidden
         bo purchase s1 p1 10 => forbidden
         ana purchase s1 p1 10 => created
         ana unassign acme => deleted",
    );
}

#[test]
fn a_removed_member_is_not_handed_a_team() {
    check(
        "ana team acme => created
         ana member acme bo => created
         ana remove acme bo => deleted
         ana team acme owner=bo => not_a_member",
    );
}

#[test]
fn unassigning_makes_everybody_personal_and_keeps_limits() {
    check(
        "ana subscription s1 owner=ana seats=3 => created
         ana team acme => created
         ana member acme bo access=seat limit=60 => created
         ana member acme cy access=credits limit=0 opted_out=true => created
         ana member acme di => created
         hold s1 50                                   # a hold is open meanwhile
         ana unassign acme => deleted
         log unassigned
         see acme pool=none seats=0 members=4
         see acme/ana access=personal
         see acme/bo access=personal limit=60
         see acme/cy access=personal limit=0 opted_out
         see s1 team=none
         ana patch acme bo access=seat => no_subscription
         ana unassign acme => no_subscription
         ana assign acme s1 => changed
         log assigned
         see acme pool=s1 seats=0
         see acme/bo access=personal limit=60         # assigning restores no access
         ana assign acme s1 => same
         sync s1
         see s1 held=50 remaining=250                 # the hold is where it was drawn",
    );
}

#[test]
fn a_subscription_moves_to_another_team_only_when_it_is_free() {
    check(
        "ana subscription s1 owner=ana => created
         bo subscription s2 owner=bo => created
         ana team acme => created
         ana team beta => created
         ana assign beta s1 => already_assigned
         ana member acme bo => created
         bo assign acme s2 => already_assigned
         ana unassign acme => deleted
         ana assign beta s1 => changed
         bo assign acme s2 => changed
         see acme pool=s2
         see beta pool=s1",
    );
}

#[test]
fn only_a_subscriptions_owner_assigns_and_only_into_a_team_of_its_own() {
    check(
        "ana subscription s1 owner=ana => created
         bo team acme => created
         ana assign acme s1 => no_team                # no member: the team does not show
         bo member acme ana => created
         bo assign acme s1 => forbidden
         bo assign acme s9 => no_subscription
         ana assign acme s1 => changed
         bo unassign acme => forbidden
         cy unassign acme => no_team
         cy unassign gone => no_team
         bo remove acme ana => deleted
         ana unassign acme => deleted                 # gone, but it is its subscription
         root assign acme s1 => changed
         root unassign acme => deleted",
    );
}

#[test]
fn a_whitelist_is_its_team_owners_and_needs_the_feature() {
    check(
        "ana subscription s1 owner=ana seats=2 => created
         ana team acme => created
         ana member acme bo role=admin => created
         ana whitelist acme on gpt-4o => no_feature
         ana subscription s1 owner=ana seats=2 features => changed
         bo whitelist acme on gpt-4o => forbidden
         cy whitelist acme on gpt-4o => no_team
         ana whitelist acme on => changed
         see acme whitelist=off:                      # enabled but empty restricts nothing
         ana whitelist acme on gpt-4o,o3 => changed
         log whitelist_put
         see acme whitelist=on:gpt-4o,o3
         ana whitelist acme on o3,gpt-4o => same
         ana whitelist acme on o3 => changed
         see acme whitelist=on:o3
         ana whitelist acme off o3 => changed
         see acme whitelist=off:o3
         ana subscription s1 owner=ana seats=2 features canceled => changed
         see s1 private=false
         ana whitelist acme on o3 => no_feature
         ana unassign acme => deleted
         ana whitelist acme on o3 => no_feature",
    );
}

#[test]
fn a_whitelist_holds_a_thousand_models() {
    let models = |count: usize| (0..count).map(|n| format!("m{n}")).collect::<Vec<_>>().join(",");
    check(&format!(
        "ana subscription s1 owner=ana features => created
         ana team acme => created
         ana whitelist acme on {} => changed
         ana whitelist acme on {} => invalid /models",
        models(1_000),
        models(1_001)
    ));
}

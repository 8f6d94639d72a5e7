//! Members: joined, changed one by one and in bulk, removed and back.

use purser::domain::{Team, TeamId, Whitelist};
use purser::root::{Actor, Command, Key, Row, Rows, Settings, control};

use crate::support::check;
use crate::support::script::{at, user_id};

#[test]
fn a_member_joins_with_a_limit_that_edits_change_and_nothing_else() {
    check(
        "ana subscription s1 owner=ana seats=2 => created
         ana team acme => created
         ana member acme bo access=credits limit=50 => created
         see acme members=2 seats=1
         see acme/bo role=member access=credits limit=50 opted_in
         ana patch acme bo limit=80 => changed        # raised
         ana patch acme bo limit=0.5 => changed       # lowered
         ana patch acme bo limit=0 => changed         # nothing
         see acme/bo access=credits limit=0
         ana patch acme bo limit=none => changed      # none
         see acme/bo limit=none
         ana patch acme bo limit=none => same
         ana member acme bo access=seat limit=7 => changed
         see acme/bo access=seat limit=7
         see acme seats=2",
    );
}

#[test]
fn seats_are_taken_while_there_are_free_ones() {
    check(
        "ana subscription s1 owner=ana seats=2 => created
         ana team acme => created
         ana member acme bo access=seat => created
         ana member acme cy access=seat => no_free_seat
         ana member acme cy access=credits => created
         ana patch acme cy access=seat => no_free_seat
         ana patch acme bo opted_out=true => changed  # opting out keeps the seat
         see acme/bo access=seat effective=personal
         ana patch acme cy access=seat => no_free_seat
         ana patch acme bo access=personal => changed
         ana patch acme cy access=seat => changed
         see acme seats=2",
    );
}

#[test]
fn fewer_seats_than_are_taken_take_none_away() {
    check(
        "ana subscription s1 owner=ana seats=3 => created
         ana team acme => created
         ana member acme bo access=seat => created
         ana member acme cy access=seat => created
         ana subscription s1 owner=ana seats=1 => changed
         see acme seats=3
         see acme/cy access=seat
         ana patch acme cy limit=5 => changed         # keeps its seat
         ana patch acme cy access=personal => changed
         ana patch acme cy access=seat => no_free_seat
         ana patch acme bo access=credits => changed
         see acme seats=1
         ana patch acme cy access=seat => no_free_seat
         ana subscription s1 owner=ana seats=2 => changed
         ana patch acme cy access=seat => changed",
    );
}

#[test]
fn without_a_pool_there_is_only_personal_access() {
    check(
        "ana team acme => created
         ana member acme bo access=seat => no_subscription
         ana member acme bo access=credits => no_subscription
         ana member acme bo limit=5 => created
         ana bulk acme all access=credits => refused ana=no_subscription bo=no_subscription",
    );
}

#[test]
fn members_are_managed_by_owner_and_admins() {
    check(
        "ana subscription s1 owner=ana seats=9 => created
         ana team acme => created
         ana member acme bo role=admin => created
         ana member acme cy => created
         bo member acme di access=seat => created
         bo patch acme ana limit=5 => changed
         bo patch acme cy role=admin => changed
         bo patch acme cy role=member => changed
         bo remove acme di => deleted
         cy member acme di => forbidden
         cy patch acme di limit=1 => forbidden
         cy remove acme bo => forbidden
         cy remove acme cy => forbidden
         cy bulk acme all limit=1 => forbidden
         di member acme di => no_team                 # removed: the team does not show
         eve patch acme eve opted_out=true => no_team
         ana patch acme eve limit=1 => no_member
         ana remove acme di => no_member
         ana patch gone bo limit=1 => no_team
         root member acme eve access=seat => created",
    );
}

#[test]
fn a_member_opts_out_and_back_in_and_changes_nothing_else_of_itself() {
    check(
        "ana subscription s1 owner=ana seats=2 => created
         ana team acme => created
         ana member acme bo access=seat limit=10 => created
         bo patch acme bo opted_out=true => changed
         see acme/bo access=seat effective=personal limit=10 opted_out
         see acme seats=2
         bo patch acme bo opted_out=true => same
         bo patch acme bo opted_out=false => changed
         see acme/bo effective=seat limit=10 opted_in
         bo patch acme bo opted_out=true limit=99 => forbidden
         bo patch acme bo access=credits => forbidden
         bo patch acme bo role=admin => forbidden
         bo patch acme ana opted_out=true => forbidden
         bo member acme bo opted_out=true => forbidden
         ana patch acme ana opted_out=true => changed # the pool's own owner as personal
         see acme/ana effective=personal",
    );
}

#[test]
fn the_owner_is_one_and_changes_by_hand_over_only() {
    check(
        "ana team acme => created
         ana member acme bo role=owner => invalid /role
         ana member acme bo role=admin => created
         ana patch acme bo role=owner => invalid /role
         ana patch acme ana role=admin => is_owner
         bo patch acme ana role=member => is_owner
         ana member acme ana role=member => is_owner
         ana member acme ana role=owner limit=5 => changed
         ana remove acme ana => is_owner
         root remove acme ana => is_owner",
    );
}

#[test]
fn a_removed_member_frees_its_seat_and_comes_back_as_one_who_is_added() {
    check(
        "ana subscription s1 owner=ana seats=2 => created
         ana team acme => created
         ana member acme bo role=admin access=seat limit=20 => created
         hold s1 5                                    # a hold of bo is open
         ana remove acme bo => deleted
         log member_removed
         see acme members=1 seats=1
         see acme/bo removed access=personal role=member limit=20
         ana member acme cy access=seat => created
         ana member acme bo access=seat => no_free_seat
         ana member acme bo access=credits limit=30 => created
         see acme/bo present access=credits limit=30
         see acme members=3 seats=2",
    );
}

#[test]
fn a_team_has_a_million_members_at_most() {
    let (team, ana, bo) = (TeamId::new("acme").expect("a team"), user_id("ana"), user_id("bo"));
    for (members, allowed) in [(999_999, true), (1_000_000, false)] {
        let full = Team {
            id: team.clone(),
            name: "acme".to_owned(),
            owner: ana.clone(),
            subscription: None,
            whitelist: Whitelist::default(),
            seats_taken: 0,
            members,
            epoch: 1,
        };
        let mut rows = Rows::default();
        rows.load(Key::Team(team.clone()), [Row::Team(full)]);
        rows.load(Key::Member(team.clone(), bo.clone()), []);
        let put = Command::PutMember { team: team.clone(), user: bo.clone(), settings: Settings::default() };
        let answer = control(&mut rows, &put, &Actor::Service("ops".to_owned()), at("2026-01-01")).expect("all rows");
        assert_eq!(answer.is_ok(), allowed, "{members}: {answer:?}");
    }
}

#[test]
fn bulk_changes_go_row_by_row_or_not_at_all() {
    check(
        "ana subscription s1 owner=ana seats=2 => created
         ana team acme => created
         ana member acme bo => created
         ana member acme cy => created
         ana member acme di => created
         ana remove acme di => deleted
         hold s1 5                                    # holds stay as they are
         ana bulk acme bo,cy access=seat => refused bo=ok cy=no_free_seat
         see acme seats=1
         see acme/bo access=personal
         ana rows acme cy,bo,di,eve access=seat limit=9 => bulk cy=ok bo=no_free_seat di=no_member eve=no_member
         log member_put:cy
         see acme seats=2
         see acme/cy access=seat limit=9
         see acme/bo access=personal limit=none
         ana bulk acme all access=credits => bulk ana=ok bo=ok cy=ok
         see acme seats=0
         see acme/cy access=credits limit=9
         ana bulk acme all access=credits => bulk ana=ok bo=ok cy=ok
         log
         ana bulk acme all limit=none => bulk ana=ok bo=ok cy=ok
         log member_put:cy
         ana bulk acme bo,bo limit=1 => invalid /members
         ana bulk acme bo role=admin => invalid /set
         ana bulk acme bo opted_out=true => invalid /set
         eve bulk acme all limit=1 => no_team",
    );
}

#[test]
fn a_bulk_change_of_all_fits_into_the_seats_that_it_is_given() {
    check(
        "ana subscription s1 owner=ana seats=3 => created
         ana team acme => created
         ana member acme bo => created
         ana member acme cy => created
         ana bulk acme all access=seat => bulk ana=ok bo=ok cy=ok
         see acme seats=3",
    );
}

#[test]
fn a_bulk_change_names_ten_thousand_at_most() {
    let names = |count: usize| (0..count).map(|n| format!("u{n}")).collect::<Vec<_>>().join(",");
    let missing: String = (0..10_000).map(|n| format!(" u{n}=no_member")).collect();
    check(&format!(
        "ana team acme => created
         ana rows acme {} limit=1 => bulk{missing}
         ana rows acme {} limit=1 => invalid /members",
        names(10_000),
        names(10_001)
    ));
}

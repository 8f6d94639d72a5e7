//! Entries that several lanes take over.

use std::sync::Arc;

use super::*;
use crate::domain::{
    Access, Ask, Credits, Features, Member, OperationId, SubscriptionId, Team, TeamId, UserId, Whitelist,
};
use crate::engine::{self, Draw, Drawn, JournalLog, Meter};
use crate::journal::media::memory::MemoryFolder;
use crate::root::{Rollover, Row, Status, Subscription, Terms};

const TEAMS: usize = 12;
const USERS: usize = 5;
const DRAWS: usize = 6_000;
const SIDECAR: Uuid = Uuid::from_u128(7);

fn now() -> Timestamp {
    Timestamp::from_millis(1_795_000_000_000).expect("1970 to 9999")
}

fn user(number: usize) -> UserId {
    UserId::new(&format!("user-{number}")).expect("a name")
}

fn team(number: usize) -> TeamId {
    TeamId::new(&format!("team-{number}")).expect("a name")
}

/// A user's own subscription.
fn own(number: usize) -> Row {
    let terms = Terms {
        owner: user(number),
        plan: String::new(),
        status: Status::Active,
        seats: 1,
        credits_per_seat: Credits::from_credits(1_000_000).expect("an amount"),
        anchor: now(),
        rollover: Rollover::default(),
        features: Features::default(),
    };
    let id = SubscriptionId::new(&format!("own-{number}")).expect("a name");
    let mut subscription = Subscription::new(id, terms, now());
    subscription.lend_all(now());
    Row::Subscription(Box::new(subscription))
}

/// A team of which every user is a member that pays with its own credits.
fn rows_of(number: usize) -> Vec<Row> {
    let (id, members) = (team(number), USERS as u32);
    let (name, owner, subscription, whitelist) = (String::new(), user(0), None, Whitelist::default());
    let row = Team { id: id.clone(), name, owner, subscription, whitelist, seats_taken: 0, members, epoch: 1 };
    let member = |number| Member { access: Access::Personal, epoch: 1, ..Member::new(user(number)) };
    let members = (0..USERS).map(|number| Row::Member(id.clone(), member(number)));
    [Row::Team(row)].into_iter().chain(members).collect()
}

/// Every user draws in every team's name and in none, one after another.
fn draw(number: usize) -> Draw {
    let of = number % (TEAMS + 1);
    Draw {
        id: OperationId::new(&format!("draw-{number}")).expect("a name"),
        team: (of < TEAMS).then(|| team(of)),
        member: user(number % USERS),
        ask: Ask { credits: Credits::from_micros(7).expect("an amount"), min_credits: None, model: None },
        ttl_millis: number.is_multiple_of(3).then_some(60_000),
        pricing: Default::default(),
    }
}

fn meter(teams: impl Iterator<Item = usize>) -> JournalMeter {
    let meter = Meter::new(JournalLog::default(), engine::Options::default());
    meter.follow(&(0..USERS).map(own).collect::<Vec<_>>());
    teams.for_each(|team| meter.follow(&rows_of(team)));
    meter
}

fn replay(folder: &Arc<MemoryFolder>, meter: &JournalMeter) -> Result<Journal, OpenError<EntryError>> {
    let claim = Claim::take(folder.clone()).expect("nobody has it");
    Replay::new(meter, 0, Vec::new()).open(claim, Options::default(), SIDECAR).map(|(journal, _)| journal)
}

/// A journal with all draws.
fn drawn() -> Arc<MemoryFolder> {
    let (folder, meter) = (Arc::new(MemoryFolder::default()), meter(0..TEAMS));
    meter.log().open(replay(&folder, &meter).expect("begins"));
    for number in 0..DRAWS {
        let drawn = meter.draw(&draw(number), now()).expect("a new id");
        assert!(matches!(drawn, Drawn::Allowed(_)), "{drawn:?}");
    }
    meter.log().journal().expect("is open").close().expect("writes");
    folder
}

#[test]
fn what_users_draw_on_their_own_credits_in_the_names_of_many_teams_is_taken_over_in_order() {
    let (folder, meter) = (drawn(), meter(0..TEAMS));
    // A sum that does not follow would be refused.
    meter.log().open(replay(&folder, &meter).expect("the entries fit"));
    for number in 0..DRAWS {
        let drawn = meter.draw(&draw(number), now()).expect("is known with this content");
        assert!(matches!(drawn, Drawn::Allowed(allowed) if allowed.replayed), "draw {number}");
    }
}

#[test]
fn the_first_entry_that_does_not_fit_is_told_whichever_lane_meets_it() {
    let folder = drawn();
    for missing in 0..TEAMS {
        let meter = meter((0..TEAMS).filter(|team| *team < missing));
        match replay(&folder, &meter) {
            Err(OpenError::Visit { seq, error: EntryError::Disagreement(_) }) => {
                assert_eq!(seq, Seq(missing as u64 + 1))
            }
            other => panic!("{other:?}"),
        }
    }
}

//! Entries that several lanes take over.

use std::sync::Arc;

use super::*;
use crate::domain::{
    Access, Ask, Credits, Entry, Fact, Features, Hold, Member, OperationId, Set, SubscriptionId, Team, TeamId, UserId,
    Whitelist,
};
use crate::engine::balance::Totals;
use crate::engine::log::charged;
use crate::engine::recover;
use crate::engine::{self, Draw, Drawn, JournalLog, Meter, Scope};
use crate::journal::codec::{ENTRY_BYTES_MAX, decode, encode};
use crate::journal::media::memory::MemoryFolder;
use crate::root::{Rollover, Row, Status, Subscription, Terms};

const TEAMS: usize = 12;
const USERS: usize = 5;
const DRAWS: usize = 6_000;
/// Entries that the store has, and before that those that the journal has no more.
const STORED: usize = 400;
const GONE: usize = 39;
const LATER: usize = 100;
/// So few that some of what the store has is forgotten, and some is not.
const KEPT: u64 = 200;
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
    meter_that_keeps(engine::Options::default().entries_max, teams)
}

fn meter_that_keeps(entries_max: u64, teams: impl Iterator<Item = usize>) -> JournalMeter {
    let options = engine::Options { entries_max, ..engine::Options::default() };
    let meter = Meter::new(JournalLog::default(), options);
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

/// As [`draw`]; behind what the store has only two teams draw, so that some lanes have nothing there.
fn draw_of_few(number: usize) -> Draw {
    let team = (number >= STORED).then(|| team(number % 2));
    let drawn = draw(number);
    Draw { team: team.or(drawn.team.clone()), ..drawn }
}

/// Entries in their order: draws, then ends of holds that the store has, with and without their own entry in the journal.
fn entries() -> Vec<Entry> {
    let (folder, meter) = (Arc::new(MemoryFolder::default()), meter(0..TEAMS));
    meter.log().open(replay(&folder, &meter).expect("begins"));
    for number in 0..STORED + LATER {
        meter.draw(&draw_of_few(number), now()).expect("a new id");
    }
    for (number, of) in [(0, 0), (27, 1), (39, 0), (66, 1)] {
        let cost = Credits::from_micros(5).expect("an amount");
        meter.settle(&Scope::Team(team(of)), &draw(number).id, cost, false, now()).expect("is a hold");
    }
    meter.log().journal().expect("is open").close().expect("writes");
    drop(meter);
    let mut entries = Vec::new();
    let claim = Claim::take(folder).expect("nobody has it");
    Journal::open(claim, Options::default(), SIDECAR, |_, bytes| decode(bytes).map(|entry| entries.push(entry)))
        .expect("reads");
    entries
}

/// An empty journal that goes on after an entry.
fn journal_after(folder: &Arc<MemoryFolder>, last: usize) -> Journal {
    let claim = Claim::take(folder.clone()).expect("nobody has it");
    let (journal, _) =
        Journal::open(claim, Options::default(), SIDECAR, |_, _| Ok::<_, CodecError>(())).expect("opens");
    journal.skip_to(Seq(last as u64)).expect("is empty");
    journal
}

/// A journal whose first entries are gone.
fn cut(entries: &[Entry]) -> Arc<MemoryFolder> {
    let folder = Arc::new(MemoryFolder::default());
    let journal = journal_after(&folder, GONE);
    for entry in &entries[GONE..] {
        let write = |place: &mut [u8]| encode(entry.view(), place.first_chunk_mut().expect("room for the largest"));
        journal.push(ENTRY_BYTES_MAX, write).expect("has room");
    }
    journal.close().expect("writes");
    folder
}

fn open_hold(entry: &Entry) -> Option<OpenHold> {
    let Fact::Held { credits, expires_at, content, .. } = entry.fact else { return None };
    let hold = Hold { window: entry.postings[0].window, set: Set { credits, expires_at } };
    let (id, drawer) = (entry.id.clone(), entry.drawer.clone());
    Some(OpenHold { id, at: entry.at, content, drawer, hold, terms: None })
}

/// What is loaded of a store that has these entries, of which none ends a hold.
fn load(entries: &[Entry]) -> (JournalMeter, Vec<OpenHold>) {
    let meter = meter_that_keeps(KEPT, 0..TEAMS);
    for entry in entries {
        let (posting, of) = (&entry.postings[0], entry.drawer.subscription.clone());
        let tally = posting.account;
        meter.recover_draws(&recover::Drawn::Subscription(of), posting.window, tally.spent, tally.refunded);
    }
    let holds: Vec<_> = entries.iter().filter_map(open_hold).collect();
    holds.iter().for_each(|hold| meter.recover_hold(hold).expect("fits"));
    (meter, holds)
}

/// Takes over one entry after another what the journal has; answers what later ones charge.
fn recover_in_turn(meter: &JournalMeter, holds: &[OpenHold], entries: &[Entry]) -> i64 {
    let numbered = |entry: usize| (&entries[entry], entry as u64 + 1);
    for (entry, seq) in (GONE..STORED).map(numbered) {
        meter.recover_id(entry, seq);
    }
    holds.iter().for_each(|hold| meter.remember_hold(hold));
    for (entry, seq) in (STORED..entries.len()).map(numbered) {
        meter.recover_entry(entry, seq).expect("fits");
    }
    entries[STORED..].iter().map(|entry| charged(&entry.postings)).sum()
}

/// What is known of each team and user, once what is too old has been forgotten.
fn known(meter: &JournalMeter) -> Vec<(u64, u64)> {
    let teams = (0..TEAMS).map(|number| Scope::Team(team(number)));
    let scopes = teams.chain((0..USERS).map(|number| Scope::User(user(number))));
    let of = |scope| {
        let mut totals = Totals::default();
        meter.tend(&scope, now(), &mut totals);
        (totals.open_holds, totals.operations)
    };
    scopes.map(of).collect()
}

#[test]
fn what_the_store_has_is_noted_and_what_came_later_applied_as_one_after_another() {
    let entries = entries();
    let ((meter, holds), (in_turn, _)) = (load(&entries[..STORED]), load(&entries[..STORED]));
    let charged = recover_in_turn(&in_turn, &holds, &entries);
    in_turn.log().open(journal_after(&Arc::default(), entries.len()));

    let claim = Claim::take(cut(&entries)).expect("nobody has it");
    let mut replay = Replay::new(&meter, STORED as u64, holds);
    let (journal, recovered) = replay.open(claim, Options::default(), SIDECAR).expect("the entries fit");
    assert_eq!((recovered.first_seq, recovered.last_seq), (Seq(GONE as u64 + 1), Seq(entries.len() as u64)));
    meter.log().open(journal);

    assert!(charged > 0);
    assert_eq!(meter.log().charged_micros(), charged);
    assert_eq!(meter.horizon(now()).seq, in_turn.horizon(now()).seq);
    assert_eq!(known(&meter), known(&in_turn));
    for number in 0..STORED + LATER {
        let again = |meter: &JournalMeter| meter.draw(&draw_of_few(number), now()).expect("the same content");
        assert_eq!(again(&meter), again(&in_turn), "draw {number}");
    }
}

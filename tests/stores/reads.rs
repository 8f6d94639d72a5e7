//! Pages and filters.

use purser::domain::{Credits, Member, Team};
use purser::root::operate::Leased;
use purser::root::sidecar::State;
use purser::root::{Rows, SOLE, Sharing};
use purser::store::{Filter, Holding, Kind, Loaded, Scope, Store};

use crate::postgres;
use crate::support::*;

async fn ids(store: &dyn Store, filter: &Filter) -> Vec<String> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.entries(filter, after, 2).await.expect("the ledger is read");
        let Some(last) = page.last() else { return found };
        after = Some(last.position);
        found.extend(page.iter().filter_map(|entry| entry.id.as_ref()).map(ToString::to_string));
    }
}

#[test]
fn members_of_many_pages_are_all_loaded_once() {
    block_on(async {
        let (_folder, file) = new_file();
        load_many_members(&open(&file).await).await;
        load_many_members(&open_postgres(postgres::server(), &new_database().await).await).await;
    });
}

/// Three teams, of which no two come into one page.
async fn load_many_members(store: &dyn Store) {
    control(store, |rows| put_subscription(rows, "s", &terms("ana"), now())).await;
    let put = |rows: &mut Rows, id: &str| {
        let answer = put_team(rows, id, "s")?;
        for number in 0..4_500 {
            let member = Member { epoch: number, ..Member::new(user(&format!("user-{number}"))) };
            rows.member(&team_id(id), &member.user)?;
            rows.put_member(&team_id(id), member);
        }
        let team = rows.team(&team_id(id))?.expect("it was put").clone();
        rows.put_team(Team { members: 4_502, ..team });
        Ok(answer)
    };
    for team in ["t1", "t2", "t3"] {
        control(store, |rows| put(rows, team)).await;
    }
    let mut members = Vec::new();
    let mut visit = |loaded| {
        if let Loaded::Members(team, rows) = loaded {
            members.extend(rows.into_iter().map(|member| (team.clone(), member.user, member.epoch)));
        }
    };
    store.load(SOLE, now(), &mut visit).await.expect("the store is there");
    assert_eq!(members.len(), 3 * 4_502);
    assert!(members.is_sorted_by(|one, other| (&one.0, &one.1) < (&other.0, &other.1)), "each comes once");
    let numbered = members.iter().filter(|(_, user, epoch)| user.as_str() == format!("user-{epoch}"));
    assert_eq!(numbered.count(), 3 * 4_500);
}

#[test]
fn entries_are_filtered_and_paged() {
    on_every_store(async |store| {
        let mut engine = seeded(&*store).await;
        engine.debit("d1", "1").hold("h1", "2").settle("h1", "2").debit("d2", "3").refund("r1", "d2", "1");
        engine.drawer.member = user("ana");
        engine.debit("d3", "1");
        engine.drawer.team = None;
        engine.drawer.payer = purser::domain::Payer::Wallet;
        engine.debit("w1", "1");
        report(&*store, &engine.all()).await;

        let all = ["d1", "h1", "h1", "d2", "r1", "d3", "w1"];
        let team = Filter { scope: Scope::Team(team_id("t")), ..Filter::default() };
        for (filter, wanted) in [
            (Filter::default(), &all[..]),
            (team.clone(), &all[..6]),
            (Filter { member: Some(user("ana")), ..team.clone() }, &["d3"]),
            (Filter { kind: Some(Kind::Debited), ..team.clone() }, &["d1", "d2", "d3"]),
            (Filter { id: Some(op("h1")), ..team.clone() }, &["h1", "h1"]),
            (Filter { from: Some(now().plus_millis(1)), to: Some(now().plus_millis(4)), ..team }, &["h1", "h1", "d2"]),
            (Filter { scope: Scope::User(user("ana")), ..Filter::default() }, &["w1"]),
            (Filter { scope: Scope::Subscription(sub("s")), ..Filter::default() }, &all),
            (Filter { scope: Scope::Team(team_id("none")), ..Filter::default() }, &[]),
        ] {
            assert_eq!(ids(&*store, &filter).await, wanted, "{filter:?}");
            let newest_first = Filter { newest_first: true, ..filter };
            let wanted: Vec<_> = wanted.iter().rev().collect();
            assert_eq!(ids(&*store, &newest_first).await.iter().collect::<Vec<_>>(), wanted, "{newest_first:?}");
        }
    });
}

#[test]
fn what_many_reports_entered_of_two_teams_is_paged_in_both_directions() {
    on_every_store(async |store| {
        let mut engine = seeded(&*store).await;
        control(&*store, |rows| put_team(rows, "u", "s")).await;
        // Long and short stretches of one team, within a report and over several.
        for (team, count) in [("t", 230), ("u", 1), ("t", 30), ("u", 120), ("t", 3), ("u", 60)] {
            engine.drawer.team = Some(team_id(team));
            for _ in 0..count {
                engine.debit(&format!("d{}", engine.entries.len()), "0.001");
            }
        }
        let entries = engine.entries.len();
        for first in (1..=entries).step_by(150) {
            report(&*store, &engine.request(first, entries.min(first + 149))).await;
        }
        for team in [Some("t"), Some("u"), None] {
            let is_of = |entry: &&purser::domain::Entry| team.is_none() || entry.drawer.team == team.map(team_id);
            let wanted: Vec<_> = engine.entries.iter().filter(is_of).map(|entry| entry.id.to_string()).collect();
            let scope = team.map_or(Scope::Subscription(sub("s")), |team| Scope::Team(team_id(team)));
            for (newest_first, limit) in [(false, 37), (true, 37), (false, 150), (true, 150), (true, 1_000)] {
                let filter =
                    Filter { scope: scope.clone(), kind: Some(Kind::Debited), newest_first, ..Filter::default() };
                let (mut found, mut after) = (Vec::new(), None);
                loop {
                    let page = store.entries(&filter, after, limit).await.expect("the ledger is read");
                    let Some(last) = page.last() else { break };
                    after = Some(last.position);
                    found.extend(page.iter().filter_map(|entry| entry.id.as_ref()).map(ToString::to_string));
                }
                if newest_first {
                    found.reverse();
                }
                assert_eq!(found, wanted, "{filter:?}, {limit} at once");
            }
        }
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}

#[test]
fn teams_and_members_are_paged_by_id() {
    on_every_store(async |store| {
        for id in ["t3", "t1", "t2"] {
            control(&*store, |rows| put_team(rows, id, "s")).await;
        }
        control(&*store, |rows| {
            rows.put_member(&team_id("t2"), Member { removed: true, ..Member::new(user("ana")) });
            done(Vec::new())
        })
        .await;
        let teams = async |of: Option<&str>, after: Option<&str>, limit| {
            let (of, after) = (of.map(user), after.map(team_id));
            let page = store.teams(of.as_ref(), after.as_ref(), limit).await.expect("teams are read");
            page.iter().map(|team| team.id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(teams(None, None, 2).await, ["t1", "t2"]);
        assert_eq!(teams(None, Some("t2"), 2).await, ["t3"]);
        assert_eq!(teams(Some("ana"), None, 10).await, ["t1", "t3"]);
        assert_eq!(teams(Some("cy"), None, 10).await, [""; 0]);
        let members = async |team: &str, after: Option<&str>| {
            let page = store.members(&team_id(team), after.map(user).as_ref(), 1).await.expect("members are read");
            page.iter().map(|member| member.user.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(members("t1", None).await, ["ana"]);
        assert_eq!(members("t1", Some("ana")).await, ["bob"]);
        assert_eq!(members("t2", None).await, ["bob"]);
        assert_eq!(store.team(&team_id("none")).await, Ok(None));
        assert_eq!(store.subscription(&sub("none")).await, Ok(None));
    });
}

#[test]
fn sidecars_are_listed_with_what_they_hold() {
    on_every_store(async |store| {
        assert_eq!(store.sidecars().await.expect("the store reads"), []);
        let mut engine = seeded(&*store).await;
        engine.debit("d1", "1000").hold("h1", "500");
        report(&*store, &engine.all()).await;
        let sidecars = store.sidecars().await.expect("the store reads");
        let known: Vec<_> = sidecars.iter().map(|row| (row.id, row.incarnation, row.last, row.state)).collect();
        assert_eq!(known, [(7, 1, 2, State::Open)]);
        if store.sharing() == Sharing::Many {
            // What many are lent is tried in tests/sharing.
            return;
        }
        let mut held = Vec::new();
        store.holdings(now(), &mut |holding| held.push(holding)).await.expect("the store reads");
        let leased = Leased::Funds(sub("s"));
        let expected = Holding { sidecar: SOLE, leased, lent: credits("3500"), suspense: Credits::ZERO };
        assert_eq!(held, [expected]);
        let funds = store.member_funds(&team_id("t"), &[user("ana"), user("bob")]).await;
        assert_eq!(funds.expect("the store reads"), [], "one sidecar needs no part of a limit");
    });
}

//! Whatever rows and entries there are, a store gives them back as they were saved.

use std::collections::BTreeMap;

use proptest::prelude::*;
use purser::domain::{
    Access, Credits, Drawer, Entry, Fact, Features, Member, Model, Payer, Posting, RateVersion, Role, Set,
    SubscriptionId, Tally, Team, Timestamp, Whitelist, Window,
};
use purser::root::sidecar::State;
use purser::root::subscription::{Account, Burn, Grant, GrantKind, Rollover, Status, Subscription, Terms};
use purser::root::sync::{Batch, Request};
use purser::root::{Holder, MemberAccount, MemberFunds, Root, SOLE, Sidecar};
use purser::store::{Filter, LedgerEntry, Loaded, Memory, Store};

use crate::postgres::server;
use crate::support::*;

fn amount() -> impl Strategy<Value = Credits> {
    prop_oneof![Just(0), Just(Credits::MAX.micros()), 0..9_000_000_000_i64]
        .prop_map(|micros| Credits::from_micros(micros).expect("it is in range"))
}

/// Two amounts, the second not above the first.
fn at_most() -> impl Strategy<Value = (Credits, Credits)> {
    (amount(), amount()).prop_map(|(one, other)| (one.max(other), one.min(other)))
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0..4_000_000_000_000_i64).prop_map(|millis| Timestamp::from_millis(millis).expect("it is in range"))
}

fn grant() -> impl Strategy<Value = Grant> {
    let kinds = prop_oneof![Just(GrantKind::Rollover), Just(GrantKind::Monthly), Just(GrantKind::Purchased)];
    (1..u64::MAX / 4, kinds, "[a-z]{0,4}", time(), at_most(), amount(), proptest::option::of(time())).prop_map(
        |(number, kind, purchase, origin, (credits, burned), opened, expires_at)| Grant {
            number,
            kind,
            purchase,
            origin,
            credits,
            burned,
            opened,
            expires_at,
        },
    )
}

fn account() -> impl Strategy<Value = Account> {
    let burns = proptest::collection::vec((1..9_u64, amount()), 0..3);
    (time(), at_most(), at_most(), amount(), time(), burns).prop_map(
        |(start, (granted, returned), (spent, refunded), held, until, burns)| {
            let sole = Holder { granted, spent, refunded, returned, held, until, ..Holder::new(SOLE) };
            let holders = if sole == Holder::new(SOLE) { Vec::new() } else { vec![sole] };
            let burns = burns.into_iter().map(|(grant, credits)| Burn { grant, credits }).collect();
            Account { holders, burns, ..Account::new(Window { start, end: start.plus_millis(1) }) }
        },
    )
}

fn terms_of(index: usize) -> impl Strategy<Value = Terms> {
    let rollover = (proptest::option::of(amount()), 0..120_u32).prop_map(|(cap, windows)| Rollover { cap, windows });
    let features = any::<(bool, bool, bool)>().prop_map(|(private_workflows, save_history, model_whitelist)| {
        Features { private_workflows, save_history, model_whitelist }
    });
    let status = prop_oneof![Just(Status::Active), Just(Status::Canceled)];
    (".{0,9}", status, any::<u32>(), amount(), time(), rollover, features).prop_map(
        move |(plan, status, seats, credits_per_seat, anchor, rollover, features)| Terms {
            owner: user(&format!("owner{index}")),
            plan,
            status,
            seats,
            credits_per_seat,
            anchor,
            rollover,
            features,
        },
    )
}

fn subscription(index: usize) -> impl Strategy<Value = Subscription> {
    let (grants, accounts) = (proptest::collection::vec(grant(), 0..4), proptest::collection::vec(account(), 0..4));
    (terms_of(index), any::<bool>(), grants, accounts, 0..1_000_u64).prop_map(
        move |(terms, assigned, mut grants, mut accounts, epoch)| {
            grants.sort_by_key(|grant| grant.number);
            grants.dedup_by_key(|grant| grant.number);
            accounts.sort_by_key(|account| account.window.start);
            accounts.dedup_by_key(|account| account.window.start);
            let (id, team) = (sub(&format!("s{index}")), assigned.then(|| team_id("t")));
            Subscription { id, terms, team, grants, accounts, next_grant: epoch + 1, epoch }
        },
    )
}

fn team_of(index: usize) -> impl Strategy<Value = Team> {
    let models = proptest::collection::btree_set(
        "[!--/-~][!-~]{0,8}".prop_map(|name| Model::new(&name).expect("visible")),
        0..3,
    );
    (".{0,9}", any::<(bool, bool)>(), models, any::<u32>(), any::<u32>(), 0..1_000_u64).prop_map(
        move |(name, (assigned, enabled), models, seats_taken, members, epoch)| Team {
            id: team_id(&format!("t{index}")),
            name,
            owner: user("ana"),
            subscription: assigned.then(|| sub("s1")),
            whitelist: Whitelist { enabled, models },
            seats_taken,
            members,
            epoch,
        },
    )
}

fn member_of(index: usize) -> impl Strategy<Value = Member> {
    let role = prop_oneof![Just(Role::Owner), Just(Role::Admin), Just(Role::Member)];
    let access = prop_oneof![Just(Access::Seat), Just(Access::Credits), Just(Access::Personal)];
    (role, access, any::<(bool, bool)>(), proptest::option::of(amount()), 0..1_000_u64).prop_map(
        move |(role, access, (opted_out, removed), limit, epoch)| Member {
            user: user(&format!("u{index}")),
            role,
            access,
            opted_out,
            limit,
            removed,
            epoch,
        },
    )
}

fn holder(sidecar: u128) -> BoxedStrategy<Holder> {
    let amounts = proptest::collection::vec(amount(), 10);
    let holder = (amounts, time(), time()).prop_map(move |(amounts, until, asked_at)| {
        let [granted, spent, refunded, returned, lost, forgiven, owed, held, step, borrowed] = amounts[..] else {
            unreachable!("there are ten")
        };
        let (refunded, returned, forgiven) = (refunded.min(spent), returned.min(granted), forgiven.min(lost));
        let own = Holder { owed, held, until, asked_at, step, borrowed, ..Holder::new(sidecar) };
        Holder { granted, spent, refunded, returned, lost, forgiven, ..own }
    });
    holder.boxed()
}

fn holders() -> impl Strategy<Value = Vec<Holder>> {
    [holder(1), holder(7), holder(u128::MAX)].prop_map(Vec::from)
}

/// What only a store with many sidecars keeps.
#[derive(Clone, Debug)]
struct Shared {
    root: Root,
    sidecar: Sidecar,
    subscription: Subscription,
    funds: MemberFunds,
}

fn shared() -> BoxedStrategy<Shared> {
    let states = [State::Open, State::Closed, State::Quarantined, State::WrittenOff, State::Lender, State::Burned];
    let numbers = any::<([u32; 6], [u128; 2], bool)>();
    let of_funds = (holders(), holders(), time(), time());
    (subscription(0).boxed(), of_funds, numbers, 0..6_usize, ".{0,9}", time())
        .prop_map(
            move |(
                mut subscription,
                (of_pool, of_member, start, short_at),
                (n, [id, nonce], evidence),
                state,
                host,
                at,
            )| {
                let n = n.map(u64::from);
                let window = Window { start, end: start.plus_millis(1) };
                let account = Account { holders: of_pool, short_at, ..Account::new(window) };
                subscription.accounts = vec![account];
                let account = MemberAccount { window, holders: of_member, short_at: at };
                let mut funds = MemberFunds::new(team_id("t0"), user("u0"));
                (funds.limited_since, funds.accounts) = (n[0], vec![account]);
                let sidecar = Sidecar {
                    id,
                    incarnation: n[1],
                    nonce,
                    before: nonce ^ 1,
                    last: n[2],
                    host: host.clone(),
                    state: states[state],
                    generation: n[3],
                    beat: n[4],
                    config: n[5],
                    synced_at: at,
                    unknown: n[0],
                };
                let (generation, config, limited, lender) = (n[3], n[5], n[0], id ^ nonce);
                let (identity, hears_until, put) = (host, start, n[1]);
                let root = Root { generation, identity, evidence, hears_until, put, config, limited, lender };
                Shared { root, sidecar, subscription, funds }
            },
        )
        .boxed()
}

type People = (Vec<Subscription>, Vec<Team>, Vec<Member>);

fn people() -> impl Strategy<Value = People> {
    (
        [subscription(0), subscription(1), subscription(2)].prop_map(Vec::from),
        [team_of(0), team_of(1)].prop_map(Vec::from),
        [member_of(0), member_of(1), member_of(2)].prop_map(Vec::from),
    )
}

async fn save(store: &dyn Store, (subscriptions, teams, members): &People) {
    control(store, |rows| {
        for row in subscriptions {
            rows.subscription(&row.id)?;
            rows.put_subscription(row.clone());
        }
        for team in teams {
            rows.put_team(team.clone());
            members.iter().for_each(|member| rows.put_member(&team.id, member.clone()));
        }
        done(Vec::new())
    })
    .await;
}

fn wanted((subscriptions, teams, members): &People) -> Vec<Loaded> {
    let mut rows: Vec<_> = subscriptions.iter().map(|row| Loaded::Subscription(Box::new(row.clone()))).collect();
    rows.extend(teams.iter().map(|row| Loaded::Team(row.clone())));
    rows.extend(teams.iter().map(|team| Loaded::Members(team.id.clone(), members.clone())));
    rows
}

/// The kind of a fact, an earlier entry that it may end, amounts, a time and flags.
type Draft = (usize, usize, [Credits; 3], Timestamp, [bool; 4]);

/// A fact of entry `index`; the second number names an earlier entry that it may end.
fn entry() -> impl Strategy<Value = Draft> {
    (0..7_usize, any::<usize>(), [amount(), amount(), amount()], time(), any::<[bool; 4]>())
}

fn build(drafts: Vec<Draft>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (index, (what, earlier, [a, b, c], at, flags)) in drafts.into_iter().enumerate() {
        let held: Vec<_> = entries.iter().filter(|e| matches!(e.fact, Fact::Held { .. })).collect();
        let ended =
            held.get(earlier % held.len().max(1)).map(|e| (e.id.clone(), e.drawer.clone(), e.postings[0].window));
        let model = flags[0].then(|| Model::new("gpt-4o").expect("it is visible"));
        let mut posting = Posting { spent: a, refunded: b, ..Posting::new(at) };
        let sums = Tally { spent: a.max(b), refunded: a.min(b), held: c };
        (posting.account, posting.member) = (sums, flags[1].then_some(sums));
        let set = Set { credits: b, expires_at: at.plus_millis(5) };
        let fact = match what {
            0 => Fact::Held { credits: b, expires_at: set.expires_at, model, content: earlier as u64 },
            1 => Fact::Extended { expires_at: set.expires_at },
            2 => Fact::Settled { charged: a, returned: b, debt: c, late: flags[2] },
            3 => Fact::Released { returned: b },
            4 => Fact::Expired { returned: b },
            5 => Fact::Refunded { debit: op("d"), credits: b, content: 0 },
            _ => Fact::Debited { credits: a, model, content: earlier as u64 },
        };
        posting.held = (what < 2).then_some(set);
        posting.unheld = (1..5).contains(&what).then_some(Set { credits: c, expires_at: at });
        let above = Posting { spent: c, account: sums, ..Posting::new(at.plus_millis(1)) };
        let postings = if what == 2 && flags[3] { vec![posting, above] } else { vec![posting] };
        let drawer = Drawer {
            team: flags[1].then(|| team_id("t")),
            member: user("u"),
            payer: if flags[1] { Payer::Pool } else { Payer::Wallet },
            subscription: SubscriptionId::new("s").expect("it is an id"),
        };
        let own = (op(&format!("op{index}")), drawer);
        let (id, drawer) = match ended {
            Some((id, drawer, _)) if (1..5).contains(&what) => (id, drawer),
            _ if (1..5).contains(&what) => continue,
            _ => own,
        };
        let rates = flags[2].then(|| RateVersion::from_bits(earlier as u64));
        entries.push(Entry { at, id, drawer, fact, rates, postings: postings.into() });
    }
    entries
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn rows_come_back_as_they_were_saved(first in people(), second in people()) {
        on_every_store(async |store| {
            for version in [&first, &second, &second] {
                save(&*store, version).await;
                assert_eq!(loaded(&*store, now()).await, wanted(version));
                for row in &version.0 {
                    assert_eq!(store.subscription(&row.id).await, Ok(Some(row.clone())));
                }
            }
        });
    }

    #[test]
    fn rows_of_many_sidecars_come_back_as_they_were_saved(first in shared(), second in shared()) {
        on_every_shared_store(async |store| {
            for Shared { root, sidecar, subscription, funds } in [&first, &second] {
                control(&*store, |rows| {
                    // As every rule does: what is put replaces what was read.
                    rows.subscription(&subscription.id)?;
                    rows.member_funds(&funds.team, &funds.user)?;
                    rows.put_root(root.clone());
                    rows.put_sidecar(sidecar.clone());
                    rows.put_subscription(subscription.clone());
                    rows.put_member_funds(funds.clone());
                    done(Vec::new())
                })
                .await;
                control(&*store, |rows| {
                    // A server that tells which one it is puts that into the root's row by itself.
                    assert!(store.name() == "postgres" || &rows.root()? == root);
                    assert_eq!(rows.sidecar(sidecar.id)?, Some(sidecar));
                    assert!(rows.sidecars()?.any(|row| row == sidecar));
                    done(Vec::new())
                })
                .await;
                let wanted = [
                    Loaded::Subscription(Box::new(subscription.clone())),
                    Loaded::MemberFunds(Box::new(funds.clone())),
                ];
                assert_eq!(loaded(&*store, now()).await, wanted);
            }
        });
    }

    #[test]
    fn entries_come_back_as_they_were_taken(drafts in proptest::collection::vec(entry(), 1..90), cut in 0..90_usize) {
        let entries = build(drafts);
        let cut = cut.min(entries.len());
        block_on(async {
            let (_folder, file) = new_file();
            let (sqlite, memory, shared) = (open(&file).await, Memory::default(), Memory::shared());
            let postgres = open_postgres(server(), &new_database().await).await;
            let redis = open_redis(redis_server()).await;
            for store in [&sqlite as &dyn Store, &memory, &postgres, &shared, &redis] {
                store.register(7, 1, 1).await.expect("the store answers").expect("it is the first");
                for (first, part) in [(1, &entries[..cut]), (cut + 1, &entries[cut..])] {
                    let batch = Batch { first: first as u64, entries: part.to_vec() };
                    report(store, &Request { sidecar: 7, incarnation: 1, batch, wants: BTreeMap::new(), shares: None }).await;
                }
            }
            let of_sqlite = sqlite.entries(&Filter::default(), None, 1_000).await.expect("the ledger is read");
            let of_memory = memory.entries(&Filter::default(), None, 1_000).await.expect("the ledger is read");
            let of_postgres = postgres.entries(&Filter::default(), None, 1_000).await.expect("the ledger is read");
            assert_eq!(&of_sqlite, &of_memory);
            let of_shared = shared.entries(&Filter::default(), None, 1_000).await.expect("the ledger is read");
            assert_eq!(&of_postgres, &of_shared);
            let of_redis = redis.entries(&Filter::default(), None, 1_000).await.expect("the ledger is read");
            assert_eq!(&of_redis, &of_shared);
            for (seq, (row, entry)) in of_sqlite.iter().zip(&entries).enumerate() {
                let mut wanted = LedgerEntry::of_entry(entry, 1, seq as u64 + 1).expect("it can be kept");
                wanted.position = seq as u64 + 1;
                assert_eq!(row, &wanted);
                assert_eq!(row.kind.as_str(), entry.fact.kind());
                let bare = |p: &Posting| Posting { account: Tally::default(), member: None, ..*p };
                let postings: Vec<_> = row.moves.iter().flat_map(|moves| moves.postings()).collect();
                assert_eq!(postings, entry.postings.iter().map(bare).collect::<Vec<_>>());
            }
            let of_postgres = loaded(&postgres, now()).await;
            let of_shared = loaded(&shared, now()).await;
            let mut rows = [loaded(&sqlite, now()).await, loaded(&memory, now()).await, of_postgres, of_shared];
            rows.iter_mut().for_each(|rows| rows.sort_by_key(|row| format!("{row:?}")));
            let [of_sqlite, of_memory, of_postgres, of_shared] = rows;
            assert_eq!(of_sqlite, of_memory);
            assert_eq!(of_postgres, of_shared);
        });
    }
}

//! PostgreSQL's server: started many at once, stopped in the middle, cut off, fought over, or not there.

use std::sync::Arc;
use std::time::Duration;

use purser::domain::Member;
use purser::root::Rows;
use purser::store::postgres::Options;
use purser::store::{Filter, Postgres, Scope, Store, StoreError};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::postgres::{Server, server};
use crate::proxy::{Mode, Proxy, Trap};
use crate::support::*;

fn options(url: &str) -> Options {
    Options::new(url).expect("the URL is right")
}

async fn through(proxy: &Proxy, database: &str) -> Postgres {
    let url = format!("postgres://postgres@127.0.0.1:{}/{database}", proxy.port());
    let mut options = options(&url);
    options.verb_timeout = Duration::from_secs(3);
    Postgres::open(options).await.expect("the store opens")
}

async fn ask<T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>>(
    database: &str,
    sql: &str,
) -> Vec<T> {
    let mut conn = PgConnection::connect(&server().url(database)).await.expect("the server takes connections");
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut conn).await.expect(sql);
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn many_that_start_at_once_migrate_once() {
    block_on(async {
        let database = server().empty_database().await;
        let url = server().url(&database);
        let open = || tokio::spawn(Postgres::open(options(&url)));
        for opening in [open(), open(), open(), open(), open(), open(), open(), open()] {
            let store = opening.await.expect("it does not panic").expect("the store opens");
            assert_eq!(store.team(&team_id("t")).await, Ok(None));
        }
        assert_eq!(ask::<i64>(&database, "SELECT version FROM migrations ORDER BY 1").await, [1, 2, 3, 4, 5, 6, 7, 8]);
    });
}

#[test]
fn entries_of_before_runs_were_kept_are_found_and_an_older_sidecar_adds_none() {
    const BEFORE: [&str; 6] = [
        include_str!("../../src/store/postgres/migrations/0001_tables.sql"),
        include_str!("../../src/store/postgres/migrations/0002_ledger.sql"),
        include_str!("../../src/store/postgres/migrations/0003_pending.sql"),
        include_str!("../../src/store/postgres/migrations/0004_blocks.sql"),
        include_str!("../../src/store/postgres/migrations/0005_rates.sql"),
        include_str!("../../src/store/postgres/migrations/0006_heard.sql"),
    ];
    // Every third entry is of team u, every fifth of no team.
    const ENTRIES: &str = "
        CREATE TABLE migrations (version bigint PRIMARY KEY, made_at timestamptz NOT NULL DEFAULT now());
        INSERT INTO migrations SELECT generate_series(1, 6);
        SELECT ledger_months(now());
        INSERT INTO ledger (at, kind, team, member, subscription, id, late)
        SELECT now(), 'debited', CASE WHEN n % 5 = 0 THEN NULL WHEN n % 3 = 0 THEN 'u' ELSE 't' END, 'ana', 's', 'd' || n, false
        FROM generate_series(1, 12000) AS n";
    block_on(async {
        let database = server().empty_database().await;
        for sql in BEFORE.into_iter().chain([ENTRIES]) {
            server().run(&database, sql).await;
        }
        let store = open_postgres(server(), &database).await;
        for (scope, count) in [
            (Scope::Team(team_id("t")), 6_400),
            (Scope::Team(team_id("u")), 3_200),
            (Scope::User(user("ana")), 2_400),
            (Scope::Subscription(sub("s")), 12_000),
        ] {
            let filter = Filter { scope, ..Filter::default() };
            let (mut after, mut found) = (None, 0);
            loop {
                let page = store.entries(&filter, after, 1_000).await.expect("the ledger is read");
                assert!(page.is_sorted_by(|one, next| one.position < next.position), "{filter:?}");
                let Some(last) = page.last() else { break };
                (after, found) = (Some(last.position), found + page.len());
            }
            assert_eq!(found, count, "{filter:?}");
        }
        let mut older = PgConnection::connect(&server().url(&database)).await.expect("a connection");
        let answer = sqlx::raw_sql("SELECT ledger_begin()").execute(&mut older).await;
        assert!(answer.expect_err("it is refused").to_string().contains("run the newer purser"));
    });
}

#[test]
fn tables_of_a_newer_version_are_left_alone() {
    block_on(async {
        let database = new_database().await;
        let newer = "INSERT INTO migrations (version) VALUES (99)";
        server().run(&database, newer).await;
        let answer = Postgres::open(options(&server().url(&database))).await;
        assert!(matches!(answer, Err(StoreError::Rejected(_))), "{answer:?}");
    });
}

#[test]
fn a_wrong_password_is_named_without_the_password() {
    block_on(async {
        let database = new_database().await;
        let role = format!("CREATE ROLE careful LOGIN PASSWORD 'right'; GRANT ALL ON DATABASE {database} TO careful");
        server().run(&database, &role).await;
        let url = |password| format!("postgres://careful:{password}@127.0.0.1:{}/{database}", server().port());
        let answer = Postgres::open(options(&url("wr0ng-s3cret"))).await;
        assert!(is_unavailable(&answer), "{answer:?}");
        let text = format!("{answer:?} {}", answer.as_ref().expect_err("it is an error"));
        assert!(text.contains("password authentication failed for user"), "{text}");
        assert!(!text.contains("wr0ng-s3cret"), "{text}");
    });
}

#[test]
fn no_server_and_no_database_are_unavailable() {
    block_on(async {
        for url in ["postgres://u:s3cret@127.0.0.1:1/d".to_owned(), server().url("none")] {
            let answer = Postgres::open(options(&url)).await;
            assert!(is_unavailable(&answer), "{answer:?}");
            assert!(!format!("{answer:?}").contains("s3cret"), "{answer:?}");
        }
    });
}

#[test]
fn a_server_that_stops_in_the_middle_is_unavailable_and_loses_nothing_it_confirmed() {
    block_on(async {
        let server = Arc::new(Server::start());
        let database = server.empty_database().await;
        let store = Arc::new(open_postgres(&server, &database).await);
        let mut engine = seeded(&*store).await;
        for round in 0..3 {
            for n in 0..200 {
                engine.debit(&format!("d{round}-{n}"), "0.001");
            }
            let acked = report(&*store, &engine.all()).await;
            engine.hold(&format!("h{round}"), "1");
            // Somebody holds the row, so that the next verb is in its middle when the server stops.
            let mut other = PgConnection::connect(&server.url(&database)).await.expect("a connection");
            sqlx::raw_sql("BEGIN; SELECT 1 FROM sidecars FOR UPDATE").execute(&mut other).await.expect("it is locked");
            let (request, waiting) = (engine.all(), Arc::clone(&store));
            let verb = tokio::spawn(async move { waiting.sync(&request, now()).await });
            let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
            let mut watch = PgConnection::connect(&server.url(&database)).await.expect("a connection");
            while sqlx::query(waits).fetch_one(&mut watch).await.expect(waits).get::<i64, _>(0) == 0 {
                tokio::task::yield_now().await;
            }
            let crashing = Arc::clone(&server);
            tokio::task::spawn_blocking(move || crashing.crash()).await.expect("it stops");
            let answer = verb.await.expect("it does not panic");
            assert!(is_unavailable(&answer), "{answer:?}");
            assert!(is_unavailable(&store.team(&team_id("t")).await));
            let starting = Arc::clone(&server);
            tokio::task::spawn_blocking(move || starting.restart()).await.expect("it starts");
            let known = store.register(7, 1, 11).await.expect("the store answers").expect("it is this run").last;
            assert_eq!(known, acked);
            assert_eq!(report(&*store, &engine.all()).await, acked + 1);
            assert_eq!(store.audit().await.expect("it is audited").listed, []);
        }
    });
}

/// What a control command does that needs two teams in an order of its own.
fn both_teams(first: &'static str, second: &'static str) -> impl Fn(&mut Rows) -> Ruled {
    move |rows| {
        for id in [first, second] {
            let team = rows.team(&team_id(id))?.cloned().unwrap_or_else(|| team(id, "s"));
            rows.put_team(purser::domain::Team { epoch: team.epoch + 1, ..team });
        }
        done(Vec::new())
    }
}

#[test]
fn commands_that_need_the_same_rows_in_different_orders_all_come_through() {
    block_on(async {
        let database = new_database().await;
        let (one, other) = (open_postgres(server(), &database).await, open_postgres(server(), &database).await);
        let stores = [Arc::new(one), Arc::new(other)];
        let mut commands = Vec::new();
        const EACH: u64 = 40;
        for (store, (first, second)) in stores.iter().zip([("a", "b"), ("b", "a")]) {
            for _ in 0..4 {
                let store = Arc::clone(store);
                commands.push(tokio::spawn(async move {
                    for _ in 0..EACH / 4 {
                        control(&*store, both_teams(first, second)).await;
                    }
                }));
            }
        }
        for command in commands {
            command.await.expect("it comes through");
        }
        for id in ["a", "b"] {
            let team = stores[0].team(&team_id(id)).await.expect("it is read").expect("it is there");
            // Made with epoch 3, and counted once by every command: none was lost.
            assert_eq!(team.epoch, 3 + 2 * EACH, "{id}");
        }
        let deadlocks = format!("SELECT deadlocks FROM pg_stat_database WHERE datname = '{database}'");
        assert_eq!(ask::<i64>("postgres", &deadlocks).await, [0], "waiting for a deadlock takes a second");
    });
}

#[test]
fn a_row_that_was_missing_is_made_once() {
    block_on(async {
        let database = new_database().await;
        let mut commands = Vec::new();
        for n in 0..16 {
            let store = open_postgres(server(), &database).await;
            commands.push(tokio::spawn(async move {
                let answer = control(&store, |rows| {
                    if rows.team(&team_id("t"))?.is_some() || rows.owned(&user("ana"))?.is_some() {
                        return Ok(Err(purser::root::Refusal::Forbidden("it is there")));
                    }
                    let made = put_subscription(rows, &format!("s{n}"), &terms("ana"), now())?;
                    rows.put_team(team("t", &format!("s{n}")));
                    Ok(made)
                });
                answer.await.answer.is_ok()
            }));
        }
        let mut made = 0;
        for command in commands {
            made += u32::from(command.await.expect("it comes through"));
        }
        assert_eq!(made, 1);
    });
}

#[test]
fn a_member_added_meanwhile_is_not_overlooked() {
    block_on(async {
        let database = new_database().await;
        let store = Arc::new(open_postgres(server(), &database).await);
        control(&*store, |rows| put_team(rows, "t", "s")).await;
        let commands: Vec<_> = (0..12)
            .map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let add = |rows: &mut Rows| {
                        let seen = rows.members(&team_id("t"))?.len() as u64;
                        let new = Member { epoch: seen, ..Member::new(user(&format!("u{n}"))) };
                        rows.put_member(&team_id("t"), new);
                        done(Vec::new())
                    };
                    control(&*store, add).await;
                })
            })
            .collect();
        for command in commands {
            command.await.expect("it comes through");
        }
        let members = store.members(&team_id("t"), None, 100).await.expect("they are read");
        let mut seen: Vec<_> = members.iter().filter(|m| m.user.as_str().starts_with('u')).map(|m| m.epoch).collect();
        seen.sort_unstable();
        assert_eq!(seen, (2..14).collect::<Vec<_>>(), "each saw all that were added before it");
    });
}

#[test]
fn a_connection_cut_at_the_commit_is_an_error_and_the_same_report_is_taken_once() {
    block_on(async {
        let database = new_database().await;
        let proxy = Proxy::to(server().port()).await;
        let store = through(&proxy, &database).await;
        let mut engine = seeded(&store).await;
        let mut cuts = 0;
        for (n, (trap, arrives)) in [
            (Trap::Before("= 0; COMMIT"), false),
            (Trap::After("= 0; COMMIT"), true),
            (Trap::Before("COPY ledger"), false),
            (Trap::After("COPY ledger"), false),
            (Trap::Before("PGCOPY"), false),
            (Trap::After("ON CONFLICT"), false),
        ]
        .into_iter()
        .enumerate()
        {
            let before = engine.entries.len() as u64;
            // Enough of them to be copied.
            for i in 0..300 {
                engine.debit(&format!("d{n}-{i}"), "0.001");
            }
            engine.hold(&format!("h{n}"), "2");
            // Statements are prepared, so that their text passes only on a new connection.
            let fresh = through(&proxy, &database).await;
            proxy.arm(trap.clone());
            let answer = fresh.sync(&engine.all(), now()).await;
            assert!(is_unavailable(&answer), "{trap:?}: {answer:?}");
            cuts += 1;
            assert_eq!(proxy.sprung(), cuts, "{trap:?}");
            let known = store.register(7, 1, 11).await.expect("the store answers").expect("it is this run").last;
            assert_eq!(known, if arrives { before + 301 } else { before }, "{trap:?}");
            assert_eq!(report(&fresh, &engine.all()).await, before + 301, "{trap:?}");
            assert_eq!(store.audit().await.expect("it is audited").listed, [], "{trap:?}");
        }
    });
}

#[test]
fn a_half_open_connection_is_given_up_and_not_used_again() {
    block_on(async {
        let database = new_database().await;
        let proxy = Proxy::to(server().port()).await;
        let store = through(&proxy, &database).await;
        let mut engine = seeded(&store).await;
        engine.debit("d1", "1");
        proxy.set(Mode::Silence);
        let answer = store.sync(&engine.all(), now()).await;
        assert!(is_unavailable(&answer), "{answer:?}");
        proxy.set(Mode::Delay(Duration::from_millis(2)));
        assert_eq!(report(&store, &engine.all()).await, 1);
        proxy.set(Mode::Cut);
        assert!(is_unavailable(&store.sync(&engine.all(), now()).await));
        proxy.set(Mode::Forward);
        assert_eq!(report(&store, &engine.all()).await, 1);
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}

#[test]
fn partitions_are_made_ahead_and_what_fell_outside_is_moved_there() {
    block_on(async {
        let database = new_database().await;
        let store = open_postgres(server(), &database).await;
        let of = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'ledger'::regclass ORDER BY 1";
        control(&store, |rows| put_subscription(rows, "s", &terms("ana"), now())).await;
        let parts = ask::<String>(&database, of).await;
        for month in ["ledger_2026_11", "ledger_2026_12", "ledger_rest"] {
            assert!(parts.iter().any(|part| part == month), "{parts:?}");
        }
        // Entries that are far older than any partition, as of a journal that was away for long.
        let old = at("2025-03-31T23:59:59.999Z");
        store.register(7, 1, 11).await.expect("the store answers").expect("it is the first");
        let mut engine = Engine::new();
        engine.debit("d1", "1").debit("d2", "1");
        engine.entries.iter_mut().for_each(|entry| entry.at = old);
        report(&store, &engine.all()).await;
        assert_eq!(ask::<i64>(&database, "SELECT count(*) FROM ledger_rest").await, [2]);
        let before = store.entries(&Filter::default(), None, 100).await;
        server().run(&database, "SELECT ledger_month('2025-03-07')").await;
        assert_eq!(ask::<i64>(&database, "SELECT count(*) FROM ledger_rest").await, [0]);
        assert_eq!(ask::<i64>(&database, "SELECT count(*) FROM ledger_2025_03").await, [2]);
        assert_eq!(store.entries(&Filter::default(), None, 100).await, before);
        // Some days before a new month begins, the one after it is made.
        let later = at("2027-01-28T00:00:00Z");
        store.sync(&engine.all(), later).await.expect("the store answers").expect("it is taken");
        let parts = ask::<String>(&database, of).await;
        assert!(parts.iter().any(|part| part == "ledger_2027_02"), "{parts:?}");
    });
}

#[test]
fn texts_with_odd_characters_come_back() {
    block_on(async {
        let store = open_postgres(server(), &new_database().await).await;
        for name in ["a\0b", "\u{F0000}0\0", "'; DROP TABLE teams; --", "R\\D \\N \t\r\n", "\u{10FFFF}ü\u{202E}"] {
            let odd = purser::domain::Team { name: name.to_owned(), ..team("t", "s") };
            let change = purser::root::Change::TeamPut { team: odd.id.clone(), name: name.into(), owner: user("ana") };
            control(&store, |rows| {
                rows.put_team(odd.clone());
                done(vec![change.clone()])
            })
            .await;
            assert_eq!(store.team(&odd.id).await, Ok(Some(odd)));
            let newest = Filter { newest_first: true, ..Filter::default() };
            let last = store.entries(&newest, None, 1).await.expect("the ledger is read").pop().expect("it is there");
            let detail = last.detail.expect("it has one").parse::<serde_json::Value>().expect("it is JSON");
            assert_eq!(detail["name"], name);
        }
    });
}

#[test]
fn a_reader_that_follows_the_ledger_misses_nothing() {
    block_on(async {
        let database = new_database().await;
        let store = Arc::new(open_postgres(server(), &database).await);
        let mut late = PgConnection::connect(&server().url(&database)).await.expect("a connection");
        control(&*store, |rows| put_team(rows, "t", "s")).await;
        let positions = async |after: Option<u64>| {
            let page = store.entries(&Filter::default(), after, 100).await.expect("the ledger is read");
            page.iter().map(|entry| entry.position).collect::<Vec<_>>()
        };
        assert_eq!(positions(None).await, [1, 2, 3]);
        // A transaction draws 4 and stays open, another draws 5 to 7 and commits.
        let open = "BEGIN; INSERT INTO ledger (position, at, kind, late) \
                    SELECT first, now(), 'held', false FROM ledger_begin(1, now(), now())";
        sqlx::raw_sql(open).execute(&mut late).await.expect(open);
        control(&*store, |rows| put_team(rows, "u", "s")).await;
        assert_eq!(positions(Some(3)).await, [0; 0]);
        assert_eq!(ask::<i64>(&database, "SELECT position FROM ledger_after(0, 100)").await, [1, 2, 3]);
        let newest = Filter { newest_first: true, ..Filter::default() };
        let seen = store.entries(&newest, None, 1).await.expect("the ledger is read");
        assert_eq!(seen[0].position, 7, "who looks at the newest sees what there is");
        sqlx::raw_sql("COMMIT").execute(&mut late).await.expect("it is committed");
        assert_eq!(positions(Some(3)).await, [4, 5, 6, 7]);
    });
}

#[test]
fn a_reader_that_follows_many_writers_sees_every_entry_once_and_in_order() {
    block_on(async {
        let database = new_database().await;
        let store = Arc::new(open_postgres(server(), &database).await);
        const WRITERS: usize = 6;
        const EACH: usize = 25;
        for writer in 0..WRITERS {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for _ in 0..EACH {
                    control(&*store, |rows| put_team(rows, &format!("t{writer}"), "s")).await;
                }
            });
        }
        let mut seen = Vec::new();
        while seen.len() < WRITERS * EACH * 3 {
            let page = store.entries(&Filter::default(), seen.last().copied(), 7).await.expect("the ledger is read");
            seen.extend(page.iter().map(|entry| entry.position));
        }
        assert!(seen.is_sorted_by(|one, next| one < next));
        let all = ask::<i64>(&database, "SELECT position FROM ledger ORDER BY position").await;
        assert_eq!(seen.iter().map(|&position| position as i64).collect::<Vec<_>>(), all);
    });
}

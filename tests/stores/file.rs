//! SQLite's file: reopened, shared with another process, full, foreign, or not there.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use purser::root::{Rows, SOLE};
use purser::store::read::Scope;
use purser::store::sqlite::Options;
use purser::store::{Filter, Kind, Sqlite, Store, StoreError};
use sqlx::{Connection, SqliteConnection};

use crate::support::*;

async fn raw(file: &std::path::Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.expect("the file opens")
}

#[test]
fn a_reopened_file_is_as_it_was_left() {
    block_on(async {
        let (_folder, file) = new_file();
        let store = open(&file).await;
        let mut engine = seeded(&store).await;
        engine.debit("d1", "10").hold("h1", "5");
        report(&store, &engine.all()).await;
        let before = loaded(&store, now()).await;
        store.close().await;
        let store = open(&file).await;
        assert_eq!(loaded(&store, now()).await, before);
        assert_eq!(report(&store, &engine.all()).await, 2);
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}

#[test]
fn only_the_owner_may_read_the_file() {
    block_on(async {
        let (_folder, file) = new_file();
        std::fs::write(&file, "").expect("the file is written");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("the mode is set");
        let store = open(&file).await;
        seeded(&store).await;
        for suffix in ["", "-wal", "-shm"] {
            let path = format!("{}{suffix}", file.display());
            let mode = std::fs::metadata(&path).expect(&path).permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{path}");
        }
    });
}

/// Not a test of its own: the other process of the next one.
#[test]
fn other_process_that_writes() {
    let Ok(file) = std::env::var("PURSER_TEST_OTHER_PROCESS") else { return };
    block_on(async {
        let mut conn = raw(file.as_ref()).await;
        let _held = conn.begin_with("BEGIN IMMEDIATE").await.expect("the file is free");
        println!("\nwriting");
        let _ = std::io::stdin().lines().next();
    });
}

#[test]
fn while_another_process_writes_the_store_is_unavailable_and_can_be_read() {
    block_on(async {
        let (_folder, file) = new_file();
        let options = Options { busy_timeout: Duration::from_millis(50), ..Options::new(&file) };
        let store = Sqlite::open(options).await.expect("the store opens");
        let mut engine = seeded(&store).await;
        engine.debit("d1", "10");

        let this = std::env::current_exe().expect("a test knows its program");
        let mut other = Command::new(this)
            .args(["--exact", "file::other_process_that_writes", "--nocapture"])
            .env("PURSER_TEST_OTHER_PROCESS", &file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the other process starts");
        let mut output = BufReader::new(other.stdout.take().expect("it is piped")).lines();
        assert!(output.by_ref().map_while(Result::ok).any(|line| line == "writing"));

        let answer = store.sync(&engine.all(), now()).await;
        assert!(is_unavailable(&answer), "{answer:?}");
        let text = answer.expect_err("it is an error").to_string();
        assert!(text.contains("taking a report failed at") && text.contains("locked"), "{text}");
        assert_eq!(store.team(&team_id("t")).await.map(|team| team.is_some()), Ok(true));
        assert_eq!(store.audit().await.expect("it is audited").differences, 0);

        drop(other.stdin.take());
        other.wait().expect("the other process ends");
        assert_eq!(report(&store, &engine.all()).await, 1);
    });
}

/// Not a test of its own: the other process of the next one.
#[test]
fn other_process_that_has_the_store() {
    let Ok(file) = std::env::var("PURSER_TEST_OTHER_STORE") else { return };
    block_on(async {
        let _store = open(file.as_ref()).await;
        println!("\nopened");
        let _ = std::io::stdin().lines().next();
    });
}

#[test]
fn a_file_has_one_process_until_that_is_gone_however_it_went() {
    let (folder, file) = new_file();
    let link = folder.path().join("another-name.db");
    let this = std::env::current_exe().expect("a test knows its program");
    let mut other = Command::new(this)
        .args(["--exact", "file::other_process_that_has_the_store", "--nocapture"])
        .env("PURSER_TEST_OTHER_STORE", &file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the other process starts");
    let mut output = BufReader::new(other.stdout.take().expect("it is piped")).lines();
    assert!(output.by_ref().map_while(Result::ok).any(|line| line == "opened"));
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    for name in [&file, &link] {
        let refused = block_on(Sqlite::open(Options::new(name))).expect_err("another process has it");
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
        assert!(refused.to_string().contains("another purser uses it"), "{refused}");
    }
    // As by `kill -9`: it removes nothing.
    other.kill().expect("it runs");
    other.wait().expect("the other process ends");
    block_on(async { open(&file).await.close().await });
    block_on(async { open(&link).await.close().await });
}

#[test]
fn a_full_disk_is_unavailable_and_loses_nothing() {
    block_on(async {
        let (_folder, file) = new_file();
        let options = Options { bytes_max: 300_000, ..Options::new(&file) };
        let store = Sqlite::open(options).await.expect("the store opens");
        let mut engine = seeded(&store).await;
        let mut acked = 0;
        let refused = loop {
            for n in 0..200 {
                engine.debit(&format!("d{}-{n}", engine.entries.len()), "0.001");
            }
            match store.sync(&engine.request(acked as usize + 1, engine.entries.len()), now()).await {
                Ok(reply) => acked = reply.expect("the report is taken").acked,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
        assert!(refused.to_string().contains("full"), "{refused}");
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
        store.close().await;
        let store = open(&file).await;
        assert_eq!(report(&store, &engine.all()).await, engine.entries.len() as u64);
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}

#[test]
fn a_path_that_cannot_be_written_is_unavailable() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for file in [folder.path().to_owned(), folder.path().join("none/purser.db"), "/proc/purser.db".into()] {
        let answer = block_on(Sqlite::open(Options::new(&file)));
        assert!(is_unavailable(&answer), "{file:?}: {answer:?}");
    }
}

#[test]
fn a_file_that_is_no_store_is_corrupt_or_foreign() {
    block_on(async {
        let (_folder, file) = new_file();
        std::fs::write(&file, "this is not a database, and it is long enough to say so".repeat(100)).expect("written");
        let answer = Sqlite::open(Options::new(&file)).await;
        assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");

        let (_folder, file) = new_file();
        open(&file).await.close().await;
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                     VALUES (99, 'later', TRUE, x'00', 0)";
        sqlx::query(newer).execute(&mut raw(&file).await).await.expect("it is inserted");
        let answer = Sqlite::open(Options::new(&file)).await;
        assert!(matches!(answer, Err(StoreError::Rejected(_))), "{answer:?}");
    });
}

#[test]
fn a_value_that_cannot_be_names_its_column() {
    block_on(async {
        let (_folder, file) = new_file();
        let store = open(&file).await;
        seeded(&store).await;
        sqlx::query("UPDATE teams SET owner = 'a b'").execute(&mut raw(&file).await).await.expect("it is updated");
        let answer = store.team(&team_id("t")).await;
        let Err(StoreError::Corrupt(trouble)) = answer else { panic!("{answer:?}") };
        assert!(trouble.place.ends_with("column owner"), "{trouble}");
        assert!(trouble.cause.contains(r#""a b" may have only"#), "{trouble}");
    });
}

#[test]
fn a_members_value_that_cannot_be_is_named_at_a_start() {
    block_on(async {
        let (_folder, file) = new_file();
        let store = open(&file).await;
        seeded(&store).await;
        for (set, column, cause) in [
            ("user = 'a,b' WHERE user = 'ana'", "column user", r#""a,b" may have only"#),
            ("user = 'a b' WHERE user = 'a,b'", "column user", "a space in one, of a member of team t"),
            ("user = 'ana', epoch = -1 WHERE user = 'a b'", "column epoch", r#""-1" invalid digit"#),
        ] {
            let sql = sqlx::AssertSqlSafe(format!("UPDATE members SET {set}"));
            sqlx::query(sql).execute(&mut raw(&file).await).await.expect("it is updated");
            let answer = store.load(SOLE, now(), &mut |_| ()).await;
            let Err(StoreError::Corrupt(trouble)) = answer else { panic!("{answer:?}") };
            assert!(trouble.place.ends_with(column), "{trouble}");
            assert!(trouble.cause.contains(cause) && trouble.cause.len() < 200, "{trouble}");
        }
    });
}

#[test]
fn what_breaks_a_constraint_is_rejected_and_leaves_the_store_usable() {
    block_on(async {
        let (_folder, file) = new_file();
        let store = open(&file).await;
        let mut engine = seeded(&store).await;
        let second = |rows: &mut Rows| put_subscription(rows, "s2", &terms("ana"), now());
        let answer = store.control(&second, &admin(), now()).await;
        let Err(StoreError::Rejected(trouble)) = answer else { panic!("{answer:?}") };
        assert!(trouble.cause.contains("subscriptions.owner"), "{trouble}");
        engine.debit("d1", "1");
        assert_eq!(report(&store, &engine.all()).await, 1);
    });
}

#[test]
fn entries_are_found_in_every_stretch_of_a_long_ledger() {
    block_on(async {
        let (_folder, file) = new_file();
        let store = open(&file).await;
        let mut engine = seeded(&store).await;
        let before = store.entries(&Filter::default(), None, usize::MAX).await.expect("the ledger is read").len();
        // Three stretches and a bit: "u" is in the first and the last one, "v" in the middle.
        let teams = |n: usize| match n {
            3 | 13_000 => "u",
            6_000..6_010 => "v",
            _ => "t",
        };
        for n in 0..13_010 {
            engine.drawer.team = Some(team_id(teams(n)));
            engine.debit(&format!("d{n}"), "0.001");
        }
        for first in (1..=13_010).step_by(5_000) {
            report(&store, &engine.request(first, (first + 4_999).min(13_010))).await;
        }
        let found = async |scope: Scope, id: Option<&str>, newest_first, after, limit| {
            let kind = Some(Kind::Debited);
            let filter = Filter { scope, kind, id: id.map(op), newest_first, ..Filter::default() };
            let page = store.entries(&filter, after, limit).await.expect("the ledger is read");
            page.iter().map(|entry| entry.id.clone().expect("a debit has one").to_string()).collect::<Vec<_>>()
        };
        let team = |id| Scope::Team(team_id(id));
        assert_eq!(found(team("u"), None, false, None, 10).await, ["d3", "d13000"]);
        assert_eq!(found(team("u"), None, true, None, 10).await, ["d13000", "d3"]);
        assert_eq!(found(team("u"), None, true, None, 1).await, ["d13000"]);
        assert_eq!(found(team("v"), None, true, None, 2).await, ["d6009", "d6008"]);
        assert_eq!(found(team("none"), None, true, None, 2).await, [""; 0]);
        let behind = (before + 13_001) as u64;
        assert_eq!(found(team("u"), None, true, Some(behind), 10).await, ["d3"]);
        assert_eq!(found(team("t"), None, false, Some(behind), 2).await, ["d13001", "d13002"]);
        assert_eq!(found(team("t"), None, false, None, 1_000).await.len(), 1_000);
        assert_eq!(found(Scope::All, Some("d6005"), false, None, 10).await, ["d6005"]);
        assert_eq!(found(team("t"), Some("d6005"), false, None, 10).await, [""; 0]);
        assert_eq!(found(Scope::Subscription(sub("s")), None, true, None, 2).await, ["d13009", "d13008"]);
    });
}

#[test]
fn entries_of_a_file_of_the_version_before_are_found_by_their_names() {
    block_on(async {
        let (_folder, file) = new_file();
        let store = open(&file).await;
        let mut engine = seeded(&store).await;
        for n in 0..17_000 {
            engine.debit(&format!("d{n}"), "0.001");
        }
        report(&store, &engine.request(1, 9_000)).await;
        report(&store, &engine.request(9_001, 17_000)).await;
        store.close().await;
        let mut conn = raw(&file).await;
        let before = "DROP TABLE stretches;
            CREATE INDEX ledger_team ON ledger (position >> 12, team, member);
            CREATE INDEX ledger_subscription ON ledger (position >> 12, subscription);
            CREATE INDEX ledger_id ON ledger (position >> 12, id) WHERE id IS NOT NULL;
            DELETE FROM _sqlx_migrations WHERE version = 4";
        sqlx::raw_sql(before).execute(&mut conn).await.expect("the file is as it was");
        conn.close().await.expect("it closes");
        // Once as it is brought up to date, once as it is then.
        for n in [17_000, 17_001] {
            let store = open(&file).await;
            engine.debit(&format!("d{n}"), "0.001");
            report(&store, &engine.request(n + 1, n + 1)).await;
            for id in ["d0", "d1022", "d16383", "d16999", &format!("d{n}")] {
                for scope in [Scope::All, Scope::Team(team_id("t")), Scope::Subscription(sub("s"))] {
                    let filter = Filter { scope, id: Some(op(id)), ..Filter::default() };
                    assert_eq!(
                        store.entries(&filter, None, 10).await.expect("the ledger is read").len(),
                        1,
                        "{filter:?}"
                    );
                }
            }
            assert_eq!(store.audit().await.expect("it is audited").listed, []);
            store.close().await;
        }
    });
}

//! The program itself with a store in PostgreSQL: it keeps its record there, and says so without the
//! password.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use purser::store::Store;

use crate::postgres::server;
use crate::support::*;

#[test]
fn serve_keeps_its_record_in_postgres() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = block_on(server().empty_database());
    let url = server().url(&database).replace("postgres@", "postgres:s3cret@");
    for teams_before in [0, 1] {
        let mut process = Command::new(env!("CARGO_BIN_EXE_purser"))
            .args(["serve", "--http", "127.0.0.1:0", "--log-format", "json", "--demo-team", "--data"])
            .arg(folder.path())
            .env("PURSER_STORE", &url)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let lines = BufReader::new(process.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
        let mut log = Vec::new();
        for line in lines {
            log.push(line);
            if log.last().is_some_and(|line| line.contains("listening")) {
                let count = block_on(async {
                    let store = open_postgres(server(), &database).await;
                    store.teams(None, None, 10).await.expect("teams are read").len()
                });
                assert!(count >= teams_before, "{count}");
                let pid = rustix::process::Pid::from_child(&process);
                rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the server runs");
            }
        }
        assert!(process.wait().expect("the server ends").success(), "{log:#?}");
        assert!(!log.concat().contains("s3cret"), "{log:#?}");
    }
    block_on(async {
        let store = open_postgres(server(), &database).await;
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
    });
}

#[test]
fn check_config_shows_the_url_without_the_password() {
    let output = Command::new(env!("CARGO_BIN_EXE_purser"))
        .args(["check-config", "--store", "postgres://u:s3cret@db:5432/purser?sslmode=require"])
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stdout).expect("it is a text");
    assert!(output.status.success() && text.contains("postgres://u:***@db:5432/purser?sslmode=require"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
}

#[test]
fn the_questions_of_the_page_can_be_asked() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/store-postgres.md")).expect("a page");
    let (_, rest) = page.split_once("## Following the ledger").expect("the section is there");
    let blocks = rest.split("```sql").skip(1).filter_map(|block| block.split("```").next());
    block_on(async {
        let database = new_database().await;
        let store = open_postgres(server(), &database).await;
        let mut engine = seeded(&store).await;
        engine.debit("d1", "10").hold("h1", "5").settle("h1", "4.5").hold("h2", "1");
        report(&store, &engine.all()).await;
        let mut asked = 0;
        for block in blocks {
            server().run(&database, block).await;
            asked += 1;
        }
        assert_eq!(asked, 2);
        let spent = "DO $$ BEGIN ASSERT (SELECT sum(spent) FROM entries WHERE member = 'bob') = 14.5; END $$";
        server().run(&database, spent).await;
    });
}

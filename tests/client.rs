//! The commands that talk to a server, against the real one over a unix socket: what operators do, and
//! the demo with its audit.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use purser::domain::{Credits, SubscriptionId, Timestamp};
use purser::root::{Actor, Done, Outcome, Rows};
use purser::store::{Sqlite, Store, sqlite};
use rustix::process::{Pid, Signal};
use serde_json::Value;

/// A server with data of its own, killed at the end.
struct Server {
    process: Child,
    url: String,
    folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("unix:{}", folder.path().join("purser.sock").display());
        let mut process = Command::new(env!("CARGO_BIN_EXE_purser"))
            .env_clear()
            .current_dir(folder.path())
            .args(["serve", "--http", &url])
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log = BufReader::new(process.stderr.take().expect("it is piped"));
        let mut lines = log.lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("listening")), "it says where it listens");
        // Read on, or the server would be stopped by a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url, folder }
    }

    /// Runs a command: its exit code, its JSON lines, its standard error.
    fn run(&self, args: &[&str]) -> (Option<i32>, Vec<Value>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_purser"))
            .env_clear()
            .env("PURSER_URL", &self.url)
            .args(args)
            .output()
            .expect("the program starts");
        read(output)
    }

    /// A command that must succeed.
    fn done(&self, args: &[&str]) -> Vec<Value> {
        let (code, lines, stderr) = self.run(args);
        assert_eq!(code, Some(0), "{args:?}: {stderr}");
        lines
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).expect("it was running");
    }
}

fn read(output: Output) -> (Option<i32>, Vec<Value>, String) {
    let stdout = String::from_utf8(output.stdout).expect("utf-8");
    let lines = stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    (output.status.code(), lines, String::from_utf8(output.stderr).expect("utf-8"))
}

const SUBSCRIBE: [&str; 11] = [
    "subscription",
    "put",
    "sub_1",
    "--owner=olga",
    "--seats=2",
    "--credits-per-seat=500",
    "--billing-anchor",
    "2026-01-31T00:00:00Z",
    "--model-whitelist",
    "--plan",
    "pro",
];

#[test]
fn an_operator_needs_no_curl() {
    let server = Server::start();
    server.done(&SUBSCRIBE);
    let bought = server.done(&["subscription", "purchase", "sub_1", "25.5", "--id", "buy-1"]);
    assert_eq!(bought[0]["credits"], "25.5");
    server.done(&["team", "create", "acme", "--owner", "olga", "--name", "Acme"]);
    server.done(&["team", "set", "acme", "ana", "--access", "seat", "--limit", "100"]);
    let changed = server.done(&["team", "set", "acme", "ana", "--opted-out", "true"]);
    assert_eq!((&changed[0]["limit"], &changed[0]["effective_access"]), (&"100".into(), &"personal".into()));
    server.done(&["team", "set", "acme", "ana", "--limit", "none", "--opted-out", "false"]);
    server.done(&["team", "set", "acme", "bo", "--access", "credits"]);
    server.done(&["team", "bulk", "acme", "ana", "bo", "--limit", "10"]);
    server.done(&["team", "whitelist", "acme", "small"]);

    let members = server.done(&["team", "members", "acme"]);
    let limits: Vec<_> = members.iter().map(|member| (member["member"].as_str(), member["limit"].as_str())).collect();
    assert_eq!(limits, [(Some("ana"), Some("10")), (Some("bo"), Some("10")), (Some("olga"), None)]);
    assert_eq!(server.done(&["balance", "--team", "acme"])[0]["total"], "1025.5");
    assert_eq!(server.done(&["balance", "--team", "acme", "--member", "bo"])[0]["limit"], "10");
    let newest = server.done(&["entries", "acme", "--newest", "--limit", "1"]);
    assert_eq!((newest.len(), &newest[0]["kind"]), (1, &"whitelist_put".into()));

    server.done(&["team", "remove", "acme", "bo"]);
    server.done(&["team", "unassign", "acme"]);
    assert_eq!(server.done(&["team", "list"])[0]["subscription"], Value::Null);
    server.done(&["team", "assign", "acme", "sub_1"]);
    assert_eq!(server.done(&["team", "show", "acme"])[0]["subscription"], "sub_1");
}

#[test]
fn a_refusal_says_why_and_ends_with_1() {
    let server = Server::start();
    server.done(&SUBSCRIBE);
    server.done(&["team", "put", "acme", "--owner", "olga"]);
    for (args, why) in [
        (&["team", "show", "nothere"][..], "purser: not_found: "),
        (&["team", "set", "acme", "ana", "--limit=-1"], " (/limit)"),
        (&["team", "bulk", "acme", "olga", "ana", "--access", "seat"], "purser: "),
        (&["team", "show", "acme", "--actor", "stranger"], "purser: not_found: "),
    ] {
        let (code, lines, stderr) = server.run(args);
        assert_eq!((code, lines.len()), (Some(1), 0), "{args:?}: {stderr}");
        assert!(stderr.contains(why), "{args:?}: {stderr}");
    }
    assert_eq!(server.run(&["team", "bulk", "acme", "--all"]).0, Some(64), "nothing is to change");
}

#[test]
fn an_operator_sees_the_sidecars_and_gives_up_none_that_is_needed() {
    let server = Server::start();
    server.done(&SUBSCRIBE);
    let sidecars = server.done(&["sidecars"]);
    let [one] = &sidecars[..] else { panic!("{sidecars:?}") };
    assert_eq!((&one["state"], &one["lent"], &one["incarnation"]), (&"open".into(), &"1000".into(), &1.into()));
    let own = one["id"].as_str().expect("an id");
    let other = "0b8a1f6e-3c55-4d0a-9f0e-5f7a1c2d3e4f";
    for (args, why) in [
        (&["forgive", own, "--force"][..], "purser: sidecar_in_use: "),
        (&["forgive", other], "purser: not_found: "),
        (&["forgive", "acme"], "purser: invalid_value: "),
        (&["sidecars", "--actor", "olga"], "purser: forbidden: "),
        (&["reconcile", "--actor", "olga"], "purser: forbidden: "),
    ] {
        let (code, lines, stderr) = server.run(args);
        assert_eq!((code, lines.len()), (Some(1), 0), "{args:?}: {stderr}");
        assert!(stderr.contains(why), "{args:?}: {stderr}");
    }
    assert_eq!(server.run(&["forgive"]).0, Some(64), "whom?");
}

#[test]
fn reconciling_ends_with_1_where_the_books_differ() {
    let server = Server::start();
    server.done(&SUBSCRIBE);
    server.done(&["team", "create", "acme", "--owner", "olga"]);
    let audit = server.done(&["reconcile"]);
    assert_eq!((&audit[0]["differences"], &audit[0]["listed"]), (&0.into(), &serde_json::json!([])), "{audit:?}");
    assert!(audit[0]["entries"].as_u64() > Some(2), "{audit:?}");

    spoil(&server.folder.path().join("data/purser.db"));
    let (code, lines, stderr) = server.run(&["reconcile"]);
    assert_eq!((code, &lines[0]["differences"]), (Some(1), &1.into()), "{lines:?} {stderr}");
    assert!(stderr.contains("differ in 1"), "{stderr}");
}

/// Changes a table behind the server's back, without an entry in the ledger.
fn spoil(file: &std::path::Path) {
    let rule = |rows: &mut Rows| {
        let id = SubscriptionId::new("sub_1").expect("an id");
        let mut subscription = rows.subscription(&id)?.expect("it is there").clone();
        let account = subscription.accounts.last_mut().expect("one is open");
        account.holders[0].spent = Credits::from_credits(1).expect("an amount");
        rows.put_subscription(subscription);
        Ok(Ok(Done { outcome: Outcome::Changed, changes: Vec::new() }))
    };
    // The server keeps the file for itself by this one.
    std::fs::remove_file(file.with_extension("db.lock")).expect("the server has claimed its store");
    let spoiling = async {
        let store = Sqlite::open(sqlite::Options::new(file)).await.expect("the store opens");
        let spoilt = store.control(&rule, &Actor::Service("nobody".to_owned()), Timestamp::MIN).await;
        spoilt.expect("the store is there").answer.expect("nothing refuses it");
        store.close().await;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(spoiling);
}

#[test]
fn a_server_that_is_away_ends_with_69_and_an_address_that_is_none_with_64() {
    for (url, code) in [("unix:/nonexistent/purser.sock", 69), ("http://127.0.0.1:1", 69), ("ftp://a", 64)] {
        let args = ["balance", "--team", "acme", "--url", url];
        let output = Command::new(env!("CARGO_BIN_EXE_purser")).env_clear().args(args).output();
        let (ended, _, stderr) = read(output.expect("the program starts"));
        assert_eq!(ended, Some(code), "{url}: {stderr}");
    }
}

/// As under a shell without a terminal, which has SIGINT ignored.
#[test]
fn a_demo_that_is_stopped_leaves_nothing_behind() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let folder = tempfile::tempdir().expect("a folder");
        let left = || std::fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.path()).next();
        let mut demo = Command::new("/bin/sh")
            .args(["-c", "trap '' INT; exec \"$0\" demo --teams 10000 --members 100"])
            .arg(env!("CARGO_BIN_EXE_purser"))
            .env_clear()
            .env("TMPDIR", folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let is_seeding = || left().is_some_and(|data| data.join("purser.db").exists());
        while !is_seeding() {
            assert!(demo.try_wait().expect("it is a child").is_none(), "it runs until it is stopped");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        rustix::process::kill_process(Pid::from_child(&demo), signal).expect("it runs");
        let (ended, _, stderr) = read(demo.wait_with_output().expect("it ends"));
        assert_eq!((ended, left()), (Some(code), None), "{stderr}");
        assert!(stderr.contains("stopped by a signal"), "{stderr}");
    }
}

#[test]
fn a_demo_ends_with_an_audit_without_differences() {
    let server = Server::start();
    let size = ["--teams", "4", "--members", "10", "--seconds", "2", "--rate", "200"];
    let lines = server.done(&[&["demo", "--url", &server.url][..], &size].concat());
    let summary = lines.last().expect("a summary");
    assert_eq!(summary["differences"], 0, "{summary}");
    assert_eq!((&summary["unanswered"], &summary["contradictions"]), (&0.into(), &0.into()), "{summary}");
    assert!(summary["compared"].as_u64() > Some(80) && summary["requests"].as_u64() > Some(300), "{summary}");
    let denied = lines.iter().filter(|line| line["decision"] == "deny").count();
    assert!(denied >= 3, "several reasons: {lines:?}");
}

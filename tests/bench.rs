//! `purser bench` against the real server: what it counts is what the ledger has, in every way of asking.

// This binary uses a part of it.
#[path = "support/client.rs"]
mod client;
#[path = "support/process.rs"]
mod process;

use std::process::{Command, Stdio};

use process::Purser;
use purser::domain::Credits;
use rustix::process::{Pid, Signal};
use serde_json::Value;

/// A server over TCP and gRPC, and a unix socket beside.
struct Server {
    purser: Purser,
    folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = |name: &str| format!("unix:{}", folder.path().join(name).display());
        let (http, grpc) = (socket("http.sock"), socket("grpc.sock"));
        let args = ["--http", &http, "--grpc", &grpc];
        let purser = Purser::start_with(folder.path(), "os", None, &args);
        Self { purser, folder }
    }

    fn socket(&self, name: &str) -> String {
        format!("unix:{}", self.folder.path().join(name).display())
    }

    fn bench(&self, args: &[&str]) -> Command {
        let url = self.purser.url();
        let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
        command.env_clear().env("PURSER_URL", url).arg("bench").args(args);
        command.args(["--teams", "2", "--members", "3"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it for a second unless `args` say how long.
    fn run(&self, args: &[&str]) -> Value {
        let seconds: &[_] = if args.contains(&"--seconds") { &[] } else { &["--seconds", "1"] };
        let (code, report, stderr) = read(self.bench(args).args(seconds));
        assert_eq!(code, Some(0), "{args:?}: {stderr}");
        report
    }

    /// What the pools of a run's teams have used, in micro-credits.
    fn used(&self, report: &Value) -> i64 {
        let prefix = report["prefix"].as_str().expect("it names its teams");
        let pool = |team| self.purser.client().call("GET", &format!("/v1/teams/{prefix}-team-{team:03}/pool"), None);
        (0..2).map(|team| micros(&pool(team)["used"])).sum()
    }
}

fn read(command: &mut Command) -> (Option<i32>, Value, String) {
    let output = command.output().expect("the program starts");
    let stdout = String::from_utf8(output.stdout).expect("utf-8");
    (
        output.status.code(),
        serde_json::from_str(&stdout).unwrap_or_default(),
        String::from_utf8_lossy(&output.stderr).into(),
    )
}

fn micros(credits: &Value) -> i64 {
    credits.as_str().expect("credits are a text").parse::<Credits>().expect("an amount").micros()
}

fn count(value: &Value) -> i64 {
    value.as_i64().expect("a number")
}

const CENT: i64 = 10_000;

#[test]
fn what_was_allowed_is_what_the_ledger_has_whichever_way_it_was_asked() {
    let server = Server::start();
    let (http, grpc) = (server.socket("http.sock"), server.socket("grpc.sock"));
    for (way, rows) in [
        (&["--via", "http"][..], 1),
        (&["--via", "http", "--url", &http], 1),
        (&["--via", "http", "--threads", "2"], 1),
        (&["--via", "batch", "--rows", "7"], 7),
        (&["--via", "grpc", "--grpc", &grpc, "--in-flight", "3"], 1),
        (&["--via", "stream", "--grpc", &grpc, "--in-flight", "20"], 1),
    ] {
        let report = server.run(&[way, &["--connections", "4", "--warm-up", "0"]].concat());
        let allowed = count(&report["allowed"]);
        assert!(allowed > 50 && report["complete"] == true, "{way:?}: {report}");
        assert_eq!(allowed * CENT, server.used(&report), "{way:?}: {report}");
        assert_eq!(count(&report["requests"]) * rows, count(&report["decisions"]), "{way:?}: {report}");
        let latency = |name: &str| report["latency_micros"][name].as_f64().expect("a number");
        assert!(latency("p50") > 0.0 && latency("p50") <= latency("p99.9"), "{way:?}: {report}");
        assert_eq!((&report["denied"], &report["errors"]), (&serde_json::json!({}), &serde_json::json!({})), "{way:?}");
    }
}

#[test]
fn a_fixed_rate_is_kept_and_warming_up_is_charged_but_not_counted() {
    let server = Server::start();
    let report = server.run(&["--rate", "100", "--warm-up", "1", "--credits", "0.25", "--threads", "2"]);
    assert_eq!(
        (&report["requests"], &report["allowed"], &report["complete"]),
        (&100.into(), &100.into(), &true.into())
    );
    assert_eq!((&report["charged"], server.used(&report)), (&"50".into(), 50_000_000), "{report}");
}

#[test]
fn parts_are_told_apart_and_come_to_the_whole() {
    let server = Server::start();
    let report = server.run(&["--seconds", "2", "--every", "1", "--rate", "100", "--warm-up", "1"]);
    let parts = report["parts"].as_array().expect("one for each second");
    let of = |key: &str| parts.iter().map(|part| part[key].as_f64().expect("a number")).collect::<Vec<_>>();
    assert_eq!(of("from_seconds"), [0.0, 1.0], "{report}");
    // A hundred each; the last of them is answered before its second is over.
    assert!(of("requests_per_second").iter().all(|speed| (100.0..102.0).contains(speed)), "{report}");
    assert_eq!(report["requests"], 200, "{report}");
    assert!(server.run(&["--rate", "100"]).get("parts").is_none(), "without --every there are none");
}

#[test]
fn what_a_pool_does_not_have_is_told_as_denied() {
    let server = Server::start();
    let grpc = server.socket("grpc.sock");
    for way in [&["--via", "http"][..], &["--via", "batch"], &["--via", "stream", "--grpc", &grpc]] {
        let report = server.run(&[way, &["--pool", "0.05", "--warm-up", "0"]].concat());
        // Two pools of five debits each; a member may draw all of it, so whichever is asked first is the reason.
        assert_eq!((&report["allowed"], &report["charged"]), (&10.into(), &"0.1".into()), "{way:?}: {report}");
        let denied = report["denied"].as_object().expect("by reason");
        assert!(denied.keys().all(|reason| ["pool_exhausted", "member_limit"].contains(&&**reason)), "{report}");
        let sum: i64 = denied.values().map(count).sum();
        assert_eq!(sum + 10, count(&report["decisions"]), "{way:?}: {report}");
    }
}

#[test]
fn a_trace_is_charged_call_by_call() {
    let server = Server::start();
    let trace = server.folder.path().join("trace.csv");
    let csv = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.5,1000,100\n2023-11-16 18:15:50.5,2000,0\n\
               2023-11-16 18:15:54.5,0,10\n";
    std::fs::write(&trace, csv).expect("the folder can be written");
    for way in [&["--via", "http"][..], &["--via", "batch", "--rows", "2"]] {
        let report = server.run(&[way, &["--trace", trace.to_str().expect("utf-8")]].concat());
        // 3 000 tokens read at 3 micro-credits, 110 written at 15.
        assert_eq!((&report["decisions"], server.used(&report)), (&3.into(), 10_650), "{way:?}: {report}");
        assert_eq!(report["charged"], "0.01065");
    }
}

#[test]
fn an_interrupt_tells_what_was_measured_so_far() {
    let server = Server::start();
    let mut command = server.bench(&["--seconds", "600", "--warm-up", "0"]);
    let bench = command.spawn().expect("the program starts");
    let drawn = || {
        let teams = server.purser.client().call("GET", "/v1/teams", None);
        let team = teams["teams"][0]["id"].as_str().map(str::to_owned);
        team.is_some_and(|team| {
            micros(&server.purser.client().call("GET", &format!("/v1/teams/{team}/pool"), None)["used"]) > 0
        })
    };
    while !drawn() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    rustix::process::kill_process(Pid::from_child(&bench), Signal::INT).expect("it runs");
    let output = bench.wait_with_output().expect("it ends");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert!(output.status.success() && report["complete"] == false, "{report}");
    assert_eq!(count(&report["allowed"]) * CENT, server.used(&report), "{report}");
}

#[test]
fn what_cannot_be_measured_is_said_with_what_to_do() {
    let server = Server::start();
    let refused = |args: &[&str]| {
        let (code, _, stderr) = read(&mut server.bench(args));
        (code, stderr)
    };
    for (args, code, why) in [
        (&["--url", "http://127.0.0.1:1"][..], 69, "nobody takes connections at --url"),
        (&["--via", "stream", "--grpc", "unix:/nowhere"], 69, "nobody takes connections at --grpc"),
        (&["--via", "stream"], 64, "needs --grpc URL"),
        (&["--connections", "0"], 64, "1..=4096"),
        (&["--url", "ftp://a"], 64, "write http://HOST:PORT or unix:PATH"),
    ] {
        let (ended, stderr) = refused(args);
        assert_eq!(ended, Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(why), "{args:?}: {stderr}");
    }
}

#[test]
fn without_a_token_that_is_needed_it_says_which() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, format!("admin root {}\n", "0".repeat(64))).expect("the folder can be written");
    let tokens = tokens.to_str().expect("utf-8");
    let purser = Purser::start_with(folder.path(), "os", None, &["--tokens-file", tokens]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
    let (code, _, stderr) = read(command.env_clear().args(["bench", "--url", &purser.url()]));
    assert!(code == Some(1) && stderr.contains("by --token-file or PURSER_TOKEN"), "{stderr}");
}

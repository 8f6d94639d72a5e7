//! What the program promises to whoever starts it: answers, places of faults, exit codes.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn purser(args: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
    command.args(args).env_clear().envs(env.iter().copied()).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn run(args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = purser(args, env).output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("utf-8");
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn check_config_prints_what_all_sources_came_to() {
    let args = ["check-config", "--config", "config/dev.toml", "--durability", "disk"];
    let (code, stdout, stderr) = run(&args, &[("PURSER_DURABILITY", "memory"), ("PURSER_LOG", "debug")]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let effective: toml::Table = stdout.parse().expect("a configuration file");
    assert_eq!(effective["journal"]["durability"].as_str(), Some("disk"));
    assert_eq!(effective["log"]["level"].as_str(), Some("debug"));
    assert_eq!(effective["holds"]["ttl_default"].as_str(), Some("1m"));
}

#[test]
fn check_config_answers_programs_in_json() {
    let (code, stdout, _) = run(&["check-config", "--json"], &[]);
    let effective: serde_json::Value = serde_json::from_str(&stdout).expect("one object");
    assert_eq!((code, &effective["server"]["http"][0]), (Some(0), &"127.0.0.1:8080".into()));
}

#[test]
fn a_bad_configuration_ends_with_64_and_names_key_and_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bad.toml");
    std::fs::write(&path, "[server]\nhtpt = \"127.0.0.1:1\"\nworkers = \"many\"\n").expect("a file");
    let shown = path.to_str().expect("utf-8");
    let (code, stdout, stderr) = run(&["check-config", "--config", shown], &[]);
    assert_eq!((code, stdout.as_str()), (Some(64), ""));
    assert!(stderr.contains(&format!("{shown}:2:1: unknown key server.htpt; did you mean server.http?\n")), "{stderr}");
    assert!(stderr.contains(&format!("{shown}:3:1: server.workers is the text \"many\"; allowed are")), "{stderr}");
}

#[test]
fn wrong_arguments_end_with_64_and_help_with_0() {
    assert_eq!(run(&["check-config", "--no-such-flag"], &[]).0, Some(64));
    assert_eq!(run(&[], &[]).0, Some(64));
    let (code, _, stderr) = run(&["check-config", "--http", "everywhere"], &[]);
    assert!(
        code == Some(64) && stderr.starts_with("flag --http: server.http is \"everywhere\"; write IP:PORT"),
        "{stderr}"
    );
    let (code, stdout, _) = run(&["--help"], &[]);
    assert!(code == Some(0) && stdout.contains("check-config"), "{stdout}");
    assert_eq!(run(&["--version"], &[]).1.trim(), concat!("purser ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn unknown_variables_are_warned_of_on_standard_error() {
    let (code, _, stderr) = run(&["check-config"], &[("PURSER_HTPT", "x"), ("PURSER_PORT", "tcp://10.0.0.1:80")]);
    assert_eq!(
        (code, stderr.as_str()),
        (Some(0), "warning: environment PURSER_HTPT: unknown name, ignored; did you mean PURSER_HTTP?\n")
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = purser(&["check-config"], &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn nothing_that_is_named_is_created() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    assert_eq!(run(&["check-config", "--data", data.to_str().expect("utf-8")], &[]).0, Some(0));
    assert!(!Path::exists(&data));
}

#[test]
fn an_address_that_is_taken_is_told_once_with_the_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("a port").to_string();
    let data = folder.path().join("data").display().to_string();
    let (code, _, stderr) = run(&["serve", "--http", &address, "--data", &data], &[]);
    assert_eq!((code, stderr.matches("in use").count()), (Some(1), 1), "{stderr}");
    assert!(stderr.contains(&format!("purser: cannot listen on {address}: Address")), "{stderr}");
}

#[test]
fn two_sidecars_never_have_one_embedded_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = format!("sqlite:{}", folder.path().join("purser.db").display());
    let data = |name: &str| folder.path().join(name).display().to_string();
    let serve = ["serve", "--http", "127.0.0.1:0", "--store", &store, "--data"];
    let mut first = purser(&[&serve[..], &[&data("a")]].concat(), &[]).stderr(Stdio::piped()).spawn().expect("starts");
    let log = std::io::BufReader::new(first.stderr.take().expect("it is piped"));
    let mut lines = std::io::BufRead::lines(log).map_while(Result::ok);
    assert!(lines.any(|line| line.contains("listening")), "it starts");
    let (code, _, stderr) = run(&[&serve[..], &[&data("b")]].concat(), &[]);
    assert!(code == Some(1) && stderr.contains("another purser uses it"), "{stderr}");
    first.kill().and_then(|()| first.wait()).expect("it runs");
    let mut second = purser(&[&serve[..], &[&data("a")]].concat(), &[]).stderr(Stdio::piped()).spawn().expect("starts");
    let log = std::io::BufReader::new(second.stderr.take().expect("it is piped"));
    let mut lines = std::io::BufRead::lines(log).map_while(Result::ok);
    assert!(lines.any(|line| line.contains("listening")), "it has the store after the first was killed");
    second.kill().and_then(|()| second.wait()).expect("it runs");
}

#[test]
fn check_config_and_serve_refuse_the_same_tokens() {
    for command in ["check-config", "serve"] {
        let (code, _, stderr) = run(&[command, "--tokens-file", "/nowhere/tokens"], &[]);
        assert_eq!(code, Some(64), "{command}: {stderr}");
        assert!(stderr.contains("/nowhere/tokens"), "{command}: {stderr}");
    }
}

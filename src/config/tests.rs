//! What the configuration promises to the person who writes it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::reader::Reader;
use super::{Config, Durability, Flags, Live, Loaded, LogLevel, load, read, show};

const REFERENCE: &str = include_str!("../../config/purser.toml");

/// Loads `text` as `p.toml` in a folder of its own; places in the error then begin with `p.toml`.
fn load_text(text: &str, env: &[(&str, &str)], flags: &[(&'static str, &'static str, &str)]) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("p.toml");
    std::fs::write(&path, text).expect("a file");
    let values = flags.iter().map(|(flag, key, value)| (*flag, *key, (*value).to_owned())).collect();
    let env = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let loaded = load(&Flags { config: Some(path), values }, env);
    loaded.map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

fn config(text: &str) -> Config {
    load_text(text, &[], &[]).expect("a good configuration").config
}

/// The reference with every key that has no default put in: the lines `# key = value` and `# [section]`.
fn reference_uncommented() -> String {
    let is_key = |line: &str| {
        (line.starts_with('[') && line.ends_with(']'))
            || line.split_once(" = ").is_some_and(|(key, _)| !key.is_empty() && !key.contains(' '))
    };
    let uncomment = |line: &'static str| match line.strip_prefix("# ") {
        Some(rest) if is_key(rest) => rest,
        _ => line,
    };
    REFERENCE.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_reference_file_says_exactly_the_defaults() {
    let reference = config(REFERENCE);
    assert_eq!(reference, Config::default());
    assert_eq!(config(""), reference);
    let written: toml::Table = REFERENCE.parse().expect("toml");
    let defaults = show::table(&Config::default());
    for (name, value) in &defaults {
        match (value.as_table(), written.get(name).and_then(|v| v.as_table())) {
            (Some(defaults), Some(written)) => {
                let keys = |table: &toml::Table| table.keys().cloned().collect::<BTreeSet<_>>();
                assert_eq!(keys(defaults), keys(written), "[{name}]");
            }
            (Some(_), None) => panic!("[{name}] is missing"),
            (None, _) => assert!(written.contains_key(name), "{name} is missing"),
        }
    }
}

#[test]
fn the_reference_file_names_every_key() {
    let text = reference_uncommented();
    let mut reader = Reader::default();
    reader.add_file(Path::new("purser.toml"), &text).expect("toml");
    read::config(&mut reader);
    let missing: Vec<_> = reader
        .known()
        .iter()
        .filter(|key| !text.contains(&format!("{} = ", key.rsplit('.').next().unwrap())))
        .collect();
    // `jwks_file` stands behind an "or:", because it excludes `key_file`.
    assert_eq!(missing, Vec::<&String>::new());
    assert_eq!(reader.faults, vec![]);
    let full = config(&text);
    assert!(full.server.admin.is_some() && full.auth.tokens_file.is_some() && full.auth.jwt.is_some());
}

#[test]
fn the_shipped_files_are_good() {
    for file in ["config/purser.toml", "config/dev.toml", "config/sidecar.toml"] {
        let flags = Flags { config: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)), values: vec![] };
        assert!(load(&flags, []).is_ok(), "{file}");
    }
}

#[test]
fn what_is_printed_leads_to_the_same_configuration() {
    for text in
        [REFERENCE, &reference_uncommented(), "[auth.jwt]\njwks_file = \"j\"\naudience = \"a\"\nalgorithm = \"EdDSA\""]
    {
        let config = config(text);
        assert_eq!(self::config(&config.to_toml()), config);
    }
}

#[test]
fn the_later_source_wins() {
    let file = "[journal]\ndurability = \"memory\"";
    let env = [
        ("PURSER_DURABILITY", "disk"),
        ("PURSER_HTTP", "127.0.0.1:1, unix:/tmp/s"),
        ("PURSER_GRPC", "127.0.0.1:2,unix:/tmp/g"),
    ];
    let flag = [("--durability", "journal.durability", "store")];
    let durability = |env: &[_], flag: &[_]| load_text(file, env, flag).unwrap().config.journal.durability;
    assert_eq!(durability(&[], &[]), Durability::Memory);
    assert_eq!(durability(&env, &[]), Durability::Disk);
    assert_eq!(durability(&env, &flag), Durability::Store);
    let server = load_text(file, &env, &[]).unwrap().config.server;
    assert_eq!((server.http.len(), server.grpc.len()), (2, 2));
    let twice = [("--http", "server.http", "127.0.0.1:1"), ("--http", "server.http", "[::1]:2")];
    assert_eq!(load_text(file, &env, &twice).unwrap().config.server.http[1].to_string(), "[::1]:2");
}

#[test]
fn faults_name_place_key_and_what_is_allowed() {
    for (text, fault) in [
        ("[server]\nhtpt = \"127.0.0.1:1\"", "p.toml:2:1: unknown key server.htpt; did you mean server.http?"),
        ("[server]\n\n  colour = 1", "p.toml:3:3: unknown key server.colour"),
        (
            "[envoy.descriptors.a]\nunit = \"credits\"",
            "p.toml:1:20: [envoy.descriptors.a] needs entries, member and unit",
        ),
        ("durability = \"os\"", "p.toml:1:1: unknown key durability; did you mean journal.durability?"),
        ("[jurnal]\nx = 1", "p.toml:1:2: unknown section [jurnal]; did you mean [journal]?"),
        ("server = 3", "p.toml:1:1: server is a section; write [server] and its keys below"),
        ("\"lease.wait\" = \"1s\"", "p.toml:1:1: unknown key \"lease.wait\""),
        (
            "[journal]\ndurability = \"fsync\"",
            "p.toml:2:1: journal.durability is \"fsync\"; allowed are \"memory\", \"os\", \"disk\", \"store\"",
        ),
        (
            "[lease]\nwait = 50",
            "p.toml:2:1: lease.wait is the number 50; write a whole number with ms, s, m or h such as \"10ms\"; allowed are 1ms to 10s",
        ),
        ("[server]\nworkers = -1", "p.toml:2:1: server.workers is -1; allowed are whole numbers from 0 to 1024"),
        (
            "[server]\nworkers = 1.5",
            "p.toml:2:1: server.workers is a number with a fraction; allowed are whole numbers from 0 to 1024",
        ),
        (
            "[server]\nhttp = [1]",
            "p.toml:2:1: server.http is a list of something else than texts; a text or a list of texts is wanted",
        ),
        (
            "[holds]\nttl_max = \"30s\"",
            "default: holds.ttl_default is above holds.ttl_max; a hold that names no lifetime would be refused",
        ),
        (
            "[server]\nrequest_timeout = \"2m\"",
            "default: server.stall_timeout is below server.request_timeout; a slow answer would be cut off before it may begin",
        ),
        ("[server]\nstreams_max = 0", "p.toml:2:1: server.streams_max is 0; allowed are whole numbers from 1 to 65536"),
        (
            "[auth.jwt]\naudience = \"a\"",
            "p.toml:1:7: [auth.jwt] needs either key_file or jwks_file, and audience and algorithm",
        ),
    ] {
        assert_eq!(load_text(text, &[], &[]).map(|_| ()), Err(fault.to_owned()), "{text}");
    }
}

#[test]
fn every_fault_is_named_at_once_in_the_order_of_the_file() {
    let refused = load_text("[log]\nlevel = \"loud\"\n[audit]\nevery = \"1s\"", &[("PURSER_STORE", "x")], &[]);
    let lines: Vec<_> = refused.unwrap_err().lines().map(|line| line.split(": ").next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["p.toml:2:1", "p.toml:4:1", "environment PURSER_STORE"]);
}

#[test]
fn a_syntax_error_and_a_duplicate_key_have_a_line() {
    for (text, place) in
        [("[server]\nworkers = = 3", "p.toml:2:"), ("data = \"a\"\ndata = \"b\"", "p.toml:2:1: duplicate key")]
    {
        let error = load_text(text, &[], &[]).unwrap_err();
        assert!(error.starts_with(place), "{error}");
    }
}

#[test]
fn a_named_file_must_exist() {
    let flags = Flags { config: Some(PathBuf::from("/nowhere/p.toml")), values: vec![] };
    let error = load(&flags, []).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/p.toml: cannot be read: "), "{error}");
    let env = [(OsString::from("PURSER_CONFIG"), OsString::from("/nowhere/e.toml"))];
    assert!(load(&Flags::default(), env).is_err());
}

#[test]
fn unknown_variables_are_warned_of_and_those_of_kubernetes_ignored() {
    let env = [
        ("PURSER_PORT", "tcp://10.0.0.1:80"),
        ("PURSER_SERVICE_HOST", "x"),
        ("PURSER_DURABLITY", "secret"),
        ("PATH", ""),
    ];
    let warnings = load_text("", &env, &[]).unwrap().warnings;
    assert_eq!(warnings, ["environment PURSER_DURABLITY: unknown name, ignored; did you mean PURSER_DURABILITY?"]);
    assert!(load_text("", &[("PURSER_TOKENS_FILE", "")], &[]).unwrap_err().ends_with("auth.tokens_file is empty"));
}

#[test]
fn without_tokens_only_this_machine_may_be_listened_on() {
    let open = "[server]\nhttp = \"0.0.0.0:8080\"";
    assert!(load_text(open, &[], &[]).unwrap_err().starts_with("p.toml:2:1: server.http can be reached"));
    assert!(load_text(open, &[("PURSER_TOKENS_FILE", "t")], &[]).is_ok());
    assert!(load_text("[server]\nhttp = [\"[::1]:1\", \"unix:/s\"]", &[], &[]).is_ok());
    let grpc = "[server]\ngrpc = \"[::]:8081\"";
    assert!(load_text(grpc, &[], &[]).unwrap_err().starts_with("p.toml:2:1: server.grpc can be reached"));
}

#[test]
fn each_interface_has_addresses_of_its_own() {
    for (text, fault) in [
        ("grpc = [\"unix:/s\", \"unix:/s\"]", "p.toml:2:1: server.grpc names an address twice"),
        ("grpc = \"127.0.0.1:8080\"", "p.toml:2:1: server.grpc is also an address of server.http"),
        ("admin = \"unix:/s\"\ngrpc = \"unix:/s\"", "p.toml:2:1: server.admin is also an address of server.grpc"),
    ] {
        let refused = load_text(&format!("[server]\n{text}"), &[], &[]).unwrap_err();
        assert!(refused.starts_with(fault), "{refused}");
    }
    let free = "[server]\nhttp = \"127.0.0.1:0\"\ngrpc = [\"127.0.0.1:0\", \"127.0.0.1:0\"]";
    assert!(load_text(free, &[], &[]).is_ok());
}

#[test]
fn a_reload_changes_live_values_only_and_names_the_others() {
    let old = config("[auth]\ntokens_file = \"t\"\n[server]\nhttp = \"0.0.0.0:80\"");
    let new = config("[auth]\ntokens_file = \"u\"\n[log]\nlevel = \"debug\"\n[whitelist]\non_pool_spend = true");
    let (next, restart) = old.reloaded(&new).expect("fits");
    assert_eq!((next.log.level, next.whitelist.on_pool_spend), (Live(LogLevel::Debug), Live(true)));
    assert_eq!(next.auth.tokens_file, Live(Some("u".into())));
    assert_eq!((next.server, restart), (old.server.clone(), vec!["server.http".to_owned()]));
    let open = old.reloaded(&config("")).unwrap_err().to_string();
    assert!(open.starts_with("after the reload: server.http can be reached"), "{open}");
}

/// A value for every key that is not its default.
const ALL_DIFFERENT: &str = r#"
data = "d"
server = { http = "unix:s", grpc = "unix:g", admin = "unix:a", header_timeout = "1s", body_timeout = "1s", idle_timeout = "1s",
  request_timeout = "11s", stall_timeout = "12s", streams_max = 1,
  connections_max = 1, body_bytes_max = "1KiB", batch_bytes_max = "2KiB", batch_ops_max = 1, workers = 1,
  drain_deadline = "1s" }
auth = { tokens_file = "t", jwt = { key_file = "k", audience = "a", algorithm = "HS256" } }
journal = { durability = "disk", segment_bytes = "1MiB", bytes_max = "2MiB", queue_bytes_max = "1MiB",
  sync_interval = "1s" }
store = { url = "memory:", flush_interval = "1s", batch_entries_max = 1, timeout = "1s", connections_max = 2 }
idempotency = { retain = "1h", entries_max = 1000 }
holds = { ttl_default = "1s", ttl_max = "2s", expire_interval = "1s", per_team_max = 1 }
lease = { wait = "1s" }
whitelist = { on_pool_spend = true }
envoy = { decision = "text:debit", team = "text:t", member = "text:m", model = "text:x", credits = "text:1",
  min_credits = "text:1", ttl_ms = "text:1000", input_tokens = "text:1", cached_input_tokens = "text:1", output_tokens = "text:1",
  images = "text:1", seconds = "text:1", id = "header:x-request-id" }
rates = { file = "r" }
audit = { interval = "1s" }
log = { level = "trace", format = "json" }
"#;

#[test]
fn exactly_the_keys_marked_live_are_reloaded() {
    let mut marked = BTreeSet::new();
    let (mut section, mut live) = (String::new(), false);
    for line in REFERENCE.lines().skip_while(|line| !line.is_empty()) {
        let bare = line.trim_start_matches("# ");
        live = !line.is_empty() && (live || line.contains("[live]"));
        if bare.starts_with('[') && bare.ends_with(']') {
            section = bare.trim_matches(['[', ']']).to_owned();
            // [auth.jwt] appears as a whole in the list of differences.
            if live && marked.insert(section.clone()) {
                live = false;
            }
        } else if let Some((key, _)) = bare.split_once(" = ").filter(|(key, _)| live && !key.contains(' ')) {
            marked.insert(format!("{section}.{key}"));
        }
    }
    let (old, new) = (Config::default(), config(ALL_DIFFERENT));
    let all: BTreeSet<_> = show::differing_keys(&old, &new).into_iter().collect();
    let (_, restart) = old.reloaded(&new).expect("fits");
    let reloaded: BTreeSet<_> = all.difference(&restart.into_iter().collect()).cloned().collect();
    assert_eq!(reloaded, marked);
    let leaves = show::table(&new).values().map(|v| v.as_table().map_or(1, toml::Table::len)).sum::<usize>();
    assert_eq!(all.len(), leaves, "every key differs");
}

#[test]
fn a_lender_of_blocks_stands_beside_postgres_alone_and_shows_no_password() {
    let beside = |url: &str| format!("[store]\nurl = \"{url}\"\nleases = \"redis://me:secret@r:1/2\"");
    let shown = config(&beside("postgres://u@h/d")).to_toml();
    assert!(shown.contains("leases = \"redis://me:***@r:1/2\"") && !shown.contains("secret"), "{shown}");
    for url in ["sqlite:", "memory:", "redis://h:1"] {
        let why = load_text(&beside(url), &[], &[]).expect_err(url).to_string();
        assert!(why.contains("store.leases") && why.contains("postgres://") && !why.contains("secret"), "{why}");
    }
    let env = [("PURSER_STORE", "postgres://u@h/d"), ("PURSER_STORE_LEASES", "rediss+cluster://a:1,b:2")];
    let leases = load_text("", &env, &[]).expect("good").config.store.leases;
    assert_eq!(leases.map(|url| url.to_string()).as_deref(), Some("rediss+cluster://a:1,b:2"));
}

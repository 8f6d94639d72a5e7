//! What calls cost by the rate card: in every decision, with the version of the hold in its settle, across reloads and
//! restarts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use purser::clock::ManualClock;
use purser::config::{Config, Live, StoreUrl};
use purser::server::Server;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Sidecar;

const CARD: &str = "[models]\n\
    \"gpt-4o\" = { input = 250, cached_input = 125, output = 1000, output_tokens = 2000 }\n\
    \"gpt-4o*\" = { input = 15, output = 60 }\n\
    \"whisper-1\" = { second = 0.01 }\n";

/// Everything is twice as dear, and `gpt-4o` has no rate any more.
const DEARER: &str = "[models]\n\"gpt-4o\" = { refuse = true }\n\"gpt-4o*\" = { input = 30, output = 120 }\n\
    \"whisper-1\" = { second = 0.02 }\n";

fn card_of(data: &Path) -> PathBuf {
    data.with_file_name("rates.toml")
}

/// Names the card, which then has this text.
fn with_card(config: &mut Config, text: &str) {
    let file = card_of(&config.data);
    std::fs::write(&file, text).expect("writes");
    config.rates.file = Live(Some(file));
}

async fn open() -> Sidecar {
    Sidecar::start(|config| with_card(config, CARD)).await
}

/// Lets the running server read this card.
fn reload(sidecar: &Sidecar, text: &str) -> Result<(), String> {
    let mut config = Config { data: sidecar.folder.path().join("data"), ..Config::default() };
    with_card(&mut config, text);
    sidecar.server.reload(&config).map_err(|error| error.to_string())
}

fn asked(id: &str, model: &str, usage: Value) -> String {
    json!({"id": id, "team": "acme", "member": "ben", "model": model, "usage": usage}).to_string()
}

async fn entries(sidecar: &Sidecar, id: &str) -> Vec<Value> {
    sidecar.server.service().flush().await.expect("is saved");
    let page = sidecar.get(&format!("/v1/teams/acme/entries?id={id}")).await.ok();
    page["entries"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn usage_is_priced_in_every_decision() {
    let sidecar = open().await;
    let used = json!({"input_tokens": 812, "cached_input_tokens": 512, "output_tokens": 400});
    for (path, model, usage, credits) in [
        ("debits", "gpt-4o", used.clone(), "0.539"),
        ("checks", "gpt-4o", used.clone(), "0.539"),
        ("holds", "gpt-4o-mini", used.clone(), "0.03618"),
        ("debits", "gpt-4o-mini", json!({"input_tokens": 1, "output_tokens": 0}), "0.000015"),
        ("debits", "whisper-1", json!({"seconds": 12.5}), "0.125"),
        ("checks", "gpt-4o", json!({"input_tokens": 812}), "2.203"),
    ] {
        let answer =
            sidecar.post(&format!("/v1/{path}"), &asked(&format!("{model}{credits}{path}"), model, usage)).await;
        assert_eq!(answer.ok()["credits"], credits, "{path} {model}");
    }
    let rows = json!({"ops": [
        {"op": "hold", "id": "b", "team": "acme", "member": "ben", "model": "gpt-4o", "usage": {"input_tokens": 812}},
        {"op": "settle", "id": "b", "team": "acme", "usage": used},
        {"op": "settle", "id": "b", "team": "acme", "usage": used},
        {"op": "debit", "id": "c", "team": "acme", "member": "ben", "model": "claude", "usage": used},
    ]});
    let results = sidecar.post("/v1/batch", &rows.to_string()).await.ok()["results"].clone();
    assert_eq!((&results[0]["credits"], &results[0]["output_tokens"]), (&json!("2.203"), &json!(2_000)));
    assert_eq!((&results[1]["charged"], &results[1]["returned"]), (&json!("0.539"), &json!("1.664")));
    assert_eq!(results[2]["replayed"], true);
    assert_eq!((&results[3]["code"], &results[3]["pointer"]), (&json!("no_rate"), &json!("/ops/3/usage")));
    let headers = ["purser-team: acme", "purser-member: ben", "purser-model: gpt-4o", "purser-input-tokens: 812"];
    let answer = sidecar.ask("GET /v1/authorize?id=new", &headers, "").await;
    let left = sidecar.get("/v1/teams/acme/pool").await.ok()["remaining"].clone();
    assert_eq!((answer.status, answer.header("purser-remaining").map(Value::from)), (200, Some(left)));
    let strange = sidecar.ask("GET /v1/authorize", &[headers[0], headers[1], headers[3]], "").await;
    assert_eq!((strange.problem().1.as_str(), strange.status), ("no_rate", 422));
}

#[tokio::test]
async fn what_cannot_be_used_is_told_at_its_field() {
    let sidecar = open().await;
    for (model, usage, code, pointer) in [
        ("claude", json!({"input_tokens": 1}), "no_rate", "/usage"),
        ("gpt-4o", json!({"input_tokens": 1, "cached_input_tokens": 2}), "invalid_value", "/usage/cached_input_tokens"),
        ("gpt-4o", json!({"output_tokens": 1, "reasoning_tokens": 2}), "invalid_value", "/usage/reasoning_tokens"),
        ("gpt-4o-mini", json!({"input_tokens": 1}), "missing_field", "/usage/output_tokens"),
        ("gpt-4o", json!({"input_tokens": -1}), "invalid_value", "/usage/input_tokens"),
        ("whisper-1", json!({"seconds": 0.000_000_1}), "invalid_value", "/usage/seconds"),
        ("gpt-4o", json!({"tokens": 1}), "unknown_field", "/usage/tokens"),
    ] {
        let problem = sidecar.post("/v1/debits", &asked("a", model, usage.clone())).await.problem();
        assert_eq!(problem, (422, code.to_owned(), pointer.to_owned()), "{model} {usage}");
    }
    let unknown = sidecar.post("/v1/holds/none/settle", r#"{"team":"acme","usage":{"input_tokens":1}}"#).await;
    assert_eq!(unknown.problem().1, "not_found");
}

#[tokio::test]
async fn a_hold_of_what_is_left_says_how_many_tokens_it_pays_for() {
    let sidecar = open().await;
    let body = json!({"id": "a", "team": "acme", "member": "ana", "model": "gpt-4o", "min_credits": "1",
        "usage": {"input_tokens": 812, "output_tokens": 100_000}});
    let held = sidecar.post("/v1/holds", &body.to_string()).await.ok();
    assert_eq!(
        (&held["credits"], &held["output_tokens"]),
        (&json!("10"), &json!(9_797)),
        "9.797 of 10 are for the answer"
    );
    let again = sidecar.post("/v1/holds", &body.to_string()).await.ok();
    assert_eq!((&again["replayed"], &again["output_tokens"]), (&json!(true), &json!(9_797)));
}

#[tokio::test]
async fn a_settle_is_priced_by_the_card_of_its_hold_whatever_has_come_since() {
    let sidecar = open().await;
    let hold = asked("h", "gpt-4o", json!({"input_tokens": 812, "output_tokens": 400}));
    let first = sidecar.post("/v1/holds", &hold).await.ok();
    let plain = json!({"id": "p", "team": "acme", "member": "ben", "model": "gpt-4o-mini", "credits": "1"}).to_string();
    sidecar.post("/v1/holds", &plain).await.ok();
    let old = entries(&sidecar, "h").await[0]["rates"].clone();
    reload(&sidecar, DEARER).expect("it is a card");

    // The same again gets the first answer, though it has no price any more.
    let again = sidecar.post("/v1/holds", &hold).await.ok();
    assert_eq!(
        (&again["credits"], &again["output_tokens"], &again["replayed"]),
        (&json!("0.603"), &json!(400), &json!(true))
    );
    assert_eq!(
        sidecar.post("/v1/debits", &asked("d", "gpt-4o", json!({"input_tokens": 1}))).await.problem().1,
        "no_rate"
    );
    let settle = json!({"team": "acme", "usage": {"input_tokens": 812, "output_tokens": 300}}).to_string();
    let settled = sidecar.post("/v1/holds/h/settle", &settle).await.ok();
    assert_eq!((&first["credits"], &settled["charged"]), (&json!("0.603"), &json!("0.503")));
    let entries_of = entries(&sidecar, "h").await;
    assert!(entries_of.len() == 2 && entries_of.iter().all(|entry| entry["rates"] == old), "{entries_of:?}");
    // A hold of credits keeps the card as well.
    let settled = sidecar.post("/v1/holds/p/settle", &settle).await.ok();
    assert_eq!(settled["charged"], "0.03018");
    let new = asked("n", "gpt-4o-mini", json!({"input_tokens": 812, "output_tokens": 300}));
    let new = sidecar.post("/v1/debits", &new).await.ok();
    assert_eq!(new["credits"], "0.06036");
    assert_ne!(entries(&sidecar, "n").await[0]["rates"], old);
}

#[tokio::test]
async fn a_debit_sent_again_after_a_new_card_gets_the_first_answer() {
    let sidecar = open().await;
    let debit = asked("d", "gpt-4o-mini", json!({"input_tokens": 1_000_000, "output_tokens": 0}));
    assert_eq!(sidecar.post("/v1/debits", &debit).await.ok()["credits"], "15");
    reload(&sidecar, DEARER).expect("it is a card");
    let again = sidecar.post("/v1/debits", &debit).await.ok();
    assert_eq!((&again["credits"], &again["replayed"]), (&json!("15"), &json!(true)));
    let other = asked("d", "gpt-4o-mini", json!({"input_tokens": 1_000_001, "output_tokens": 0}));
    assert_eq!(sidecar.post("/v1/debits", &other).await.problem().1, "id_reused");
}

#[tokio::test]
async fn a_wrong_card_leaves_the_last_good_one_in_force() {
    let sidecar = open().await;
    let why = reload(&sidecar, "[models]\n\"gpt-4o\" = { inptu = 1 }\n").expect_err("it is wrong");
    assert!(why.contains("rates.toml:2:14: unknown key models.\"gpt-4o\".inptu; did you mean input?"), "{why}");
    let debit = asked("d", "whisper-1", json!({"seconds": 1}));
    assert_eq!(sidecar.post("/v1/debits", &debit).await.ok()["credits"], "0.01");
    sidecar.server.reload(&Config::default()).expect("no card is fine");
    assert_eq!(sidecar.post("/v1/checks", &debit).await.problem().1, "no_rate");
}

/// A sidecar over SQLite that has given the hold `h`, and its configuration.
async fn held() -> (Sidecar, Config) {
    let mut config = Config::default();
    let sidecar = Sidecar::start(|own| {
        own.store.url = StoreUrl::SqliteInData;
        with_card(own, CARD);
        config = own.clone();
    })
    .await;
    sidecar.post("/v1/holds", &asked("h", "gpt-4o", json!({"input_tokens": 812}))).await.ok();
    (sidecar, config)
}

/// What is left of a sidecar that has stopped.
struct Stopped {
    clock: ManualClock,
    folder: TempDir,
}

impl Stopped {
    async fn start(self, config: &Config) -> Sidecar {
        let server = Server::start(config, self.clock.clock()).await.expect("starts");
        Sidecar { server, clock: self.clock, folder: self.folder }
    }
}

/// Stops a sidecar once its store has everything.
async fn stop(Sidecar { server, clock, folder }: Sidecar) -> Stopped {
    assert!(server.stop(Duration::from_secs(20)).await.flushed);
    Stopped { clock, folder }
}

#[tokio::test]
async fn a_restart_with_another_card_settles_open_holds_by_the_one_that_they_name() {
    let (sidecar, mut config) = held().await;
    let stopped = stop(sidecar).await;
    with_card(&mut config, DEARER);
    let stopped = stop(stopped.start(&config).await).await;
    config.rates.file = Live(None);
    let sidecar = stopped.start(&config).await;
    let settle = json!({"team": "acme", "usage": {"input_tokens": 812, "output_tokens": 400}}).to_string();
    assert_eq!(sidecar.post("/v1/holds/h/settle", &settle).await.ok()["charged"], "0.603");
    let entries = entries(&sidecar, "h").await;
    assert!(entries.len() == 2 && entries.iter().all(|entry| entry["rates"] == entries[0]["rates"]), "{entries:?}");
}

#[tokio::test]
async fn a_settle_sent_again_gets_its_first_answer_where_the_journal_has_no_more_than_that() {
    let (sidecar, mut config) = held().await;
    let stopped = stop(sidecar).await;
    // As if the hold had been confirmed long ago.
    for file in std::fs::read_dir(&config.data).expect("it is there").flatten() {
        if file.file_name().to_string_lossy().starts_with("journal-") {
            std::fs::remove_file(file.path()).expect("it can go");
        }
    }
    let sidecar = stopped.start(&config).await;
    let settle = json!({"team": "acme", "usage": {"input_tokens": 812, "output_tokens": 400}}).to_string();
    assert_eq!(sidecar.post("/v1/holds/h/settle", &settle).await.ok()["charged"], "0.603");
    let stopped = stop(sidecar).await;
    with_card(&mut config, DEARER);
    let sidecar = stopped.start(&config).await;
    let again = sidecar.post("/v1/holds/h/settle", &settle).await.ok();
    assert_eq!((&again["charged"], &again["replayed"]), (&json!("0.603"), &json!(true)));
    let other = json!({"team": "acme", "usage": {"input_tokens": 812, "output_tokens": 401}}).to_string();
    assert_eq!(sidecar.post("/v1/holds/h/settle", &other).await.problem().1, "hold_ended");
}

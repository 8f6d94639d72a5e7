//! Many requests on one stream.

use std::collections::BTreeMap;
use std::time::Duration;

use purser::api::grpc::wire::purser::decide_request::Request;
use purser::api::grpc::wire::purser::decide_response::Answer;
use purser::api::grpc::wire::purser::{
    DecideRequest, DecideResponse, DrawRequest, ExtendRequest, RefundRequest, ReleaseRequest,
};
use purser::config::Durability;
use serde_json::json;
use tokio::sync::mpsc;
use tonic::{Code, Streaming};

use crate::sidecar::{GATEWAY, Sidecar};
use crate::support::{HANGS, closed, cost, draw, is_allowed, next, open, problem, start};

/// What is in flight at once.
const IN_FLIGHT: u64 = 32;

fn numbered(number: u64, request: Request) -> DecideRequest {
    DecideRequest { number, request: Some(request) }
}

/// A debit of a thousandth of a credit.
fn mite(number: u64) -> DecideRequest {
    numbered(
        number,
        Request::Debit(DrawRequest { credits_micros: Some(1_000), ..draw(&format!("d{number}"), "ben", 0) }),
    )
}

async fn send(sender: &mpsc::Sender<DecideRequest>, request: DecideRequest) {
    tokio::time::timeout(HANGS, sender.send(request)).await.expect("is taken").expect("the stream is open");
}

async fn answer(answers: &mut Streaming<DecideResponse>) -> (u64, Answer) {
    let answer = next(answers).await.expect("goes on").expect("an answer");
    (answer.number, answer.answer.expect("one of the kinds"))
}

/// What the pool has used and holds.
async fn pool(sidecar: &Sidecar) -> (String, String) {
    let pool = sidecar.get("/v1/teams/acme/pool").await.ok();
    let text = |field: &str| pool[field].as_str().expect("credits").to_owned();
    (text("used"), text("held"))
}

#[tokio::test]
async fn thousands_of_decisions_with_several_in_flight_are_each_answered_once() {
    let (sidecar, client) = open().await;
    let (sender, mut answers) = client.decide().await.expect("opens");
    let (mut sent, mut answered) = (0, BTreeMap::new());
    while answered.len() < 5_000 {
        while sent < 5_000 && sent - (answered.len() as u64) < IN_FLIGHT {
            send(&sender, mite(sent)).await;
            sent += 1;
        }
        let (number, answer) = answer(&mut answers).await;
        let Answer::Decision(decision) = answer else { panic!("{answer:?}") };
        assert_eq!(decision.id, Some(format!("d{number}")));
        assert_eq!(answered.insert(number, is_allowed(&decision)), None, "{number} is answered twice");
    }
    assert!(answered.values().all(|allowed| *allowed));
    drop(sender);
    assert_eq!(next(&mut answers).await.expect("ends well"), None);
    assert_eq!(pool(&sidecar).await.0, "5");
    let page = sidecar.get("/metrics").await.body;
    assert!(page.contains(r#"purser_grpc_requests_total{method="purser.v1.Purser/Decide",code="OK"} 5000"#), "{page}");
}

#[tokio::test]
async fn a_stream_takes_every_kind_in_order_and_a_bad_one_costs_the_others_nothing() {
    let (_sidecar, client) = open().await;
    let (sender, mut answers) = client.decide().await.expect("opens");
    let team = || Some("acme".to_owned());
    let extend = ExtendRequest { id: "g".to_owned(), team: team(), member: None, ttl_ms: Some(5_000) };
    let release = ReleaseRequest { id: "g".to_owned(), team: team(), member: None };
    let refund = RefundRequest { debit: "d".to_owned(), team: team(), ..RefundRequest::default() };
    let requests = [
        Some(Request::Hold(draw("h", "ana", 5))),
        Some(Request::Settle(cost("h", 1))),
        Some(Request::Debit(draw("d", "ana", -1))),
        Some(Request::Debit(draw("d", "ana", 1))),
        Some(Request::Debit(draw("e", "ana", 9))),
        Some(Request::Refund(refund)),
        Some(Request::Check(draw("c", "ana", 9))),
        Some(Request::Hold(draw("g", "ana", 5))),
        Some(Request::Extend(extend)),
        Some(Request::Release(release.clone())),
        Some(Request::Release(ReleaseRequest { id: "none".to_owned(), ..release })),
        None,
    ];
    for (number, request) in (100..).zip(requests.clone()) {
        send(&sender, DecideRequest { number, request }).await;
    }
    for (at, expected) in (100..).zip([
        "allow",
        "settled",
        "invalid_value",
        "allow",
        "deny",
        "refunded",
        "allow",
        "allow",
        "extended",
        "released",
        "not_found",
        "missing_field",
    ]) {
        let (number, answer) = answer(&mut answers).await;
        let found = match &answer {
            Answer::Decision(decision) if is_allowed(decision) => "allow",
            Answer::Decision(_) => "deny",
            Answer::Settled(_) => "settled",
            Answer::Released(_) => "released",
            Answer::Extended(_) => "extended",
            Answer::Refunded(_) => "refunded",
            Answer::Problem(problem) => &problem.code,
        };
        assert_eq!((number, found), (at, expected), "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_there_at_once_waits_once_for_the_store() {
    let (_sidecar, client) = start(|config| config.journal.durability = Durability::Store).await;
    let (sender, mut answers) = client.decide().await.expect("opens");
    // One by one they would take a flush each, of 200 ms.
    for number in 0..1_000 {
        send(&sender, mite(number)).await;
    }
    let all = async {
        for _ in 0..1_000 {
            answer(&mut answers).await;
        }
    };
    tokio::time::timeout(HANGS, all).await.expect("a few flushes");
}

#[tokio::test]
async fn a_stream_that_is_cancelled_leaves_holds_that_end_and_none_that_is_half_done() {
    let (sidecar, client) = open().await;
    for round in 0..20 {
        let (sender, mut answers) = client.decide().await.expect("opens");
        for number in 0..50 {
            let hold = DrawRequest {
                credits_micros: Some(1_000),
                ttl_ms: Some(1_000),
                ..draw(&format!("h{round}.{number}"), "ben", 0)
            };
            send(&sender, numbered(number, Request::Hold(hold))).await;
        }
        // Some are answered, some decided, some on the way.
        for _ in 0..round {
            answer(&mut answers).await;
        }
    }
    sidecar.clock.advance(Duration::from_secs(2));
    assert_eq!(pool(&sidecar).await, ("0".to_owned(), "0".to_owned()));
    let whole = sidecar.post("/v1/debits", r#"{"id":"all","team":"acme","member":"ben","credits":100}"#).await.ok();
    assert_eq!(whole["decision"], json!("allow"));
}

#[tokio::test]
async fn a_token_that_is_taken_away_ends_its_streams_within_a_second() {
    let (sidecar, client) = closed().await;
    let (sender, mut answers) = client.with(&[GATEWAY]).decide().await.expect("opens");
    send(&sender, mite(1)).await;
    answer(&mut answers).await;
    let file = sidecar.folder.path().join("tokens");
    let text = std::fs::read_to_string(&file).expect("reads");
    let others: String =
        text.lines().filter(|line| !line.starts_with("gateway")).map(|line| format!("{line}\n")).collect();
    std::fs::write(&file, others).expect("writes");
    let mut config = purser::config::Config::default();
    config.auth.tokens_file = purser::config::Live(Some(file));
    sidecar.server.reload(&config).expect("fits");
    sidecar.clock.advance(Duration::from_secs(1));
    send(&sender, mite(2)).await;
    let ended = next(&mut answers).await.expect_err("is not known any more");
    assert_eq!((ended.code(), problem(&ended).code.as_str()), (Code::Unauthenticated, "unauthorized"));
    assert_eq!(pool_used_by_admin(&sidecar).await, "0.001");
}

async fn pool_used_by_admin(sidecar: &Sidecar) -> String {
    let pool = sidecar.ask("GET /v1/teams/acme/pool", &[crate::sidecar::ADMIN], "").await.ok();
    pool["used"].as_str().expect("credits").to_owned()
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_the_stream_after_the_answers_before_it() {
    let (_sidecar, client) = open().await;
    let (sender, mut answers) = client.decide().await.expect("opens");
    send(&sender, mite(1)).await;
    let large = DrawRequest { model: Some("m".repeat(65_536)), ..draw("large", "ben", 1) };
    send(&sender, numbered(2, Request::Debit(large))).await;
    assert_eq!(answer(&mut answers).await.0, 1);
    let ended = next(&mut answers).await.expect_err("is too large");
    assert_eq!((ended.code(), problem(&ended).code.as_str()), (Code::ResourceExhausted, "too_large"));
}

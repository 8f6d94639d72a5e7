//! Sockets, draining, health and reflection.

use std::time::Duration;

use purser::api::grpc::wire::purser::DecideRequest;
use purser::api::grpc::wire::purser::decide_request::Request;
use purser::api::grpc::wire::purser::decide_response::Answer;
use purser::clock::Clock;
use purser::server::Stopped;
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use crate::process::Purser;
use crate::support::{Client, HANGS, closed, draw, is_allowed, next, open, problem, start};

/// How long a program waits for its callers by default.
const DRAIN_DEADLINE: Duration = Duration::from_secs(20);

async fn health(client: &Client, service: &str) -> Result<ServingStatus, Status> {
    let request = HealthCheckRequest { service: service.to_owned() };
    let answer: HealthCheckResponse = client.call("/grpc.health.v1.Health/Check", request).await?;
    Ok(answer.status())
}

#[tokio::test]
async fn a_unix_socket_serves_the_same() {
    let (sidecar, client) = start(|config| {
        let path = config.data.with_file_name("grpc.sock");
        config.server.grpc = vec![format!("unix:{}", path.display()).parse().expect("an address")];
    })
    .await;
    assert!(is_allowed(&client.debit(draw("d", "ana", 1)).await.expect("answers")));
    let path = sidecar.folder.path().join("grpc.sock");
    assert!(path.exists());
    sidecar.server.stop(HANGS).await;
    assert!(!path.exists(), "the file goes with the listener");
}

#[tokio::test]
async fn a_server_that_stops_answers_what_it_has_read_and_ends_its_streams() {
    let (sidecar, client) = open().await;
    let (sender, mut answers) = client.decide().await.expect("opens");
    let (idle, mut idle_answers) = client.decide().await.expect("opens");
    for number in 0..10 {
        let request = Some(Request::Debit(draw(&format!("d{number}"), "ben", 1)));
        sender.send(DecideRequest { number, request }).await.expect("is open");
    }
    assert_eq!(next(&mut answers).await.expect("goes on").map(|answer| answer.number), Some(0));
    let stopping = tokio::spawn(sidecar.server.stop(2 * HANGS));
    let mut answered = 1;
    let ended = loop {
        match next(&mut answers).await {
            Ok(answer) => {
                assert_eq!(answer.map(|answer| answer.number), Some(answered));
                answered += 1;
            }
            Err(status) => break status,
        }
    };
    assert_eq!((ended.code(), problem(&ended).code.as_str()), (Code::Unavailable, "unavailable"));
    let ended = next(&mut idle_answers).await.expect_err("ends too");
    assert_eq!(ended.code(), Code::Unavailable);
    drop((sender, idle));
    assert_eq!(stopping.await.expect("stops"), Stopped { cut: 0, flushed: true });
}

#[tokio::test]
async fn health_is_what_readiness_says_and_asks_for_no_token() {
    let (sidecar, client) = closed().await;
    for service in ["", "purser.v1.Purser"] {
        assert_eq!(health(&client, service).await.expect("answers"), ServingStatus::Serving);
    }
    assert_eq!(health(&client, "other").await.expect_err("is not there").code(), Code::NotFound);
    let path = "/grpc.health.v1.Health/Watch";
    let opened = client.listen::<_, HealthCheckResponse>(path, HealthCheckRequest::default()).await;
    let mut told = opened.expect("opens");
    let status = |told: Option<HealthCheckResponse>| told.map(|told| told.status());
    assert_eq!(status(told.message().await.expect("tells")), Some(ServingStatus::Serving));
    sidecar.server.service().stop();
    assert_eq!(health(&client, "").await.expect("answers"), ServingStatus::NotServing);
    let changed = tokio::time::timeout(HANGS, told.message()).await.expect("tells");
    assert_eq!(status(changed.expect("tells")), Some(ServingStatus::NotServing));
    let stopped = sidecar.server.stop(HANGS).await;
    assert_eq!(stopped.cut, 0, "a watch ends by itself");
}

#[tokio::test]
async fn reflection_lists_every_service_and_shows_its_messages() {
    let (_sidecar, client) = closed().await;
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let (sender, mut answers) =
        client.stream::<ServerReflectionRequest, ServerReflectionResponse>(path).await.expect("opens");
    for ask in [
        MessageRequest::ListServices(String::new()),
        MessageRequest::FileContainingSymbol("purser.v1.Purser".to_owned()),
        MessageRequest::FileContainingSymbol("purser.v1.Problem".to_owned()),
    ] {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(ask) };
        sender.send(request).await.expect("is open");
    }
    let mut shown = Vec::new();
    for _ in 0..3 {
        let answer = tokio::time::timeout(Duration::from_secs(10), answers.message()).await.expect("answers");
        shown.push(answer.expect("goes on").expect("an answer").message_response.expect("one of the kinds"));
    }
    let MessageResponse::ListServicesResponse(list) = &shown[0] else { panic!("{shown:?}") };
    let mut names: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
    names.sort_unstable();
    let expected = [
        "envoy.service.auth.v3.Authorization",
        "envoy.service.ratelimit.v3.RateLimitService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "purser.v1.Purser",
    ];
    assert_eq!(names, expected);
    for answer in &shown[1..] {
        assert!(matches!(answer, MessageResponse::FileDescriptorResponse(_)), "{answer:?}");
    }
}

/// Some requests of a stream have been answered when the program is asked to stop; others wait, or are not sent yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_told_to_stop_ends_open_streams_and_keeps_what_it_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("grpc.sock");
    let start = || Purser::start_with(folder.path(), "os", None, &["--grpc", &format!("unix:{}", socket.display())]);
    let purser = start();
    let put = |path: &str, body: Value| drop(purser.client().call("PUT", path, Some(&body)));
    let terms = json!({ "owner": "olga", "plan": "team", "status": "active", "seats": 1, "credits_per_seat": "1000000",
        "billing_anchor": "2026-01-01T00:00:00Z" });
    put("/v1/subscriptions/sub_1", terms);
    put("/v1/teams/acme", json!({ "name": "Acme", "owner": "olga" }));

    let client = Client::connect(&format!("unix:{}", socket.display()).parse().expect("an address")).await;
    let (sender, mut answers) = client.decide().await.expect("opens");
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let (open, mut reflected) =
        client.stream::<ServerReflectionRequest, ServerReflectionResponse>(path).await.expect("opens");
    let sending = tokio::spawn(async move {
        for number in 0.. {
            let request = Some(Request::Debit(draw(&format!("d{number}"), "olga", 1)));
            if sender.send(DecideRequest { number, request }).await.is_err() {
                return number;
            }
        }
        unreachable!("the stream ends")
    });
    for number in 0..100 {
        let answer = next(&mut answers).await.expect("goes on").expect("an answer");
        assert_eq!(answer.number, number);
    }
    let clock = Clock::system();
    let told = clock.instant();
    let stopping = tokio::task::spawn_blocking(move || purser.stop());
    // What comes too late to be decided is denied, and not charged.
    let (mut answered, mut allowed) = (100, 100);
    while let Ok(Some(answer)) = next(&mut answers).await {
        assert_eq!(answer.number, answered);
        answered += 1;
        allowed += u64::from(matches!(&answer.answer, Some(Answer::Decision(decision)) if is_allowed(decision)));
    }
    assert!(matches!(reflected.message().await, Ok(None)), "it ends as if its caller had no more");
    assert!(stopping.await.expect("it ends"), "it exits with 0");
    let took = clock.since(told);
    assert!(took < DRAIN_DEADLINE, "no stream is waited for: {took:?}");
    drop((answers, open));
    let sent = sending.await.expect("it ends");

    let purser = start();
    let used = purser.client().call("GET", "/v1/teams/acme/pool", None)["used"].clone();
    let used: u64 = used.as_str().and_then(|used| used.parse().ok()).expect("whole credits");
    assert!((allowed..=sent).contains(&used), "{allowed} of {answered} allowed, {used} charged, {sent} sent");
}

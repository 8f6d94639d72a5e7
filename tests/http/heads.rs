//! Requests in a row on one connection: whatever the head of the one before was, each is answered as on a connection of its
//! own, to whom it is sent by and as of when it comes.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use purser::config::{Config, Jwt, JwtKeys, Live};
use serde_json::json;
use tokio::net::TcpStream;

use crate::direct::{Ways, draw, on, with};
use crate::support::{ADMIN, GATEWAY, Sidecar, tokens};

const JSON: &str = "content-type: application/json";

/// The secret of users' tokens.
const SECRET: &str = "an HS256 secret of 32 bytes or so";

async fn connect(sidecar: &Sidecar) -> TcpStream {
    TcpStream::connect(sidecar.server.addresses()[0].to_string()).await.expect("connects")
}

/// A debit with this id and these header lines.
fn debit(id: &str, headers: &[&str]) -> Vec<u8> {
    with("POST /v1/debits", headers, &draw(&format!(r#""id":"{id}","credits":"0.5""#)))
}

#[tokio::test]
async fn every_request_of_a_connection_is_answered_alike_whatever_came_before() {
    let ways = Ways::new().await;
    let mut stream = connect(&ways.direct).await;
    let plain = [GATEWAY, JSON];
    let as_ana = [ADMIN, JSON, "purser-actor: ana"];
    let as_ben = [ADMIN, JSON, "purser-actor: ben"];
    let keyed = [GATEWAY, JSON, "idempotency-key: d4"];
    let unnamed = with("POST /v1/debits", &keyed, &draw(r#""credits":"0.5""#));
    for request in [
        debit("d1", &plain),
        debit("d2", &plain),
        debit("a-longer-id", &plain),
        debit("d1", &plain),
        with("POST /v1/holds", &plain, &draw(r#""id":"h1","credits":"0.5""#)),
        debit("d3", &as_ana),
        debit("d3", &as_ana),
        debit("d3", &as_ben),
        debit("d3", &plain),
        unnamed.clone(),
        unnamed,
        debit("d5", &keyed),
        debit("d5", &[GATEWAY, JSON, "traceparent: 00-1-1-00"]),
        debit("d5", &[GATEWAY, JSON, "traceparent: 00-2-2-00"]),
        debit("d6", &[GATEWAY, "content-type: text/plain"]),
        debit("d6", &[GATEWAY, "content-type: text/plain"]),
        debit("d6", &[GATEWAY, JSON, "content-encoding: gzip"]),
        with("POST /v1/debits", &plain, ""),
        with("POST /v1/debits", &plain, "{"),
        debit("d6", &["authorization: Bearer the-gatewaz", JSON]),
        debit("d6", &["authorization: Bearer the-gatewaz", JSON]),
        debit("d6", &[JSON]),
        debit("d6", &plain),
        with("POST /v1/holds/h1/settle", &plain, r#"{"team":"acme","credits":"0.25"}"#),
        debit("d7", &plain),
    ] {
        let (direct, routed) = (on(&mut stream, &request).await, ways.routed(&request).await);
        assert_eq!(direct, routed, "{}", String::from_utf8_lossy(&request));
    }
}

#[tokio::test]
async fn a_token_that_is_taken_back_is_refused_on_a_connection_that_it_has_opened() {
    let sidecar = Sidecar::closed().await;
    let mut stream = connect(&sidecar).await;
    let file = sidecar.folder.path().join("tokens");
    let mut config = Config::default();
    config.auth.tokens_file = Live(Some(file.clone()));
    let without: Vec<_> =
        tokens().lines().filter(|line| line.starts_with("admin")).map(|line| line.to_owned() + "\n").collect();
    for (id, tokens, status) in [("d1", tokens(), 200), ("d2", without.concat(), 401), ("d3", tokens(), 200)] {
        std::fs::write(&file, tokens).expect("writes");
        sidecar.server.reload(&config).expect("tokens");
        for _ in 0..2 {
            let answer = on(&mut stream, &debit(id, &[GATEWAY, JSON])).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{id}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_users_token_is_refused_from_when_it_has_expired() {
    let sidecar = Sidecar::start(|config| {
        let file = config.data.with_file_name("key");
        std::fs::write(&file, SECRET).expect("writes");
        let (keys, audience) = (JwtKeys::KeyFile(file), "purser".to_owned());
        config.auth.jwt = Live(Some(Jwt { keys, audience, algorithm: Algorithm::HS256 }));
    })
    .await;
    let expires = sidecar.clock.now().millis() / 1_000 + 60;
    let claims = json!({"sub": "ana", "aud": "purser", "exp": expires});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let bearer = encode(&Header::new(Algorithm::HS256), &claims, &key).expect("signs");
    let headers = [&format!("authorization: Bearer {bearer}"), JSON];
    let mut stream = connect(&sidecar).await;
    for (id, status) in [("d1", 200), ("d2", 200), ("d3", 401)] {
        let answer = on(&mut stream, &debit(id, &headers)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{id}: {answer}");
        // With what clocks may be apart.
        sidecar.clock.advance(Duration::from_secs(if id == "d2" { 120 } else { 1 }));
    }
}

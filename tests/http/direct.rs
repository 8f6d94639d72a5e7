//! What is answered before the router is answered as the router would: byte for byte, and counted the same.

use purser::api::auth::{Access, Tokens};
use purser::api::json::BodyLimits;
use purser::api::listen::{Bound, Limits, Meters, Serving, serve};
use purser::api::routes;
use purser::api::state::{App, Shared};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{ADMIN, GATEWAY, Sidecar, tokens};

/// A sidecar as it is, and a second one whose routes are all answered by the router.
pub struct Ways {
    pub direct: Sidecar,
    routed: Sidecar,
    router: Serving,
}

impl Ways {
    pub async fn new() -> Self {
        let (direct, routed) = (Sidecar::closed().await, Sidecar::closed().await);
        let app = App::new(Shared {
            service: routed.server.service().clone(),
            access: Access::new(Tokens::parse("tokens", &tokens()).expect("tokens"), None).shared(),
            bodies: BodyLimits::default(),
            patience: std::time::Duration::from_secs(1),
            batch_ops_max: 1_000,
            streams_max: 256,
            ttl_default_millis: 60_000,
            ttl_max_millis: 86_400_000,
        });
        let bound = Bound::open(&"127.0.0.1:0".parse().expect("an address")).expect("opens");
        let router = serve(vec![bound], routes::router(app, true), Limits::default(), Meters::default());
        Self { direct, routed, router }
    }

    /// Both answers.
    async fn ask(&self, request: &[u8]) -> [String; 2] {
        let direct = exchange(&self.direct.server.addresses()[0].to_string(), request).await;
        [direct, self.routed(request).await]
    }

    /// The router's answer.
    pub async fn routed(&self, request: &[u8]) -> String {
        exchange(&self.router.addresses()[0].to_string(), request).await
    }
}

/// One answer on a connection of its own, without its date.
async fn exchange(address: &str, request: &[u8]) -> String {
    on(&mut TcpStream::connect(address).await.expect("connects"), request).await
}

/// The next answer on a connection, without its date.
pub async fn on(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.write_all(request).await.expect("sends");
    let mut answer = Vec::new();
    loop {
        let read = stream.read_buf(&mut answer).await.expect("the sidecar answers");
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
            if body.len() >= length.parse().expect("a number") {
                let dated = head.lines().find(|line| line.starts_with("date: ")).expect("a date");
                return text.replace(dated, "date: then");
            }
        }
        assert!(read > 0, "the connection ended after {text}");
    }
}

/// A request with a JSON body as a gateway sends it.
fn post(path: &str, body: &str) -> Vec<u8> {
    with(&format!("POST {path}"), &[GATEWAY, "content-type: application/json"], body)
}

/// A request with these header lines.
pub fn with(method_path: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let headers = headers.iter().fold(String::new(), |all, line| all + line + "\r\n");
    format!("{method_path} HTTP/1.1\r\nhost: p\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A debit, a hold or a check of `ana` in `acme` with these further fields.
pub fn draw(fields: &str) -> String {
    format!(r#"{{"team":"acme","member":"ana",{fields}}}"#)
}

#[tokio::test]
async fn every_way_of_drawing_and_ending_is_answered_alike() {
    let ways = Ways::new().await;
    let long = "i".repeat(129);
    for (path, body) in [
        ("debits", draw(r#""id":"d1","credits":"1.25","model":"gpt-4o""#)),
        ("debits", draw(r#""id":"d1","credits":"1.25","model":"gpt-4o""#)),
        ("debits", draw(r#""id":"d1","credits":"1.26""#)),
        ("debits", draw(r#""id":"d2","credits":99"#)),
        ("debits?a=b", draw(r#""id":"d3","credits":1"#)),
        ("debits", r#"{"id":"d4","team":"acme","member":"eve","credits":1}"#.to_owned()),
        ("debits", r#"{"id":"d5","member":"dan","credits":"0.000001"}"#.to_owned()),
        ("debits", r#"{"id":"d6","team":"nowhere","member":"dan","credits":1}"#.to_owned()),
        ("holds", draw(r#""id":"h1","credits":2"#)),
        ("holds", draw(r#""id":"h1","credits":2"#)),
        ("holds", draw(r#""id":"h2","credits":50,"min_credits":1,"ttl_ms":5000"#)),
        ("holds", draw(r#""id":"h3","credits":1,"ttl_ms":999"#)),
        ("checks", draw(r#""credits":"0.5""#)),
        ("checks", draw(r#""id":"c1","credits":"0.5","ttl_ms":1000"#)),
        ("holds/h1/settle", r#"{"team":"acme","credits":"1.5"}"#.to_owned()),
        ("holds/h1/settle", r#"{"team":"acme","credits":"1.5"}"#.to_owned()),
        ("holds/h1/settle", r#"{"team":"acme","credits":"3"}"#.to_owned()),
        ("holds/h1/release", r#"{"team":"acme"}"#.to_owned()),
        ("holds/h2/release", r#"{"team":"acme","member":"ben"}"#.to_owned()),
        ("holds/h2/release", r#"{"team":"acme"}"#.to_owned()),
        ("holds/h2/release", r#"{"team":"acme"}"#.to_owned()),
        ("holds/none/settle", r#"{"team":"acme","credits":1}"#.to_owned()),
        ("holds/none/settle", r#"{"credits":1}"#.to_owned()),
        ("holds/h%31/settle", r#"{"team":"acme","credits":"1.5"}"#.to_owned()),
        ("holds/%ff/release", r#"{"team":"acme"}"#.to_owned()),
        (&format!("holds/{long}/release"), r#"{"team":"acme"}"#.to_owned()),
        ("holds/./settle", r#"{"team":"acme","credits":1}"#.to_owned()),
    ] {
        let [direct, routed] = ways.ask(&post(&format!("/v1/{path}"), &body)).await;
        assert_eq!(direct, routed, "{path} {body}");
    }
    ways.counts_alike().await;
}

#[tokio::test]
async fn every_fault_of_a_request_is_answered_alike() {
    let ways = Ways::new().await;
    let fine = draw(r#""id":"d1","credits":1"#);
    let json = "content-type: application/json";
    let deep = "[".repeat(1000);
    for body in ["", "{", "[1]", "{\"a\":1}", "{\"id\":\"a\",\"id\":\"b\"}", "\u{e9}", &deep, &draw("\"credits\":-1")] {
        for path in ["debits", "holds", "checks", "holds/h/settle", "holds/h/release"] {
            let [direct, routed] = ways.ask(&post(&format!("/v1/{path}"), body)).await;
            assert_eq!(direct, routed, "{path} {body:.40}");
        }
    }
    let chunked = format!(
        "POST /v1/debits HTTP/1.1\r\nhost: p\r\n{GATEWAY}\r\n{json}\r\ntransfer-encoding: chunked\r\n\r\n\
         5\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        &fine[..5],
        fine.len() - 5,
        &fine[5..]
    );
    let mut no_text = post("/v1/debits", "....");
    no_text.truncate(no_text.len() - 4);
    no_text.extend([0xff, 0xfe, b'{', b'}']);
    for request in [
        with("POST /v1/debits", &[], &fine),
        with("POST /v1/debits", &["authorization: Bearer nobody", json], &fine),
        with("POST /v1/debits", &["authorization: Basic x", json], &fine),
        with("POST /v1/debits", &[GATEWAY, GATEWAY, json], &fine),
        with("POST /v1/debits", &[GATEWAY, json, "purser-actor: ana"], &fine),
        with("POST /v1/debits", &[ADMIN, json, "purser-actor: ana"], &fine),
        with("POST /v1/debits", &[ADMIN, json, "purser-actor: ben"], &draw(r#""id":"d2","credits":1"#)),
        with("POST /v1/debits", &[ADMIN, json, "purser-actor: a/b"], &fine),
        with("POST /v1/holds/d1/settle", &[ADMIN, json, "purser-actor: ana"], r#"{"team":"acme","credits":1}"#),
        with("POST /v1/debits", &[GATEWAY, json, "idempotency-key: d1"], &draw(r#""credits":1"#)),
        with("POST /v1/debits", &[GATEWAY, json, "idempotency-key: d9"], &fine),
        with("POST /v1/debits", &[GATEWAY, json, "idempotency-key: a", "idempotency-key: b"], &fine),
        with("POST /v1/debits", &[GATEWAY], &fine),
        with("POST /v1/debits", &[GATEWAY, "content-type: text/plain"], &fine),
        with("POST /v1/debits", &[GATEWAY, "content-type: Application/JSON; charset=utf-8"], &fine),
        with("POST /v1/debits", &[GATEWAY, json, "content-encoding: gzip"], &fine),
        with("POST /v1/debits", &[GATEWAY, json, "content-encoding: identity"], &fine),
        with("POST /v1/debits", &[GATEWAY, json], &" ".repeat(64 * 1024 + 1)),
        with("POST /v1/debits", &[GATEWAY, json], &draw(r#""id":"d3","usage":{"input_tokens":1,"output_tokens":1}"#)),
        with("GET /v1/debits", &[GATEWAY], ""),
        with("PUT /v1/holds", &[GATEWAY, json], &fine),
        with("POST /v1/debits/", &[GATEWAY, json], &fine),
        with("POST /v1/holds//settle", &[GATEWAY, json], &fine),
        with("POST /v1/holds/h/settle/", &[GATEWAY, json], &fine),
        chunked.into_bytes(),
        no_text,
    ] {
        let [direct, routed] = ways.ask(&request).await;
        assert_eq!(direct, routed, "{:.200}", String::from_utf8_lossy(&request));
    }
    ways.counts_alike().await;
}

/// Where the connection ends with the answer, only the order of its headers may differ.
#[tokio::test]
async fn the_last_answer_of_a_connection_is_alike_but_for_the_order_of_its_headers() {
    let ways = Ways::new().await;
    let headers = [GATEWAY, "content-type: application/json", "connection: close"];
    let request = with("POST /v1/debits", &headers, &draw(r#""id":"d1","credits":1"#));
    let [direct, routed] = ways.ask(&request).await.map(|answer| {
        let mut lines: Vec<String> = answer.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    });
    assert_eq!(direct, routed);
}

impl Ways {
    /// The requests of every route are counted by status the same.
    async fn counts_alike(&self) {
        let mut pages = Vec::new();
        for sidecar in [&self.direct, &self.routed] {
            let page = sidecar.server.service().metrics().render();
            let counted = |line: &&str| {
                let families = ["purser_http_requests_total", "purser_decisions_total", "purser_hold_ends_total"];
                families.iter().any(|family| line.starts_with(family))
            };
            let mut lines: Vec<String> = page.lines().filter(counted).map(str::to_owned).collect();
            lines.sort();
            pages.push(lines);
        }
        assert!(pages[0].len() > 10, "{pages:?}");
        assert_eq!(pages[0], pages[1]);
    }
}

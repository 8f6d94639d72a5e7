//! Callers of servers that speak another language than Purser: Limitador's HTTP interface, and Envoy's rate limit
//! service. A closed loop on one thread; prints what `purser bench` would. What they ask is allowed, or it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http::header::{CONTENT_TYPE, HOST};
use http::uri::PathAndQuery;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use purser::api::grpc::wire::envoy::extensions::common::ratelimit::v3::{
    RateLimitDescriptor, rate_limit_descriptor::Entry,
};
use purser::api::grpc::wire::envoy::service::ratelimit::v3::{
    RateLimitRequest, RateLimitResponse, rate_limit_response::Code,
};
use purser::clock::Clock;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

/// Whom the peer's limits have to know: the namespace or domain, teams of members by these keys.
const DOMAIN: &str = "bench";
const TEAMS: u64 = 10;
const MEMBERS: u64 = 100;

const SHOULD_RATE_LIMIT: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// When it began and when it ends.
struct Span {
    clock: Clock,
    start: Instant,
    length: Duration,
}

impl Span {
    fn is_over(&self) -> bool {
        self.clock.since(self.start) >= self.length
    }
}

/// Asks Limitador's server at `http://HOST:PORT`.
pub fn limitador(url: &str, connections: u64, seconds: u64) {
    let address: Arc<str> = url.trim_start_matches("http://").trim_end_matches('/').into();
    measure(seconds, |span, tasks| {
        (0..connections).for_each(|number| drop(tasks.spawn(check_and_report(address.clone(), number, span.clone()))));
    });
}

/// Asks a rate limit service at `http://HOST:PORT`, with 16 calls in flight on each connection.
pub fn rate_limit_service(url: &str, connections: u64, seconds: u64) {
    const IN_FLIGHT: u64 = 16;
    let endpoint = Endpoint::from_shared(url.to_owned()).expect("the address is http://HOST:PORT");
    measure(seconds, |span, tasks| {
        for connection in 0..connections {
            let channel = endpoint.connect_lazy();
            for number in connection * IN_FLIGHT..(connection + 1) * IN_FLIGHT {
                tasks.spawn(should_rate_limit(channel.clone(), number, span.clone()));
            }
        }
    });
}

fn measure(seconds: u64, spawn: impl FnOnce(Arc<Span>, &mut JoinSet<Histogram<u64>>)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let clock = Clock::system();
    let span = Arc::new(Span { start: clock.instant(), clock, length: Duration::from_secs(seconds) });
    let all = runtime.block_on(async {
        let (mut tasks, mut all) = (JoinSet::new(), histogram());
        spawn(span.clone(), &mut tasks);
        while let Some(done) = tasks.join_next().await {
            all.add(done.expect("everything is allowed")).expect("the same bounds");
        }
        all
    });
    let per_second = all.len() as f64 / span.clock.since(span.start).as_secs_f64();
    let [p50, p99] = [0.5, 0.99].map(|quantile| all.value_at_quantile(quantile) as f64 / 1_000.0);
    println!("{{\"per_second\":{per_second:.1},\"p50_micros\":{p50:.1},\"p99_micros\":{p99:.1}}}");
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("bounds in order")
}

/// Team and member of a caller's next request.
fn who(number: u64, count: u64) -> [String; 2] {
    let member = (count * 31 + number * 7) % (TEAMS * MEMBERS);
    [format!("team-{}", member / MEMBERS), format!("member-{member:04}")]
}

async fn check_and_report(address: Arc<str>, number: u64, span: Arc<Span>) -> Histogram<u64> {
    let stream = TcpStream::connect(&*address).await.expect("PEER_LIMITADOR_URL takes connections");
    stream.set_nodelay(true).expect("a TCP stream");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("it speaks HTTP");
    tokio::spawn(connection);
    let (mut latencies, mut count) = (histogram(), 0);
    while !span.is_over() {
        count += 1;
        let [team, member] = who(number, count);
        let body = format!(
            "{{\"namespace\":\"{DOMAIN}\",\"values\":{{\"team\":\"{team}\",\"member\":\"{member}\"}},\"delta\":1}}"
        );
        let request =
            Request::post("/check_and_report").header(HOST, &*address).header(CONTENT_TYPE, "application/json");
        let request = request.body(Full::new(Bytes::from(body))).expect("a request");
        let start = span.clock.instant();
        let answer = sender.send_request(request).await.expect("it answers");
        assert_eq!(answer.status(), StatusCode::OK, "its limits are high enough");
        answer.into_body().collect().await.expect("it answers whole");
        latencies.saturating_record(u64::try_from(span.clock.since(start).as_nanos()).unwrap_or(u64::MAX));
    }
    latencies
}

async fn should_rate_limit(channel: Channel, number: u64, span: Arc<Span>) -> Histogram<u64> {
    let mut grpc = Grpc::new(channel);
    let (mut latencies, mut count) = (histogram(), 0);
    while !span.is_over() {
        count += 1;
        let entry = |(key, value): (&str, String)| Entry { key: key.to_owned(), value };
        let entries = ["team", "member"].into_iter().zip(who(number, count)).map(entry).collect();
        let request = RateLimitRequest {
            domain: DOMAIN.to_owned(),
            descriptors: vec![RateLimitDescriptor { entries, ..RateLimitDescriptor::default() }],
            hits_addend: 1,
        };
        let start = span.clock.instant();
        grpc.ready().await.expect("PEER_ENVOY_RLS_ADDR takes connections");
        let path = PathAndQuery::from_static(SHOULD_RATE_LIMIT);
        let asked = grpc.unary(tonic::Request::new(request), path, ProstCodec::<_, RateLimitResponse>::default());
        let answer = asked.await.expect("it answers").into_inner();
        assert_eq!(answer.overall_code, i32::from(Code::Ok), "its limits are high enough");
        latencies.saturating_record(u64::try_from(span.clock.since(start).as_nanos()).unwrap_or(u64::MAX));
    }
    latencies
}

//! Limits of a listener hold against callers that stay, trickle, and come in numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use metrics::Counter;
use purser::api::listen::{Bound, Limits, Meters, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Edge, HANGS, LIMITS, get_path, post_json, read_answer, read_to_close};

/// What a caller is allowed apart from the one limit that a test is about.
const PATIENT: Limits = Limits {
    connections_max: 8,
    header_timeout: HANGS,
    body_timeout: Some(HANGS),
    idle_timeout: HANGS,
    request_timeout: HANGS,
    stall_timeout: HANGS,
    ..Limits::DEFAULT
};

fn edge(limits: Limits) -> Edge {
    Edge::start("127.0.0.1:0", limits, Meters::default())
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let edge = edge(Limits { header_timeout: LIMITS.header_timeout, ..PATIENT });
    read_to_close(&mut edge.connect().await).await;
}

#[tokio::test]
async fn a_head_that_trickles_is_cut_off() {
    let edge = edge(Limits { header_timeout: LIMITS.header_timeout, ..PATIENT });
    for start in ["P", "PRI", "GET /wait HTTP/1.1\r\nx: "] {
        let (mut reader, mut writer) = edge.connect().await.into_split();
        writer.write_all(start.as_bytes()).await.expect("sends");
        let trickle = tokio::spawn(async move {
            while writer.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        read_to_close(&mut reader).await;
        tokio::time::timeout(HANGS, trickle).await.expect("is cut off").expect("ends");
    }
}

#[tokio::test]
async fn a_second_head_is_cut_off_as_well() {
    let edge = edge(Limits { header_timeout: LIMITS.header_timeout, ..PATIENT });
    let mut stream = edge.connect().await;
    stream.write_all(get_path("/nothing").as_bytes()).await.expect("sends");
    assert_eq!(read_answer(&mut stream).await.expect("an answer").status, 404);
    stream.write_all(b"GET / HTTP/1.1\r\n").await.expect("sends");
    read_to_close(&mut stream).await;
}

#[tokio::test]
async fn http_2_without_a_request_is_cut_off() {
    let edge = edge(Limits { header_timeout: LIMITS.header_timeout, ..PATIENT });
    let mut stream = edge.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("sends");
    let mut frames = Vec::new();
    let _ = tokio::time::timeout(HANGS, stream.read_to_end(&mut frames)).await.expect("the listener closes");
    assert_eq!(frames.get(3), Some(&4), "settings come first");
}

#[tokio::test]
async fn a_body_that_trickles_is_answered_408() {
    let edge = edge(Limits { body_timeout: LIMITS.body_timeout, ..PATIENT });
    let request = post_json("/v1/debits", "").replace("content-length: 0", "content-length: 100");
    let answer = edge.ask(&format!("{request}{{")).await;
    assert_eq!((answer.status, answer.problem().0.as_str()), (408, "request_timeout"));
    assert!(answer.head.contains("connection: close"));
}

#[tokio::test]
async fn an_idle_connection_is_closed_later_than_a_slow_head() {
    let edge =
        edge(Limits { header_timeout: Duration::from_millis(80), idle_timeout: Duration::from_millis(400), ..PATIENT });
    let mut stream = edge.connect().await;
    stream.write_all(get_path("/nothing").as_bytes()).await.expect("sends");
    read_answer(&mut stream).await.expect("an answer");
    // Longer than a head may take: an idle connection is not one that is slow.
    tokio::time::sleep(Duration::from_millis(240)).await;
    stream.write_all(get_path("/nothing").as_bytes()).await.expect("sends");
    assert_eq!(read_answer(&mut stream).await.expect("an answer").status, 404);
    read_to_close(&mut stream).await;
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_503() {
    let edge = edge(Limits { request_timeout: LIMITS.request_timeout, ..PATIENT });
    let answer = edge.ask(&get_path("/wait")).await;
    assert_eq!((answer.status, answer.problem().0.as_str()), (503, "unavailable"));
    assert!(answer.head.contains("retry-after: 1"));
}

/// Many requests are open at once there, so each has a time of its own.
#[tokio::test]
async fn an_answer_that_does_not_come_is_503_on_http_2_as_well() {
    let edge = edge(Limits { request_timeout: LIMITS.request_timeout, ..PATIENT });
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    let uri = |path: &str| format!("http://{}{path}", edge.address()).parse().expect("a URI");
    let (slow, other) = tokio::join!(client.get(uri("/wait")), client.get(uri("/nothing")));
    assert_eq!((slow.expect("an answer").status().as_u16(), other.expect("an answer").status().as_u16()), (503, 404));
}

#[tokio::test]
async fn a_caller_that_stops_reading_is_cut_off() {
    let edge =
        edge(Limits { stall_timeout: LIMITS.request_timeout, request_timeout: LIMITS.request_timeout, ..PATIENT });
    let mut stream = edge.connect().await;
    stream.write_all(get_path("/large").as_bytes()).await.expect("sends");
    tokio::time::timeout(HANGS, async {
        while edge.serving.open() != 0 || stream.peer_addr().is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("is cut off");
}

#[tokio::test]
async fn a_head_beyond_its_limit_is_431() {
    let edge = edge(PATIENT);
    let answer = edge.ask(&get_path("/nothing").replace("host: p", "x: y\r\n".repeat(100).trim_end())).await;
    assert_eq!(answer.status, 431);
}

#[tokio::test]
async fn one_connection_too_many_is_refused_and_counted() {
    let refused = Arc::new(AtomicU64::new(0));
    let meters = Meters { refused: Counter::from_arc(Arc::clone(&refused)), ..Meters::default() };
    let edge = Edge::start("127.0.0.1:0", Limits { connections_max: 2, ..PATIENT }, meters);
    let mut taken = Vec::new();
    for _ in 0..2 {
        let mut stream = edge.connect().await;
        stream.write_all(get_path("/nothing").as_bytes()).await.expect("sends");
        assert_eq!(read_answer(&mut stream).await.expect("an answer").status, 404);
        taken.push(stream);
    }
    let mut stream = edge.connect().await;
    let answer = read_answer(&mut stream).await.expect("a refusal");
    assert_eq!((answer.status, answer.problem().0.as_str()), (503, "unavailable"));
    assert_eq!(refused.load(Ordering::Relaxed), 1);
    drop(taken);
    while edge.serving.open() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(edge.ask(&get_path("/nothing")).await.status, 404);
}

#[tokio::test]
async fn the_cap_is_one_for_all_addresses() {
    let open = || Bound::open(&"127.0.0.1:0".parse().expect("an address")).expect("opens");
    let limits = Limits { connections_max: 1, ..PATIENT };
    let serving = serve(vec![open(), open()], axum::Router::new(), limits, Meters::default());
    let [first, second] = serving.addresses() else { panic!("two addresses: {:?}", serving.addresses()) };
    let mut taken = TcpStream::connect(first.to_string()).await.expect("connects");
    taken.write_all(get_path("/").as_bytes()).await.expect("sends");
    assert_eq!(read_answer(&mut taken).await.expect("an answer").status, 404);
    let mut refused = TcpStream::connect(second.to_string()).await.expect("connects");
    assert_eq!(read_answer(&mut refused).await.expect("a refusal").status, 503);
}

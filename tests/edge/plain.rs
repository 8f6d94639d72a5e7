//! Plain requests, which are answered without hyper, and connections that begin with them.

use std::time::Duration;

use purser::api::listen::{Drained, Limits, Meters};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Answer, Edge, HANGS, LIMITS, get_path, post_json, read_answer, read_to_close};

/// Longer than a connection waits for the rest of a plain request, shorter than any limit of [`LIMITS`].
const A_WHILE: Duration = Duration::from_millis(50);

fn patient() -> Edge {
    let limits = Limits {
        header_timeout: HANGS,
        body_timeout: Some(HANGS),
        idle_timeout: HANGS,
        request_timeout: HANGS,
        stall_timeout: HANGS,
        ..LIMITS
    };
    Edge::start("127.0.0.1:0", limits, Meters::default())
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.expect("sends");
}

async fn answer(stream: &mut TcpStream) -> Answer {
    read_answer(stream).await.expect("an answer")
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_order_whoever_answers_them() {
    let edge = patient();
    let mut stream = edge.connect().await;
    let chunked = "POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n";
    let all = [
        post_json("/echo", "a"),
        post_json("/echo", "b"),
        chunked.to_owned(),
        post_json("/echo", "d"),
        get_path("/nothing"),
        post_json("/echo", "e"),
    ];
    send(&mut stream, &all.concat()).await;
    let mut answers = Vec::new();
    for _ in 0..all.len() {
        let Answer { status, body, .. } = answer(&mut stream).await;
        answers.push((status, if status == 200 { body } else { String::new() }));
    }
    let expected = [(200, "a"), (200, "b"), (200, "c"), (200, "d"), (404, ""), (200, "e")];
    assert_eq!(answers, expected.map(|(status, body)| (status, body.to_owned())));
}

#[tokio::test]
async fn a_request_may_come_in_any_pieces() {
    let edge = patient();
    let request = post_json("/echo", "a body");
    for end in 1..request.len() {
        let mut stream = edge.connect().await;
        stream.set_nodelay(true).expect("a socket");
        send(&mut stream, &post_json("/echo", "before")).await;
        assert_eq!(answer(&mut stream).await.body, "before");
        send(&mut stream, &request[..end]).await;
        // Now and then so late that hyper has taken it over.
        let pause = if end % 40 == 0 { A_WHILE } else { Duration::from_millis(1) };
        tokio::time::sleep(pause).await;
        send(&mut stream, &request[end..]).await;
        assert_eq!(answer(&mut stream).await.body, "a body", "{end}");
    }
}

#[tokio::test]
async fn half_a_request_has_the_time_of_any_other() {
    let edge = Edge::tcp();
    let request = post_json("/echo", "a body");
    let mut stream = edge.connect().await;
    send(&mut stream, &request).await;
    assert_eq!(answer(&mut stream).await.status, 200);
    send(&mut stream, &request[..20]).await;
    read_to_close(&mut stream).await;
    let mut stream = edge.connect().await;
    send(&mut stream, &request[..request.len() - 1]).await;
    assert_eq!(answer(&mut stream).await.status, 408);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_a_503() {
    let edge = Edge::tcp();
    let mut stream = edge.connect().await;
    send(&mut stream, &post_json("/wait", "")).await;
    let late = answer(&mut stream).await;
    assert_eq!((late.status, late.problem().0.as_str()), (503, "unavailable"));
    send(&mut stream, &post_json("/echo", "still here")).await;
    assert_eq!(answer(&mut stream).await.body, "still here");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let edge = Edge::tcp();
    let mut stream = edge.connect().await;
    send(&mut stream, &post_json("/echo", "a")).await;
    answer(&mut stream).await;
    read_to_close(&mut stream).await;
}

#[tokio::test]
async fn a_drain_answers_plain_requests_and_closes() {
    let edge = patient();
    let (mut idle, mut busy, mut half) = (edge.connect().await, edge.connect().await, edge.connect().await);
    for stream in [&mut idle, &mut busy, &mut half] {
        send(stream, &post_json("/echo", "a")).await;
        assert!(!answer(stream).await.head.contains("connection: "));
    }
    send(&mut half, "POST /echo HTTP/1.1\r\n").await;
    send(&mut busy, &post_json("/wait", "the last")).await;
    edge.gate.arrival().await;
    let draining = tokio::spawn(edge.serving.drain(HANGS));
    read_to_close(&mut idle).await;
    edge.gate.passes.add_permits(1);
    let last = answer(&mut busy).await;
    assert_eq!(last.body, "the last");
    assert!(last.head.contains("connection: close\r\n"), "{last:?}");
    read_to_close(&mut busy).await;
    read_to_close(&mut half).await;
    assert_eq!(draining.await.expect("drains"), Drained { cut: 0 });
}

#[tokio::test]
async fn a_caller_that_leaves_while_it_waits_frees_its_place() {
    let edge = patient();
    let mut stream = edge.connect().await;
    send(&mut stream, &post_json("/wait", "")).await;
    edge.gate.arrival().await;
    drop(stream);
    edge.gate.passes.add_permits(1);
    let closed = async {
        while edge.serving.open() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(HANGS, closed).await.expect("the connection ends");
}

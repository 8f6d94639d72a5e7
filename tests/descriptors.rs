//! A listener outlives a process that has run out of file descriptors. Alone in its process, as
//! the limit of the test is that of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::{Router, routing::get};
use metrics::Counter;
use purser::api::listen::{Bound, Limits, Meters, serve};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_listener_without_descriptors_waits_for_some() {
    let accept_errors = Arc::new(AtomicU64::new(0));
    let meters = Meters { accept_errors: Counter::from_arc(Arc::clone(&accept_errors)), ..Meters::default() };
    let bound = Bound::open(&"127.0.0.1:0".parse().expect("an address")).expect("opens");
    let serving = serve(vec![bound], Router::new().route("/", get(|| async { "here" })), Limits::DEFAULT, meters);
    let address = serving.addresses()[0].to_string();

    let limit = getrlimit(Resource::Nofile);
    let mut stream = TcpStream::connect(&address).await.expect("connects");
    while serving.open() < 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // From here on each caller takes the last descriptor, so that the listener finds none.
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..limit }).expect("sets the limit");
    let mut callers = Vec::new();
    while accept_errors.load(Ordering::Relaxed) == 0 {
        match TcpStream::connect(&address).await {
            Ok(caller) => callers.push(caller),
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }

    // Who is connected is served, and who waited is served once there are descriptors again.
    for stream in callers.iter_mut().rev().take(1).chain([&mut stream]) {
        setrlimit(Resource::Nofile, limit).expect("sets the limit");
        stream.write_all(b"GET / HTTP/1.1\r\nhost: p\r\nconnection: close\r\n\r\n").await.expect("sends");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("reads");
        assert!(answer.ends_with("here"), "{answer}");
    }
}

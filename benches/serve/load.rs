//! A closed loop: every connection sends its next request when the last was answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::purser::MEMBERS;

#[derive(Clone, Copy)]
pub struct Round {
    pub per_second: f64,
    pub p50_micros: u64,
    pub p99_micros: u64,
}

pub fn run(address: SocketAddr, connections: usize, length: Duration, seed: u64) -> Round {
    let over = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let stop = Arc::clone(&over);
    let start = Instant::now();
    thread::spawn(move || {
        thread::sleep(length);
        stop.store(true, Ordering::Relaxed);
    });
    let latencies = runtime.block_on(async {
        let tasks =
            (0..connections as u64).map(|number| tokio::spawn(converse(address, seed, number, Arc::clone(&over))));
        let mut all = histogram();
        for task in tasks.collect::<Vec<_>>() {
            all.add(task.await.expect("a connection does not panic")).expect("the same bounds");
        }
        all
    });
    Round {
        per_second: latencies.len() as f64 / start.elapsed().as_secs_f64(),
        p50_micros: latencies.value_at_quantile(0.5) / 1_000,
        p99_micros: latencies.value_at_quantile(0.99) / 1_000,
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 10_000_000_000, 3).expect("bounds in order")
}

async fn converse(address: SocketAddr, seed: u64, number: u64, over: Arc<AtomicBool>) -> Histogram<u64> {
    let mut stream = TcpStream::connect(address).await.expect("the server takes connections");
    stream.set_nodelay(true).expect("a TCP stream");
    let (mut latencies, mut answer, mut count) = (histogram(), vec![0; 16 * 1024], 0_u64);
    while !over.load(Ordering::Relaxed) {
        count += 1;
        let member = (count * 31 + number * 7) % MEMBERS;
        let body = format!(
            "{{\"id\":\"req-{seed:04}-{number:02}-{count:012}\",\"team\":\"acme\",\"member\":\"member-{member:04}\",\
             \"credits\":\"1.25\",\"model\":\"gpt-4o\"}}"
        );
        let request = format!(
            "POST /v1/debits HTTP/1.1\r\nhost: purser\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let start = Instant::now();
        stream.write_all(request.as_bytes()).await.expect("the server reads");
        receive(&mut stream, &mut answer).await;
        latencies.record(start.elapsed().as_nanos() as u64).expect("within the bounds");
    }
    latencies
}

/// Reads one answer and checks that it allows.
async fn receive(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await.expect("the server answers");
        assert!(read > 0, "the server keeps the connection");
        filled += read;
        let text = &buffer[..filled];
        let Some(end) = find(text, b"\r\n\r\n") else { continue };
        let at = find(&text[..end], b"content-length: ").expect("an answer has a length") + 16;
        let digits = text[at..].iter().take_while(|byte| byte.is_ascii_digit());
        let length = digits.fold(0, |sum, byte| sum * 10 + usize::from(byte - b'0'));
        if filled >= end + 4 + length {
            assert!(find(text, b"\"allow\"").is_some(), "{}", String::from_utf8_lossy(text));
            return;
        }
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

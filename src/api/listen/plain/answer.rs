//! An answer as bytes of HTTP/1.1, with the lines that hyper writes, in its order.

use std::io::Write;
use std::time::{Duration, SystemTime};

use http::Response;
use http::header::CONNECTION;

use super::super::front::Whole;
use crate::clock::wall_seconds;

/// The day and the time as a header says them, which change once a second.
#[derive(Debug, Default)]
pub struct Date {
    seconds: u64,
    text: String,
}

impl Date {
    fn now(&mut self) -> &str {
        let seconds = wall_seconds();
        if self.seconds != seconds || self.text.is_empty() {
            self.seconds = seconds;
            self.text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        }
        &self.text
    }
}

/// Appends an answer; says whether the connection ends with it, as it does where `is_last` or the answer says so.
pub fn write(out: &mut Vec<u8>, answer: &Response<Whole>, date: &mut Date, is_last: bool) -> bool {
    let status = answer.status();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    line(out, b" ", status.canonical_reason().unwrap_or_default().as_bytes());
    for (name, value) in answer.headers() {
        out.extend_from_slice(name.as_str().as_bytes());
        line(out, b": ", value.as_bytes());
    }
    let says_so = answer.headers().contains_key(CONNECTION);
    end(out, answer.body().bytes(), date, is_last && !says_so);
    is_last || says_so
}

/// Appends an answer with status 200 and JSON, as [`write`] would.
pub fn write_json(out: &mut Vec<u8>, body: &[u8], date: &mut Date, is_last: bool) {
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n");
    end(out, body, date, is_last);
}

/// The last lines of every head, and the body.
fn end(out: &mut Vec<u8>, body: &[u8], date: &mut Date, says_close: bool) {
    if says_close {
        line(out, b"connection: ", b"close");
    }
    out.extend_from_slice(b"content-length: ");
    write!(out, "{}", body.len()).expect("memory takes all");
    line(out, b"\r\ndate: ", date.now().as_bytes());
    line(out, b"", b"");
    out.extend_from_slice(body);
}

fn line(out: &mut Vec<u8>, before: &[u8], text: &[u8]) {
    out.extend_from_slice(before);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

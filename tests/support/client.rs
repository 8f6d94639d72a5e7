//! A small HTTP client over one connection: enough for a test, and nothing is retried behind its back.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

pub struct Client {
    address: String,
}

/// One open connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub fn new(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    pub fn connect(&self) -> std::io::Result<Connection> {
        let stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream: BufReader::new(stream) })
    }

    /// One request that must be answered with 2xx; its body as JSON.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let mut connection = self.connect().expect("the server takes connections");
        let (status, text) = connection.send(method, path, body).expect("the server answers");
        assert!((200..300).contains(&status), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// The body of a GET as text, with the media type asked for.
    pub fn text(&self, path: &str, accept: &str) -> String {
        let (status, text) = self.try_text(path, accept).expect("the server answers");
        assert_eq!(status, 200, "{path}: {text}");
        text
    }

    /// As [`Client::text`], where the answer may also be another or break off.
    pub fn try_text(&self, path: &str, accept: &str) -> std::io::Result<(u16, String)> {
        self.connect()?.exchange("GET", path, accept, "")
    }
}

impl Connection {
    pub fn send(&mut self, method: &str, path: &str, body: Option<&Value>) -> std::io::Result<(u16, String)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.exchange(method, path, "application/json", &body)
    }

    fn exchange(&mut self, method: &str, path: &str, accept: &str, body: &str) -> std::io::Result<(u16, String)> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: purser\r\naccept: {accept}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let status = self.line()?;
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(broken("status"))?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(|_| broken("length"))?;
            }
            chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
        }
        let body = if chunked { self.chunks()? } else { self.bytes(length)? };
        String::from_utf8(body).map(|body| (status, body)).map_err(|_| broken("text"))
    }

    fn chunks(&mut self) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let length = usize::from_str_radix(self.line()?.trim(), 16).map_err(|_| broken("chunk"))?;
            body.extend(self.bytes(length)?);
            self.line()?;
            if length == 0 {
                return Ok(body);
            }
        }
    }

    fn bytes(&mut self, length: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(broken("end"));
        }
        Ok(line.trim_end().to_owned())
    }
}

fn broken(what: &str) -> std::io::Error {
    std::io::Error::other(format!("the answer has no {what}"))
}

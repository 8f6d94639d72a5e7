//! Who calls the model through a proxy.

use std::net::SocketAddr;

use axum::body::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Calls with one key.
#[derive(Clone)]
pub struct Caller {
    client: Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    key: Option<&'static str>,
}

/// What a call was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Caller {
    pub fn new(address: SocketAddr, key: Option<&'static str>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { client: Client::builder(TokioExecutor::new()).build(connector), address, key }
    }

    /// The same proxy, called with another key.
    pub fn with_key(&self, key: Option<&'static str>) -> Self {
        Self { key, ..self.clone() }
    }

    /// The same caller on connections of its own.
    pub fn anew(&self) -> Self {
        Self::new(self.address, self.key)
    }

    /// A call of a model with a small body.
    pub async fn chat(&self) -> Answer {
        self.call("POST", "/v1/chat/completions", &[]).await
    }

    /// A call with more headers.
    pub async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let (parts, body) = self.open(method, path, headers).await.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("text");
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A call whose body is not read yet.
    pub async fn open(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> http::Response<Incoming> {
        let body = if method == "POST" { r#"{"model":"gpt-4o"}"# } else { "" };
        self.request(method, path, headers, body).await
    }

    /// A call that tells the model how it shall end, see [`Call`](crate::upstream::Call).
    pub async fn ask(&self, call: &Value) -> http::Response<Incoming> {
        self.request("POST", "/v1/calls", &[], &call.to_string()).await
    }

    async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> http::Response<Incoming> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        if let Some(key) = self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body.to_owned())).expect("a request");
        self.client.request(request).await.expect("the proxy answers")
    }
}

impl Answer {
    /// The header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

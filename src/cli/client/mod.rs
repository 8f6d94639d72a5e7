//! A small HTTP client for a running purser: keep-alive connections over TCP or a unix socket, one
//! time limit, and refusals as errors that say what the server said. No retries: every command may be
//! given again by whoever gave it. Not here: what routes there are.

mod connect;
mod error;

pub(in crate::cli) use connect::Stream;
pub use connect::Target;
pub(in crate::cli) use error::causes;
pub use error::{ClientError, Problem};

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ClientArgs;
use crate::api::auth::ACTOR_HEADER;
use connect::Connector;

/// The longest that an answer may take: twice what the server waits for its store.
pub const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// The largest answer that is read: a page of the ledger has some 300 KiB.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What stays as it is in a path: what ids consist of.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'-').remove(b'~').remove(b':').remove(b'@');

/// An id as a segment of a path or a value of a query.
pub fn encoded(id: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(id, PATH)
}

/// One request.
#[derive(Clone, Debug)]
pub struct Ask {
    method: Method,
    path: String,
    body: Bytes,
    accept: &'static str,
    actor: Option<HeaderValue>,
    wait: Duration,
}

impl Ask {
    /// A request without a body; ids in `path` are [`encoded`].
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            body: Bytes::new(),
            accept: "application/json",
            actor: None,
            wait: ANSWER_WAIT,
        }
    }

    /// A `GET`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// With a JSON body.
    ///
    /// # Panics
    /// When `body` has a map whose keys are no strings: none here has.
    #[must_use]
    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.body = serde_json::to_vec(body).expect("keys are strings").into();
        self
    }

    /// Wants another media type than JSON.
    #[must_use]
    pub fn accept(mut self, media_type: &'static str) -> Self {
        self.accept = media_type;
        self
    }

    /// Waits so long for the answer instead of [`ANSWER_WAIT`].
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Acts for a user; nobody where the id cannot stand in a header, and then the server refuses.
    #[must_use]
    pub fn actor(mut self, user: &str) -> Self {
        self.actor = HeaderValue::from_str(user).ok();
        self
    }
}

/// One purser to talk to. Cloning it shares its connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: legacy::Client<Connector, Full<Bytes>>,
    target: Arc<Target>,
    token: Option<HeaderValue>,
    actor: Option<HeaderValue>,
}

impl Client {
    /// A client of `target`; `token` as it stands in the file or the environment.
    ///
    /// # Errors
    /// [`ClientError::Usage`] when the token cannot stand in a header.
    pub fn new(target: Target, token: Option<&str>, actor: Option<&str>) -> Result<Self, ClientError> {
        let header = |what: &str, text: String| {
            let mut value = HeaderValue::from_str(&text)
                .map_err(|_| ClientError::Usage(format!("{what} may have only visible ASCII characters")))?;
            value.set_sensitive(true);
            Ok(value)
        };
        let token = token.map(|token| header("the token", format!("Bearer {}", token.trim()))).transpose()?;
        let actor = actor.map(|actor| header("--actor", actor.to_owned())).transpose()?;
        let target = Arc::new(target);
        let http = legacy::Client::builder(TokioExecutor::new()).build(Connector(target.clone()));
        Ok(Self { http, target, token, actor })
    }

    /// The client that the arguments name.
    ///
    /// # Errors
    /// [`ClientError::Usage`] when the URL, the token's file or the actor cannot be used.
    pub fn of(args: &ClientArgs) -> Result<Self, ClientError> {
        let target = args.url.parse().map_err(|why| ClientError::Usage(format!("--url {why}")))?;
        let token = match &args.token_file {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| ClientError::Usage(format!("--token-file {}: {error}", path.display())))?;
                Some(text.lines().next().unwrap_or_default().to_owned())
            }
            None => std::env::var("PURSER_TOKEN").ok().filter(|token| !token.is_empty()),
        };
        Self::new(target, token.as_deref(), args.actor.as_deref())
    }

    /// Where it connects to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The header `authorization` of its requests.
    pub(super) fn token(&self) -> Option<&HeaderValue> {
        self.token.as_ref()
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`ClientError::Unavailable`] when there is no answer.
    pub async fn send(&self, ask: &Ask) -> Result<Response<Bytes>, ClientError> {
        let away = |why: String| ClientError::Unavailable(format!("{}: {why}", self.target));
        let exchange = async {
            let answer = self.http.request(self.request(ask)?).await.map_err(|error| away(causes(&error)))?;
            let (parts, body) = answer.into_parts();
            let body: Limited<Incoming> = Limited::new(body, ANSWER_BYTES_MAX);
            let bytes = body.collect().await.map_err(|error| away(error.to_string()))?.to_bytes();
            Ok(Response::from_parts(parts, bytes))
        };
        let late = || away(format!("no answer within {} s", ask.wait.as_secs()));
        tokio::time::timeout(ask.wait, exchange).await.map_err(|_| late())?
    }

    fn request(&self, ask: &Ask) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(format!("{}{}", self.target.base(), ask.path))
            .header(ACCEPT, ask.accept);
        if !ask.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        if let Some(actor) = ask.actor.as_ref().or(self.actor.as_ref()) {
            request = request.header(ACTOR_HEADER, actor);
        }
        request.body(Full::new(ask.body.clone())).map_err(|error| ClientError::Usage(error.to_string()))
    }

    /// Sends a request and gives the body of a good answer.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with what the server said, or as [`Client::send`].
    pub async fn ask(&self, ask: &Ask) -> Result<Bytes, ClientError> {
        let answer = self.send(ask).await?;
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        Err(refused(answer.status(), answer.body()))
    }

    /// Sends a request and hands on a good answer piece by piece, until `take` wants no more. Every
    /// piece may take [`ANSWER_WAIT`], so that a long answer is no late one.
    ///
    /// # Errors
    /// As [`Client::ask`]; [`ClientError::Unavailable`] when the answer breaks off, or with what `take` says.
    pub async fn stream(
        &self,
        ask: &Ask,
        mut take: impl FnMut(&[u8]) -> std::io::Result<bool>,
    ) -> Result<(), ClientError> {
        let away = |why: String| ClientError::Unavailable(format!("{}{}: {why}", self.target, ask.path));
        let late = || away(format!("nothing came for {} s", ANSWER_WAIT.as_secs()));
        let answer = tokio::time::timeout(ANSWER_WAIT, self.http.request(self.request(ask)?));
        let answer = answer.await.map_err(|_| late())?.map_err(|error| away(causes(&error)))?;
        let (parts, mut body) = answer.into_parts();
        if !parts.status.is_success() {
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| away(error.to_string()))?;
            return Err(refused(parts.status, &body.to_bytes()));
        }
        while let Some(frame) = tokio::time::timeout(ANSWER_WAIT, body.frame()).await.map_err(|_| late())? {
            let frame = frame.map_err(|error| away(causes(&error)))?;
            if let Some(bytes) = frame.data_ref()
                && !take(bytes).map_err(|error| away(error.to_string()))?
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Sends a request and reads the JSON of a good answer.
    ///
    /// # Errors
    /// As [`Client::ask`]; [`ClientError::Unavailable`] when what answers is no purser.
    pub async fn read<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T, ClientError> {
        self.read_from(ask, &self.send(ask).await?)
    }

    /// Reads the JSON of a good answer to a request.
    ///
    /// # Errors
    /// As [`Client::read`].
    pub fn read_from<T: DeserializeOwned>(&self, ask: &Ask, answer: &Response<Bytes>) -> Result<T, ClientError> {
        if !answer.status().is_success() {
            return Err(refused(answer.status(), answer.body()));
        }
        serde_json::from_slice(answer.body())
            .map_err(|error| ClientError::Unavailable(format!("{}{}: {error}", self.target, ask.path)))
    }
}

/// What a refusal says. A server that is away behind a proxy says nothing that can be read.
fn refused(status: StatusCode, body: &[u8]) -> ClientError {
    let problem = serde_json::from_slice(body).unwrap_or_else(|_| Problem {
        code: status.as_u16().to_string(),
        detail: String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned(),
        pointer: None,
    });
    ClientError::Refused { status, problem }
}

//! Debits over HTTP/1.1, one or many in a request: one task a connection and nothing between it and the socket.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};

use super::draws::Draw;
use super::lane::{Caller, Ended, Failure, Lane};
use super::tally::Counts;
use crate::api::wire::Amount;
use crate::cli::client::{ANSWER_BYTES_MAX, Problem, Stream, causes};

/// What a request is made of debits, and debits are read from its answer.
pub(super) trait Body: Send {
    const PATH: &'static str;

    fn write(draws: &[Draw<'_>]) -> Vec<u8>;

    fn count(answer: &[u8], draws: &[Draw<'_>], counts: &mut Counts) -> serde_json::Result<()>;
}

/// One debit.
pub(super) struct Debit;

/// Many of them.
pub(super) struct Batch;

#[derive(Serialize)]
struct Row<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'static str>,
    id: &'a str,
    team: &'a str,
    member: &'a str,
    credits: Amount,
}

impl<'a> Row<'a> {
    fn of(draw: &'a Draw<'_>, op: Option<&'static str>) -> Self {
        Self { op, id: &draw.id, team: &draw.team.id, member: &draw.member.id, credits: Amount(draw.credits) }
    }
}

#[derive(Serialize)]
struct Rows<'a> {
    ops: Vec<Row<'a>>,
}

/// A decision, or the problem of a row. Its words have nothing that JSON escapes.
#[derive(Deserialize)]
struct Decision<'a> {
    decision: Option<&'a str>,
    #[serde(borrow)]
    denial: Option<Denial<'a>>,
    code: Option<&'a str>,
}

#[derive(Deserialize)]
struct Denial<'a> {
    reason: &'a str,
}

#[derive(Deserialize)]
struct Decisions<'a> {
    #[serde(borrow)]
    results: Vec<Decision<'a>>,
}

impl Decision<'_> {
    fn count(&self, draw: &Draw<'_>, counts: &mut Counts) {
        match (self.decision, &self.denial) {
            (Some("allow"), _) => counts.allow(draw.credits),
            (_, Some(denial)) => counts.deny(denial.reason),
            _ => counts.fail(self.code.unwrap_or("an answer without a decision"), 1),
        }
    }
}

impl Body for Debit {
    const PATH: &'static str = "/v1/debits";

    fn write(draws: &[Draw<'_>]) -> Vec<u8> {
        draws.first().map_or_else(Vec::new, |draw| json(&Row::of(draw, None)))
    }

    fn count(answer: &[u8], draws: &[Draw<'_>], counts: &mut Counts) -> serde_json::Result<()> {
        let decision: Decision<'_> = serde_json::from_slice(answer)?;
        draws.iter().for_each(|draw| decision.count(draw, counts));
        Ok(())
    }
}

impl Body for Batch {
    const PATH: &'static str = "/v1/batch";

    fn write(draws: &[Draw<'_>]) -> Vec<u8> {
        json(&Rows { ops: draws.iter().map(|draw| Row::of(draw, Some("debit"))).collect() })
    }

    fn count(answer: &[u8], draws: &[Draw<'_>], counts: &mut Counts) -> serde_json::Result<()> {
        let Decisions { results } = serde_json::from_slice(answer)?;
        results.iter().zip(draws).for_each(|(decision, draw)| decision.count(draw, counts));
        if let Some(missing @ 1..) = draws.len().checked_sub(results.len()) {
            counts.fail("a batch with too few answers", missing as u64);
        }
        Ok(())
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts always serialise")
}

/// One connection.
struct Http<B> {
    sender: SendRequest<Full<Bytes>>,
    uri: Uri,
    headers: HeaderMap,
    body: std::marker::PhantomData<B>,
}

/// Sends over one connection until nothing is due or it breaks.
pub(super) async fn session<B: Body>(lane: &Lane, io: Stream) -> Result<Ended, String> {
    let (sender, connection) = handshake(TokioIo::new(io)).await.map_err(|error| causes(&error))?;
    let mut headers = HeaderMap::new();
    headers.insert(HOST, lane.load.target.host());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(token) = &lane.load.token {
        headers.insert(AUTHORIZATION, token.clone());
    }
    let http = Http::<B> { sender, uri: Uri::from_static(B::PATH), headers, body: std::marker::PhantomData };
    // What went wrong with the connection, the request on it tells too.
    let (ended, _) = tokio::join!(lane.converse(http), connection);
    Ok(ended)
}

impl<B: Body> Caller for Http<B> {
    type Answer = (StatusCode, Bytes);

    async fn ask(&mut self, draws: &[Draw<'_>]) -> Result<Self::Answer, Failure> {
        let mut request = Request::new(Full::new(Bytes::from(B::write(draws))));
        *request.method_mut() = Method::POST;
        request.uri_mut().clone_from(&self.uri);
        request.headers_mut().clone_from(&self.headers);
        let broken = |why| Failure { why, is_broken: true };
        self.sender.ready().await.map_err(|error| broken(causes(&error)))?;
        let answer = self.sender.send_request(request).await.map_err(|error| broken(causes(&error)))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| broken(error.to_string()))?;
        Ok((parts.status, body.to_bytes()))
    }

    fn count((status, body): Self::Answer, draws: &[Draw<'_>], counts: &mut Counts) {
        let debits = draws.len() as u64;
        if !status.is_success() {
            let problem = serde_json::from_slice(&body).map(|problem: Problem| problem.to_string());
            return counts.fail(&problem.unwrap_or_else(|_| status.to_string()), debits);
        }
        if let Err(error) = B::count(&body, draws, counts) {
            counts.fail(&format!("an answer that cannot be read: {error}"), debits);
        }
    }
}

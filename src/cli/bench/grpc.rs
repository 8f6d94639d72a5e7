//! Debits by the gRPC call `Debit`, many at once on a connection; and what the stream needs of it. The client is
//! hyper's connection itself: what is measured is the server, and no pool or retry in front of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Status};
use tonic_prost::ProstCodec;
use tower::Service;

use super::draws::Draw;
use super::lane::{Caller, Ended, Failure, Lane};
use super::tally::Counts;
use crate::api::grpc::wire::purser::{Decision, DrawRequest, Reason, decision};
use crate::cli::client::{Stream, causes};

const DEBIT: PathAndQuery = PathAndQuery::from_static("/purser.v1.Purser/Debit");

/// One connection, as tonic's client takes it.
#[derive(Clone)]
pub(super) struct Connection(SendRequest<Body>);

/// A client on it.
pub(super) type Client = tonic::client::Grpc<Connection>;

impl Connection {
    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl Service<http::Request<Body>> for Connection {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = hyper::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// Opens HTTP/2 on a connection, which a task of its own then drives.
pub(super) async fn open(lane: &Lane, io: Stream) -> Result<(Connection, Client), String> {
    let opened = handshake(TokioExecutor::new(), TokioIo::new(io)).await;
    let (sender, driver) = opened.map_err(|error| causes(&error))?;
    // What goes wrong with it, the calls on it tell.
    tokio::spawn(async { drop(driver.await) });
    let origin: Uri = lane.load.target.base().parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
    let connection = Connection(sender);
    Ok((connection.clone(), Client::with_origin(connection, origin)))
}

/// A message with the caller's token.
pub(super) fn request<T>(lane: &Lane, message: T) -> Request<T> {
    let mut headers = HeaderMap::new();
    if let Some(token) = &lane.load.token {
        headers.insert(AUTHORIZATION, token.clone());
    }
    Request::from_parts(MetadataMap::from_headers(headers), Extensions::default(), message)
}

/// A debit as a message.
pub(super) fn message(draw: &Draw<'_>) -> DrawRequest {
    DrawRequest {
        id: Some(draw.id.clone()),
        team: Some(draw.team.id.clone()),
        member: draw.member.id.clone(),
        credits_micros: Some(draw.credits.micros()),
        ..DrawRequest::default()
    }
}

/// Counts a decision.
fn count(decision: &Decision, credits: crate::domain::Credits, counts: &mut Counts) {
    match &decision.decision {
        Some(decision::Decision::Allow(_)) => counts.allow(credits),
        Some(decision::Decision::Denial(denial)) => deny(denial.reason, counts),
        None => counts.fail("an answer without a decision", 1),
    }
}

/// Counts a denial by the number of its reason.
pub(super) fn deny(reason: i32, counts: &mut Counts) {
    let name = Reason::try_from(reason).unwrap_or_default().as_str_name();
    counts.deny(&name.trim_start_matches("REASON_").to_lowercase());
}

/// An error as it is counted.
pub(super) fn told(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

/// A call after the other.
struct Unary<'a> {
    lane: &'a Lane,
    connection: Connection,
    client: Client,
}

/// Sends over one connection until nothing is due or it breaks.
pub(super) async fn session(lane: &Arc<Lane>, io: Stream) -> Result<Ended, String> {
    let (connection, client) = open(lane, io).await?;
    let mut calls = JoinSet::new();
    for _ in 0..lane.load.in_flight {
        let (lane, connection, client) = (lane.clone(), connection.clone(), client.clone());
        calls.spawn(async move { lane.converse(Unary { lane: &lane, connection, client }).await });
    }
    let mut all = Ended::Done;
    while let Some(ended) = calls.join_next().await {
        if !matches!(ended, Ok(Ended::Done)) {
            all = Ended::Broken;
        }
    }
    Ok(all)
}

impl Caller for Unary<'_> {
    type Answer = Decision;

    async fn ask(&mut self, draws: &[Draw<'_>]) -> Result<Decision, Failure> {
        let draw = draws.first().expect("a request has a debit");
        self.client.ready().await.map_err(|error| Failure { why: causes(&error), is_broken: true })?;
        let asked = self.client.unary(request(self.lane, message(draw)), DEBIT, ProstCodec::default());
        match asked.await {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(Failure { why: told(&status), is_broken: self.connection.is_closed() }),
        }
    }

    fn count(answer: Decision, draws: &[Draw<'_>], counts: &mut Counts) {
        draws.iter().for_each(|draw| count(&answer, draw.credits, counts));
    }
}

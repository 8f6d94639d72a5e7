//! The calls that decide and end, answered before the router: the same functions between the same guards, without the
//! layers and buffers that one message in and one out have no need of.
//!
//! Streams, Envoy's calls, health and reflection go the router's way, and so does what is compressed.

use std::mem;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::BodyExt;
use prost::{DecodeError, Message};
use tonic::{Code, Status};

use super::allowed::write_decision;
use super::answer::answer;
use super::answers::write_message;
use super::faults::in_our_words;
use super::frames::{PREFIX_BYTES, joined, prefix};
use super::guard::call;
use super::plain::{self, Draw, Kind};
use super::wire::purser::decide_request::Request as Asked;
use super::wire::purser::decide_response::Answer;
use super::wire::purser::{DrawRequest, ExtendRequest, RefundRequest, ReleaseRequest, SettleRequest};
use super::write;
use crate::api::auth::Caller;
use crate::api::listen::{self, Answering, RequestBody, Whole};
use crate::api::problem::Problem;
use crate::api::routes::decisions::{Turn, drawn};
use crate::api::routes::guard::caught;
use crate::api::state::App;
use crate::engine::Drawn;
use crate::metrics::Call;

/// What a caller says who compresses.
pub const ENCODING: &str = "grpc-encoding";

/// Most answers fit, so that writing one allocates once.
const ANSWER_BYTES: usize = 256;

/// How a message is read by the path of its call.
type Read = fn(Bytes) -> Result<Asked, DecodeError>;

/// The calls that are answered here, and which of them draw.
const CALLS: [(&str, Option<Kind>, Read); 7] = [
    ("/purser.v1.Purser/Debit", Some(Kind::Debit), |message| DrawRequest::decode(message).map(Asked::Debit)),
    ("/purser.v1.Purser/Hold", Some(Kind::Hold), |message| DrawRequest::decode(message).map(Asked::Hold)),
    ("/purser.v1.Purser/Check", None, |message| DrawRequest::decode(message).map(Asked::Check)),
    ("/purser.v1.Purser/Settle", None, |message| SettleRequest::decode(message).map(Asked::Settle)),
    ("/purser.v1.Purser/Release", None, |message| ReleaseRequest::decode(message).map(Asked::Release)),
    ("/purser.v1.Purser/Extend", None, |message| ExtendRequest::decode(message).map(Asked::Extend)),
    ("/purser.v1.Purser/Refund", None, |message| RefundRequest::decode(message).map(Asked::Refund)),
];

/// Answers without the router.
pub struct Direct {
    app: App,
    /// The counters of [`CALLS`].
    counted: [Call; CALLS.len()],
}

impl Direct {
    /// Answers with this state, counted and guarded as the router's calls are.
    pub fn new(app: App) -> Self {
        let counted = CALLS.map(|(path, ..)| call(app.service.metrics(), path));
        Self { app, counted }
    }
}

impl listen::Direct for Direct {
    fn answer(&self, request: Request<RequestBody>) -> Result<Answering<'static>, Request<RequestBody>> {
        let path = request.uri().path();
        let is_plain = request.method() == Method::POST && !request.headers().contains_key(ENCODING);
        let at = CALLS.iter().position(|(known, ..)| is_plain && *known == path);
        let Some(at) = at else { return Err(request) };
        let (app, counted, (_, kind, read)) = (self.app.clone(), self.counted[at].clone(), CALLS[at]);
        Ok(Box::pin(async move {
            let answered = caught(made(&app, request, (kind, read))).await;
            let answered = answered.unwrap_or_else(|problem| Err(problem.into()));
            counted.answered(answered.as_ref().map_or_else(Status::code, |_| Code::Ok) as usize);
            answered.map_or_else(Status::into_http, whole)
        }))
    }
}

/// The answer as a message; who calls is known before anything is read.
async fn made(app: &App, request: Request<RequestBody>, (kind, read): (Option<Kind>, Read)) -> Result<Bytes, Status> {
    let caller = Caller::of(request.headers(), app)?;
    let message = message(request.into_body(), app.bodies.body_bytes_max).await.map_err(in_our_words)?;
    let turn = Turn::alone(app, &caller);
    if let Some((kind, asked)) = kind.and_then(|kind| Some((kind, plain::draw(&message)?))) {
        return Ok(draw(turn, kind, asked).await?);
    }
    let asked = read(message).map_err(|error| in_our_words(Status::internal(error.to_string())))?;
    Ok(match answer(turn, asked).await? {
        Answer::Decision(answer) => framed(&answer),
        Answer::Settled(answer) => framed(&answer),
        Answer::Released(answer) => framed(&answer),
        Answer::Extended(answer) => framed(&answer),
        Answer::Refunded(answer) => framed(&answer),
        Answer::Problem(_) => unreachable!("a problem is an error of the call"),
    })
}

/// The answer to a draw that was read where it lies.
async fn draw(turn: Turn<'_>, kind: Kind, asked: Draw<'_>) -> Result<Bytes, Problem> {
    let asked = kind.asked(asked, turn.app)?;
    let (drawn, output_tokens) = drawn(turn, &asked).await?;
    let (id, mut bytes) = (&asked.draw.id, BytesMut::with_capacity(ANSWER_BYTES));
    match drawn {
        Drawn::Allowed(allowed) => write_decision(&mut bytes, id, &allowed, output_tokens),
        drawn => write_message(&mut bytes, &write::decision(Some(id), drawn, output_tokens)),
    }
    Ok(bytes.freeze())
}

/// The one message of a request, which mostly comes in one piece.
async fn message(mut body: RequestBody, bytes_max: usize) -> Result<Bytes, Status> {
    let mut all = Bytes::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Status::from_error)?;
        let Ok(data) = frame.into_data() else { continue };
        all = joined(mem::take(&mut all), data);
        if let Some((len, message)) = prefix(&all, bytes_max)?
            && message.len() > len
        {
            return Err(Status::internal("there is more than one message in a call that takes one"));
        }
    }
    match prefix(&all, bytes_max)? {
        Some((len, message)) if message.len() == len => Ok(all.split_off(PREFIX_BYTES)),
        None if all.is_empty() => Err(Status::internal("the message is missing")),
        _ => Err(Status::internal("the message ends too early")),
    }
}

fn framed(answer: &impl Message) -> Bytes {
    let mut framed = BytesMut::new();
    write_message(&mut framed, answer);
    framed.freeze()
}

/// The answer of a call that has gone well.
fn whole(message: Bytes) -> Response<Whole> {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    let mut response = Response::new(Whole::new(message, Some(trailers)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

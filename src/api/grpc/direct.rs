//! The calls that decide and end, answered before the router: the same functions between the same guards, without the
//! layers and buffers that one message in and one out have no need of.
//!
//! Streams, Envoy's calls, health and reflection go the router's way, and so does what is compressed.

use std::mem;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::BodyExt;
use prost::{DecodeError, Message};
use tonic::{Code, Status};

use super::answer::answer;
use super::faults::in_our_words;
use super::guard::call;
use super::wire::purser::decide_request::Request as Asked;
use super::wire::purser::decide_response::Answer;
use super::wire::purser::{DrawRequest, ExtendRequest, RefundRequest, ReleaseRequest, SettleRequest};
use crate::api::auth::Caller;
use crate::api::listen::{self, Answering, RequestBody, Whole};
use crate::api::routes::decisions::Turn;
use crate::api::routes::guard::caught;
use crate::api::state::App;
use crate::metrics::Call;

/// Before each message: whether it is compressed, and its length in four bytes.
const PREFIX_BYTES: usize = 5;

/// What a caller says who compresses.
const ENCODING: &str = "grpc-encoding";

/// How a message is read by the path of its call.
type Read = fn(Bytes) -> Result<Asked, DecodeError>;

/// The calls that are answered here.
const CALLS: [(&str, Read); 7] = [
    ("/purser.v1.Purser/Debit", |message| DrawRequest::decode(message).map(Asked::Debit)),
    ("/purser.v1.Purser/Hold", |message| DrawRequest::decode(message).map(Asked::Hold)),
    ("/purser.v1.Purser/Check", |message| DrawRequest::decode(message).map(Asked::Check)),
    ("/purser.v1.Purser/Settle", |message| SettleRequest::decode(message).map(Asked::Settle)),
    ("/purser.v1.Purser/Release", |message| ReleaseRequest::decode(message).map(Asked::Release)),
    ("/purser.v1.Purser/Extend", |message| ExtendRequest::decode(message).map(Asked::Extend)),
    ("/purser.v1.Purser/Refund", |message| RefundRequest::decode(message).map(Asked::Refund)),
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
        let counted = CALLS.map(|(path, _)| call(app.service.metrics(), path));
        Self { app, counted }
    }
}

impl listen::Direct for Direct {
    fn answer(&self, request: Request<RequestBody>) -> Result<Answering<'static>, Request<RequestBody>> {
        let path = request.uri().path();
        let is_plain = request.method() == Method::POST && !request.headers().contains_key(ENCODING);
        let at = CALLS.iter().position(|(known, _)| is_plain && *known == path);
        let Some(at) = at else { return Err(request) };
        let (app, counted, read) = (self.app.clone(), self.counted[at].clone(), CALLS[at].1);
        Ok(Box::pin(async move {
            let answered = caught(made(&app, request, read)).await;
            let answered = answered.unwrap_or_else(|problem| Err(problem.into()));
            counted.answered(answered.as_ref().map_or_else(Status::code, |_| Code::Ok) as usize);
            answered.map_or_else(Status::into_http, whole)
        }))
    }
}

/// The answer as a message; who calls is known before anything is read.
async fn made(app: &App, request: Request<RequestBody>, read: Read) -> Result<Bytes, Status> {
    let caller = Caller::of(request.headers(), app)?;
    let message = message(request.into_body(), app.bodies.body_bytes_max).await.map_err(in_our_words)?;
    let asked = read(message).map_err(|error| in_our_words(Status::internal(error.to_string())))?;
    Ok(match answer(Turn::alone(app, &caller), asked).await? {
        Answer::Decision(answer) => framed(&answer),
        Answer::Settled(answer) => framed(&answer),
        Answer::Released(answer) => framed(&answer),
        Answer::Extended(answer) => framed(&answer),
        Answer::Refunded(answer) => framed(&answer),
        Answer::Problem(_) => unreachable!("a problem is an error of the call"),
    })
}

/// The one message of a request, which mostly comes in one piece.
async fn message(mut body: RequestBody, bytes_max: usize) -> Result<Bytes, Status> {
    let mut all = Bytes::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Status::from_error)?;
        let Ok(data) = frame.into_data() else { continue };
        all = if all.is_empty() { data } else { joined(mem::take(&mut all), data) };
        if let Some((len, _)) = prefix(&all)? {
            if len > bytes_max {
                let what = format!("the message has {len} bytes, more than {bytes_max}");
                return Err(Status::out_of_range(what));
            }
            if all.len() > PREFIX_BYTES + len {
                return Err(Status::internal("there is more than one message in a call that takes one"));
            }
        }
    }
    match prefix(&all)? {
        Some((len, message)) if message.len() == len => Ok(all.split_off(PREFIX_BYTES)),
        None if all.is_empty() => Err(Status::internal("the message is missing")),
        _ => Err(Status::internal("the message ends too early")),
    }
}

fn joined(first: Bytes, second: Bytes) -> Bytes {
    let mut both = first.try_into_mut().unwrap_or_else(|first| BytesMut::from(&*first));
    both.extend_from_slice(&second);
    both.freeze()
}

/// How long the message is that these bytes begin, and what of it is there.
fn prefix(mut bytes: &[u8]) -> Result<Option<(usize, &[u8])>, Status> {
    if bytes.len() < PREFIX_BYTES {
        return Ok(None);
    }
    if bytes.get_u8() != 0 {
        return Err(Status::internal("the message says that it is compressed, and the call does not say how"));
    }
    let len = bytes.get_u32() as usize;
    Ok(Some((len, bytes)))
}

fn framed(answer: &impl Message) -> Bytes {
    let len = answer.encoded_len();
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + len);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(len).expect("an answer is small"));
    answer.encode(&mut framed).expect("there is room");
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

//! Many requests on one stream.
//!
//! Those that have arrived are decided one after the other, then one wait makes their answers durable. A draw is decided without
//! a future; only one that waits for credits to be lent has one, so that those behind it go on meanwhile. Nothing is read while as many as may be are
//! in flight, or while the caller does not take its answers: then its own sending stops.

use std::collections::VecDeque;
use std::future::ready;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Context, Poll};
use std::time::{Duration, Instant};

use axum::extract::Request as HttpRequest;
use bytes::Bytes;
use prost::Message;
use tokio::sync::watch;
use tonic::body::Body;
use tonic::codegen::tokio_stream::Stream;
use tonic::metadata::MetadataMap;
use tonic::server::Grpc;
use tonic::{Code, Request, Response, Status, Streaming};
use tower::service_fn;

use super::GUARDED;
use super::answer::answer;
use super::codec::{self, Allowed, Answered, Messages};
use super::faults::{code, in_our_words};
use super::guard::{DECIDE, call};
use super::plain::{self, Draw, Kind};
use super::wire::purser::DecideRequest;
use super::wire::purser::decide_response::Answer;
use super::{read, write};
use crate::api::auth::Caller;
use crate::api::json::Fault;
use crate::api::problem::{Code as ProblemCode, Problem};
use crate::api::routes::asks::{Asked, Key};
use crate::api::routes::decisions::{Turn, drawn_lent, drawn_now};
use crate::api::routes::guard::{caught, caught_now};
use crate::api::state::App;
use crate::domain::{OperationId, SubscriptionId, Timestamp};
use crate::engine::Drawn;
use crate::metrics::Call;
use crate::service::{Together, Unable};

/// How long a caller that was let in is not asked again who it is: a token that is taken away ends its streams within that.
const TRUST: Duration = Duration::from_secs(1);

/// The most that is decided before answers go: the caller reads them while the next are decided.
const SET_MAX: usize = 64;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Answers a stream, which ends once `closing` says true.
pub async fn decide(app: App, closing: watch::Receiver<bool>, request: HttpRequest) -> http::Response<Body> {
    let bytes_max = app.bodies.body_bytes_max;
    let decisions =
        service_fn(|requests| ready(Ok(Response::new(Decisions::new(app.clone(), requests, closing.clone())))));
    Grpc::new(Messages).max_decoding_message_size(bytes_max).streaming(decisions, request).await
}

/// The answers of one stream.
pub struct Decisions {
    app: App,
    call: Call,
    metadata: MetadataMap,
    caller: Arc<Caller>,
    /// When the caller was last asked who it is.
    known_at: Instant,
    requests: Streaming<Bytes>,
    closing: Boxed<()>,
    /// Requests that wait for credits to be lent.
    waiting: Vec<Boxed<Made>>,
    /// What is made of the requests that were there, and must be durable before it is given.
    made: VecDeque<Made>,
    /// When the first of them was read, and how many were decided at once.
    begun: Option<(Instant, usize)>,
    /// Makes them durable.
    wait: Option<Boxed<Result<(), Unable>>>,
    /// Answers that may be given, once it is said whether they could be made durable.
    ready: VecDeque<Made>,
    durable: Result<(), Unable>,
    /// Nothing more is read: how the stream ends.
    end: Option<Result<(), Status>>,
}

/// An answer, and what must be durable before it may be given.
struct Made {
    number: u64,
    answer: Result<Answered, Problem>,
    together: Together,
}

/// What comes of a request at once.
#[expect(clippy::large_enum_variant, reason = "made once and kept at once: a box would cost more")]
enum Begun {
    Made(Made),
    /// It may have to wait.
    Later(Boxed<Made>),
}

impl Decisions {
    fn new(app: App, request: Request<Streaming<Bytes>>, mut closing: watch::Receiver<bool>) -> Self {
        let (metadata, mut extensions, requests) = request.into_parts();
        let caller = extensions.remove::<Caller>().expect(GUARDED);
        Self {
            call: call(app.service.metrics(), DECIDE),
            metadata,
            caller: Arc::new(caller),
            known_at: app.service.clock().instant(),
            requests,
            // A server that is gone is closing too.
            closing: Box::pin(async move { drop(closing.wait_for(|closing| *closing).await) }),
            waiting: Vec::new(),
            made: VecDeque::new(),
            begun: None,
            wait: None,
            ready: VecDeque::new(),
            durable: Ok(()),
            end: None,
            app,
        }
    }

    /// Decides what is there.
    fn make(&mut self, cx: &mut Context<'_>) {
        let mut at = 0;
        while let Some(waiting) = self.waiting.get_mut(at) {
            match waiting.as_mut().poll(cx) {
                Poll::Ready(made) => {
                    self.made.push_back(made);
                    drop(self.waiting.swap_remove(at));
                }
                Poll::Pending => at += 1,
            }
        }
        if self.end.is_none() && self.closing.as_mut().poll(cx).is_ready() {
            self.end = Some(Err(Problem::from(Unable::Stopping).into()));
        }
        let mut now = None;
        while self.end.is_none() && self.has_room() {
            match Pin::new(&mut self.requests).poll_next(cx) {
                Poll::Ready(Some(Ok(message))) => {
                    let begun = match now {
                        Some(now) => self.begin(&message, now),
                        None => self.know().and_then(|known_now| self.begin(&message, *now.insert(known_now))),
                    };
                    match begun {
                        Ok(Begun::Made(made)) => self.made.push_back(made),
                        Ok(Begun::Later(mut made)) => match made.as_mut().poll(cx) {
                            Poll::Ready(made) => self.made.push_back(made),
                            Poll::Pending => self.waiting.push(made),
                        },
                        Err(status) => self.end = Some(Err(status)),
                    }
                }
                Poll::Ready(Some(Err(status))) => self.end = Some(Err(in_our_words(status))),
                Poll::Ready(None) => self.end = Some(Ok(())),
                Poll::Pending => break,
            }
        }
    }

    /// Whether one more may be decided before answers go.
    fn has_room(&self) -> bool {
        self.made.len() < SET_MAX && self.waiting.len() + self.made.len() < self.app.streams_max
    }

    /// The time as of which what is there is decided. Asks again who is calling, where that was long ago.
    fn know(&mut self) -> Result<Timestamp, Status> {
        let clock = self.app.service.clock();
        let start = clock.instant();
        if start.saturating_duration_since(self.known_at) >= TRUST {
            self.caller = Arc::new(Caller::of(self.metadata.as_ref(), &self.app)?);
            self.known_at = start;
        }
        self.begun = Some((start, 0));
        Ok(clock.now())
    }

    /// Decides a draw at once; what else is asked is made by a future.
    fn begin(&mut self, message: &[u8], now: Timestamp) -> Result<Begun, Status> {
        let Some((number, kind, asked)) = plain::read(message) else {
            let request = DecideRequest::decode(message);
            let request = request.map_err(|error| in_our_words(Status::internal(error.to_string())))?;
            return Ok(Begun::Later(self.answer(request)));
        };
        let begun = caught_now(|| self.draw(number, (kind, asked), now)).flatten();
        if let (Ok(Begun::Made(_)), Some((_, draws))) = (&begun, &mut self.begun) {
            *draws += 1;
        }
        Ok(begun.unwrap_or_else(|problem| Begun::Made(Made::refused(number, problem))))
    }

    fn draw(&self, number: u64, (kind, asked): (Kind, Draw<'_>), now: Timestamp) -> Result<Begun, Problem> {
        let body = read::draw(asked)?;
        let asked = match kind {
            Kind::Debit => body.debit(Key::default(), &self.app)?,
            Kind::Hold => body.hold(Key::default(), &self.app)?,
        };
        Ok(match drawn_now(Turn::alone(&self.app, &self.caller), &asked, now)? {
            (Drawn::Short(subscription), _) => Begun::Later(self.draw_lent(number, asked, subscription)),
            (drawn, output_tokens) => Begun::Made(Made::drawn(number, asked.draw.id, drawn, output_tokens)),
        })
    }

    /// The answer to a draw that is short of a lease.
    fn draw_lent(&self, number: u64, asked: Asked, subscription: SubscriptionId) -> Boxed<Made> {
        let (app, caller) = (self.app.clone(), Arc::clone(&self.caller));
        Box::pin(async move {
            let drawn = drawn_lent(Turn::alone(&app, &caller), &asked, subscription);
            match caught(drawn).await.flatten() {
                Ok((drawn, output_tokens)) => Made::drawn(number, asked.draw.id, drawn, output_tokens),
                Err(problem) => Made::refused(number, problem),
            }
        })
    }

    /// The answer to any request.
    fn answer(&self, DecideRequest { number, request }: DecideRequest) -> Boxed<Made> {
        let (app, caller) = (self.app.clone(), Arc::clone(&self.caller));
        Box::pin(async move {
            let together = Together::default();
            let turn = Turn { app: &app, caller: &caller, together: Some(&together) };
            let answer = async {
                let missing = || Fault::new(ProblemCode::MissingField, "is missing").in_field("request");
                answer(turn, request.ok_or_else(missing)?).await
            };
            let answer = caught(answer).await.flatten().map(Answered::Other);
            Made { number, answer, together }
        })
    }

    /// Has what is made wait until it is durable, all of it at once; where nothing has to be, it may be given.
    fn wait(&mut self) {
        let together = Together::default();
        self.made.iter().for_each(|made| together.join(&made.together));
        if together.is_empty() {
            return self.give(Ok(()));
        }
        let service = Arc::clone(&self.app.service);
        self.wait = Some(Box::pin(async move { service.durable_together(together).await }));
    }

    /// Lets what is made be given. Where it could not be made durable, answers that had to be are problems.
    fn give(&mut self, durable: Result<(), Unable>) {
        debug_assert!(self.ready.is_empty(), "what is ready is given before more is made");
        if let Some((start, draws)) = self.begun.take() {
            self.app.service.took(start, draws);
        }
        self.durable = durable;
        self.wait = None;
        mem::swap(&mut self.made, &mut self.ready);
    }

    fn response(&self, Made { number, answer, together }: Made) -> codec::Response {
        let answer = match &self.durable {
            Err(unable) if !together.is_empty() => Err(unable.clone().into()),
            _ => answer,
        };
        let code = answer.as_ref().map_or_else(|problem| code(problem.code), |_| Code::Ok);
        self.call.answered(code as usize);
        let answer = answer.unwrap_or_else(|problem| Answered::Other(Answer::Problem((&problem).into())));
        codec::Response { number, answer }
    }
}

impl Made {
    fn drawn(number: u64, id: OperationId, drawn: Drawn, output_tokens: Option<u64>) -> Self {
        let together = Together::of(&drawn);
        let answer = match drawn {
            Drawn::Allowed(allowed) => Answered::Allowed(Allowed::new(id, allowed, output_tokens)),
            drawn => Answered::Other(Answer::Decision(write::decision(Some(&id), drawn, output_tokens))),
        };
        Self { number, answer: Ok(answer), together }
    }

    fn refused(number: u64, problem: Problem) -> Self {
        Self { number, answer: Err(problem), together: Together::default() }
    }
}

impl Stream for Decisions {
    type Item = Result<codec::Response, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(made) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(this.response(made))));
            }
            if let Some(wait) = &mut this.wait {
                let durable = task::ready!(wait.as_mut().poll(cx));
                this.give(durable);
                continue;
            }
            this.make(cx);
            if !this.made.is_empty() {
                this.wait();
                continue;
            }
            if !this.waiting.is_empty() {
                return Poll::Pending;
            }
            return match &mut this.end {
                None => Poll::Pending,
                Some(end) => Poll::Ready(mem::replace(end, Ok(())).err().map(Err)),
            };
        }
    }
}

//! Many requests on one stream.
//!
//! Those that have arrived are decided one after the other and their answers written, then one wait makes these durable. A draw
//! is decided without a future; only one that waits for credits to be lent has one, so that those behind it go on meanwhile. Nothing is read while
//! as many as may be are in flight, or while the caller does not take its answers: then its own sending stops.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use hyper::body::{Body as HttpBody, Frame};
use prost::Message;
use tokio::sync::watch;
use tonic::Status;

use super::GUARDED;
use super::answer::answer;
use super::answers::Answers;
use super::direct::ENCODING;
use super::faults::{encoded, in_our_words};
use super::frames::Frames;
use super::guard::{DECIDE, call};
use super::plain::{self, Draw, Kind};
use super::wire::purser::DecideRequest;
use super::wire::purser::decide_response::Answer;
use crate::api::auth::Caller;
use crate::api::json::Fault;
use crate::api::problem::{Code, Problem};
use crate::api::routes::asks::Asked;
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
pub async fn decide(app: App, closing: watch::Receiver<bool>, request: Request) -> Response<Body> {
    if let Some(encoding) = request.headers().get(ENCODING).filter(|encoding| *encoding != "identity") {
        return encoded(encoding).into_http();
    }
    let mut response = Response::new(Body::new(Decisions::new(app, request, closing)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// The answers of one stream, as a body.
struct Decisions {
    requests: Frames,
    desk: Desk,
    closing: Boxed<()>,
    /// Makes what is answered durable.
    wait: Option<Boxed<Result<(), Unable>>>,
    /// Nothing more is read: how the stream ends.
    end: Option<Result<(), Status>>,
    is_over: bool,
}

/// What decides the requests of one stream.
struct Desk {
    app: App,
    call: Call,
    headers: HeaderMap,
    caller: Arc<Caller>,
    /// When the caller was last asked who it is.
    known_at: Instant,
    /// Requests that wait for credits to be lent.
    waiting: Vec<Boxed<Made>>,
    /// The answers to requests that were there, which must be durable before they are given.
    answers: Answers,
    /// When the first of them was read, and how many were decided at once.
    begun: Option<(Instant, usize)>,
}

/// What a request came to that was not decided at once.
struct Made {
    number: u64,
    answer: Result<What, Problem>,
    together: Together,
}

/// What is answered.
enum What {
    Drawn(OperationId, Drawn, Option<u64>),
    Other(Answer),
}

impl Decisions {
    fn new(app: App, request: Request, mut closing: watch::Receiver<bool>) -> Self {
        let (mut parts, body) = request.into_parts();
        let caller = parts.extensions.remove::<Caller>().expect(GUARDED);
        let desk = Desk {
            call: call(app.service.metrics(), DECIDE),
            headers: parts.headers,
            caller: Arc::new(caller),
            known_at: app.service.clock().instant(),
            waiting: Vec::new(),
            answers: Answers::default(),
            begun: None,
            app,
        };
        Self {
            requests: Frames::new(body, desk.app.bodies.body_bytes_max),
            // A server that is gone is closing too.
            closing: Box::pin(async move { drop(closing.wait_for(|closing| *closing).await) }),
            wait: None,
            end: None,
            is_over: false,
            desk,
        }
    }

    /// Decides what is there.
    fn make(&mut self, cx: &mut Context<'_>) {
        self.desk.go_on(cx);
        if self.end.is_none() && self.closing.as_mut().poll(cx).is_ready() {
            self.end = Some(Err(Problem::from(Unable::Stopping).into()));
        }
        let mut now = None;
        while self.end.is_none() && self.desk.has_room() {
            let begun = match self.requests.poll_next(cx) {
                Poll::Ready(Some(Ok(message))) => match now {
                    Some(now) => self.desk.begin(message, now, cx),
                    None => {
                        let known = self.desk.know();
                        known.and_then(|known| self.desk.begin(message, *now.insert(known), cx))
                    }
                },
                Poll::Ready(Some(Err(status))) => Err(in_our_words(status)),
                Poll::Ready(None) => {
                    self.end = Some(Ok(()));
                    break;
                }
                Poll::Pending => break,
            };
            if let Err(status) = begun {
                self.end = Some(Err(status));
            }
        }
    }
}

impl Desk {
    /// Answers those that no longer wait for credits.
    fn go_on(&mut self, cx: &mut Context<'_>) {
        let mut at = 0;
        while let Some(waiting) = self.waiting.get_mut(at) {
            match waiting.as_mut().poll(cx) {
                Poll::Ready(made) => {
                    drop(self.waiting.swap_remove(at));
                    self.put(made);
                }
                Poll::Pending => at += 1,
            }
        }
    }

    /// Whether one more may be decided before answers go.
    fn has_room(&self) -> bool {
        self.answers.len() < SET_MAX && self.waiting.len() + self.answers.len() < self.app.streams_max
    }

    /// The time as of which what is there is decided. Asks again who is calling, where that was long ago.
    fn know(&mut self) -> Result<Timestamp, Status> {
        let clock = self.app.service.clock();
        let start = clock.instant();
        if start.saturating_duration_since(self.known_at) >= TRUST {
            self.caller = Arc::new(Caller::of(&self.headers, &self.app)?);
            self.known_at = start;
        }
        self.begun = Some((start, 0));
        Ok(clock.now())
    }

    /// Decides a draw at once; what else is asked is made by a future.
    fn begin(&mut self, message: &[u8], now: Timestamp, cx: &mut Context<'_>) -> Result<(), Status> {
        let later = match plain::read(message) {
            Some((number, kind, asked)) => {
                let drawn = caught_now(|| self.draw(number, (kind, asked), now)).flatten();
                drawn.unwrap_or_else(|problem| {
                    self.answers.put(number, Err(problem), &Together::default());
                    None
                })
            }
            None => {
                let request = DecideRequest::decode(message);
                let request = request.map_err(|error| in_our_words(Status::internal(error.to_string())))?;
                Some(self.answer(request))
            }
        };
        if let Some(mut later) = later {
            match later.as_mut().poll(cx) {
                Poll::Ready(made) => self.put(made),
                Poll::Pending => self.waiting.push(later),
            }
        }
        Ok(())
    }

    /// Answers a draw, but for one that has to wait.
    fn draw(
        &mut self,
        number: u64,
        (kind, asked): (Kind, Draw<'_>),
        now: Timestamp,
    ) -> Result<Option<Boxed<Made>>, Problem> {
        let asked = kind.asked(asked, &self.app)?;
        match drawn_now(Turn::alone(&self.app, &self.caller), &asked, now)? {
            (Drawn::Short(subscription), _) => Ok(Some(self.draw_lent(number, asked, subscription))),
            (drawn, output_tokens) => {
                self.answers.put_drawn(number, &asked.draw.id, drawn, output_tokens);
                self.begun.iter_mut().for_each(|(_, draws)| *draws += 1);
                Ok(None)
            }
        }
    }

    /// The answer to a draw that is short of a lease.
    fn draw_lent(&self, number: u64, asked: Asked, subscription: SubscriptionId) -> Boxed<Made> {
        let (app, caller) = (self.app.clone(), Arc::clone(&self.caller));
        Box::pin(async move {
            let drawn = drawn_lent(Turn::alone(&app, &caller), &asked, subscription);
            let drawn = caught(drawn).await.flatten();
            let together = drawn.as_ref().map(|(drawn, _)| Together::of(drawn)).unwrap_or_default();
            let answer = drawn.map(|(drawn, output_tokens)| What::Drawn(asked.draw.id, drawn, output_tokens));
            Made { number, answer, together }
        })
    }

    /// The answer to any request.
    fn answer(&self, DecideRequest { number, request }: DecideRequest) -> Boxed<Made> {
        let (app, caller) = (self.app.clone(), Arc::clone(&self.caller));
        Box::pin(async move {
            let together = Together::default();
            let turn = Turn { app: &app, caller: &caller, together: Some(&together) };
            let answer = async {
                let missing = || Fault::new(Code::MissingField, "is missing").in_field("request");
                answer(turn, request.ok_or_else(missing)?).await
            };
            let answer = caught(answer).await.flatten().map(What::Other);
            Made { number, answer, together }
        })
    }

    fn put(&mut self, Made { number, answer, together }: Made) {
        match answer {
            Ok(What::Drawn(id, drawn, output_tokens)) => self.answers.put_drawn(number, &id, drawn, output_tokens),
            Ok(What::Other(answer)) => self.answers.put(number, Ok(answer), &together),
            Err(problem) => self.answers.put(number, Err(problem), &together),
        }
    }

    /// Has what is answered wait until it is durable, all of it at once; `None`: it need not.
    fn wait(&mut self) -> Option<Boxed<Result<(), Unable>>> {
        let together = self.answers.together();
        let service = Arc::clone(&self.app.service);
        (!together.is_empty())
            .then(|| Box::pin(async move { service.durable_together(together).await }) as Boxed<Result<(), Unable>>)
    }

    /// Gives what is answered. Where it could not be made durable, answers that had to be are problems.
    fn give(&mut self, durable: Result<(), Unable>) -> Bytes {
        if let Some((start, draws)) = self.begun.take() {
            self.app.service.took(start, draws);
        }
        self.answers.take(durable, &self.call)
    }
}

impl HttpBody for Decisions {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        if this.wait.is_none() {
            this.make(cx);
            if this.desk.answers.is_empty() {
                let Some(end) = this.end.take_if(|_| this.desk.waiting.is_empty()) else { return Poll::Pending };
                this.is_over = true;
                return Poll::Ready(Some(Ok(Frame::trailers(trailers(end)))));
            }
            this.wait = this.desk.wait();
        }
        let durable = match &mut this.wait {
            Some(wait) => task::ready!(wait.as_mut().poll(cx)),
            None => Ok(()),
        };
        this.wait = None;
        Poll::Ready(Some(Ok(Frame::data(this.desk.give(durable)))))
    }
}

/// How a stream has ended, as what comes behind its answers.
fn trailers(end: Result<(), Status>) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(3);
    let status = end.err().unwrap_or_else(|| Status::ok(""));
    status.add_header(&mut trailers).expect("what is said is encoded");
    trailers
}

//! Many requests on one stream.
//!
//! All that have arrived are decided one after the other, then one wait makes their answers durable. A request that waits for
//! credits to be lent is set apart meanwhile, so that those behind it go on. Nothing is read while as many as may be are
//! in flight, or while the caller does not take its answers: then its own sending stops.

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tonic::codegen::tokio_stream::Stream;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Status, Streaming};

use super::GUARDED;
use super::answer::answer;
use super::faults::{code, in_our_words};
use super::guard::{DECIDE, call};
use super::wire::purser::decide_response::Answer;
use super::wire::purser::{DecideRequest, DecideResponse};
use crate::api::auth::Caller;
use crate::api::json::Fault;
use crate::api::problem::{Code as Kind, Problem};
use crate::api::routes::decisions::Turn;
use crate::api::routes::guard::caught;
use crate::api::state::App;
use crate::metrics::Call;
use crate::service::{Together, Unable};

/// How long a caller that was let in is not asked again who it is: a token that is taken away ends its streams within that.
const TRUST: Duration = Duration::from_secs(1);

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The answers of one stream.
pub struct Decisions {
    app: App,
    call: Call,
    metadata: MetadataMap,
    caller: Arc<Caller>,
    /// When the caller was last asked who it is.
    known_at: Instant,
    requests: Streaming<DecideRequest>,
    closing: Boxed<()>,
    /// Requests that wait for credits to be lent.
    waiting: Vec<Boxed<Made>>,
    pending: Option<Pending>,
    /// Answers that may be given.
    ready: VecDeque<DecideResponse>,
    /// Nothing more is read: how the stream ends.
    end: Option<Result<(), Status>>,
}

/// Answers, and the wait that makes them durable.
struct Pending {
    made: Vec<Made>,
    wait: Boxed<Result<(), Unable>>,
}

/// An answer, and what must be durable before it may be given.
struct Made {
    number: u64,
    answer: Result<Answer, Problem>,
    together: Together,
}

impl Decisions {
    /// The answers to a stream of requests; it ends once `closing` says true.
    pub fn new(app: App, request: Request<Streaming<DecideRequest>>, mut closing: watch::Receiver<bool>) -> Self {
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
            pending: None,
            ready: VecDeque::new(),
            end: None,
            app,
        }
    }

    /// Decides all that is there; what is made of it so far.
    fn make(&mut self, cx: &mut Context<'_>) -> Vec<Made> {
        let mut made = Vec::new();
        let mut at = 0;
        while let Some(waiting) = self.waiting.get_mut(at) {
            match waiting.as_mut().poll(cx) {
                Poll::Ready(answer) => {
                    made.push(answer);
                    drop(self.waiting.swap_remove(at));
                }
                Poll::Pending => at += 1,
            }
        }
        if self.end.is_none() && self.closing.as_mut().poll(cx).is_ready() {
            self.end = Some(Err(Problem::from(Unable::Stopping).into()));
        }
        let mut is_known = false;
        while self.end.is_none() && self.waiting.len() + made.len() < self.app.streams_max {
            match Pin::new(&mut self.requests).poll_next(cx) {
                Poll::Ready(Some(Ok(request))) => {
                    if !is_known && let Err(problem) = self.know() {
                        self.end = Some(Err(problem.into()));
                        break;
                    }
                    is_known = true;
                    let mut answer = self.decide(request);
                    match answer.as_mut().poll(cx) {
                        Poll::Ready(answer) => made.push(answer),
                        Poll::Pending => self.waiting.push(answer),
                    }
                }
                Poll::Ready(Some(Err(status))) => self.end = Some(Err(in_our_words(status))),
                Poll::Ready(None) => self.end = Some(Ok(())),
                Poll::Pending => break,
            }
        }
        made
    }

    /// Asks again who is calling, where that was long ago.
    fn know(&mut self) -> Result<(), Problem> {
        let clock = self.app.service.clock();
        if clock.since(self.known_at) >= TRUST {
            self.caller = Arc::new(Caller::of(self.metadata.as_ref(), &self.app)?);
            self.known_at = clock.instant();
        }
        Ok(())
    }

    /// The answer to one request, once it is made.
    fn decide(&self, DecideRequest { number, request }: DecideRequest) -> Boxed<Made> {
        let (app, caller) = (self.app.clone(), Arc::clone(&self.caller));
        Box::pin(async move {
            let together = Together::default();
            let turn = Turn { app: &app, caller: &caller, together: Some(&together) };
            let answer = async {
                let missing = || Fault::new(Kind::MissingField, "is missing").in_field("request");
                answer(turn, request.ok_or_else(missing)?).await
            };
            let answer = caught(answer).await.flatten();
            Made { number, answer, together }
        })
    }

    /// Has answers wait until they are durable, all of them at once; where none has to be, gives them.
    fn wait_for(&mut self, made: Vec<Made>) {
        let together = Together::default();
        made.iter().for_each(|made| together.join(&made.together));
        if together.is_empty() {
            return self.give(made, Ok(()));
        }
        let service = Arc::clone(&self.app.service);
        self.pending = Some(Pending { made, wait: Box::pin(async move { service.durable_together(together).await }) });
    }

    /// Gives answers. Where they could not be made durable, those that had to be are problems.
    fn give(&mut self, made: Vec<Made>, durable: Result<(), Unable>) {
        for Made { number, answer, together } in made {
            let answer = match &durable {
                Err(unable) if !together.is_empty() => Err(unable.clone().into()),
                _ => answer,
            };
            let code = answer.as_ref().map_or_else(|problem| code(problem.code), |_| Code::Ok);
            self.call.answered(code as usize);
            let answer = answer.unwrap_or_else(|problem| Answer::Problem((&problem).into()));
            self.ready.push_back(DecideResponse { number, answer: Some(answer) });
        }
    }
}

impl Stream for Decisions {
    type Item = Result<DecideResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(answer) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(answer)));
            }
            if let Some(Pending { made, wait }) = &mut this.pending {
                let Poll::Ready(durable) = wait.as_mut().poll(cx) else { return Poll::Pending };
                let made = mem::take(made);
                this.pending = None;
                this.give(made, durable);
                continue;
            }
            let made = this.make(cx);
            if !made.is_empty() {
                this.wait_for(made);
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

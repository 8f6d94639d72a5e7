//! Debits on the gRPC stream `Decide`, one stream a connection: as many in flight as it is told.

use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tonic::Streaming;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic_prost::ProstCodec;

use super::grpc;
use super::lane::{Ended, Lane};
use super::pace::Ticket;
use super::tally::Counts;
use crate::api::grpc::wire::purser::{DecideRequest, Problem, Reason, decide_request};
use crate::cli::client::{Stream, causes};
use crate::domain::Credits;

const DECIDE: PathAndQuery = PathAndQuery::from_static("/purser.v1.Purser/Decide");

/// What is counted of a `DecideResponse`. What of its fields is not here is passed over: to keep it would take as long as all else
/// that is done here for a decision.
#[derive(Clone, PartialEq, prost::Message)]
struct Counted {
    #[prost(uint64, tag = "1")]
    number: u64,
    #[prost(message, optional, tag = "2")]
    decision: Option<CountedDecision>,
    #[prost(message, optional, boxed, tag = "7")]
    problem: Option<Box<Problem>>,
}

/// What is counted of a `Decision`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct CountedDecision {
    #[prost(message, optional, tag = "2")]
    allow: Option<Allowed>,
    #[prost(message, optional, tag = "3")]
    denial: Option<CountedDenial>,
}

/// That it is there is all.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct Allowed {}

/// What is counted of a `Denial`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct CountedDenial {
    #[prost(enumeration = "Reason", tag = "1")]
    reason: i32,
}

/// A request as it is handed on: moving it some times would cost more than its box.
type Sent = Box<DecideRequest>;

/// What is in flight; a request's number on the stream is its place here, so that an answer finds it.
struct Flight {
    open: Vec<Option<(Ticket, Credits)>>,
    free: Vec<usize>,
}

impl Flight {
    fn new(size: usize) -> Self {
        Self { open: vec![None; size], free: (0..size).rev().collect() }
    }

    fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.free.len() == self.open.len()
    }

    fn put(&mut self, ticket: Ticket, credits: Credits) -> usize {
        let place = self.free.pop().expect("asked only where there is room");
        self.open[place] = Some((ticket, credits));
        place
    }

    /// `None` for a number that is not in flight.
    fn take(&mut self, number: u64) -> Option<(Ticket, Credits)> {
        let place = usize::try_from(number).ok()?;
        let taken = self.open.get_mut(place)?.take()?;
        self.free.push(place);
        Some(taken)
    }
}

/// Sends over one stream until nothing is due or it breaks.
pub(super) async fn session(lane: &Lane, io: Stream) -> Result<Ended, String> {
    let (_, mut client) = grpc::open(lane, io).await?;
    client.ready().await.map_err(|error| causes(&error))?;
    let (requests, sent) = mpsc::channel(lane.load.in_flight as usize);
    let opened = client.streaming(grpc::request(lane, ReceiverStream::new(sent)), DECIDE, ProstCodec::default());
    let mut answers = opened.await.map_err(|status| grpc::told(&status))?.into_inner();
    let mut flight = Flight::new(lane.load.in_flight as usize);
    let broke = exchange(lane, &requests, &mut answers, &mut flight).await;
    let Err(why) = broke else { return Ok(Ended::Done) };
    flight.open.iter().flatten().for_each(|(ticket, _)| lane.failed(*ticket, 1, &why));
    Ok(Ended::Broken)
}

/// Goes on until nothing is due and everything is answered.
async fn exchange(
    lane: &Lane,
    requests: &mpsc::Sender<Sent>,
    answers: &mut Streaming<Counted>,
    flight: &mut Flight,
) -> Result<(), String> {
    let mut over = false;
    while !over || !flight.is_empty() {
        tokio::select! {
            biased;
            ticket = lane.ticket(), if !over && !flight.is_full() => match ticket {
                Some(ticket) => send(lane, requests, ticket, flight)?,
                None => over = true,
            },
            answer = answers.message(), if !flight.is_empty() => read(lane, answer, flight)?,
        }
    }
    Ok(())
}

fn send(lane: &Lane, requests: &mpsc::Sender<Sent>, ticket: Ticket, flight: &mut Flight) -> Result<(), String> {
    for draw in lane.load.work.draws(ticket) {
        lane.begin(1);
        let number = flight.put(ticket, draw.credits) as u64;
        let request = Some(decide_request::Request::Debit(grpc::message(&draw)));
        // There is room: what waits there is in flight.
        requests
            .try_send(Box::new(DecideRequest { number, request }))
            .map_err(|_| "the stream has ended".to_owned())?;
    }
    Ok(())
}

fn read(lane: &Lane, answer: Result<Option<Counted>, tonic::Status>, flight: &mut Flight) -> Result<(), String> {
    let answer = answer.map_err(|status| grpc::told(&status))?.ok_or("the stream has ended")?;
    let Some((ticket, credits)) = flight.take(answer.number) else { return Ok(()) };
    lane.answered(ticket, 1, |counts| count(&answer, credits, counts));
    Ok(())
}

fn count(answer: &Counted, credits: Credits, counts: &mut Counts) {
    match (answer.decision, &answer.problem) {
        (Some(CountedDecision { allow: Some(_), .. }), _) => counts.allow(credits),
        (Some(CountedDecision { denial: Some(denial), .. }), _) => grpc::deny(denial.reason, counts),
        (Some(_), _) => counts.fail("an answer without a decision", 1),
        (None, Some(problem)) => counts.fail(&format!("{}: {}", problem.code, problem.detail), 1),
        (None, None) => counts.fail("an answer to something else", 1),
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::api::grpc::wire::purser::decide_response::Answer;
    use crate::api::grpc::wire::purser::{Allow, DecideResponse, Decision, Denial, Settled, decision};

    #[test]
    fn an_answer_is_counted_by_what_it_is() {
        let decision = |decision| Some(Answer::Decision(Decision { id: Some("d".to_owned()), decision }));
        let denial = Denial { reason: Reason::PoolExhausted.into(), member: "ana".to_owned(), ..Denial::default() };
        let problem = Problem { code: "id_reused".to_owned(), detail: "no".to_owned(), ..Problem::default() };
        let answers = [
            decision(Some(decision::Decision::Allow(Allow { credits_micros: 7, ..Allow::default() }))),
            decision(Some(decision::Decision::Allow(Allow::default()))),
            decision(Some(decision::Decision::Denial(denial))),
            decision(None),
            Some(Answer::Problem(problem)),
            Some(Answer::Settled(Settled::default())),
        ];
        let mut counts = Counts::default();
        for answer in answers {
            let bytes = DecideResponse { number: 300, answer }.encode_to_vec();
            let counted = Counted::decode(&*bytes).expect("is read");
            assert_eq!(counted.number, 300);
            count(&counted, Credits::ZERO, &mut counts);
        }
        assert_eq!((counts.allowed, counts.denied["pool_exhausted"]), (2, 1));
        let errors: Vec<&str> = counts.errors.keys().map(String::as_str).collect();
        assert_eq!(errors, ["an answer to something else", "an answer without a decision", "id_reused: no"]);
    }
}

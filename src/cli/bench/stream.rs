//! Debits on the gRPC stream `Decide`, one stream a connection: as many in flight as it is told.

use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tonic::Streaming;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic_prost::ProstCodec;

use super::grpc;
use super::lane::{Ended, Lane};
use super::pace::Ticket;
use crate::api::grpc::wire::purser::{DecideRequest, DecideResponse, decide_request, decide_response};
use crate::cli::client::{Stream, causes};
use crate::domain::Credits;

const DECIDE: PathAndQuery = PathAndQuery::from_static("/purser.v1.Purser/Decide");

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
    requests: &mpsc::Sender<DecideRequest>,
    answers: &mut Streaming<DecideResponse>,
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

fn send(
    lane: &Lane,
    requests: &mpsc::Sender<DecideRequest>,
    ticket: Ticket,
    flight: &mut Flight,
) -> Result<(), String> {
    for draw in lane.load.work.draws(ticket) {
        lane.begin(1);
        let number = flight.put(ticket, draw.credits) as u64;
        let request = Some(decide_request::Request::Debit(grpc::message(&draw)));
        // There is room: what waits there is in flight.
        requests.try_send(DecideRequest { number, request }).map_err(|_| "the stream has ended".to_owned())?;
    }
    Ok(())
}

fn read(lane: &Lane, answer: Result<Option<DecideResponse>, tonic::Status>, flight: &mut Flight) -> Result<(), String> {
    let answer = answer.map_err(|status| grpc::told(&status))?.ok_or("the stream has ended")?;
    let Some((ticket, credits)) = flight.take(answer.number) else { return Ok(()) };
    lane.answered(ticket, 1, |counts| match &answer.answer {
        Some(decide_response::Answer::Decision(decision)) => grpc::count(decision, credits, counts),
        Some(decide_response::Answer::Problem(problem)) => {
            counts.fail(&format!("{}: {}", problem.code, problem.detail), 1);
        }
        _ => counts.fail("an answer to something else", 1),
    });
    Ok(())
}

//! The messages of the stream `Decide` as they come and go: a request stays bytes, which are read where they lie, and an
//! allowed draw is written from what was decided. A message of the library would hold each text once more.

use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use prost_types::Timestamp as Time;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::backwards::Backwards;
use super::wire::purser::DecideResponse;
use super::wire::purser::decide_response::Answer;
use super::write;
use crate::domain::{Credits, Drawer, NAME_BYTES_MAX, OperationId, Payer, SubscriptionId, Timestamp};
use crate::engine::{self, Remaining};

/// More than an allowed draw can have: two names, eight numbers of ten bytes, and keys and lengths.
const ALLOWED_BYTES_MAX: usize = 2 * NAME_BYTES_MAX + 160;

/// How the messages of the stream are read and written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Messages;

/// The answer to one request.
#[derive(Debug)]
pub struct Response {
    /// The request's number.
    pub number: u64,
    /// What is answered.
    pub answer: Answered,
}

/// What is answered.
#[derive(Debug)]
pub enum Answered {
    /// A debit or a hold is allowed.
    Allowed(Allowed),
    /// Anything else.
    Other(Answer),
}

/// An allowed debit or hold: of what was decided what is told.
#[derive(Debug)]
pub struct Allowed {
    id: OperationId,
    credits: Credits,
    payer: Payer,
    subscription: SubscriptionId,
    expires_at: Option<Timestamp>,
    remaining: Remaining,
    replayed: bool,
    output_tokens: Option<u64>,
}

impl Allowed {
    /// With the id that the caller named; it pays for an answer of so many tokens.
    pub fn new(id: OperationId, allowed: engine::Allowed, output_tokens: Option<u64>) -> Self {
        let engine::Allowed { credits, drawer, expires_at, remaining, replayed, .. } = allowed;
        let Drawer { payer, subscription, .. } = drawer;
        Self { id, credits, payer, subscription, expires_at, remaining, replayed, output_tokens }
    }
}

impl Codec for Messages {
    type Encode = Response;
    type Decode = Bytes;
    type Encoder = Writer;
    type Decoder = Reader;

    fn encoder(&mut self) -> Writer {
        Writer([0; ALLOWED_BYTES_MAX])
    }

    fn decoder(&mut self) -> Reader {
        Reader
    }
}

/// Hands messages on.
#[derive(Debug)]
pub struct Reader;

impl Decoder for Reader {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}

/// Writes answers; the place is where one is made.
#[derive(Debug)]
pub struct Writer([u8; ALLOWED_BYTES_MAX]);

impl Encoder for Writer {
    type Item = Response;
    type Error = Status;

    fn encode(&mut self, Response { number, answer }: Response, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        match answer {
            Answered::Allowed(allowed) => to.put_slice(written(&mut self.0, number, &allowed)),
            Answered::Other(answer) => {
                let response = DecideResponse { number, answer: Some(answer) };
                response.encode(to).expect("the buffer grows");
            }
        }
        Ok(())
    }
}

/// The bytes of [`write::decision`] in a [`DecideResponse`].
fn written<'a>(place: &'a mut [u8], number: u64, allowed: &Allowed) -> &'a [u8] {
    let Allowed { id, credits, payer, subscription, expires_at, remaining, replayed, output_tokens } = allowed;
    let mut message = Backwards::new(place);
    message.part(2, |decision| {
        decision.part(2, |allow| {
            output_tokens.iter().for_each(|tokens| allow.number(7, *tokens));
            allow.number_but_zero(6, (*replayed).into());
            allow.part(5, |left| {
                left.number_but_zero(2, micros(remaining.payer));
                remaining.member.into_iter().for_each(|member| left.number(1, micros(member)));
            });
            expires_at.iter().for_each(|at| allow.part(4, |to| time(to, *at)));
            allow.text(3, subscription.as_bytes());
            allow.number(2, write::payer(*payer) as u64);
            allow.number_but_zero(1, micros(*credits));
        });
        decision.text(1, id.as_bytes());
    });
    message.number_but_zero(1, number);
    message.written()
}

fn time(to: &mut Backwards<'_>, at: Timestamp) {
    let Time { seconds, nanos } = write::time(at);
    to.number_but_zero(2, nanos as u64);
    to.number_but_zero(1, seconds as u64);
}

fn micros(credits: Credits) -> u64 {
    credits.micros() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UserId;
    use crate::engine::Drawn;

    #[test]
    fn an_allowed_draw_is_written_as_the_library_writes_it() {
        let credits = |micros| Credits::from_micros(micros).expect("an amount");
        let long = "x".repeat(128);
        for (name, most, number) in [("a", 0, 0), ("req-81", 1_250_000, 300), (&long, Credits::MAX.micros(), u64::MAX)]
        {
            for (at, payer) in [(None, Payer::Pool), (Timestamp::from_millis(1_764_288_000_123), Payer::Wallet)] {
                let id = OperationId::new(name).expect("an id");
                let allowed = engine::Allowed {
                    credits: credits(most),
                    drawer: Drawer {
                        team: None,
                        member: UserId::new("ana").expect("a name"),
                        payer,
                        subscription: SubscriptionId::new(name).expect("a name"),
                    },
                    expires_at: at,
                    rates: None,
                    remaining: Remaining { member: at.map(|_| credits(most)), payer: credits(most) },
                    replayed: at.is_some(),
                    seq: Some(7),
                };
                let output_tokens = at.map(|_| number);
                let decision = write::decision(Some(&id), Drawn::Allowed(allowed.clone()), output_tokens);
                let expected = DecideResponse { number, answer: Some(Answer::Decision(decision)) }.encode_to_vec();
                let mut place = [0; ALLOWED_BYTES_MAX];
                let allowed = Allowed::new(id, allowed, output_tokens);
                assert_eq!(written(&mut place, number, &allowed), expected, "{name} {at:?}");
            }
        }
    }
}

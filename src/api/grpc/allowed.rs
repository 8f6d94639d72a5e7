//! The answer to an allowed draw, written from what was decided: a message of the library would hold each text once more.

use bytes::{BufMut, BytesMut};
use prost_types::Timestamp as Time;

use super::backwards::Backwards;
use super::frames::PREFIX_BYTES;
use super::write;
use crate::domain::{Credits, NAME_BYTES_MAX, OperationId, Timestamp};
use crate::engine::Allowed;

/// More than an answer can have: two names, eight numbers of ten bytes, keys and lengths, and what comes before a message.
const BYTES_MAX: usize = 2 * NAME_BYTES_MAX + 160 + PREFIX_BYTES;

/// Writes the answer to a call, with its prefix; `id` is the one that the caller named. It pays for an answer of so many tokens.
pub fn write_decision(to: &mut BytesMut, id: &OperationId, allowed: &Allowed, output_tokens: Option<u64>) {
    let mut place = [0; BYTES_MAX];
    let mut message = Backwards::new(&mut place);
    decision(&mut message, id, allowed, output_tokens);
    to.put_slice(message.framed());
}

/// The same as the answer to a request of a stream, which has this number.
pub fn write_response(to: &mut BytesMut, number: u64, id: &OperationId, allowed: &Allowed, output_tokens: Option<u64>) {
    let mut place = [0; BYTES_MAX];
    let mut message = Backwards::new(&mut place);
    message.part(2, |to| decision(to, id, allowed, output_tokens));
    message.number_but_zero(1, number);
    to.put_slice(message.framed());
}

/// The bytes of [`write::decision`].
#[inline]
fn decision(message: &mut Backwards<'_>, id: &OperationId, allowed: &Allowed, output_tokens: Option<u64>) {
    let Allowed { credits, drawer, expires_at, remaining, replayed, .. } = allowed;
    message.part(2, |allow| {
        output_tokens.iter().for_each(|tokens| allow.number(7, *tokens));
        allow.number_but_zero(6, (*replayed).into());
        allow.part(5, |left| {
            left.number_but_zero(2, micros(remaining.payer));
            remaining.member.into_iter().for_each(|member| left.number(1, micros(member)));
        });
        expires_at.iter().for_each(|at| allow.part(4, |to| time(to, *at)));
        allow.text(3, drawer.subscription.as_bytes());
        allow.number(2, write::payer(drawer.payer) as u64);
        allow.number_but_zero(1, micros(*credits));
    });
    message.text(1, id.as_bytes());
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
    use prost::Message;

    use super::super::wire::purser::DecideResponse;
    use super::super::wire::purser::decide_response::Answer;
    use super::*;
    use crate::domain::{Drawer, Payer, SubscriptionId, UserId};
    use crate::engine::{Drawn, Remaining};

    fn framed(message: &impl Message) -> Vec<u8> {
        let bytes = message.encode_to_vec();
        [&[0], &(bytes.len() as u32).to_be_bytes()[..], &bytes].concat()
    }

    #[test]
    fn an_allowed_draw_is_written_as_the_library_writes_it() {
        let credits = |micros| Credits::from_micros(micros).expect("an amount");
        let long = "x".repeat(128);
        for (name, most, number) in [("a", 0, 0), ("req-81", 1_250_000, 300), (&long, Credits::MAX.micros(), u64::MAX)]
        {
            for (at, payer) in [(None, Payer::Pool), (Timestamp::from_millis(1_764_288_000_123), Payer::Wallet)] {
                let id = OperationId::new(name).expect("an id");
                let allowed = Allowed {
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
                let mut written = BytesMut::new();
                write_decision(&mut written, &id, &allowed, output_tokens);
                assert_eq!(*written, framed(&decision), "{name} {at:?}");
                let response = DecideResponse { number, answer: Some(Answer::Decision(decision)) };
                let mut written = BytesMut::new();
                write_response(&mut written, number, &id, &allowed, output_tokens);
                assert_eq!(*written, framed(&response), "{name} {at:?}");
            }
        }
    }
}

//! A request as most are: a debit or a hold, its texts read where they lie in the message. Every other message, and
//! what is wrong with one, is the library's to read.

use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint};

use super::read;
use super::wire::purser::{DrawRequest, Usage};
use crate::api::problem::Problem;
use crate::api::routes::asks::{Asked, Key};
use crate::api::state::App;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A debit.
    Debit,
    /// A hold.
    Hold,
}

impl Kind {
    /// What a draw of this kind asks.
    ///
    /// # Errors
    /// A field is missing or out of range.
    #[inline]
    pub fn asked(self, draw: Draw<'_>, app: &App) -> Result<Asked, Problem> {
        let body = read::draw(draw)?;
        match self {
            Self::Debit => body.debit(Key::default(), app),
            Self::Hold => body.hold(Key::default(), app),
        }
    }
}

/// The fields of [`DrawRequest`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Draw<'a> {
    pub id: Option<&'a str>,
    pub team: Option<&'a str>,
    pub member: &'a str,
    pub credits_micros: Option<i64>,
    pub usage: Option<Usage>,
    pub model: Option<&'a str>,
    pub ttl_ms: Option<u64>,
    pub min_credits_micros: Option<i64>,
}

impl<'a> From<&'a DrawRequest> for Draw<'a> {
    fn from(asked: &'a DrawRequest) -> Self {
        let DrawRequest { id, team, member, credits_micros, usage, model, ttl_ms, min_credits_micros } = asked;
        Self {
            id: id.as_deref(),
            team: team.as_deref(),
            member,
            credits_micros: *credits_micros,
            usage: *usage,
            model: model.as_deref(),
            ttl_ms: *ttl_ms,
            min_credits_micros: *min_credits_micros,
        }
    }
}

/// The number of a `DecideRequest` and what it draws; `None` for what is not plainly one.
pub fn read(mut message: &[u8]) -> Option<(u64, Kind, Draw<'_>)> {
    let (mut number, mut asked) = (0, None);
    while !message.is_empty() {
        match decode_key(&mut message).ok()? {
            (1, WireType::Varint) => number = decode_varint(&mut message).ok()?,
            (tag @ (2 | 3), WireType::LengthDelimited) if asked.is_none() => {
                let kind = if tag == 2 { Kind::Debit } else { Kind::Hold };
                asked = Some((kind, draw(part(&mut message)?)?));
            }
            _ => return None,
        }
    }
    asked.map(|(kind, draw)| (number, kind, draw))
}

/// The fields of a [`DrawRequest`]. Of a field that is there twice the last counts, but for messages, which are merged: that is left
/// to the library.
pub fn draw(mut message: &[u8]) -> Option<Draw<'_>> {
    let mut draw = Draw::default();
    while !message.is_empty() {
        match decode_key(&mut message).ok()? {
            (1, WireType::LengthDelimited) => draw.id = Some(text(&mut message)?),
            (2, WireType::LengthDelimited) => draw.team = Some(text(&mut message)?),
            (3, WireType::LengthDelimited) => draw.member = text(&mut message)?,
            (4, WireType::Varint) => draw.credits_micros = Some(decode_varint(&mut message).ok()? as i64),
            (5, WireType::LengthDelimited) if draw.usage.is_none() => {
                draw.usage = Some(Usage::decode(part(&mut message)?).ok()?);
            }
            (6, WireType::LengthDelimited) => draw.model = Some(text(&mut message)?),
            (7, WireType::Varint) => draw.ttl_ms = Some(decode_varint(&mut message).ok()?),
            (8, WireType::Varint) => draw.min_credits_micros = Some(decode_varint(&mut message).ok()? as i64),
            _ => return None,
        }
    }
    Some(draw)
}

fn text<'a>(message: &mut &'a [u8]) -> Option<&'a str> {
    str::from_utf8(part(message)?).ok()
}

/// The bytes of a field behind their length.
fn part<'a>(message: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = decode_varint(message).ok()?;
    let (part, rest) = message.split_at_checked(usize::try_from(len).ok()?)?;
    *message = rest;
    Some(part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::grpc::wire::purser::DecideRequest;
    use crate::api::grpc::wire::purser::decide_request::Request;

    fn asked() -> DrawRequest {
        DrawRequest {
            id: Some("req-81".to_owned()),
            team: Some("acme".to_owned()),
            member: "ana".to_owned(),
            credits_micros: Some(-1),
            usage: Some(Usage { input_tokens: 812, images: Some(0), ..Usage::default() }),
            model: Some("gpt-4o".to_owned()),
            ttl_ms: Some(u64::MAX),
            min_credits_micros: Some(0),
        }
    }

    fn bytes(number: u64, request: Option<Request>) -> Vec<u8> {
        DecideRequest { number, request }.encode_to_vec()
    }

    #[test]
    fn draws_are_read_as_the_library_reads_them() {
        for asked in [asked(), DrawRequest::default(), DrawRequest { usage: None, ..asked() }] {
            let debit = bytes(7, Some(Request::Debit(asked.clone())));
            assert_eq!(read(&debit), Some((7, Kind::Debit, Draw::from(&asked))));
            let hold = bytes(0, Some(Request::Hold(asked.clone())));
            assert_eq!(read(&hold), Some((0, Kind::Hold, Draw::from(&asked))));
        }
    }

    #[test]
    fn what_is_no_plain_draw_is_left_to_the_library() {
        let debit = bytes(7, Some(Request::Debit(asked())));
        let others = [
            bytes(7, Some(Request::Check(asked()))),
            bytes(7, None),
            Vec::new(),
            // Merged.
            [debit.clone(), bytes(7, Some(Request::Debit(DrawRequest::default())))].concat(),
            [debit.clone(), bytes(7, Some(Request::Hold(asked())))].concat(),
            // A field of a later version, and one of another type.
            [debit.clone(), vec![0x78, 1]].concat(),
            [debit.clone(), vec![0x0a, 0]].concat(),
            // The member is no UTF-8.
            vec![0x12, 3, 0x1a, 1, 0xff],
        ];
        others.iter().for_each(|message| assert_eq!(read(message), None, "{message:02x?}"));
        (1..debit.len()).for_each(|end| assert!(read(&debit[..end]).is_none_or(|read| read.0 == 7)));
    }

    proptest! {
        /// Whatever is read here the library reads, and reads the same.
        #[test]
        fn nothing_is_read_otherwise(
            cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            end in any::<prop::sample::Index>(),
        ) {
            let mut message = bytes(300, Some(Request::Debit(asked())));
            cuts.iter().for_each(|(at, byte)| *at.get_mut(&mut message) = *byte);
            message.truncate(end.index(message.len() + 1));
            if let Some((number, kind, draw)) = read(&message) {
                let read = DecideRequest::decode(&*message).expect("is one");
                let (library_kind, request) = match read.request.as_ref().expect("a request") {
                    Request::Debit(asked) => (Kind::Debit, asked),
                    Request::Hold(asked) => (Kind::Hold, asked),
                    other => panic!("{other:?}"),
                };
                prop_assert_eq!((read.number, library_kind, Draw::from(request)), (number, kind, draw));
            }
        }
    }
}

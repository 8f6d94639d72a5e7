//! One request, by whatever way it came: as a call of its own or on a stream.

use super::wire::purser::decide_request::Request;
use super::wire::purser::decide_response::Answer;
use super::{read, write};
use crate::api::problem::Problem;
use crate::api::routes::asks::{Asked, Key};
use crate::api::routes::decisions::{Turn, drawn, looked};
use crate::api::routes::ends;

/// Decides it, or ends or undoes what was decided.
pub async fn answer(turn: Turn<'_>, asked: Request) -> Result<Answer, Problem> {
    Ok(match asked {
        Request::Debit(asked) => draw(turn, &read::draw(&asked)?.debit(Key::default(), turn.app)?).await?,
        Request::Hold(asked) => draw(turn, &read::draw(&asked)?.hold(Key::default(), turn.app)?).await?,
        Request::Check(asked) => {
            let (asked, id) = read::draw(&asked)?.check(Key::default(), turn.app)?;
            let (drawn, output_tokens) = looked(turn, &asked).await?;
            Answer::Decision(write::decision(id.as_ref(), drawn, output_tokens))
        }
        Request::Settle(asked) => {
            let (id, asked) = read::settle(asked)?;
            Answer::Settled(write::settled(ends::settle(turn, &id.0, asked).await?))
        }
        Request::Release(asked) => {
            let (id, asked) = read::release(asked)?;
            Answer::Released(write::released(&ends::release(turn, &id.0, asked).await?))
        }
        Request::Extend(asked) => {
            let (id, asked) = read::extend(asked)?;
            Answer::Extended(write::extended(&ends::extend(turn, &id.0, asked).await?))
        }
        Request::Refund(asked) => {
            let (debit, asked) = read::refund(asked)?;
            Answer::Refunded(write::refunded(&ends::refund(turn, &debit.0, Key::default(), asked).await?))
        }
    })
}

async fn draw(turn: Turn<'_>, asked: &Asked) -> Result<Answer, Problem> {
    let (drawn, output_tokens) = drawn(turn, asked).await?;
    Ok(Answer::Decision(write::decision(Some(&asked.draw.id), drawn, output_tokens)))
}

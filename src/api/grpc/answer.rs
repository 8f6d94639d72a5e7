//! One request, by whatever way it came: as a call of its own or on a stream.

use super::wire::purser::decide_request::Request;
use super::wire::purser::decide_response::Answer;
use super::{read, write};
use crate::api::problem::Problem;
use crate::api::routes::asks::Key;
use crate::api::routes::decisions::{Turn, drawn, looked};
use crate::api::routes::ends;
use crate::engine::Draw;

/// Decides it, or ends or undoes what was decided.
pub async fn answer(turn: Turn<'_>, asked: Request) -> Result<Answer, Problem> {
    Ok(match asked {
        Request::Debit(asked) => draw(turn, &read::draw(asked)?.debit(Key::default())?).await?,
        Request::Hold(asked) => draw(turn, &read::draw(asked)?.hold(Key::default(), turn.app)?).await?,
        Request::Check(asked) => {
            let (draw, id) = read::draw(asked)?.check(Key::default(), turn.app)?;
            Answer::Decision(write::decision(id.as_ref(), looked(turn, &draw).await?))
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

async fn draw(turn: Turn<'_>, draw: &Draw) -> Result<Answer, Problem> {
    let drawn = drawn(turn, draw).await?;
    Ok(Answer::Decision(write::decision(Some(&draw.id), drawn)))
}

//! How the rows of a batch are answered. Most are plain draws, which are read where they lie and decided without a future.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answers::{ANSWER_BYTES, write};
use super::asks::{Asked, DrawBody, ExtendBody, Key, RefundBody, ReleaseBody, SettleBody, TtlMillis, UsageField};
use super::decisions::{Turn, drawn_lent, drawn_now, look};
use super::ended::{ExtendedBody, RefundedBody, ReleasedBody, SettledBody};
use super::openapi::ProblemBody;
use super::{ends, plain_answer, plain_draw};
use crate::api::json::{Fault, read};
use crate::api::problem::Problem;
use crate::api::wire::{Amount, AskedAmount, KnownOp, Op, WireModel, WireOperation, WireTeam, WireUser};
use crate::domain::{OperationId, SubscriptionId, Timestamp};
use crate::engine::Drawn;
use crate::service::Together;

/// Settles a hold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettleRow {
    /// The hold.
    pub id: WireOperation,
    /// The team that the hold named.
    pub team: Option<WireTeam>,
    /// Who held; needed where no team was named.
    pub member: Option<WireUser>,
    /// The real cost; `usage` may be there instead.
    #[schema(value_type = Option<AskedAmount>)]
    pub credits: Option<Amount>,
    /// What the rate card prices, as it stood when the hold was given.
    pub usage: Option<UsageField>,
    /// For which model usage is priced where the hold named none, or is not known here; else the hold's counts.
    pub model: Option<WireModel>,
}

/// Releases a hold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRow {
    /// The hold.
    pub id: WireOperation,
    /// The team that the hold named.
    pub team: Option<WireTeam>,
    /// Who held; needed where no team was named.
    pub member: Option<WireUser>,
}

/// Extends a hold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtendRow {
    /// The hold.
    pub id: WireOperation,
    /// The team that the hold named.
    pub team: Option<WireTeam>,
    /// Who held; needed where no team was named.
    pub member: Option<WireUser>,
    /// How long it stays open from now.
    pub ttl_ms: TtlMillis,
}

/// Refunds a debit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundRow {
    /// The debit.
    pub debit: WireOperation,
    /// The refund's own id, needed with `credits`.
    pub id: Option<WireOperation>,
    /// The team that the debit named.
    pub team: Option<WireTeam>,
    /// Who drew; needed where no team was named.
    pub member: Option<WireUser>,
    /// How much; all that is left when left out.
    #[schema(value_type = Option<AskedAmount>)]
    pub credits: Option<Amount>,
}

/// A row that draws, or asks what that would be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DrawOp {
    Debit,
    Hold,
    Check,
}

impl FromStr for DrawOp {
    type Err = ();

    fn from_str(op: &str) -> Result<Self, ()> {
        match op {
            "debit" => Ok(Self::Debit),
            "hold" => Ok(Self::Hold),
            "check" => Ok(Self::Check),
            _ => Err(()),
        }
    }
}

/// A draw that is short of a lease of this subscription.
pub type Short = (Box<Asked>, SubscriptionId);

/// What is left of a row that was not answered at once.
pub enum Later {
    /// What it draws is to be lent.
    Lent(Short),
    /// All of it: nothing was done.
    Row,
}

/// The rows of one batch, as far as they are answered.
pub struct Rows<'a> {
    turn: Turn<'a>,
    /// As of when is decided what is decided at once.
    now: Timestamp,
    /// How much that was so far.
    draws: usize,
    /// The bodies of answers, one for each row.
    answers: Vec<u8>,
}

impl<'a> Rows<'a> {
    /// None yet of so many.
    pub fn new(turn: Turn<'a>, rows: usize) -> Self {
        let mut answers = Vec::with_capacity(ANSWER_BYTES + rows * ANSWER_BYTES);
        answers.extend_from_slice(br#"{"results":["#);
        Self { turn, now: turn.app.service.clock().now(), draws: 0, answers }
    }

    /// Answers a row that draws and is plain, as most are, without a future.
    pub fn begin(&mut self, at: usize, row: &str) -> Option<Later> {
        let begun = match plain_draw::row(row) {
            Some((DrawOp::Debit, body)) => self.debit(body),
            Some((DrawOp::Hold, body)) => self.hold(body),
            Some((DrawOp::Check, _)) | None => return Some(Later::Row),
        };
        let short = begun.unwrap_or_else(|problem| {
            self.refuse(at, problem);
            None
        });
        short.map(Later::Lent)
    }

    /// Answers what is left of a row.
    pub async fn go_on(&mut self, at: usize, row: &str, later: Later) {
        let answered = match later {
            Later::Lent(short) => self.lent(short).await,
            Later::Row => self.any(row).await,
        };
        answered.unwrap_or_else(|problem| self.refuse(at, problem));
    }

    /// The answers, and how many draws were decided at once.
    pub fn end(mut self) -> (Vec<u8>, usize) {
        self.answers.extend_from_slice(b"]}");
        (self.answers, self.draws)
    }

    fn debit(&mut self, body: DrawBody) -> Result<Option<Short>, Problem> {
        self.draw(body.debit(Key::default(), self.turn.app)?)
    }

    fn hold(&mut self, body: DrawBody) -> Result<Option<Short>, Problem> {
        self.draw(body.hold(Key::default(), self.turn.app)?)
    }

    fn draw(&mut self, asked: Asked) -> Result<Option<Short>, Problem> {
        match drawn_now(self.turn, &asked, self.now)? {
            (Drawn::Short(subscription), _) => Ok(Some((Box::new(asked), subscription))),
            (drawn, output_tokens) => {
                self.draws += 1;
                self.put_drawn(asked.draw.id, drawn, output_tokens);
                Ok(None)
            }
        }
    }

    async fn lent(&mut self, (asked, subscription): Short) -> Result<(), Problem> {
        let drawn = drawn_lent(self.turn, &asked, subscription).await;
        self.now = self.turn.app.service.clock().now();
        let (drawn, output_tokens) = drawn?;
        self.put_drawn(asked.draw.id, drawn, output_tokens);
        Ok(())
    }

    /// Answers any row. One that draws is read once, where nothing is wrong with it.
    async fn any(&mut self, row: &str) -> Result<(), Problem> {
        let (op, body) = match serde_json::from_str(row) {
            Ok(KnownOp { op, body }) => (op, body),
            Err(_) => match &*Op::kind(row)? {
                op @ ("debit" | "hold" | "check") => {
                    (op.parse().expect("it is one of those"), read::<Op<DrawBody>>(row)?.0)
                }
                op => return self.end_of_draw(op, row).await,
            },
        };
        let short = match op {
            DrawOp::Debit => self.debit(body)?,
            DrawOp::Hold => self.hold(body)?,
            DrawOp::Check => {
                let (asked, id) = body.check(Key::default(), self.turn.app)?;
                let answer = look(self.turn, asked, id).await?;
                self.put(&answer);
                None
            }
        };
        match short {
            Some(short) => self.lent(short).await,
            None => Ok(()),
        }
    }

    /// Answers a row that ends or undoes a draw, or says what is wrong with it.
    async fn end_of_draw(&mut self, op: &str, row: &str) -> Result<(), Problem> {
        let turn = self.turn;
        match op {
            "settle" => {
                let Op(SettleRow { id, team, member, credits, usage, model }) = read(row)?;
                let asked = SettleBody { team, member, credits, usage, model };
                self.put(&SettledBody::from(ends::settle(turn, &id.0, asked).await?));
            }
            "release" => {
                let Op(ReleaseRow { id, team, member }) = read(row)?;
                self.put(&ReleasedBody::from(ends::release(turn, &id.0, ReleaseBody { team, member }).await?));
            }
            "extend" => {
                let Op(ExtendRow { id, team, member, ttl_ms }) = read(row)?;
                let asked = ExtendBody { team, member, ttl_ms };
                self.put(&ExtendedBody::from(ends::extend(turn, &id.0, asked).await?));
            }
            "refund" => {
                let Op(RefundRow { debit, id, team, member, credits }) = read(row)?;
                let asked = RefundBody { id, team, member, credits };
                self.put(&RefundedBody::from(ends::refund(turn, &debit.0, Key::default(), asked).await?));
            }
            _ => {
                let what = "must be one of debit, hold, check, settle, release, extend, refund";
                return Err(Fault::invalid(what).in_field("op").into());
            }
        }
        Ok(())
    }

    fn put(&mut self, answer: &impl Serialize) {
        self.next();
        write(&mut self.answers, answer);
    }

    fn put_drawn(&mut self, id: OperationId, drawn: Drawn, output_tokens: Option<u64>) {
        self.turn.together.into_iter().for_each(|together| together.join(&Together::of(&drawn)));
        self.next();
        plain_answer::put(&mut self.answers, id, drawn, output_tokens);
    }

    /// A problem of a row, with its field seen from the whole body.
    fn refuse(&mut self, at: usize, problem: Problem) {
        let pointer = format!("/ops/{at}{}", problem.pointer.as_deref().unwrap_or_default());
        self.put(&ProblemBody::from(&problem.at(pointer)));
    }

    fn next(&mut self) {
        if self.answers.last() != Some(&b'[') {
            self.answers.push(b',');
        }
    }
}

//! One request of a demo: how it goes out, what its answer says, and what follows.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response};
use serde::Deserialize;
use serde_json::json;

use super::job::{Direction, Draw, Job, Then, Who};
use super::tally::{Kind, Outcome, Tally};
use crate::api::wire::Amount;
use crate::cli::client::{Ask, Client, ClientError, Problem, encoded};
use crate::cli::town::Town;
use crate::domain::Credits;

/// How long a member stays opted out.
const OPTED_OUT: Duration = Duration::from_millis(1_500);

/// Sends requests of a town's members.
#[derive(Clone, Debug)]
pub(super) struct Performer {
    pub(super) client: Client,
    pub(super) town: Arc<Town>,
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Answered(Result<Response<Bytes>, ClientError>);

#[derive(Debug, Deserialize)]
struct Decision {
    decision: String,
    credits: Option<Amount>,
    payer: Option<String>,
    #[serde(default)]
    replayed: bool,
    denial: Option<Denial>,
}

#[derive(Debug, Deserialize)]
struct Denial {
    reason: String,
}

#[derive(Debug, Deserialize)]
struct Settled {
    charged: Amount,
    debt: Option<Amount>,
    #[serde(default)]
    late: bool,
}

impl Performer {
    /// Sends one request.
    pub(super) async fn perform(&self, job: &Job) -> (Kind, Answered) {
        let (kind, ask) = self.ask(job);
        (kind, Answered(self.client.send(&ask).await))
    }

    fn ask(&self, job: &Job) -> (Kind, Ask) {
        let of_team = |draw: &Draw| self.team(draw.who);
        match job {
            Job::Draw(draw) | Job::Again(draw, _) => self.draw(draw),
            Job::Settle(draw, credits) => {
                let body = json!({ "team": of_team(draw), "credits": credits.to_string() });
                (Kind::Settle, post(format!("/v1/holds/{}/settle", encoded(&draw.id))).json(&body))
            }
            Job::Release(draw) => {
                let body = json!({ "team": of_team(draw) });
                (Kind::Release, post(format!("/v1/holds/{}/release", encoded(&draw.id))).json(&body))
            }
            Job::Refund(draw, credits) => {
                let body = match credits {
                    Some(credits) => {
                        json!({ "team": of_team(draw), "id": format!("{}-back", draw.id), "credits": credits.to_string() })
                    }
                    None => json!({ "team": of_team(draw) }),
                };
                (Kind::Refund, post(format!("/v1/debits/{}/refund", encoded(&draw.id))).json(&body))
            }
            Job::Opt(who, direction) => {
                let member = self.member(*who);
                let path = format!("/v1/teams/{}/members/{}", encoded(self.team(*who)), encoded(&member));
                let body = json!({ "opted_out": *direction == Direction::Out });
                (Kind::Control, Ask::new(Method::PATCH, path).json(&body).actor(&member))
            }
        }
    }

    fn draw(&self, draw: &Draw) -> (Kind, Ask) {
        let mut body = json!({
            "id": draw.id,
            "team": self.team(draw.who),
            "member": self.member(draw.who),
            "credits": draw.credits.to_string(),
            "model": draw.model,
        });
        if let Then::Abandon { ttl } = draw.then {
            body["ttl_ms"] = json!(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        }
        if draw.is_hold() {
            return (Kind::Hold, post("/v1/holds".to_owned()).json(&body));
        }
        (Kind::Debit, post("/v1/debits".to_owned()).json(&body))
    }

    fn team(&self, who: Who) -> &str {
        &self.town.teams[who.team].id
    }

    fn member(&self, who: Who) -> String {
        let team = &self.town.teams[who.team];
        who.member.map_or_else(|| format!("{}-nobody", team.id), |member| team.members[member].id.clone())
    }
}

fn post(path: String) -> Ask {
    Ask::new(Method::POST, path)
}

impl Answered {
    /// Counts the answer, and says what follows it after how long.
    pub(super) fn count(self, job: &Job, tally: &mut Tally) -> Vec<(Duration, Job)> {
        let answer = match self.0 {
            Ok(answer) if answer.status().is_success() => answer.into_body(),
            Ok(refused) => {
                let code = serde_json::from_slice(refused.body()).map(|problem: Problem| problem.code);
                *tally.refused.entry(code.unwrap_or_else(|_| refused.status().to_string())).or_default() += 1;
                return Vec::new();
            }
            Err(why) => {
                *tally.unanswered.entry(why.to_string()).or_default() += 1;
                return Vec::new();
            }
        };
        let counted = match job {
            Job::Draw(draw) => decided(draw, &answer, tally),
            Job::Again(_, first) => repeated(*first, &answer, tally),
            Job::Settle(draw, _) => settled(draw, &answer, tally),
            Job::Release(draw) => {
                tally.ends.entry("released").or_default().add(draw.credits);
                Ok(Vec::new())
            }
            Job::Refund(draw, credits) => {
                tally.ends.entry("refunded").or_default().add(credits.unwrap_or(draw.credits));
                Ok(Vec::new())
            }
            Job::Opt(who, Direction::Out) => Ok(vec![(OPTED_OUT, Job::Opt(*who, Direction::BackIn))]),
            Job::Opt(_, Direction::BackIn) => Ok(Vec::new()),
        };
        counted.unwrap_or_else(|error: serde_json::Error| {
            *tally.unanswered.entry(format!("an answer that cannot be read: {error}")).or_default() += 1;
            Vec::new()
        })
    }
}

type Counted = Result<Vec<(Duration, Job)>, serde_json::Error>;

fn decided(draw: &Arc<Draw>, answer: &[u8], tally: &mut Tally) -> Counted {
    let decision: Decision = serde_json::from_slice(answer)?;
    let why = decision.denial.map(|denial| denial.reason).or(decision.payer).unwrap_or_default();
    let allowed =
        (decision.decision == "allow").then(|| decision.credits.map_or(draw.credits, |Amount(credits)| credits));
    let call = if draw.is_hold() { Kind::Hold.as_str() } else { Kind::Debit.as_str() };
    let outcome = Outcome { call, decision: decision.decision, why };
    tally.decisions.entry(outcome).or_default().add(allowed.unwrap_or(draw.credits));
    if let (Some(allowed), Then::Abandon { .. }) = (allowed, draw.then) {
        tally.ends.entry("abandoned").or_default().add(allowed);
    }
    Ok(allowed.map(|allowed| draw.follow_ups(allowed)).unwrap_or_default())
}

fn repeated(first: Credits, answer: &[u8], tally: &mut Tally) -> Counted {
    let again: Decision = serde_json::from_slice(answer)?;
    let same =
        again.replayed && again.decision == "allow" && again.credits.is_none_or(|Amount(credits)| credits == first);
    if same {
        tally.repeats += 1;
    } else {
        tally.contradictions += 1;
    }
    Ok(Vec::new())
}

fn settled(draw: &Draw, answer: &[u8], tally: &mut Tally) -> Counted {
    let Settled { charged: Amount(charged), debt, late } = serde_json::from_slice(answer)?;
    let how = match (late, charged.cmp(&draw.credits)) {
        (true, _) => "settled late",
        (false, std::cmp::Ordering::Less) => "settled below the estimate",
        (false, std::cmp::Ordering::Equal) => "settled at the estimate",
        (false, std::cmp::Ordering::Greater) => "settled above the estimate",
    };
    tally.ends.entry(how).or_default().add(charged);
    if let Some(Amount(debt)) = debt.filter(|Amount(debt)| !debt.is_zero()) {
        tally.debt.add(debt);
    }
    Ok(Vec::new())
}

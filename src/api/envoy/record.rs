//! Descriptors that name no hold: whom they charge, and with what, as `[envoy.descriptors]` says.
//!
//! One with hits charges what was used, above every limit too, because it was used. One without only asks whether anything is left, as
//! Envoy does before a request where the limit is one on tokens.

use std::collections::BTreeMap;

use super::used::{Used, hits, missing};
use crate::api::grpc::wire::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use crate::api::json::Fault;
use crate::api::problem::{Code, Problem};
use crate::api::routes::answers::{Decision, DenialBody};
use crate::api::routes::asks::{DrawBody, Key, only_itself};
use crate::api::routes::authorize::new_id;
use crate::api::routes::decisions::{self, Turn};
use crate::api::routes::faults::unpriced;
use crate::api::wire::{Amount, Text, Wire, WireModel, WireTeam, WireUser};
use crate::config::{Descriptor, Part, Unit};
use crate::domain::{Credits, Denial, Reason};
use crate::service::{self, EndError, Unrecorded};

/// The least that can be left.
const LEAST: i64 = 1;

/// Who is charged or asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whose {
    team: Option<WireTeam>,
    member: WireUser,
    model: Option<WireModel>,
}

/// What descriptors of one request say of one payer and model.
#[derive(Clone, Debug)]
pub struct Record {
    /// Of whom.
    pub whose: Whose,
    /// What was used; nothing: it is only asked whether anything is left.
    used: Used,
    /// The descriptors' places.
    pub rows: Vec<usize>,
}

/// What a descriptor means.
pub fn meant(
    descriptor: &RateLimitDescriptor,
    of_all: u32,
    rules: &BTreeMap<String, Descriptor>,
) -> Result<(Whose, Unit, Option<u64>), Fault> {
    let fits = |rule: &&Descriptor| {
        let has = |key: &str, value: Option<&String>| {
            descriptor.entries.iter().any(|entry| entry.key == key && value.is_none_or(|value| entry.value == *value))
        };
        rule.entries.iter().all(|entry| has(&entry.key, entry.value.as_ref()))
    };
    let rule = rules.values().find(fits).ok_or_else(|| {
        let what = "is missing, and no section of [envoy.descriptors] says what the descriptor means";
        Fault::new(Code::MissingField, what).in_field("id")
    })?;
    let whose = Whose {
        team: part("team", &rule.team, descriptor)?,
        member: part("member", &rule.member, descriptor)?.ok_or_else(|| missing("member"))?,
        model: part("model", &rule.model, descriptor)?,
    };
    Ok((whose, rule.unit, hits(descriptor, of_all)))
}

fn part<T: Text>(
    field: &'static str,
    places: &[Part],
    descriptor: &RateLimitDescriptor,
) -> Result<Option<Wire<T>>, Fault> {
    let entry = |key: &str| descriptor.entries.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
    let text = places.iter().find_map(|place| match place {
        Part::Entry(key) => entry(key),
        Part::Text(text) => Some(text.as_str()),
    });
    let read = |text| T::read(text).map(Wire).map_err(|error| Fault::invalid(error.to_string()).in_field(field));
    text.map(read).transpose()
}

impl Record {
    /// Of whom nothing is known yet.
    pub fn of(whose: Whose) -> Self {
        Self { whose, used: Used::default(), rows: Vec::new() }
    }

    /// Takes in what the descriptor at this place says. No hits, or none that are charged, only ask.
    pub fn take(&mut self, row: usize, unit: Unit, hits: Option<u64>) {
        self.rows.push(row);
        if let Some(hits) = hits.filter(|hits| *hits > 0) {
            self.used.count(unit, hits);
        }
    }

    /// Charges what was used, or else asks whether anything is left; why not, if not.
    pub async fn answer(&self, turn: Turn<'_>) -> Result<Option<DenialBody>, Problem> {
        if self.used.is_nothing() {
            return self.ask(turn).await;
        }
        let Whose { team, member, model } = self.whose.clone();
        only_itself(turn.caller, &member.0)?;
        let (team, member, model) = (team.map(|team| team.0), member.0, model.map(|model| model.0));
        let used = service::Used { id: new_id(), team, member, model: model.clone(), cost: self.used.cost()? };
        turn.app.service.record(used).await.map_err(|why| match why {
            Unrecorded::Denied(denial) => denied(&denial),
            Unrecorded::End(EndError::Unpriced(why)) => unpriced(why, model.as_ref()),
            Unrecorded::End(error) => error.into(),
        })?;
        Ok(None)
    }

    async fn ask(&self, turn: Turn<'_>) -> Result<Option<DenialBody>, Problem> {
        let Whose { team, member, model } = self.whose.clone();
        let credits = Credits::from_micros(LEAST).map(Amount);
        let body = DrawBody { id: None, team, member, credits, usage: None, model, ttl_ms: None, min_credits: None };
        let (asked, id) = body.check(Key::default(), turn.app)?;
        Ok(match decisions::look(turn, asked, id).await? {
            Decision::Allow(_) => None,
            Decision::Deny(deny) => Some(deny.denial),
        })
    }
}

/// Nobody can be charged, or not now.
fn denied(denial: &Denial) -> Problem {
    let code = if denial.reason == Reason::Unavailable { Code::Unavailable } else { Code::NotFound };
    Problem::new(code, format!("Nothing is charged: {denial}"))
}

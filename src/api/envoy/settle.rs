//! The end of a request that `ext_authz` let through with a hold. Envoy's filter `ratelimit` tells it once the request is over,
//! whichever way that went: a descriptor for each amount that was found in the answer, and one that is always there.

use tonic::{Request, Response, Status};

use crate::api::auth::Caller;
use crate::api::grpc::GUARDED;
use crate::api::grpc::answer::answer;
use crate::api::grpc::wire::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use crate::api::grpc::wire::envoy::service::ratelimit::v3::rate_limit_response::{Code as Limit, DescriptorStatus};
use crate::api::grpc::wire::envoy::service::ratelimit::v3::rate_limit_service_server::RateLimitService;
use crate::api::grpc::wire::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use crate::api::grpc::wire::purser::decide_request::Request as Asked;
use crate::api::grpc::wire::purser::{ReleaseRequest, SettleRequest, Usage};
use crate::api::json::Fault;
use crate::api::problem::{Code, Problem};
use crate::api::routes::decisions::Turn;
use crate::api::state::App;

/// Ends holds for Envoy.
pub struct Settling {
    app: App,
}

impl Settling {
    /// Ends what this state has held.
    pub fn new(app: App) -> Self {
        Self { app }
    }

    async fn end(&self, turn: Turn<'_>, over: Over) -> Result<(), Problem> {
        match over.end {
            End::Settle { credits_micros, usage } => {
                let Over { id, team, member, .. } = over;
                let settle = SettleRequest { id, team, member, credits_micros, usage, ..SettleRequest::default() };
                answer(turn, Asked::Settle(settle)).await?;
            }
            End::Release => {
                let Over { id, team, member, .. } = over;
                answer(turn, Asked::Release(ReleaseRequest { id, team, member })).await?;
            }
            End::Expire => self.app.service.metrics().holds.untold.increment(1),
        }
        Ok(())
    }
}

#[tonic::async_trait]
impl RateLimitService for Settling {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        let (_, extensions, asked) = request.into_parts();
        let caller = extensions.get::<Caller>().expect(GUARDED);
        let turn = Turn::alone(&self.app, caller);
        let statuses = vec![DescriptorStatus { code: Limit::Ok.into() }; asked.descriptors.len()];
        for over in read(&asked).map_err(Problem::from)? {
            self.end(turn, over).await?;
        }
        Ok(Response::new(RateLimitResponse { overall_code: Limit::Ok.into(), statuses }))
    }
}

/// A hold whose request is over.
#[derive(Clone, Debug, PartialEq)]
struct Over {
    id: String,
    team: Option<String>,
    member: Option<String>,
    end: End,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq)]
enum End {
    /// Its call told what it has used.
    Settle { credits_micros: Option<i64>, usage: Option<Usage> },
    /// Its call failed, or its caller left, before that was told.
    Release,
    /// Its call was answered and told nothing.
    Expire,
}

impl Over {
    fn of(id: &str) -> Self {
        Self { id: id.to_owned(), team: None, member: None, end: End::Expire }
    }

    /// Takes in what one descriptor says.
    fn take(&mut self, descriptor: &RateLimitDescriptor, hits_addend: u32) -> Result<(), Fault> {
        for entry in &descriptor.entries {
            match entry.key.as_str() {
                "team" => self.team = Some(entry.value.clone()),
                "member" => self.member = Some(entry.value.clone()),
                "unit" => {
                    let of_all = (hits_addend > 0).then_some(u64::from(hits_addend));
                    let amount = descriptor.hits_addend.or(of_all).ok_or_else(|| missing("hits_addend"))?;
                    self.count(&entry.value, amount)?;
                }
                "outcome" if entry.value == "failed" && self.end == End::Expire => self.end = End::Release,
                _ => {}
            }
        }
        Ok(())
    }

    fn count(&mut self, unit: &str, amount: u64) -> Result<(), Fault> {
        let (mut credits_micros, mut usage) = match self.end {
            End::Settle { credits_micros, usage } => (credits_micros, usage),
            _ => (None, None),
        };
        match unit {
            "micro_credits" => credits_micros = Some(i64::try_from(amount).unwrap_or(i64::MAX)),
            "input_tokens" => usage.get_or_insert_default().input_tokens = amount,
            "cached_input_tokens" => usage.get_or_insert_default().cached_input_tokens = Some(amount),
            "output_tokens" => usage.get_or_insert_default().output_tokens = Some(amount),
            _ => {
                let what = "must be micro_credits, input_tokens, cached_input_tokens or output_tokens";
                return Err(Fault::invalid(what).in_field("unit"));
            }
        }
        self.end = End::Settle { credits_micros, usage };
        Ok(())
    }
}

/// What is over, by the id that each descriptor names.
fn read(asked: &RateLimitRequest) -> Result<Vec<Over>, Fault> {
    let mut all: Vec<Over> = Vec::new();
    for (row, descriptor) in asked.descriptors.iter().enumerate() {
        let id = descriptor.entries.iter().find(|entry| entry.key == "id").map(|entry| entry.value.as_str());
        let taken = id.ok_or_else(|| missing("id")).and_then(|id| {
            let at = all.iter().position(|over| over.id == id).unwrap_or_else(|| {
                all.push(Over::of(id));
                all.len() - 1
            });
            all[at].take(descriptor, asked.hits_addend)
        });
        taken.map_err(|fault| fault.in_row(row).in_field("descriptors"))?;
    }
    Ok(all)
}

fn missing(what: &'static str) -> Fault {
    Fault::new(Code::MissingField, "is missing").in_field(what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::grpc::wire::envoy::extensions::common::ratelimit::v3::rate_limit_descriptor::Entry;

    fn descriptor(entries: &[(&str, &str)], hits_addend: Option<u64>) -> RateLimitDescriptor {
        let entry = |(key, value): &(&str, &str)| Entry { key: (*key).to_owned(), value: (*value).to_owned() };
        RateLimitDescriptor { entries: entries.iter().map(entry).collect(), hits_addend }
    }

    fn ends(descriptors: Vec<RateLimitDescriptor>) -> Result<Vec<(String, End)>, String> {
        let asked = RateLimitRequest { domain: "d".to_owned(), descriptors, hits_addend: 0 };
        let read = read(&asked).map_err(|fault| fault.to_string())?;
        Ok(read.into_iter().map(|over| (over.id, over.end)).collect())
    }

    #[test]
    fn amounts_settle_a_failure_without_them_releases_and_an_answer_without_them_is_left() {
        let amount = |id, unit, hits| descriptor(&[("id", id), ("team", "acme"), ("unit", unit)], Some(hits));
        let outcome = |id, outcome| descriptor(&[("id", id), ("outcome", outcome)], None);
        let credits = |micros| End::Settle { credits_micros: Some(micros), usage: None };
        for (descriptors, expected) in [
            (vec![outcome("a", "answered")], End::Expire),
            (vec![outcome("a", "failed")], End::Release),
            (vec![amount("a", "micro_credits", 7), outcome("a", "answered")], credits(7)),
            (vec![outcome("a", "failed"), amount("a", "micro_credits", 7)], credits(7)),
            (vec![amount("a", "micro_credits", 0)], credits(0)),
            (vec![amount("a", "micro_credits", u64::MAX)], credits(i64::MAX)),
        ] {
            assert_eq!(ends(descriptors), Ok(vec![("a".to_owned(), expected)]));
        }
        let tokens = vec![
            amount("a", "input_tokens", 7),
            amount("a", "cached_input_tokens", 3),
            amount("a", "output_tokens", 11),
            amount("b", "output_tokens", 1),
        ];
        let ended = ends(tokens).expect("is read");
        assert_eq!(ended.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let End::Settle { credits_micros: None, usage: Some(usage) } = &ended[0].1 else { panic!("{ended:?}") };
        assert_eq!((usage.input_tokens, usage.cached_input_tokens), (7, Some(3)));
    }

    #[test]
    fn a_descriptor_without_a_hold_or_an_amount_is_refused() {
        for (descriptors, fault) in [
            (vec![descriptor(&[("team", "acme")], Some(1))], "descriptors[0].id is missing"),
            (
                vec![descriptor(&[("id", "a"), ("unit", "output_tokens")], None)],
                "descriptors[0].hits_addend is missing",
            ),
        ] {
            assert_eq!(ends(descriptors), Err(fault.to_owned()));
        }
        let unit = ends(vec![descriptor(&[("id", "a"), ("unit", "words")], Some(1))]);
        assert!(unit.is_err_and(|fault| fault.starts_with("descriptors[0].unit must be")));
    }
}

//! The end of a request that `ext_authz` let through with a hold: a descriptor for each amount that was found in the answer, and one
//! that is always there.

use super::used::{Used, hits, missing};
use crate::api::grpc::answer::answer;
use crate::api::grpc::wire::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use crate::api::grpc::wire::purser::decide_request::Request as Asked;
use crate::api::grpc::wire::purser::{ReleaseRequest, SettleRequest};
use crate::api::json::Fault;
use crate::api::problem::Problem;
use crate::api::routes::decisions::Turn;

/// A hold whose request is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Over {
    id: String,
    team: Option<String>,
    member: Option<String>,
    end: End,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// Its call told what it has used.
    Settle(Used),
    /// Its call failed, or its caller left, before that was told.
    Release,
    /// Its call was answered and told nothing.
    Expire,
}

impl Over {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Ends it.
    pub async fn end(self, turn: Turn<'_>) -> Result<(), Problem> {
        let Self { id, team, member, end } = self;
        match end {
            End::Settle(Used { credits_micros, usage }) => {
                let settle = SettleRequest { id, team, member, credits_micros, usage, ..SettleRequest::default() };
                answer(turn, Asked::Settle(settle)).await?;
            }
            End::Release => {
                answer(turn, Asked::Release(ReleaseRequest { id, team, member })).await?;
            }
            End::Expire => turn.app.service.metrics().holds.untold.increment(1),
        }
        Ok(())
    }

    /// Of which nothing is known yet.
    pub fn of(id: &str) -> Self {
        Self { id: id.to_owned(), team: None, member: None, end: End::Expire }
    }

    /// Takes in what one descriptor says.
    pub fn take(&mut self, descriptor: &RateLimitDescriptor, hits_addend: u32) -> Result<(), Fault> {
        for entry in &descriptor.entries {
            match entry.key.as_str() {
                "team" => self.team = Some(entry.value.clone()),
                "member" => self.member = Some(entry.value.clone()),
                "unit" => {
                    let amount = hits(descriptor, hits_addend).ok_or_else(|| missing("hits_addend"))?;
                    let unit = entry.value.parse().map_err(|why: String| Fault::invalid(why).in_field("unit"))?;
                    let mut used = if let End::Settle(used) = self.end { used } else { Used::default() };
                    used.count(unit, amount);
                    self.end = End::Settle(used);
                }
                "outcome" if entry.value == "failed" && self.end == End::Expire => self.end = End::Release,
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::envoy::used::tests::descriptor;

    fn end(descriptors: &[RateLimitDescriptor]) -> Result<End, String> {
        let mut over = Over::of("a");
        let taken = descriptors.iter().try_for_each(|descriptor| over.take(descriptor, 0));
        taken.map(|()| over.end).map_err(|fault| fault.to_string())
    }

    #[test]
    fn amounts_settle_a_failure_without_them_releases_and_an_answer_without_them_is_left() {
        let amount = |unit, hits| descriptor(&[("id", "a"), ("team", "acme"), ("unit", unit)], Some(hits));
        let outcome = |outcome| descriptor(&[("id", "a"), ("outcome", outcome)], None);
        let credits = |micros| End::Settle(Used { credits_micros: Some(micros), usage: None });
        for (descriptors, expected) in [
            (vec![outcome("answered")], End::Expire),
            (vec![outcome("failed")], End::Release),
            (vec![amount("micro_credits", 7), outcome("answered")], credits(7)),
            (vec![outcome("failed"), amount("micro_credits", 7)], credits(7)),
            (vec![amount("micro_credits", 0)], credits(0)),
            (vec![amount("micro_credits", u64::MAX)], credits(i64::MAX)),
        ] {
            assert_eq!(end(&descriptors), Ok(expected));
        }
    }

    #[test]
    fn an_amount_says_how_much_of_what() {
        let none = descriptor(&[("id", "a"), ("unit", "output_tokens")], None);
        assert_eq!(end(&[none]), Err("hits_addend is missing".to_owned()));
        let words = descriptor(&[("id", "a"), ("unit", "words")], Some(1));
        assert!(end(&[words]).is_err_and(|fault| fault.starts_with("unit is \"words\"; allowed are")));
    }
}

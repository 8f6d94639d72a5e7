//! What was used, as descriptors say it one by one.

use crate::api::grpc::read;
use crate::api::grpc::wire::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use crate::api::grpc::wire::purser::Usage;
use crate::api::json::Fault;
use crate::api::problem::{Code, Problem};
use crate::api::routes::asks;
use crate::config::Unit;
use crate::service::Cost;

/// Amounts by their units. Of a unit that is said twice the last counts: two limits on the same tokens say the same.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Used {
    /// Told as credits.
    pub credits_micros: Option<i64>,
    /// Told as what the rate card prices.
    pub usage: Option<Usage>,
}

impl Used {
    /// Takes in one amount. One that is too large stays so, and is refused when it is charged.
    pub fn count(&mut self, unit: Unit, amount: u64) {
        let credits = |micros: u64| Some(i64::try_from(micros).unwrap_or(i64::MAX));
        match unit {
            Unit::Credits => self.credits_micros = credits(amount.saturating_mul(1_000_000)),
            Unit::MicroCredits => self.credits_micros = credits(amount),
            Unit::InputTokens => self.usage().input_tokens = amount,
            Unit::CachedInputTokens => self.usage().cached_input_tokens = Some(amount),
            Unit::OutputTokens => self.usage().output_tokens = Some(amount),
            Unit::ReasoningTokens => self.usage().reasoning_tokens = Some(amount),
            Unit::Images => self.usage().images = Some(amount),
            Unit::Seconds => self.usage().second_micros = Some(amount.saturating_mul(1_000_000)),
            Unit::Milliseconds => self.usage().second_micros = Some(amount.saturating_mul(1_000)),
            Unit::Nothing => {}
        }
    }

    /// Whether nothing was used that could be charged.
    pub fn is_nothing(&self) -> bool {
        self.credits_micros.is_none() && self.usage.is_none()
    }

    /// What it comes to.
    ///
    /// # Errors
    /// It is more than one call can use, or told both ways.
    pub fn cost(self) -> Result<Cost, Problem> {
        let credits = read::amount("hits_addend", self.credits_micros)?;
        asks::cost(credits, self.usage.map(read::usage).transpose()?)
    }

    fn usage(&mut self) -> &mut Usage {
        self.usage.get_or_insert_default()
    }
}

/// How much a descriptor counts; `None` where neither it nor its request says that.
pub fn hits(descriptor: &RateLimitDescriptor, of_all: u32) -> Option<u64> {
    descriptor.hits_addend.or((of_all > 0).then_some(u64::from(of_all)))
}

/// A part of a descriptor that must be there.
pub fn missing(what: &'static str) -> Fault {
    Fault::new(Code::MissingField, "is missing").in_field(what)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::api::grpc::wire::envoy::extensions::common::ratelimit::v3::rate_limit_descriptor::Entry;

    pub fn descriptor(entries: &[(&str, &str)], hits_addend: Option<u64>) -> RateLimitDescriptor {
        let entry = |(key, value): &(&str, &str)| Entry { key: (*key).to_owned(), value: (*value).to_owned() };
        RateLimitDescriptor { entries: entries.iter().map(entry).collect(), hits_addend }
    }

    #[test]
    fn each_unit_counts_for_itself() {
        let mut used = Used::default();
        for (unit, amount) in [
            (Unit::InputTokens, 7),
            (Unit::CachedInputTokens, 3),
            (Unit::OutputTokens, 11),
            (Unit::ReasoningTokens, 5),
            (Unit::Images, 2),
            (Unit::Milliseconds, 1_500),
            (Unit::Nothing, 9),
        ] {
            used.count(unit, amount);
        }
        let usage = Usage {
            input_tokens: 7,
            cached_input_tokens: Some(3),
            output_tokens: Some(11),
            reasoning_tokens: Some(5),
            images: Some(2),
            second_micros: Some(1_500_000),
        };
        assert_eq!(used, Used { credits_micros: None, usage: Some(usage) });
        used.count(Unit::Seconds, u64::MAX);
        assert!(used.cost().is_err(), "more than one call can take");
        let mut credits = Used::default();
        credits.count(Unit::Nothing, 1);
        assert!(credits.is_nothing());
        credits.count(Unit::Credits, 2);
        assert_eq!(credits.credits_micros, Some(2_000_000));
    }
}

//! Envoy's filter `ratelimit`: what requests have used, and whether there is anything left for the next.

use std::collections::BTreeMap;

use tonic::{Request, Response, Status};

use super::over::Over;
use super::record::{self, Record};
use crate::api::auth::Caller;
use crate::api::grpc::GUARDED;
use crate::api::grpc::wire::envoy::config::core::v3::HeaderValue;
use crate::api::grpc::wire::envoy::service::ratelimit::v3::rate_limit_response::{Code as Limit, DescriptorStatus};
use crate::api::grpc::wire::envoy::service::ratelimit::v3::rate_limit_service_server::RateLimitService;
use crate::api::grpc::wire::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use crate::api::json::Fault;
use crate::api::problem::Problem;
use crate::api::routes::answers::DenialBody;
use crate::api::routes::authorize;
use crate::api::routes::decisions::Turn;
use crate::api::state::App;
use crate::config::Descriptor;

/// Answers the filter.
pub struct Limits {
    app: App,
    rules: BTreeMap<String, Descriptor>,
}

impl Limits {
    /// Answers with this state; descriptors that name no hold mean what the rules say.
    pub fn new(app: App, rules: BTreeMap<String, Descriptor>) -> Self {
        Self { app, rules }
    }
}

#[tonic::async_trait]
impl RateLimitService for Limits {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        let (_, extensions, asked) = request.into_parts();
        let caller = extensions.get::<Caller>().expect(GUARDED);
        let turn = Turn::alone(&self.app, caller);
        let Said { over, records } = Said::read(&asked, &self.rules).map_err(Problem::from)?;
        for over in over {
            over.end(turn).await?;
        }
        let statuses = vec![DescriptorStatus { code: Limit::Ok.into() }; asked.descriptors.len()];
        let mut response =
            RateLimitResponse { overall_code: Limit::Ok.into(), statuses, ..RateLimitResponse::default() };
        for record in records {
            if let Some(denial) = record.answer(turn).await? {
                deny(&mut response, &record.rows, denial);
            }
        }
        Ok(Response::new(response))
    }
}

/// These descriptors are over their limit; the first denial is what the caller of Envoy reads.
fn deny(response: &mut RateLimitResponse, rows: &[usize], denial: DenialBody) {
    rows.iter().for_each(|row| response.statuses[*row].code = Limit::OverLimit.into());
    if response.overall_code == i32::from(Limit::OverLimit) {
        return;
    }
    response.overall_code = Limit::OverLimit.into();
    let (parts, body) = authorize::denied::<bytes::Bytes>(denial, false).into_parts();
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        Some(HeaderValue { key: name.as_str().to_owned(), value: value.to_str().ok()?.to_owned() })
    };
    response.response_headers_to_add = parts.headers.iter().filter_map(header).collect();
    response.raw_body = body.into();
}

/// What the descriptors of one request say together.
#[derive(Debug, Default)]
struct Said {
    /// Holds whose request is over, by the ids that descriptors name.
    over: Vec<Over>,
    /// What descriptors say that name none.
    records: Vec<Record>,
}

impl Said {
    fn read(asked: &RateLimitRequest, rules: &BTreeMap<String, Descriptor>) -> Result<Self, Fault> {
        let mut said = Self::default();
        for (row, descriptor) in asked.descriptors.iter().enumerate() {
            let id = descriptor.entries.iter().find(|entry| entry.key == "id").map(|entry| entry.value.as_str());
            let taken = match id {
                Some(id) => said.over(id).take(descriptor, asked.hits_addend),
                None => record::meant(descriptor, asked.hits_addend, rules)
                    .map(|(whose, unit, hits)| said.record(whose).take(row, unit, hits)),
            };
            taken.map_err(|fault| fault.in_row(row).in_field("descriptors"))?;
        }
        Ok(said)
    }

    fn over(&mut self, id: &str) -> &mut Over {
        let at = self.over.iter().position(|over| over.id() == id).unwrap_or_else(|| {
            self.over.push(Over::of(id));
            self.over.len() - 1
        });
        &mut self.over[at]
    }

    fn record(&mut self, whose: record::Whose) -> &mut Record {
        let at = self.records.iter().position(|record| record.whose == whose).unwrap_or_else(|| {
            self.records.push(Record::of(whose));
            self.records.len() - 1
        });
        &mut self.records[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::envoy::used::tests::descriptor;

    #[test]
    fn a_descriptor_names_a_hold_or_has_a_rule() {
        let said = |entries: &[(&str, &str)]| {
            let descriptors = vec![descriptor(&[("id", "a")], None), descriptor(entries, Some(1))];
            let asked = RateLimitRequest { domain: "d".to_owned(), descriptors, hits_addend: 0 };
            Said::read(&asked, &BTreeMap::new()).map(|said| said.over.len()).map_err(|fault| fault.to_string())
        };
        assert_eq!(said(&[("id", "a"), ("unit", "credits")]), Ok(1));
        assert_eq!(said(&[("id", "b"), ("unit", "credits")]), Ok(2));
        assert!(said(&[("team", "acme")]).is_err_and(|fault| fault.starts_with("descriptors[1].id is missing")));
    }
}

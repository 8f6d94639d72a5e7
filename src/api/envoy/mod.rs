//! What Envoy asks, served beside the gRPC interface: whether a request may go on (`ext_authz`), and what it came to
//! (`ratelimit`).
//!
//! Which draw a request means is found as the configuration says (`[envoy]`); it is decided as over HTTP, and what its caller is
//! answered is what `GET /v1/authorize` would answer.

mod found;
mod limits;
mod over;
mod record;
mod used;

use bytes::Bytes;
use http::{HeaderMap, Response as Answer};
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use tonic::{Code, Request, Response, Status};

use super::auth::Caller;
use super::grpc::GUARDED;
use super::grpc::wire::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use super::grpc::wire::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use super::grpc::wire::envoy::service::auth::v3::authorization_server::Authorization;
use super::grpc::wire::envoy::service::auth::v3::check_response::HttpResponse;
use super::grpc::wire::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
};
use super::grpc::wire::envoy::r#type::v3::HttpStatus;
use super::grpc::wire::google::rpc;
use super::problem::Problem;
use super::routes::answers::{Allow, Decision};
use super::routes::asks::{DrawBody, Key};
use super::routes::authorize;
use super::routes::decisions::{self, Turn};
use super::state::App;
use crate::config;
use found::{Found, Wish};
pub use limits::Limits;

/// The id of the operation that let a request through.
const ID: &str = "purser-id";

/// What is left, of the member's limit or of the payer's credits, whichever is less.
const REMAINING: &str = "purser-remaining";

/// Answers Envoy.
pub struct Envoy {
    app: App,
    config: config::Envoy,
}

impl Envoy {
    /// Answers with this state, and finds draws as the configuration says.
    pub fn new(app: App, config: config::Envoy) -> Self {
        Self { app, config }
    }

    async fn decide(&self, caller: &Caller, attributes: &AttributeContext) -> Result<CheckResponse, Problem> {
        let (wish, body) = Found { config: &self.config, attributes }.draw()?;
        let mut facts = Facts::of(&body);
        let decision = self.draw(Turn::alone(&self.app, caller), wish, body).await?;
        Ok(match decision {
            Decision::Allow(allow) => {
                facts.allowed(&allow);
                allowed(&allow, facts)
            }
            Decision::Deny(deny) => {
                facts.put("reason", deny.denial.reason);
                denied(authorize::denied(deny.denial, false), facts)
            }
        })
    }

    async fn draw(&self, turn: Turn<'_>, wish: Wish, body: DrawBody) -> Result<Decision, Problem> {
        let key = Key::default();
        match wish {
            Wish::Hold => decisions::draw(turn, body.hold(key, &self.app)?).await,
            Wish::Debit => decisions::draw(turn, body.debit(key, &self.app)?).await,
            Wish::Check => decisions::look(turn, body.check(key, &self.app)?.0, None).await,
        }
    }
}

#[tonic::async_trait]
impl Authorization for Envoy {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let (_, extensions, asked) = request.into_parts();
        let caller = extensions.get::<Caller>().expect(GUARDED);
        let decided = self.decide(caller, &asked.attributes.unwrap_or_default()).await;
        Ok(Response::new(decided.unwrap_or_else(|problem| {
            let mut facts = Facts::default();
            facts.put("problem", problem.code.as_str());
            denied(problem.answer(), facts)
        })))
    }
}

/// What filters that come after and access logs are told.
#[derive(Default)]
struct Facts(Struct);

impl Facts {
    fn of(body: &DrawBody) -> Self {
        let mut facts = Self::default();
        facts.put("member", body.member.0.as_str());
        if let Some(team) = &body.team {
            facts.put("team", team.0.as_str());
        }
        if let Some(model) = &body.model {
            facts.put("model", model.0.as_str());
        }
        facts
    }

    fn allowed(&mut self, allow: &Allow) {
        self.put("credits", &allow.credits.0.to_string());
        self.put("remaining", &allow.remaining.least().0.to_string());
        if let Some(id) = &allow.id {
            self.put("id", id.0.as_str());
        }
    }

    fn put(&mut self, name: &str, text: &str) {
        let value = Value { kind: Some(Kind::StringValue(text.to_owned())) };
        self.0.fields.insert(name.to_owned(), value);
    }
}

fn allowed(allow: &Allow, facts: Facts) -> CheckResponse {
    let remaining = header(REMAINING, &allow.remaining.least().0.to_string());
    let (headers, headers_to_remove) = match &allow.id {
        Some(id) => (vec![header(ID, id.0.as_str()), remaining], vec![]),
        // One that the caller sends is none of ours.
        None => (vec![remaining], vec![ID.to_owned()]),
    };
    CheckResponse {
        status: Some(rpc::Status { code: Code::Ok.into(), ..rpc::Status::default() }),
        http_response: Some(HttpResponse::OkResponse(OkHttpResponse { headers, headers_to_remove })),
        dynamic_metadata: Some(facts.0),
    }
}

/// What HTTP would answer, for the caller of Envoy.
fn denied(answer: Answer<Bytes>, facts: Facts) -> CheckResponse {
    let (parts, body) = answer.into_parts();
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: parts.status.as_u16().into() }),
        headers: headers(&parts.headers),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    CheckResponse {
        status: Some(rpc::Status { code: Code::PermissionDenied.into(), ..rpc::Status::default() }),
        http_response: Some(HttpResponse::DeniedResponse(denied)),
        dynamic_metadata: Some(facts.0),
    }
}

fn headers(map: &HeaderMap) -> Vec<HeaderValueOption> {
    map.iter().filter_map(|(name, value)| Some(header(name.as_str(), value.to_str().ok()?))).collect()
}

fn header(name: &str, value: &str) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue { key: name.to_owned(), value: value.to_owned() }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
    }
}

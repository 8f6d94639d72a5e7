//! One decision for proxies that ask before they forward (`auth_request` of nginx, forward-auth of
//! Traefik and Caddy): everything is in headers, and the status is the answer.
//!
//! Only `Purser-Id` names an operation here: proxies hand on their caller's headers, and an
//! `Idempotency-Key` among them is meant for another service.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::{Answer, Decision, DenialBody};
use super::decisions::{self, Turn};
use crate::api::auth::Caller;
use crate::api::problem::{Code, PROBLEM_JSON, Problem};
use crate::api::state::App;
use crate::api::wire::Text;
use crate::domain::decide::Ask;
use crate::domain::{Credits, Model, OperationId, TeamId, UserId};
use crate::engine::Draw;

const TEAM: HeaderName = HeaderName::from_static("purser-team");
const MEMBER: HeaderName = HeaderName::from_static("purser-member");
const MODEL: HeaderName = HeaderName::from_static("purser-model");
const CREDITS: HeaderName = HeaderName::from_static("purser-credits");
const ID: HeaderName = HeaderName::from_static("purser-id");

/// Says why, where a proxy hides the body.
const DENIAL_REASON: HeaderName = HeaderName::from_static("purser-denial-reason");

/// Says the denial's own status, where the answer has another.
const DENIAL_STATUS: HeaderName = HeaderName::from_static("purser-denial-status");

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(authorize))
}

/// Decide for a proxy
///
/// With `Purser-Id` this is a debit, and sending it again gets the first answer again; without, it is
/// a check and changes nothing. Allowed: 200 and empty. Denied: the denial's own status, the denial
/// as `application/problem+json`, and its reason in `Purser-Denial-Reason`. With `?deny=403` every
/// denial is answered 403, because nginx takes no other for one, and its own status is in
/// `Purser-Denial-Status`.
#[utoipa::path(
    get, path = "/v1/authorize", tag = "decisions",
    params(
        ("Purser-Team" = Option<String>, Header, description = "In whose name; left out, the user's own credits pay."),
        ("Purser-Member" = String, Header, description = "Who draws."),
        ("Purser-Credits" = String, Header, description = "The cost.", example = "1.25"),
        ("Purser-Model" = Option<String>, Header, description = "For which model."),
        ("Purser-Id" = Option<String>, Header, description = "The operation's id; makes it a debit."),
        ("deny" = Option<String>, Query, description = "`403` answers every denial with that status."),
    ),
    responses(
        (status = 200, description = "Allowed."),
        (status = 402, body = DenialBody, content_type = "application/problem+json",
         description = "Denied: `pool_exhausted`, `wallet_exhausted` or `in_debt`."),
        (status = 403, body = DenialBody, content_type = "application/problem+json",
         description = "Denied: `member_limit`, `model_not_allowed` or `not_a_member`; with `?deny=403` any denial. \
                        Or the problem `forbidden`."),
        (status = 429, body = DenialBody, content_type = "application/problem+json",
         description = "Denied: `held`, with `Retry-After`."),
        (status = 503, body = DenialBody, content_type = "application/problem+json",
         description = "Denied: `unavailable`, with `Retry-After`."),
    )
)]
async fn authorize(State(app): State<App>, caller: Caller, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let always_403 = always_403(&uri)?;
    let (draw, is_debit) = read_draw(&headers)?;
    let turn = Turn::alone(&app, &caller);
    let decision =
        if is_debit { decisions::draw(turn, draw).await? } else { decisions::look(turn, &draw, None).await? };
    Ok(match decision {
        Decision::Allow(_) => StatusCode::OK.into_response(),
        Decision::Deny(deny) => denied(deny.denial, always_403),
    })
}

fn denied(denial: DenialBody, always_403: bool) -> Response {
    let own = StatusCode::from_u16(denial.status).expect("denials have statuses of HTTP");
    let (reason, retry_after_ms) = (denial.reason, denial.retry_after_ms);
    let mut response = Answer(denial).into_response();
    *response.status_mut() = if always_403 { StatusCode::FORBIDDEN } else { own };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    headers.insert(DENIAL_REASON, HeaderValue::from_static(reason));
    if let Some(millis) = retry_after_ms {
        headers.insert(RETRY_AFTER, millis.div_ceil(1_000).into());
    }
    if always_403 {
        headers.insert(DENIAL_STATUS, own.as_u16().into());
    }
    response
}

/// Whether denials are answered 403.
fn always_403(uri: &Uri) -> Result<bool, Problem> {
    match uri.query().unwrap_or_default() {
        "" => Ok(false),
        "deny=403" => Ok(true),
        other => {
            let detail = format!("The query may be `deny=403` or nothing, and not `{other}`.");
            Err(Problem::new(Code::InvalidValue, detail))
        }
    }
}

/// The draw that the headers ask for, and whether it is a debit and not a check.
fn read_draw(headers: &HeaderMap) -> Result<(Draw, bool), Problem> {
    let id = read_text::<OperationId>(headers, &ID)?;
    let member = read_text::<UserId>(headers, &MEMBER)?.ok_or_else(|| missing(&MEMBER))?;
    let credits = one(headers, &CREDITS)?.ok_or_else(|| missing(&CREDITS))?;
    let credits: Credits = credits.parse().map_err(|error| invalid(&CREDITS, error))?;
    let ask = Ask { credits, min_credits: None, model: read_text::<Model>(headers, &MODEL)? };
    let is_debit = id.is_some();
    let id = id.unwrap_or_else(|| OperationId::new("check").expect("a short text is an id"));
    Ok((Draw { id, team: read_text::<TeamId>(headers, &TEAM)?, member, ask, ttl_millis: None }, is_debit))
}

fn read_text<T: Text>(headers: &HeaderMap, name: &HeaderName) -> Result<Option<T>, Problem> {
    one(headers, name)?.map(|text| T::read(text).map_err(|error| invalid(name, error))).transpose()
}

fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        let detail = format!("There are several {} headers; send one.", shown(name));
        return Err(Problem::new(Code::DuplicateField, detail));
    }
    value.to_str().map(Some).map_err(|_| invalid(name, "may have only visible ASCII characters"))
}

fn invalid(name: &HeaderName, why: impl std::fmt::Display) -> Problem {
    Problem::new(Code::InvalidValue, format!("{} {why}.", shown(name)))
}

fn missing(name: &HeaderName) -> Problem {
    Problem::new(Code::MissingField, format!("The header {} is missing.", shown(name)))
}

/// A header as people write it: `Purser-Team`.
fn shown(name: &HeaderName) -> String {
    let words = name.as_str().split('-').map(|word| word[..1].to_ascii_uppercase() + &word[1..]);
    words.collect::<Vec<_>>().join("-")
}

//! One decision for proxies that ask before they forward (`auth_request` of nginx, forward-auth of
//! Traefik and Caddy): everything is in headers, and the status is the answer.
//!
//! Only `Purser-Id` names an operation here: proxies hand on their caller's headers, and an
//! `Idempotency-Key` among them is meant for another service. A proxy that cannot make ids asks for
//! a new one.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Builder;

use super::answers::{Allow, Answer, Decision, DenialBody};
use super::asks::{Asked, Count};
use super::decisions::{self, Turn};
use crate::api::auth::Caller;
use crate::api::problem::{Code, PROBLEM_JSON, Problem};
use crate::api::state::App;
use crate::api::wire::Text;
use crate::domain::decide::Ask;
use crate::domain::{Model, OperationId, TeamId, UserId};
use crate::engine::Draw;
use crate::rates::Usage;
use crate::service::{Cost, Quote};

const TEAM: HeaderName = HeaderName::from_static("purser-team");
const MEMBER: HeaderName = HeaderName::from_static("purser-member");
const MODEL: HeaderName = HeaderName::from_static("purser-model");
const CREDITS: HeaderName = HeaderName::from_static("purser-credits");
const INPUT_TOKENS: HeaderName = HeaderName::from_static("purser-input-tokens");
const CACHED_INPUT_TOKENS: HeaderName = HeaderName::from_static("purser-cached-input-tokens");
const OUTPUT_TOKENS: HeaderName = HeaderName::from_static("purser-output-tokens");
const ID: HeaderName = HeaderName::from_static("purser-id");

/// What is left after a debit, of the member's limit or of the payer's credits, whichever is less.
const REMAINING: HeaderName = HeaderName::from_static("purser-remaining");

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
/// With `Purser-Id` this is a debit, and sending it again gets the first answer again. With `?id=new`
/// it is a debit with an id made here, for a proxy that cannot make one; a header `Purser-Id` is then
/// refused. Without either it is a check and changes nothing. Allowed: 200 and empty; `Purser-Remaining` is what
/// is left, of the member's limit or of the payer's credits, whichever is less, and `Purser-Id` is the debit's
/// id. Denied: the denial's own status, the denial as `application/problem+json`, and its reason in
/// `Purser-Denial-Reason`. With `?deny=403` every denial is answered 403, because nginx takes no other
/// for one, and its own status is in `Purser-Denial-Status`.
#[utoipa::path(
    get, path = "/v1/authorize", tag = "decisions",
    params(
        ("Purser-Team" = Option<String>, Header, description = "In whose name; left out, the user's own credits pay."),
        ("Purser-Member" = String, Header, description = "Who draws."),
        ("Purser-Credits" = Option<String>, Header, description = "The cost; or tokens, for the rate card to price.",
         example = "1.25"),
        ("Purser-Input-Tokens" = Option<u64>, Header, description = "Tokens of the prompt."),
        ("Purser-Cached-Input-Tokens" = Option<u64>, Header, description = "Those of them that the model had cached."),
        ("Purser-Output-Tokens" = Option<u64>, Header,
         description = "Tokens that the answer may have; left out beside the others, as many as the rate card says."),
        ("Purser-Model" = Option<String>, Header, description = "For which model."),
        ("Purser-Id" = Option<String>, Header, description = "The operation's id; makes it a debit."),
        ("deny" = Option<String>, Query, description = "`403` answers every denial with that status."),
        ("id" = Option<String>, Query, description = "`new` makes it a debit with an id of its own."),
    ),
    responses(
        (status = 200, description = "Allowed.", headers(
            ("Purser-Id" = Option<String>, description = "The debit's id; not there for a check."),
            ("Purser-Remaining" = String, description = "What is left after it, in credits; after a check, what a debit would leave."),
        )),
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
    let wishes = Wishes::read(&uri)?;
    let (asked, is_debit) = read_draw(&headers, wishes.new_id, &app)?;
    let turn = Turn::alone(&app, &caller);
    let decision = if is_debit { decisions::draw(turn, asked).await } else { decisions::look(turn, asked, None).await };
    let decision = decision.map_err(no_body)?;
    Ok(match decision {
        Decision::Allow(allow) => allowed(&allow),
        Decision::Deny(deny) => denied(deny.denial, wishes.always_403),
    })
}

fn allowed(allow: &Allow) -> Response {
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    if let Some(id) = &allow.id {
        headers.insert(ID, text_of(id.0.as_str()));
    }
    headers.insert(REMAINING, text_of(&allow.remaining.least().0.to_string()));
    response
}

/// Ids and amounts are of visible ASCII.
fn text_of(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("visible ASCII is a header's value")
}

/// The denial as a whole answer, with its own status or always 403.
pub fn denied<B: From<Bytes>>(denial: DenialBody, always_403: bool) -> http::Response<B> {
    let own = StatusCode::from_u16(denial.status).expect("denials have statuses of HTTP");
    let (reason, retry_after_ms) = (denial.reason, denial.retry_after_ms);
    let mut response = Answer(denial).answer();
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

/// What the query asks for.
#[derive(Clone, Copy, Debug, Default)]
struct Wishes {
    /// Denials are answered 403.
    always_403: bool,
    /// A debit with an id that is made here.
    new_id: bool,
}

impl Wishes {
    fn read(uri: &Uri) -> Result<Self, Problem> {
        let mut wishes = Self::default();
        for wish in uri.query().unwrap_or_default().split('&').filter(|wish| !wish.is_empty()) {
            match wish {
                "deny=403" => wishes.always_403 = true,
                "id=new" => wishes.new_id = true,
                other => {
                    let detail = format!("The query may have `deny=403` and `id=new`, and not `{other}`.");
                    return Err(Problem::new(Code::InvalidValue, detail));
                }
            }
        }
        Ok(wishes)
    }
}

/// The draw that the headers ask for, and whether it is a debit and not a check.
fn read_draw(headers: &HeaderMap, new_id: bool, app: &App) -> Result<(Asked, bool), Problem> {
    let id = read_id(headers, new_id)?;
    let member = read_text::<UserId>(headers, &MEMBER)?.ok_or_else(|| missing(&MEMBER))?;
    let (cost, model) = (read_cost(headers)?, read_text::<Model>(headers, &MODEL)?);
    let Quote { credits, pricing, unpriced } = app.service.quote(model.as_ref(), &cost, false);
    let ask = Ask { credits, min_credits: None, model };
    let is_debit = id.is_some();
    let id = id.unwrap_or_else(|| OperationId::new("check").expect("a short text is an id"));
    let team = read_text::<TeamId>(headers, &TEAM)?;
    let draw = Draw { id, team, member, ask, ttl_millis: None, pricing };
    Ok((Asked { draw, usage: cost.usage().copied(), unpriced }, is_debit))
}

/// What was used is told in headers, not in a field of a body.
fn no_body(problem: Problem) -> Problem {
    let is_usage = problem.pointer.as_deref().is_some_and(|pointer| pointer.starts_with("/usage"));
    if is_usage { Problem { pointer: None, ..problem } } else { problem }
}

/// The cost: credits, or tokens for the rate card to price.
fn read_cost(headers: &HeaderMap) -> Result<Cost, Problem> {
    let [input, cached, output] =
        [&INPUT_TOKENS, &CACHED_INPUT_TOKENS, &OUTPUT_TOKENS].map(|name| read_count(headers, name));
    let (input, cached, output) = (input?, cached?, output?);
    let tells_usage = input.or(cached).or(output).is_some();
    match one(headers, &CREDITS)? {
        Some(_) if tells_usage => Err(invalid(&CREDITS, "and numbers of tokens are both there; send one of them")),
        Some(credits) => Ok(Cost::Credits(credits.parse().map_err(|error| invalid(&CREDITS, error))?)),
        None if tells_usage => {
            let (input_tokens, cached_input_tokens) = (input.unwrap_or(0), cached.unwrap_or(0));
            Ok(Cost::Usage(Usage { input_tokens, cached_input_tokens, output_tokens: output, ..Usage::default() }))
        }
        None => Err(missing(&CREDITS)),
    }
}

fn read_count(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Problem> {
    let Some(text) = one(headers, name)? else { return Ok(None) };
    Count::read(text).map(|count| Some(count.get())).map_err(|why| invalid(name, why))
}

fn read_id(headers: &HeaderMap, new_id: bool) -> Result<Option<OperationId>, Problem> {
    let named = read_text::<OperationId>(headers, &ID)?;
    match (named, new_id) {
        (Some(_), true) => Err(invalid(&ID, "and `id=new` are both there; send one of them")),
        (None, true) => Ok(Some(self::new_id())),
        (named, false) => Ok(named),
    }
}

/// An id that nobody has used.
pub fn new_id() -> OperationId {
    let id = Builder::from_random_bytes(rand::random()).into_uuid().to_string();
    OperationId::new(&id).expect("a UUID is an id")
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

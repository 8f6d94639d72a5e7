//! The OpenAPI document: what the handlers register, and what holds for all of them.
//!
//! Problems, credentials and the 503 of an absent store are the same for every route, so they are
//! added here by rule and not written at each handler; a handler's own answer with the same status
//! stays as it is.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{AnyOf, ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, OpenApi, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::api::problem::{Code, PROBLEM_JSON, Problem};

/// The name of the one security scheme.
const BEARER: &str = "bearer";

/// What the page begins with.
const DESCRIPTION: &str = "\
Purser decides whether a member may spend credits, before a gateway calls a model.

* **Credits** are exact decimals with at most 6 fraction digits; sent as strings or plain numbers, always returned as \
strings.
* **A denial is data**: decisions are answered 200 whether they allow or deny.
* **Ids of operations** are chosen by the caller. The same id with the same content gets the first answer again, with \
`replayed: true`; with other content it is `id_reused`.
* **Errors** are `application/problem+json` (RFC 9457) with a `code`, and a `pointer` to the field at fault.
* **Credentials** are `Authorization: Bearer`: a service token (role `gateway` or `admin`) or a user's JWT. An admin's \
token may name the user that it acts for in `Purser-Actor`.";

/// A problem (RFC 9457) as the document shows it, and as a row of a batch holds it.
#[derive(Serialize)]
#[serde(transparent)]
pub struct ProblemBody(Box<RawValue>);

impl From<&Problem> for ProblemBody {
    fn from(problem: &Problem) -> Self {
        Self(RawValue::from_string(problem.to_json()).expect("a problem is JSON"))
    }
}

impl PartialSchema for ProblemBody {
    fn schema() -> RefOr<Schema> {
        let text = |description: &str| string(description).build();
        let codes = string("What kind.").enum_values(Some(Code::ALL.iter().map(|code| code.as_str()))).build();
        let status = ObjectBuilder::new().schema_type(Type::Integer).description(Some("The status of the answer."));
        let pointer = text("The field of the body at fault, as a JSON pointer (RFC 6901).");
        let mut problem = ObjectBuilder::new()
            .description(Some("Why a request could not be answered."))
            .property("type", text("`urn:purser:problem:` and the code."))
            .property("title", text("A short text, the same for every problem with this code."))
            .property("status", status.build())
            .property("detail", text("What is wrong in this request and what to do about it."))
            .property("code", codes)
            .property("pointer", pointer);
        for name in ["type", "title", "status", "detail", "code"] {
            problem = problem.required(name);
        }
        let example = serde_json::json!({
            "type": "urn:purser:problem:missing_field", "title": "Missing field", "status": 422,
            "detail": "credits is missing", "code": "missing_field", "pointer": "/credits"
        });
        problem.examples([example]).build().into()
    }
}

impl ToSchema for ProblemBody {
    fn name() -> Cow<'static, str> {
        "Problem".into()
    }
}

fn string(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

/// The document of what handlers registered, with all that holds for every route.
pub fn complete(mut document: OpenApi) -> OpenApi {
    document.info.title = env!("CARGO_PKG_NAME").to_owned();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    document.info.description = Some(DESCRIPTION.to_owned());
    let components = document.components.get_or_insert_with(Components::default);
    components.schemas.insert(ProblemBody::name().into_owned(), ProblemBody::schema());
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A service token or a JWT."));
    components.security_schemes.insert(BEARER.to_owned(), SecurityScheme::Http(bearer.build()).into());
    accept_any_row(components);
    document.security = Some(vec![SecurityRequirement::new(BEARER, Vec::<String>::new())]);
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in [
            ("get", &mut item.get),
            ("put", &mut item.put),
            ("post", &mut item.post),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ] {
            let Some(operation) = operation else { continue };
            operation.operation_id = Some(operation_id(method, path));
            describe_parameters(path, operation);
            add_problems(path, operation);
        }
    }
    document
}

/// The answer to a row of a batch has one of these forms; which one follows from the row, and not always from the answer.
fn accept_any_row(components: &mut Components) {
    if let Some(RefOr::T(Schema::OneOf(one))) = components.schemas.remove("RowAnswer") {
        let any = AnyOf { items: one.items, description: one.description, ..AnyOf::new() };
        components.schemas.insert("RowAnswer".to_owned(), Schema::AnyOf(any).into());
    }
}

/// A name that no other operation has, whatever its handler is called: `post_holds_id_settle`.
fn operation_id(method: &str, path: &str) -> String {
    let words = path.trim_start_matches("/v1").split('/').map(|word| word.trim_matches(['{', '}']));
    words.filter(|word| !word.is_empty()).fold(method.to_owned(), |id, word| id + "_" + word)
}

/// What parameters of one name mean wherever no handler says more.
fn meaning(path: &str, name: &str) -> Option<&'static str> {
    Some(match name {
        "team" => "The team.",
        "member" if path.contains("{member}") => "The member.",
        "member" => "Only entries about this user.",
        "user" => "The user.",
        "id" if path.contains("/subscriptions/") => "The subscription.",
        "id" => "Only entries of this operation or purchase.",
        "kind" => "Only entries of this kind, such as `debited`.",
        "from" => "Only entries at or after this time.",
        "to" => "Only entries before this time.",
        "order" => "`asc`, the oldest first, which is the default, or `desc`.",
        "cursor" => "Where the page begins: the `next_cursor` of the page before, with otherwise the same question.",
        "limit" => "Rows of a page at most; 100 when left out.",
        "Idempotency-Key" => "The operation's id, instead of `id`.",
        _ => return None,
    })
}

fn describe_parameters(path: &str, operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        // No handler refers to a parameter that is elsewhere.
        let RefOr::T(parameter) = parameter else { continue };
        if parameter.description.is_none() {
            parameter.description = meaning(path, &parameter.name).map(str::to_owned);
        }
    }
}

/// Adds an answer for each status of a problem that this operation may answer.
fn add_problems(path: &str, operation: &mut Operation) {
    let is_open = !path.starts_with("/v1/");
    let takes_body = operation.request_body.is_some();
    let names_something = path.contains('{');
    let changes = takes_body && names_something;
    let mut statuses: Vec<u16> = Code::ALL.iter().map(|code| code.status().as_u16()).collect();
    statuses.dedup();
    for status in statuses {
        let may = match status {
            500 | 503 => true,
            400 | 408 | 413 | 415 => takes_body,
            401 | 403 | 422 => !is_open,
            404 => names_something,
            409 => changes,
            _ => false,
        };
        if may {
            operation.responses.responses.entry(status.to_string()).or_insert_with(|| problem(status).into());
        }
    }
}

fn problem(status: u16) -> Response {
    let mut description = String::from("A problem:");
    for code in Code::ALL.iter().filter(|code| code.status().as_u16() == status) {
        write!(description, " `{}`", code.as_str()).expect("a text takes all");
    }
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemBody::name()))).build();
    ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build()
}

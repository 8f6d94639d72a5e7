//! Access or limit of many members at once, with a result for each row.

use std::fmt;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::members::limit;
use super::words::AccessWord;
use super::{Asking, refusal};
use crate::api::ids::InPath;
use crate::api::json::Json;
use crate::api::problem::{Code, PROBLEM_JSON, Problem};
use crate::api::state::App;
use crate::api::wire::{Amount, AskedAmount, Object, Patch as Field, Wire, WireTeam, WireUser};
use crate::domain::{TeamId, UserId};
use crate::root::{Command, Outcome, Patch, Refusal, Selection};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(change))
}

type SetObject = Object<Set>;

/// A change of many members.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Bulk {
    /// Up to 10 000 ids, or `"all"`.
    #[schema(value_type = Value)]
    members: Members,
    /// What changes of each of them.
    set: SetObject,
    /// All or none; else row by row. Left out: true.
    atomic: Option<bool>,
}

/// What changes; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Set {
    /// Left out: stays.
    access: Option<AccessWord>,
    /// Null takes the limit away.
    #[serde(default)]
    #[schema(value_type = Option<AskedAmount>)]
    limit: Field<Amount>,
}

/// Members by name, or all.
struct Members(Selection);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of user ids, or \"all\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Members, E> {
                match text {
                    "all" => Ok(Members(Selection::All)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Members, A::Error> {
                let users = Vec::<WireUser>::deserialize(de::value::SeqAccessDeserializer::new(seq))?;
                Ok(Members(Selection::Named(users.into_iter().map(|user| user.0).collect())))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// What came of a bulk change.
#[derive(Serialize, ToSchema)]
struct Results {
    /// In the order asked; for all, by user id.
    results: Vec<Row>,
}

/// What came of one row.
#[derive(Serialize, ToSchema)]
struct Row {
    /// Whose row it is.
    member: WireUser,
    /// As it would be for this member alone.
    status: u16,
    /// As given, where the row went through.
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<AccessWord>,
    /// In effect, where the row went through; null: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Option<Amount>>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    problem: Option<Value>,
}

/// Changes access or limit of many members, all or none unless `atomic` is false.
#[utoipa::path(post, path = "/v1/teams/{team}/members/bulk", tag = "control", request_body = Bulk,
    params(("team" = WireTeam, Path)),
    responses((status = 200, description = "Done, or row by row where `atomic` is false", body = Results),
        (status = 403, description = "Only the team's owner and admins may"),
        (status = 409, description = "Nothing has changed; the first refused row, and all `results`"),
        (status = 422, description = "Nothing has changed; the same for rows that name no member")))]
async fn change(
    State(app): State<App>,
    Asking(actor): Asking,
    InPath(team): InPath<TeamId>,
    Json(body): Json<Bulk, true>,
) -> Result<Response, Problem> {
    let Members(members) = body.members;
    let Object(set) = body.set;
    let set = Patch { access: set.access.map(Into::into), limit: limit(set.limit), ..Patch::default() };
    let atomic = body.atomic.unwrap_or(true);
    let command = Command::BulkMembers { team: team.clone(), members, set, atomic };
    let controlled = app.service.control(command, actor).await.map_err(|unable| refusal::unable(&unable))?;
    match controlled.answer {
        Ok(done) => {
            let Outcome::Bulk(rows) = done.outcome else { return Ok(StatusCode::OK.into_response()) };
            let results = rows.into_iter().map(|(user, result)| row(&app, &team, user, result)).collect();
            Ok(Answer(Results { results }).into_response())
        }
        Err(Refusal::Bulk(rows)) => Ok(refused(rows)),
        Err(refusal) => Err(refusal::problem(refusal)),
    }
}

fn row(app: &App, team: &TeamId, user: UserId, result: Result<(), Refusal>) -> Row {
    let problem = result.err().map(refusal::problem);
    let now = if problem.is_none() { app.service.member_now(team, &user) } else { None };
    Row {
        status: problem.as_ref().map_or(StatusCode::OK, |problem| problem.code.status()).as_u16(),
        access: now.as_ref().map(|now| now.member.access.into()),
        limit: now.map(|now| now.member.limit.map(Amount)),
        problem: problem.map(|problem| value(&problem)),
        member: Wire(user),
    }
}

/// The problem of a bulk change that was to be all or nothing: that of the first conflicting row, or
/// else of the first other one, with the results of all rows. Rows that were not refused say 424:
/// they fail because of others.
fn refused(rows: Vec<(UserId, Result<(), Refusal>)>) -> Response {
    let results: Vec<(UserId, Option<Problem>)> =
        rows.into_iter().map(|(user, result)| (user, result.err().map(refusal::problem))).collect();
    let is_conflict = |problem: &Problem| problem.code.status() == StatusCode::CONFLICT;
    let failed = || results.iter().enumerate().filter_map(|(row, (_, problem))| Some((row, problem.as_ref()?)));
    let first = failed().find(|(_, problem)| is_conflict(problem)).or_else(|| failed().next());
    let (row, first) = first.expect("a bulk change is refused for a row");
    let code = if is_conflict(first) { first.code } else { Code::InvalidValue };
    let detail = format!(
        "Nothing has changed; {} of {} rows were refused, the first: {}",
        failed().count(),
        results.len(),
        first.detail
    );
    let problem = Problem::new(code, detail).at(format!("/members/{row}"));
    let result = |(user, problem): &(UserId, Option<Problem>)| match problem {
        Some(problem) => {
            json!({ "member": user.as_str(), "status": problem.code.status().as_u16(), "problem": value(problem) })
        }
        None => json!({ "member": user.as_str(), "status": StatusCode::FAILED_DEPENDENCY.as_u16() }),
    };
    let mut body = value(&problem);
    body["results"] = results.iter().map(result).collect();
    let content_type = [(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON))];
    (code.status(), content_type, body.to_string()).into_response()
}

fn value(problem: &Problem) -> Value {
    serde_json::from_str(&problem.to_json()).expect("a problem is JSON")
}

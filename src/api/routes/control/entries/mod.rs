//! The ledger: every entry with all that it moves, so that who reads it can recompute all balances.
//! JSON comes in pages; NDJSON and CSV stream the whole range, a page at a time.
//!
//! Only what is in the store is shown; a flush before the first page brings the newest entries in.

mod accept;
mod csv;
mod export;
mod row;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::accept::Format;
use self::row::EntryRow;
use super::Asking;
use super::query::{PAGE_ROWS, Parameters, Question};
use super::refusal::{not_found, unable};
use super::sight::{self, Sight};
use crate::api::ids::InPath;
use crate::api::problem::{Code, Problem};
use crate::api::state::App;
use crate::api::wire::{Text, WireSubscription, WireTeam, WireUser};
use crate::domain::{OperationId, SubscriptionId, TeamId, Timestamp, UserId};
use crate::root::Actor;
use crate::store::{Filter, Kind, Scope};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(of_team))
        .routes(routes!(of_user))
        .routes(routes!(of_subscription))
        .routes(routes!(of_all))
}

/// The header of an NDJSON or CSV page that names the cursor of the next one.
pub const NEXT_CURSOR: &str = "purser-next-cursor";

/// A page of the ledger.
#[derive(Serialize, ToSchema)]
struct Entries {
    /// The entries in the order asked.
    entries: Vec<EntryRow>,
    /// Asks for the next page; null on the last one.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// One question about the ledger.
struct Asked {
    filter: Filter,
    question: Question,
    after: Option<u64>,
    limit: Option<usize>,
}

impl Asked {
    fn read(scope: Scope, mut parameters: Parameters) -> Result<Self, Problem> {
        let kinds = Kind::ALL.map(Kind::as_str);
        let filter = Filter {
            member: match scope {
                Scope::User(_) => None,
                _ => parameters.read("member", UserId::read)?,
            },
            kind: parameters.word("kind", &kinds)?,
            id: parameters.read("id", OperationId::read)?,
            from: parameters.read("from", Timestamp::read)?,
            to: parameters.read("to", Timestamp::read)?,
            newest_first: newest_first(&mut parameters)?,
            scope,
        };
        let question = Question::new("entries", &filter);
        let limit = parameters.limit()?;
        let position = |text: &str| text.parse().ok();
        let after = parameters.cursor(&question, position)?;
        parameters.finish()?;
        Ok(Self { filter, question, after, limit })
    }
}

fn newest_first(parameters: &mut Parameters) -> Result<bool, Problem> {
    let order = parameters.read("order", |text| match text {
        "asc" => Ok(false),
        "desc" => Ok(true),
        _ => Err("must be asc (the oldest first) or desc"),
    });
    Ok(order?.unwrap_or_default())
}

/// Answers in the format that the caller accepts.
async fn answer(app: &App, headers: &HeaderMap, asked: Asked) -> Result<Response, Problem> {
    let format = accept::format(headers)?;
    app.service.flush().await.map_err(|e| unable(&e))?;
    let Asked { filter, question, after, limit } = asked;
    if format != Format::Json && limit.is_none() {
        return export::stream(app, format, filter, after).await;
    }
    let limit = limit.unwrap_or(PAGE_ROWS);
    let mut entries = app.service.entries(&filter, after, limit + 1).await.map_err(|e| unable(&e))?;
    let next_cursor = question.page(&mut entries, limit, |entry| entry.position.to_string());
    let rows: Vec<EntryRow> = entries.into_iter().map(EntryRow::from).collect();
    if format == Format::Json {
        return Ok(Answer(Entries { entries: rows, next_cursor }).into_response());
    }
    let mut response = export::page(format, &rows);
    if let Some(cursor) = next_cursor.and_then(|cursor| cursor.parse().ok()) {
        response.headers_mut().insert(NEXT_CURSOR, cursor);
    }
    Ok(response)
}

/// A team's ledger: to its owner and admins everything, to a member its own entries.
#[utoipa::path(get, path = "/v1/teams/{team}/entries", tag = "ledger",
    params(("team" = WireTeam, Path), ("member" = Option<WireUser>, Query), ("kind" = Option<String>, Query),
        ("id" = Option<String>, Query, description = "An operation or a purchase"),
        ("from" = Option<String>, Query, description = "At or after this time"),
        ("to" = Option<String>, Query, description = "Before this time"),
        ("order" = Option<String>, Query, description = "`asc` (default) or `desc`"),
        ("cursor" = Option<String>, Query), ("limit" = Option<u32>, Query, minimum = 1, maximum = 500)),
    responses((status = 200, description = "A page; as NDJSON or CSV without `limit`: everything",
            content((Entries = "application/json"), (EntryRow = "application/x-ndjson"), (String = "text/csv"))),
        (status = 403, description = "A member asks for another's entries"),
        (status = 404, description = "Unknown, or the caller is no member")))]
async fn of_team(
    State(app): State<App>,
    Asking(actor): Asking,
    InPath(team): InPath<TeamId>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let sight = sight::team(&app, &actor, &team).await?;
    let mut asked = Asked::read(Scope::Team(team), parameters)?;
    if let Sight::Own(user) = sight {
        if asked.filter.member.as_ref().is_some_and(|member| *member != user) {
            return Err(forbidden("A member sees its own entries only; leave member out."));
        }
        asked.filter.member = Some(user);
    }
    answer(&app, &headers, asked).await
}

/// What a user drew on its own credits in no team's name; to the user itself.
#[utoipa::path(get, path = "/v1/users/{user}/entries", tag = "ledger",
    params(("user" = WireUser, Path), ("kind" = Option<String>, Query), ("id" = Option<String>, Query),
        ("from" = Option<String>, Query), ("to" = Option<String>, Query), ("order" = Option<String>, Query),
        ("cursor" = Option<String>, Query), ("limit" = Option<u32>, Query, minimum = 1, maximum = 500)),
    responses((status = 200, description = "As for a team", body = Entries),
        (status = 404, description = "Not the caller")))]
async fn of_user(
    State(app): State<App>,
    Asking(actor): Asking,
    InPath(user): InPath<UserId>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Problem> {
    if matches!(&actor, Actor::User(caller) if *caller != user) {
        return Err(not_found("user", &user));
    }
    answer(&app, &headers, Asked::read(Scope::User(user), parameters)?).await
}

/// What came in and was drawn on a subscription, whoever drew; to its owner.
#[utoipa::path(get, path = "/v1/subscriptions/{id}/entries", tag = "ledger",
    params(("id" = WireSubscription, Path), ("member" = Option<WireUser>, Query), ("kind" = Option<String>, Query),
        ("from" = Option<String>, Query), ("to" = Option<String>, Query), ("order" = Option<String>, Query),
        ("cursor" = Option<String>, Query), ("limit" = Option<u32>, Query, minimum = 1, maximum = 500)),
    responses((status = 200, description = "As for a team", body = Entries),
        (status = 403, description = "Only the subscription's owner may"), (status = 404, description = "Unknown")))]
async fn of_subscription(
    State(app): State<App>,
    Asking(actor): Asking,
    InPath(id): InPath<SubscriptionId>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let subscription = sight::subscription(&app, &actor, &id).await?;
    // What it paid for before it came to this team is not the team's to see.
    if !sight::owns(&subscription, &actor) {
        return Err(forbidden("Only the subscription's owner may see all its entries; ask for the team's."));
    }
    answer(&app, &headers, Asked::read(Scope::Subscription(id), parameters)?).await
}

/// The whole ledger, for audits; to admin tokens.
#[utoipa::path(get, path = "/v1/entries", tag = "ledger",
    params(("member" = Option<WireUser>, Query), ("kind" = Option<String>, Query), ("id" = Option<String>, Query),
        ("from" = Option<String>, Query), ("to" = Option<String>, Query), ("order" = Option<String>, Query),
        ("cursor" = Option<String>, Query), ("limit" = Option<u32>, Query, minimum = 1, maximum = 500)),
    responses((status = 200, description = "As for a team", body = Entries),
        (status = 403, description = "Only admin tokens may")))]
async fn of_all(
    State(app): State<App>,
    Asking(actor): Asking,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Problem> {
    if matches!(actor, Actor::User(_)) {
        return Err(forbidden("Only an admin token, acting for nobody, may see the whole ledger."));
    }
    answer(&app, &headers, Asked::read(Scope::All, parameters)?).await
}

fn forbidden(detail: &'static str) -> Problem {
    Problem::new(Code::Forbidden, detail)
}

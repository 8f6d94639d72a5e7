//! The routes of control and of the ledger: subscriptions, teams, members, whitelists, entries.
//!
//! A route reads the body, asks the service, and answers the resource as it now stands. Who may
//! change what is the root's rule; who may see what is in `sight`.

mod bulk;
pub mod entries;
mod members;
mod purchases;
mod query;
pub mod refusal;
mod sight;
mod subscriptions;
mod teams;
mod whitelist;
mod words;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use axum::{Json, http::StatusCode};
use http::request::Parts;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;

use crate::api::auth::Caller;
use crate::api::problem::Problem;
use crate::api::state::App;
use crate::root::{Actor, Command, Outcome, Row};

/// All of them.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(subscriptions::routes())
        .merge(purchases::routes())
        .merge(teams::routes())
        .merge(members::routes())
        .merge(bulk::routes())
        .merge(whitelist::routes())
        .merge(entries::routes())
}

/// As whom control asks. Taken before the body, so that who may not control is told so whatever it
/// sent.
#[derive(Clone, Debug)]
struct Asking(Actor);

impl FromRequestParts<App> for Asking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        caller.control_actor().map(Self)
    }
}

/// What a command did.
struct Changed {
    outcome: Outcome,
    rows: Vec<Row>,
}

/// Has the root decide a command; refusals and failures are problems.
async fn change(app: &App, actor: Actor, command: Command) -> Result<Changed, Problem> {
    let controlled = app.service.control(command, actor).await.map_err(|unable| refusal::unable(&unable))?;
    let done = controlled.answer.map_err(refusal::problem)?;
    Ok(Changed { outcome: done.outcome, rows: controlled.rows })
}

impl Changed {
    /// 201 for what is new, else 200, with the resource as it now stands.
    fn answer(&self, resource: impl Serialize) -> Response {
        let status = if self.outcome == Outcome::Created { StatusCode::CREATED } else { StatusCode::OK };
        (status, Json(resource)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(rows) => rows.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_route_is_documented_and_every_schema_is_there() {
        let document = serde_json::to_value(routes().into_openapi()).expect("serialises");
        let paths = document["paths"].as_object().expect("paths");
        let operations: usize = paths.values().map(|path| path.as_object().map_or(0, serde_json::Map::len)).sum();
        assert_eq!((paths.len(), operations), (13, 19), "{:?}", paths.keys());
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let pointer = reference.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{reference} is missing");
        }
    }
}

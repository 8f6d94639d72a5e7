//! The routes of the HTTP interface, put together from areas that each register their own handlers,
//! so that a route cannot be served without being documented.
//!
//! Nothing is decided here: handlers read the wire, ask the service, and write the wire.

pub mod answers;
pub mod asks;
mod at_once;
pub mod authorize;
pub mod balances;
pub mod batch;
pub mod control;
pub mod decisions;
mod direct;
mod docs;
mod ended;
pub mod ends;
pub mod faults;
pub mod guard;
mod health;
pub mod openapi;
mod operators;
mod plain_answer;
mod plain_draw;
mod rows;

use std::sync::Arc;

use axum::Router;
use utoipa_axum::router::OpenApiRouter;

use super::listen::Front;
use super::problem::with_fallbacks;
use super::state::App;

/// Every route, the most asked before the router; metrics and health only `with_admin`, unless those have an
/// address of their own.
pub fn front(app: App, with_admin: bool) -> Front {
    let direct = direct::Direct::new(app.clone());
    Front { direct: Some(Arc::new(direct)), router: router(app, with_admin) }
}

/// The same routes, all by the router.
pub fn router(app: App, with_admin: bool) -> Router {
    let areas = if with_admin { areas().merge(health::routes()) } else { areas() };
    let (router, document) = areas.split_for_parts();
    let router = router.merge(docs::routes(&openapi::complete(document)));
    with_fallbacks(router).layer(guard::Guards::new(app.service.metrics())).with_state(app)
}

/// Metrics and health alone, for an address of their own.
pub fn admin_router(app: App) -> Router {
    let (router, _) = health::routes().split_for_parts();
    with_fallbacks(router).layer(guard::Guards::new(app.service.metrics())).with_state(app)
}

/// The OpenAPI document of every route.
pub fn document() -> utoipa::openapi::OpenApi {
    openapi::complete(areas().merge(health::routes()).into_openapi())
}

fn areas() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(decisions::routes())
        .merge(ends::routes())
        .merge(batch::routes())
        .merge(authorize::routes())
        .merge(balances::routes())
        .merge(control::routes())
        .merge(operators::routes())
}

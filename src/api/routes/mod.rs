//! Every route.

pub mod control;

use axum::Router;

use super::problem::with_fallbacks;
use super::state::App;

/// All routes; with metrics and health where they have no address of their own.
pub fn router(app: App, _with_admin: bool) -> Router {
    with_fallbacks(Router::from(control::routes())).with_state(app)
}

/// Metrics and health alone.
pub fn admin_router(app: App) -> Router {
    with_fallbacks(Router::new()).with_state(app)
}

//! The Limitador library, in memory, behind the axum server that the floor `axum` is: JSON in, two limits checked and
//! counted at once, JSON out. One thread. Prints where it listens.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use limitador::RateLimiter;
use limitador::limit::{Expression, Limit};
use serde::{Deserialize, Serialize};

/// The allocator that the other servers have.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// More counters than a run has members.
const COUNTERS_MAX: u64 = 1_000_000;

/// No window ends during a run, and no limit is reached.
const WINDOW_SECONDS: u64 = 86_400;

const NAMESPACE: &str = "bench";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    id: String,
    team: String,
    member: String,
    #[serde(rename = "credits")]
    _credits: String,
}

#[derive(Serialize)]
struct Answer {
    decision: &'static str,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    denial: Option<Denial>,
}

#[derive(Serialize)]
struct Denial {
    reason: &'static str,
}

async fn answer(State(limiter): State<Arc<RateLimiter>>, Json(ask): Json<Ask>) -> Json<Answer> {
    let values = HashMap::from([("team".to_owned(), ask.team), ("member".to_owned(), ask.member)]);
    let checked = limiter.check_rate_limited_and_update(&NAMESPACE.into(), &values.into(), 1);
    let limited = checked.expect("the limits name what is there").limited;
    let decision = if limited { "deny" } else { "allow" };
    Json(Answer { decision, id: ask.id, denial: limited.then_some(Denial { reason: "limited" }) })
}

fn limiter() -> RateLimiter {
    let limiter = RateLimiter::new(COUNTERS_MAX);
    for variables in [&["team"][..], &["team", "member"]] {
        let variables = variables.iter().map(|name| Expression::parse(name).expect("a name is an expression"));
        limiter.add_limit(Limit::new(NAMESPACE, u64::MAX, WINDOW_SECONDS, [], variables.collect::<Vec<_>>()));
    }
    limiter
}

fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}", listener.local_addr()?);
        // `purser bench` creates its teams first, which mean nothing here.
        let router = Router::new().route("/v1/debits", post(answer)).fallback(|| async { "{}" });
        axum::serve(listener, router.with_state(Arc::new(limiter()))).await
    })
}

//! The floor: axum on one thread, JSON in, a constant answer out.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

pub struct Echo(SocketAddr);

impl Echo {
    pub fn address(&self) -> SocketAddr {
        self.0
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    id: String,
    team: String,
    member: String,
    credits: String,
    model: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    decision: &'static str,
    id: String,
    credits: &'static str,
    payer: &'static str,
    subscription: &'static str,
    remaining: Remaining,
}

#[derive(Serialize)]
struct Remaining {
    member: &'static str,
    payer: &'static str,
}

async fn answer(Json(ask): Json<Ask>) -> Json<Answer> {
    // What is parsed must not be left out by the compiler.
    std::hint::black_box((&ask.team, &ask.member, &ask.credits, &ask.model));
    let remaining = Remaining { member: "98.75", payer: "998.75" };
    let (credits, payer, subscription) = ("1.25", "pool", "sub_1");
    Json(Answer { decision: "allow", id: ask.id, credits, payer, subscription, remaining })
}

pub fn start() -> Echo {
    let (address, started) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            address.send(listener.local_addr().expect("a bound port")).expect("the bench waits");
            // `purser bench` creates its teams first, which mean nothing here.
            let router = Router::new().route("/v1/debits", post(answer)).fallback(|| async { "{}" });
            axum::serve(listener, router).await
        })
    });
    Echo(started.recv().expect("the echo started"))
}

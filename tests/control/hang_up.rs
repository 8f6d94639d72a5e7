//! A caller that hangs up in the middle of control leaves nothing half done.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use purser::domain::{TeamId, UserId};
use purser::engine::balance::Standing;
use purser::root::{Actor, Command, Settings};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::support::Sidecar;

/// Polls a future up to `polls` times, then drops it.
async fn dropped_after<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// Whether engine and store agree on who is a member; answers how many are.
async fn agreed(sidecar: &Sidecar, users: &[UserId]) -> usize {
    // Control is one at a time, so when this has been answered all before it have been followed.
    sidecar.put("/v1/teams/acme", json!({ "name": "settled" })).await.expect(200);
    let (service, acme) = (sidecar.server.service(), TeamId::new("acme").expect("an id"));
    let stored = service.members(&acme, None, 500).await.expect("answers");
    for user in users {
        let is_stored = stored.iter().any(|member| member.user == *user);
        let is_followed = matches!(service.standing(&acme, user), Standing::Member(_));
        assert_eq!(is_stored, is_followed, "{user}");
    }
    users.iter().filter(|user| stored.iter().any(|member| member.user == **user)).count()
}

#[tokio::test]
async fn the_engine_follows_what_was_committed_for_a_caller_that_is_gone() {
    let sidecar = Sidecar::with_team().await;
    let users: Vec<UserId> = (0..24).map(|n| UserId::new(&format!("gone{n}")).expect("an id")).collect();
    let team = TeamId::new("acme").expect("an id");
    let mut dropped = 0;
    for (number, user) in users.iter().enumerate() {
        let command = Command::PutMember { team: team.clone(), user: user.clone(), settings: Settings::default() };
        let asking = sidecar.server.service().control(command, Actor::Service("root".to_owned()));
        dropped += usize::from(dropped_after(asking, number % 3).await.is_none());
    }
    let kept = agreed(&sidecar, &users).await;
    assert!(kept > users.len() - dropped, "{kept} kept, {dropped} dropped: what has begun runs to its end");
}

#[tokio::test]
async fn a_closed_connection_leaves_engine_and_store_agreed() {
    let sidecar = Sidecar::with_team().await;
    let users: Vec<UserId> = (0..24).map(|n| UserId::new(&format!("gone{n}")).expect("an id")).collect();
    for user in &users {
        let mut stream = TcpStream::connect(sidecar.address()).await.expect("connects");
        let request = format!(
            "PUT /v1/teams/acme/members/{user} HTTP/1.1\r\nhost: p\r\nauthorization: Bearer admin\r\n\
             content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        stream.write_all(request.as_bytes()).await.expect("sends");
        drop(stream);
    }
    agreed(&sidecar, &users).await;
    for user in &users {
        let path = format!("/v1/teams/acme/members/{user}");
        let status = sidecar.put(&path, json!({})).await.status;
        assert!(matches!(status, 200 | 201), "the same request may be sent again");
    }
    assert_eq!(agreed(&sidecar, &users).await, users.len());
}

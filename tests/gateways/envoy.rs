//! Envoy with `ext_authz`, and with `ratelimit` at the end of each call.

use std::net::SocketAddr;
use std::process::Command;

use http_body_util::BodyExt;
use serde_json::json;

use crate::caller::Caller;
use crate::program::{self, Program};
use crate::promises::{self, Manners};
use crate::scene::Scene;

/// Envoy before the scene with a file of `deploy/envoy` and some more changes, or none where it is not installed.
fn start(scene: &Scene, file: &str, changes: &[(&str, &str)]) -> Option<(Program, Caller)> {
    let envoy = program::find("envoy")?;
    let address = program::free();
    let at = |address: SocketAddr| format!("address: {}, port_value: {}", address.ip(), address.port());
    let mut all = vec![
        ("address: 127.0.0.1, port_value: 8082", at(address)),
        ("address: 127.0.0.1, port_value: 9000", at(scene.upstream.address)),
        ("/run/purser/grpc.sock", scene.grpc_path().display().to_string()),
    ];
    all.extend(changes.iter().map(|(shipped, here)| (*shipped, (*here).to_owned())));
    let file = program::deployed(&format!("envoy/{file}"), &all);
    let path = scene.folder.path().join("envoy.yaml");
    std::fs::write(&path, file).expect("writes");
    let mut command = Command::new(envoy);
    command.args(["--disable-hot-restart", "--concurrency", "2", "--log-level", "error", "-c"]).arg(path);
    let program = Program::start(command, address);
    Some((program, Caller::new(address, Some("key-of-ana"))))
}

/// Without a rate card: each amount is one of micro-credits, of which the last counts.
const IN_MICRO_CREDITS: [(&str, &str); 3] = [
    ("descriptor_value: input_tokens", "descriptor_value: micro_credits"),
    ("descriptor_value: cached_input_tokens", "descriptor_value: micro_credits"),
    ("descriptor_value: output_tokens", "descriptor_value: micro_credits"),
];

#[tokio::test(flavor = "multi_thread")]
async fn envoy_asks_before_each_call() {
    let mut scene = Scene::open().await;
    let Some((_envoy, ana)) = start(&scene, "envoy.yaml", &[]) else { return };
    promises::all_are_kept(&mut scene, &ana, &Manners { unknown_key: 401, purser_away: 503 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_through_envoy_get_what_there_is() {
    let scene = Scene::open().await;
    let Some((_envoy, ana)) = start(&scene, "envoy.yaml", &[]) else { return };
    promises::many_at_once_get_what_there_is(&scene, &ana).await;
}

/// Calls of each kind.
const CALLS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_call_used_is_settled_and_what_failed_or_was_left_is_released() {
    let scene = Scene::open().await;
    let Some((_envoy, ana)) = start(&scene, "tokens.yaml", &IN_MICRO_CREDITS) else { return };
    scene.set_ana(&json!({ "role": "member", "access": "seat", "limit": null }));
    for _ in 0..CALLS {
        let answer = ana.chat().await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    scene.upstream.second_part.add_permits(CALLS);
    for _ in 0..CALLS {
        let streamed = ana.call("GET", "/v1/stream", &[]).await;
        assert!(streamed.body.ends_with("data: [DONE]\n\n"), "{streamed:?}");
    }
    for _ in 0..CALLS {
        assert_eq!(ana.call("GET", "/v1/broken", &[]).await.status, 500);
    }
    for _ in 0..CALLS {
        // A caller of its own each, whose connection goes with it.
        let mut body = ana.anew().open("GET", "/v1/stream", &[]).await.into_body();
        body.frame().await.expect("a part").expect("a whole part");
    }
    assert_eq!(scene.upstream.calls(), 4 * CALLS);
    scene.nothing_is_held().await;
    assert_eq!(scene.used(), "0.16");
}

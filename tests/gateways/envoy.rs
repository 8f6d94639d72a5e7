//! Envoy with `ext_authz`.

use std::net::SocketAddr;
use std::process::Command;

use crate::caller::Caller;
use crate::program::{self, Program};
use crate::promises::{self, Manners};
use crate::scene::Scene;

/// Envoy before the scene, or none where it is not installed.
fn start(scene: &Scene) -> Option<(Program, Caller)> {
    let envoy = program::find("envoy")?;
    let address = program::free();
    let at = |address: SocketAddr| format!("address: {}, port_value: {}", address.ip(), address.port());
    let file = program::deployed(
        "envoy/envoy.yaml",
        &[
            ("address: 127.0.0.1, port_value: 8082", at(address)),
            ("address: 127.0.0.1, port_value: 9000", at(scene.upstream.address)),
            ("/run/purser/grpc.sock", scene.grpc_path().display().to_string()),
        ],
    );
    let path = scene.folder.path().join("envoy.yaml");
    std::fs::write(&path, file).expect("writes");
    let mut command = Command::new(envoy);
    command.args(["--disable-hot-restart", "--concurrency", "2", "--log-level", "error", "-c"]).arg(path);
    let program = Program::start(command, address);
    Some((program, Caller::new(address, Some("key-of-ana"))))
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_asks_before_each_call() {
    let mut scene = Scene::open().await;
    let Some((_envoy, ana)) = start(&scene) else { return };
    promises::a_call_is_charged_to_its_key(&scene, &ana).await;
    promises::a_stream_is_not_held_back(&scene, &ana).await;
    promises::an_error_of_the_model_is_its_own(&ana).await;
    promises::a_denied_call_is_told_why(&scene, &ana, &ana.with_key(Some("key-of-eve"))).await;
    let nobody = [ana.with_key(None), ana.with_key(Some("guessed"))];
    promises::nothing_passes_unmetered(&mut scene, &ana, &nobody, &Manners { unknown_key: 401, purser_away: 503 })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_through_envoy_get_what_there_is() {
    let scene = Scene::open().await;
    let Some((_envoy, ana)) = start(&scene) else { return };
    promises::many_at_once_get_what_there_is(&scene, &ana).await;
}

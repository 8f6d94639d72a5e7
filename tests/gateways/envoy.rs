//! Envoy with `ext_authz`, and with `ratelimit` at the end of each call.

use std::net::SocketAddr;
use std::process::Command;

use crate::caller::Caller;
use crate::program::{self, Program};
use crate::promises::{self, Manners};
use crate::scene::Scene;

/// Envoy before the scene with a file of `deploy/envoy`, or none where it is not installed.
pub fn start(scene: &Scene, file: &str) -> Option<(Program, Caller)> {
    start_with(scene, file, |text| text)
}

/// The same, with its configuration changed some more.
pub fn start_with(scene: &Scene, file: &str, change: impl FnOnce(String) -> String) -> Option<(Program, Caller)> {
    let envoy = program::find("envoy")?;
    let address = program::free();
    let at = |address: SocketAddr| format!("address: {}, port_value: {}", address.ip(), address.port());
    let addresses = [
        ("address: 127.0.0.1, port_value: 8082", at(address)),
        ("address: 127.0.0.1, port_value: 9000", at(scene.upstream.address)),
        ("/run/purser/grpc.sock", scene.grpc_path().display().to_string()),
    ];
    let config = change(program::deployed(&format!("envoy/{file}"), &addresses));
    let path = scene.folder.path().join(format!("envoy-{}.yaml", address.port()));
    std::fs::write(&path, config).expect("writes");
    let mut command = Command::new(envoy);
    command.args(["--disable-hot-restart", "--concurrency", "2", "--log-level", "error", "-c"]).arg(path);
    let program = Program::start(command, address);
    Some((program, Caller::new(address, Some("key-of-ana"))))
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_asks_before_each_call() {
    let mut scene = Scene::open().await;
    let Some((_envoy, ana)) = start(&scene, "envoy.yaml") else { return };
    promises::all_are_kept(&mut scene, &ana, &Manners { unknown_key: 401, purser_away: 503 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_through_envoy_get_what_there_is() {
    let scene = Scene::open().await;
    let Some((_envoy, ana)) = start(&scene, "envoy.yaml") else { return };
    promises::many_at_once_get_what_there_is(&scene, &ana).await;
}

//! Caddy with `forward_auth`.

use std::process::Command;

use crate::caller::Caller;
use crate::program::{self, Program};
use crate::promises::{self, Manners};
use crate::scene::Scene;

/// Caddy before the scene, or none where it is not installed.
fn start(scene: &Scene) -> Option<(Program, Caller)> {
    let caddy = program::find("caddy")?;
    let address = program::free();
    let config = program::deployed(
        "caddy/Caddyfile",
        &[
            ("127.0.0.1:8080", scene.purser_address()),
            ("127.0.0.1:9000", scene.upstream.address.to_string()),
            (":8081 {", format!("http://{address} {{")),
        ],
    );
    let path = scene.folder.path().join("Caddyfile");
    std::fs::write(&path, config).expect("writes");
    let mut command = Command::new(caddy);
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(path);
    command.env("XDG_DATA_HOME", scene.folder.path()).env("XDG_CONFIG_HOME", scene.folder.path());
    Some((Program::start(command, address), Caller::new(address, Some("key-of-ana"))))
}

#[tokio::test(flavor = "multi_thread")]
async fn caddy_asks_before_each_call() {
    let mut scene = Scene::open().await;
    let Some((_caddy, ana)) = start(&scene) else { return };
    promises::all_are_kept(&mut scene, &ana, &Manners { unknown_key: 401, purser_away: 503 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_through_caddy_get_what_there_is() {
    let scene = Scene::open().await;
    let Some((_caddy, ana)) = start(&scene) else { return };
    promises::many_at_once_get_what_there_is(&scene, &ana).await;
}

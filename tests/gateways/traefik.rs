//! Traefik with `forwardAuth`.

use std::process::Command;
use std::time::Duration;

use crate::caller::Caller;
use crate::program::{self, Program};
use crate::promises::{self, Manners};
use crate::scene::Scene;

/// Traefik before the scene, or none where it is not installed.
async fn start(scene: &Scene) -> Option<(Program, Caller)> {
    let traefik = program::find("traefik")?;
    let address = program::free();
    let dynamic = scene.folder.path().join("dynamic.toml");
    let rules = program::deployed(
        "traefik/dynamic.toml",
        &[("127.0.0.1:8080", scene.purser_address()), ("127.0.0.1:9000", scene.upstream.address.to_string())],
    );
    std::fs::write(&dynamic, rules).expect("writes");
    let main = program::deployed(
        "traefik/traefik.toml",
        &[("\":8081\"", format!("\"{address}\"")), ("\"dynamic.toml\"", format!("{dynamic:?}"))],
    );
    let path = scene.folder.path().join("traefik.toml");
    std::fs::write(&path, main).expect("writes");
    let mut command = Command::new(traefik);
    command.arg("--configFile").arg(path);
    let program = Program::start(command, address);
    let ana = Caller::new(address, Some("key-of-ana"));
    // It listens before it has read its rules; who is denied by them is not charged.
    while ana.with_key(Some("key-of-eve")).chat().await.status == 404 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Some((program, ana))
}

#[tokio::test(flavor = "multi_thread")]
async fn traefik_asks_before_each_call() {
    let mut scene = Scene::open().await;
    let Some((_traefik, ana)) = start(&scene).await else { return };
    promises::all_are_kept(&mut scene, &ana, &Manners { unknown_key: 404, purser_away: 500 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_through_traefik_get_what_there_is() {
    let scene = Scene::open().await;
    let Some((_traefik, ana)) = start(&scene).await else { return };
    promises::many_at_once_get_what_there_is(&scene, &ana).await;
}

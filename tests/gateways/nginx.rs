//! nginx with `auth_request`.

use std::process::Command;

use crate::caller::Caller;
use crate::program::{self, Program};
use crate::promises::{self, Manners};
use crate::scene::Scene;

/// nginx before the scene, or none where it is not installed.
fn start(scene: &Scene) -> Option<(Program, Caller)> {
    let nginx = program::find("nginx")?;
    let address = program::free();
    let site = program::deployed(
        "nginx/purser.conf",
        &[
            ("127.0.0.1:8080", scene.purser_address()),
            ("127.0.0.1:9000", scene.upstream.address.to_string()),
            ("listen 8081", format!("listen {address}")),
        ],
    );
    let folder = scene.folder.path().join("nginx");
    std::fs::create_dir(&folder).expect("the folder can be made");
    std::fs::write(folder.join("purser.conf"), site).expect("writes");
    // The parts of a distribution's nginx.conf that every site needs, with all it writes in one folder.
    let temporary =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path {kind};"));
    let main = format!(
        "daemon off; worker_processes 1; pid nginx.pid; error_log stderr warn;\n\
         events {{}}\nhttp {{ access_log off; {} include purser.conf; }}\n",
        temporary.join(" ")
    );
    std::fs::write(folder.join("nginx.conf"), main).expect("writes");
    let mut command = Command::new(nginx);
    command.arg("-p").arg(&folder).args(["-c", "nginx.conf"]);
    Some((Program::start(command, address), Caller::new(address, Some("key-of-ana"))))
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_asks_before_each_call() {
    let mut scene = Scene::open().await;
    let Some((_nginx, ana)) = start(&scene) else { return };
    promises::all_are_kept(&mut scene, &ana, &Manners { unknown_key: 401, purser_away: 503 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_through_nginx_get_what_there_is() {
    let scene = Scene::open().await;
    let Some((_nginx, ana)) = start(&scene) else { return };
    promises::many_at_once_get_what_there_is(&scene, &ana).await;
}

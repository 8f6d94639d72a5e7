//! The demo's own server: the real one, on a free port, with a data folder that is gone afterwards.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::clock::Clock;
use crate::config::{self, Flags};
use crate::server::Server;

/// How long it may finish what is under way at the end.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// A server that nobody else knows of.
pub(super) struct Own {
    server: Server,
    /// Removed last.
    _folder: Folder,
}

impl Own {
    /// Starts it with the defaults of the configuration, the environment's not looked at.
    pub(super) async fn start(clock: &Clock) -> anyhow::Result<Self> {
        let folder = Folder::create(clock)?;
        let data = folder.0.to_string_lossy().into_owned();
        let values = vec![("--data", "data", data), ("--http", "server.http", "127.0.0.1:0".to_owned())];
        let loaded = config::load(&Flags { config: None, values }, [])?;
        let server = Server::start(&loaded.config, clock.clone()).await.context("the demo's own server")?;
        Ok(Self { server, _folder: folder })
    }

    /// Where it listens.
    pub(super) fn url(&self) -> String {
        self.server.addresses().first().map_or_else(String::new, |address| format!("http://{address}"))
    }

    /// Ends it and removes its data.
    pub(super) async fn stop(self) {
        self.server.stop(STOP_WAIT).await;
    }
}

/// A folder that is removed with what is in it.
struct Folder(PathBuf);

impl Folder {
    fn create(clock: &Clock) -> anyhow::Result<Self> {
        let name = format!("purser-demo-{}-{}", std::process::id(), clock.now().millis());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).with_context(|| format!("the folder {} for the demo's data", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("purser: the demo's data stays in {}: {error}", self.0.display());
        }
    }
}

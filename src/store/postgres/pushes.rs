//! Listens for what sidecars tell each other through the server, on a connection of its own. What is
//! missed while it is away the next beat tells.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::options::Options;

/// The channel's name.
const CHANNEL: &str = "purser";

/// The pause before the server is asked again after it went away.
const PAUSE: Duration = Duration::from_secs(1);

/// A listener, until it is dropped.
#[derive(Debug)]
pub struct Pushes {
    receiver: watch::Receiver<u64>,
    listening: JoinHandle<()>,
}

impl Pushes {
    /// Begins to listen. Needs a tokio runtime.
    pub fn begin(options: &Options) -> Self {
        let (sender, receiver) = watch::channel(0);
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(options.connect_timeout);
        let pool = pool.connect_lazy_with(options.connect().clone());
        let listening = tokio::spawn(async move {
            loop {
                if let Err(error) = listen(&pool, &sender).await {
                    tracing::debug!(%error, "listening for other sidecars is tried again");
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { receiver, listening }
    }

    /// Changes with every push.
    pub fn receiver(&self) -> watch::Receiver<u64> {
        self.receiver.clone()
    }
}

impl Drop for Pushes {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(pool: &sqlx::PgPool, sender: &watch::Sender<u64>) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // `None`: the connection was lost, and is made anew with the next call.
        let _ = listener.try_recv().await?;
        sender.send_modify(|pushes| *pushes += 1);
    }
}

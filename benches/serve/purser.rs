//! A real sidecar on one thread: journal and SQLite in a temporary folder, `os` durability.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use purser::clock::Clock;
use purser::config::{Config, Listen};
use purser::domain::{Access, Credits, Features, SubscriptionId, TeamId, Timestamp, UserId};
use purser::root::{Actor, Command, Rollover, Settings, Status, Terms};
use purser::server::Server;

pub const MEMBERS: u64 = 100;

pub struct Purser {
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Purser {
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Starts it, with the longest time between two flushes where it is not the default.
pub fn start(flush_interval: Option<Duration>) -> Purser {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut config = Config { data: folder.path().to_owned(), ..Config::default() };
    config.store.flush_interval = flush_interval.unwrap_or(config.store.flush_interval);
    config.server.http = vec![Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))];
    let (address, started) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let server = Server::start(&config, Clock::system()).await.expect("the sidecar starts");
            seed(&server).await;
            let Listen::Tcp(bound) = server.addresses()[0] else { unreachable!("a TCP address was asked for") };
            address.send(bound).expect("the bench waits");
            std::future::pending::<()>().await;
        });
    });
    Purser { address: started.recv().expect("the sidecar started"), _folder: folder }
}

async fn seed(server: &Server) {
    let owner = UserId::new("olga").expect("a name");
    let terms = Terms {
        owner: owner.clone(),
        plan: "team".into(),
        status: Status::Active,
        seats: 1_000,
        credits_per_seat: Credits::from_credits(1_000_000).expect("in range"),
        anchor: Timestamp::from_millis(1_767_225_600_000).expect("in range"),
        rollover: Rollover::default(),
        features: Features::default(),
    };
    let (team, subscription) = (TeamId::new("acme").expect("a name"), SubscriptionId::new("sub_1").expect("a name"));
    let mut commands = vec![
        Command::PutSubscription { id: subscription, terms },
        Command::PutTeam { id: team.clone(), name: None, owner: Some(owner) },
    ];
    commands.extend((0..MEMBERS).map(|number| {
        let settings =
            Settings { access: Access::Seat, limit: Credits::from_credits(1_000_000_000), ..Settings::default() };
        let user = UserId::new(&format!("member-{number:04}")).expect("a name");
        Command::PutMember { team: team.clone(), user, settings }
    }));
    for command in commands {
        let done = server.service().control(command, Actor::Service("bench".into())).await;
        done.expect("the store answers").answer.expect("the rules allow it");
    }
}

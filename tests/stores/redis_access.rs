//! Who may come to a Redis: users with no more rights than are documented, passwords that nobody sees, and
//! encrypted connections.

use std::time::Duration;

use purser::store::redis::{Options, Target};
use purser::store::{Redis, Store, StoreError};

use crate::certificates::Authority;
use crate::redis::Server;
use crate::support::*;

/// As `docs/store-redis.md` says.
fn documented_rights() -> String {
    let text = std::fs::read_to_string("docs/store-redis.md").expect("it is there");
    let rights = text.split('`').find(|word| word.starts_with("+@read")).expect("the rights are documented");
    let names = text.split('`').find(|word| word.starts_with("~{purser}")).expect("the names are documented");
    format!("{rights} {names}")
}

#[test]
fn the_documented_rights_are_enough_and_a_password_is_never_shown() {
    block_on(async {
        let server = Server::start();
        server.run(&format!("ACL SETUSER app on >s3cret {}", documented_rights()));
        server.run("ACL SETUSER default off");
        let with = |password: &str| {
            let (user, password) = (Some("app".to_owned()), Some(password.to_owned()));
            Options::new(Target { user, password, ..target(server.port()) })
        };
        let store = Redis::open(with("s3cret")).await.expect("the store opens");
        let mut engine = seeded(&store).await;
        engine.debit("d1", "10").hold("h1", "5").extend("h1");
        report(&store, &engine.all()).await;
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
        assert!(!loaded(&store, now()).await.is_empty());
        store.changes(0).await.expect("changes are read");
        let refused = Redis::open(with("s3cret-but-wrong")).await.expect_err("it is the wrong one");
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
        assert!(!refused.to_string().contains("s3cret") && !format!("{store:?}").contains("s3cret"), "{refused}");
    });
}

#[test]
fn an_encrypted_connection_is_only_made_to_a_server_that_is_vouched_for() {
    let authority = Authority::new();
    let (certificate, key) = authority.vouch("IP:127.0.0.1");
    let [certificate, key, ca] = [certificate, key, authority.certificate()].map(|path| path.display().to_string());
    let server = Server::encrypted(&certificate, &key, &ca);
    block_on(async {
        let with = |ca: Option<&Authority>, tls| {
            let ca = ca.map(Authority::certificate);
            let options = Options::new(Target { tls, ca, ..target(server.port()) });
            Redis::open(Options { verb_timeout: Duration::from_secs(2), ..options })
        };
        let store = with(Some(&authority), true).await.expect("the store opens");
        seeded(&store).await;
        let another = Authority::new();
        for ca in [None, Some(&another)] {
            assert!(
                matches!(with(ca, true).await, Err(StoreError::Unavailable(_))),
                "nobody who is trusted vouches for it"
            );
        }
        assert!(matches!(with(None, false).await, Err(StoreError::Unavailable(_))), "it speaks only TLS");
    });
}

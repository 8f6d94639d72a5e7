//! Who may come to a Redis: users with no more rights than are documented, passwords that nobody sees, and
//! encrypted connections.

use std::process::Command;
use std::time::Duration;

use purser::store::redis::{Options, Target};
use purser::store::{Redis, Store, StoreError};

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

fn openssl(folder: &std::path::Path, words: &str) {
    let output = Command::new("openssl").args(words.split(' ')).current_dir(folder).output();
    let output = output.expect("openssl is there: install the Debian package openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_encrypted_connection_is_only_made_to_a_server_that_is_vouched_for() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    openssl(
        folder.path(),
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=tests",
    );
    openssl(
        folder.path(),
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout own.key -out own.csr -subj /CN=own",
    );
    std::fs::write(folder.path().join("names"), "subjectAltName=IP:127.0.0.1\n").expect("it is written");
    openssl(
        folder.path(),
        "x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out own.pem",
    );
    let server = Server::encrypted(&path("own.pem"), &path("own.key"), &path("ca.pem"));
    block_on(async {
        let with = |ca: Option<&str>, tls| {
            let ca = ca.map(|name| folder.path().join(name));
            let options = Options::new(Target { tls, ca, ..target(server.port()) });
            Redis::open(Options { verb_timeout: Duration::from_secs(2), ..options })
        };
        let store = with(Some("ca.pem"), true).await.expect("the store opens");
        seeded(&store).await;
        assert!(matches!(with(None, true).await, Err(StoreError::Unavailable(_))), "nobody vouches for it");
        assert!(matches!(with(None, false).await, Err(StoreError::Unavailable(_))), "it speaks only TLS");
    });
}

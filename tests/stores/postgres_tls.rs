//! Encrypted connections to PostgreSQL: only to a server that a trusted authority vouches for, by its name.

use std::path::Path;
use std::time::Duration;

use purser::store::postgres::Options;
use purser::store::{Postgres, Store, StoreError};
use sqlx::{Connection, PgConnection};

use crate::certificates::Authority;
use crate::postgres::Server;
use crate::support::*;

const PASSWORD: &str = "s3cret-word";

/// A URL that trusts only `ca`, and wants the server's name in its certificate.
fn url(server: &Server, database: &str, ca: &Path, password: &str) -> String {
    let (port, ca) = (server.port(), ca.display());
    format!("postgres://careful:{password}@127.0.0.1:{port}/{database}?sslmode=verify-full&sslrootcert={ca}")
}

async fn opened(url: &str) -> Result<Postgres, StoreError> {
    let mut options = Options::new(url).expect("the URL is right");
    assert!(!format!("{options:?}").contains("s3cret"), "{options:?}");
    options.verb_timeout = Duration::from_secs(5);
    Postgres::open(options).await
}

#[test]
fn postgres_is_trusted_by_its_certificate_and_name_and_a_password_is_never_shown() {
    let server = Server::start();
    let (authority, another) = (Authority::new(), Authority::new());
    let (certificate, key) = authority.vouch("IP:127.0.0.1");
    block_on(async {
        let database = server.empty_database().await;
        let role =
            format!("CREATE ROLE careful LOGIN PASSWORD '{PASSWORD}'; GRANT ALL ON DATABASE {database} TO careful");
        server.run("postgres", &role).await;
        server.run(&database, "GRANT ALL ON SCHEMA public TO careful").await;
        let trusting = url(&server, &database, &authority.certificate(), PASSWORD);
        let refused = opened(&trusting).await.expect_err("the server speaks no TLS yet");
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");

        server.encrypt(&certificate, &key).await;
        let store = opened(&trusting).await.expect("the store opens");
        let mut engine = seeded(&store).await;
        engine.debit("d1", "10");
        report(&store, &engine.all()).await;
        assert_eq!(store.audit().await.expect("it is audited").listed, []);
        assert!(!format!("{store:?}").contains("s3cret"), "{store:?}");
        assert_eq!(plain_connections(&server).await, 0, "every connection is encrypted");

        for (wrong, why) in [
            (url(&server, &database, &another.certificate(), PASSWORD), "nobody who is trusted vouches for it"),
            (url(&server, &database, &authority.certificate(), "s3cret-but-wrong"), "it is the wrong password"),
            (trusting.replace("127.0.0.1", "localhost"), "the certificate names another server"),
        ] {
            let refused = opened(&wrong).await.expect_err(why);
            assert!(matches!(refused, StoreError::Unavailable(_)), "{why}: {refused}");
            assert!(!refused.to_string().contains("s3cret"), "{refused}");
        }
        store.close();
    });
}

/// Connections of the store's role that are not encrypted; there is at least one that is.
async fn plain_connections(server: &Server) -> i64 {
    let mut conn = PgConnection::connect(&server.url("postgres")).await.expect("the server takes connections");
    let sql = "SELECT count(*) FILTER (WHERE ssl), count(*) FILTER (WHERE NOT ssl) \
               FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'careful'";
    let (encrypted, plain): (i64, i64) = sqlx::query_as(sql).fetch_one(&mut conn).await.expect("it is counted");
    assert!(encrypted > 0, "the store is connected");
    plain
}

//! The audit says nothing when all is well, and names what was tampered with.

use purser::store::Store;
use sqlx::{Connection, SqliteConnection};

use crate::postgres::server;
use crate::support::*;

async fn busy(store: &dyn Store) -> Engine {
    let mut engine = seeded(store).await;
    engine.debit("d1", "10").hold("h1", "5").hold("h2", "6").settle("h1", "9").refund("r1", "d1", "2.5");
    engine.drawer.member = user("ana");
    engine.hold("h3", "1").extend("h3");
    engine.window = at("2026-12-01T00:00:00Z");
    engine.settle("h3", "4").debit("d2", "0.000001");
    engine
}

#[test]
fn an_honest_store_has_no_differences() {
    on_every_store(async |store| {
        let engine = busy(&*store).await;
        let december = at("2026-12-02T00:00:00Z");
        for last in [7, 9] {
            store.sync(&engine.request(1, last), december).await.expect("the store answers").expect("it is taken");
        }
        let audit = store.audit().await.expect("it is audited");
        assert_eq!((audit.listed, audit.differences), (Vec::new(), 0));
        // Five of control, nine of the sidecar, and what december granted and rolled over.
        assert_eq!(audit.entries, 5 + 9 + 2);
        assert!(audit.compared > 20, "{}", audit.compared);
    });
}

async fn names_it(store: &dyn Store, tampering: &str, named: &str) {
    let audit = store.audit().await.expect("it is audited");
    assert!(audit.differences > 0, "{tampering}");
    assert!(audit.listed.iter().any(|d| d.what.contains(named)), "{tampering}: {:?}", audit.listed);
}

/// The same on a store whose sums are kept sidecar by sidecar.
fn in_parts(tampering: &str) -> String {
    tampering.replace("UPDATE accounts", "UPDATE holders").replace("draws", "member_holders")
}

#[test]
fn tampering_is_named() {
    for (tampering, named) in [
        ("UPDATE accounts SET spent = spent + 1", "micro-credits spent of subscription s"),
        ("UPDATE accounts SET held = held + 1", "micro-credits held of subscription s"),
        ("UPDATE draws SET refunded = refunded + 1 WHERE member = 'bob'", "refunded of member bob of team t"),
        ("DELETE FROM draws WHERE member = 'bob'", "spent of member bob of team t"),
        ("DELETE FROM holds WHERE id = 'h2'", "hold h2 of team:t"),
        ("UPDATE holds SET credits = 1 WHERE id = 'h3'", "hold h3 of team:t"),
        ("UPDATE grants SET credits = credits + 1", "grant 1 of subscription s"),
        ("DELETE FROM ledger WHERE seq = 2", "journal entry at position"),
        ("DELETE FROM ledger WHERE seq = 7", "the last journal entry"),
        ("UPDATE ledger SET spent = spent - 1 WHERE seq = 1", "micro-credits spent of subscription s"),
    ] {
        block_on(async {
            let (_folder, file) = new_file();
            let store = open(&file).await;
            let engine = busy(&store).await;
            report(&store, &engine.request(1, 7)).await;
            assert_eq!(store.audit().await.expect("it is audited").listed, []);
            let url = format!("sqlite://{}", file.display());
            let mut conn = SqliteConnection::connect(&url).await.expect("the file opens");
            sqlx::query(tampering).execute(&mut conn).await.expect(tampering);
            names_it(&store, tampering, named).await;

            let database = new_database().await;
            let store = open_postgres(server(), &database).await;
            report(&store, &busy(&store).await.request(1, 7)).await;
            assert_eq!(store.audit().await.expect("it is audited").listed, []);
            server().run(&database, &in_parts(tampering)).await;
            names_it(&store, tampering, named).await;
        });
    }
}

//! What no key can say alone: keys that contradict each other.

use super::error::{Fault, Place};
use super::{Config, Durability, Listen, StoreUrl};

/// A contradiction, said at the key that is best changed.
pub(super) struct Contradiction {
    pub(super) key: &'static str,
    pub(super) why: String,
}

impl Contradiction {
    /// The fault at the place where the key was given.
    pub(super) fn at(self, place: Place) -> Fault {
        Fault { place, message: format!("{} {}", self.key, self.why) }
    }
}

/// Everything that contradicts itself.
pub(super) fn contradictions(config: &Config) -> Vec<Contradiction> {
    let Config { server, journal, holds, store, auth, .. } = config;
    let mut found = Vec::new();
    let mut refuse = |wrong: bool, key, why: &str| {
        if wrong {
            found.push(Contradiction { key, why: why.to_owned() });
        }
    };
    for (key, addresses) in [("server.http", &server.http), ("server.grpc", &server.grpc)] {
        refuse(
            auth.is_open() && addresses.iter().any(|listen| !listen.is_local()),
            key,
            "can be reached from other machines, but no auth.tokens_file and no [auth.jwt] are given, so that every \
             caller would be an admin; give one of them, or listen on a loopback address or a unix socket",
        );
        let is_again = |(n, listen)| taken(&addresses[..n], listen);
        refuse(addresses.iter().enumerate().any(is_again), key, "names an address twice");
    }
    refuse(
        server.grpc.iter().any(|listen| taken(&server.http, listen)),
        "server.grpc",
        "is also an address of server.http; gRPC has a port or a unix socket of its own",
    );
    refuse(
        server.admin.as_ref().is_some_and(|admin| taken(&server.http, admin)),
        "server.admin",
        "is also an address of server.http; leave it out to have metrics and health there",
    );
    refuse(
        server.admin.as_ref().is_some_and(|admin| taken(&server.grpc, admin)),
        "server.admin",
        "is also an address of server.grpc; name another one",
    );
    refuse(
        server.batch_bytes_max < server.body_bytes_max,
        "server.batch_bytes_max",
        "is below server.body_bytes_max; a batch is the larger body",
    );
    refuse(
        server.stall_timeout < server.request_timeout,
        "server.stall_timeout",
        "is below server.request_timeout; a slow answer would be cut off before it may begin",
    );
    refuse(
        holds.ttl_default > holds.ttl_max,
        "holds.ttl_default",
        "is above holds.ttl_max; a hold that names no lifetime would be refused",
    );
    refuse(
        journal.bytes_max / 2 < journal.segment_bytes,
        "journal.bytes_max",
        "holds fewer than two segments of journal.segment_bytes; one is written while the one before is flushed",
    );
    refuse(
        journal.queue_bytes_max > journal.segment_bytes,
        "journal.queue_bytes_max",
        "is above journal.segment_bytes; what waits must fit into one segment",
    );
    refuse(
        journal.durability == Durability::Store && store.url == StoreUrl::Memory,
        "journal.durability",
        "is \"store\", but store.url is \"memory:\", which survives nothing; take \"disk\" or another store",
    );
    refuse(
        store.leases.is_some() && !matches!(store.url, StoreUrl::Postgres(_)),
        "store.leases",
        "names a Redis that lends what PostgreSQL has charged, but store.url is no postgres:// URL; a Redis that keeps \
         the record lends itself, and the embedded store lends to nobody",
    );
    found
}

/// Whether an address is one of those; port 0 takes a free one each time.
fn taken(addresses: &[Listen], listen: &Listen) -> bool {
    addresses.contains(listen) && !matches!(listen, Listen::Tcp(address) if address.port() == 0)
}

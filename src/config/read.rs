//! Which keys there are, and what each may say: one line a key.

use std::time::Duration;

use super::reader::Reader;
use super::sections::{GIB, HOUR, KIB, MIB};
use super::{
    Audit, Auth, Config, Holds, Idempotency, Journal, Jwt, JwtKeys, Lease, Live, Log, Rates, Server, Store, Whitelist,
};
use super::{choices, error::Fault, value};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Addresses that one server may listen on; each takes a task and a socket.
const ADDRESSES_MAX: usize = 16;

/// Reads every key. Wrong ones keep their default and leave a fault with the reader.
pub(super) fn config(from: &mut Reader) -> Config {
    Config {
        data: from.value("data", Config::default().data, value::path),
        server: server(from),
        auth: auth(from),
        journal: journal(from),
        store: store(from),
        idempotency: idempotency(from),
        holds: holds(from),
        lease: Lease {
            wait: from.value("lease.wait", Lease::default().wait, |v| value::duration(v, MS..=10 * SECOND)),
        },
        whitelist: Whitelist { on_pool_spend: Live(from.value("whitelist.on_pool_spend", false, value::truth)) },
        envoy: super::envoy::envoy(from),
        rates: Rates { file: Live(from.optional("rates.file", value::path)) },
        audit: Audit {
            interval: from
                .value("audit.interval", Audit::default().interval, |v| value::duration(v, SECOND..=24 * HOUR)),
        },
        log: log(from),
    }
}

fn server(from: &mut Reader) -> Server {
    let d = Server::default();
    let timeout = 100 * MS..=10 * MINUTE;
    Server {
        http: from.value("server.http", d.http, |v| value::list(v, ADDRESSES_MAX)),
        grpc: from.optional("server.grpc", |v| value::list(v, ADDRESSES_MAX)).unwrap_or_default(),
        admin: from.optional("server.admin", value::parsed),
        header_timeout: from.value("server.header_timeout", d.header_timeout, |v| value::duration(v, timeout.clone())),
        body_timeout: from.value("server.body_timeout", d.body_timeout, |v| value::duration(v, timeout.clone())),
        idle_timeout: from.value("server.idle_timeout", d.idle_timeout, |v| value::duration(v, SECOND..=HOUR)),
        request_timeout: from
            .value("server.request_timeout", d.request_timeout, |v| value::duration(v, timeout.clone())),
        stall_timeout: from.value("server.stall_timeout", d.stall_timeout, |v| value::duration(v, timeout.clone())),
        streams_max: from.value("server.streams_max", d.streams_max, |v| value::count(v, 1..=65_536)),
        connections_max: from.value("server.connections_max", d.connections_max, |v| value::count(v, 1..=1_000_000)),
        body_bytes_max: from.value("server.body_bytes_max", d.body_bytes_max, |v| value::bytes(v, KIB..=16 * MIB)),
        batch_bytes_max: from.value("server.batch_bytes_max", d.batch_bytes_max, |v| value::bytes(v, KIB..=64 * MIB)),
        batch_ops_max: from.value("server.batch_ops_max", d.batch_ops_max, |v| value::count(v, 1..=100_000)),
        workers: from.value("server.workers", d.workers, |v| value::count(v, 0..=1_024)),
        drain_deadline: from.value("server.drain_deadline", d.drain_deadline, |v| value::duration(v, SECOND..=HOUR)),
    }
}

fn auth(from: &mut Reader) -> Auth {
    let tokens_file = from.optional("auth.tokens_file", value::path);
    let key_file = from.optional("auth.jwt.key_file", value::path);
    let jwks_file = from.optional("auth.jwt.jwks_file", value::path);
    let audience = from.optional("auth.jwt.audience", value::text);
    let algorithm = from.optional("auth.jwt.algorithm", |v| choices::jwt_algorithm(&value::text(v)?));
    let keys = match (key_file, jwks_file) {
        (Some(path), None) => Some(JwtKeys::KeyFile(path)),
        (None, Some(path)) => Some(JwtKeys::JwksFile(path)),
        _ => None,
    };
    let jwt = match (keys, audience, algorithm) {
        (Some(keys), Some(audience), Some(algorithm)) => Some(Jwt { keys, audience, algorithm }),
        _ if from.has_section("auth.jwt") => {
            let message = "[auth.jwt] needs either key_file or jwks_file, and audience and algorithm".to_owned();
            from.faults.push(Fault { place: from.place("auth.jwt"), message });
            None
        }
        _ => None,
    };
    Auth { tokens_file: Live(tokens_file), jwt: Live(jwt) }
}

fn journal(from: &mut Reader) -> Journal {
    let d = Journal::default();
    Journal {
        durability: from.value("journal.durability", d.durability, value::parsed),
        segment_bytes: from.value("journal.segment_bytes", d.segment_bytes, |v| value::bytes(v, MIB..=GIB)),
        bytes_max: from.value("journal.bytes_max", d.bytes_max, |v| value::bytes(v, 2 * MIB..=1_024 * GIB)),
        queue_bytes_max: from.value("journal.queue_bytes_max", d.queue_bytes_max, |v| value::bytes(v, 64 * KIB..=GIB)),
        sync_interval: from.value("journal.sync_interval", d.sync_interval, |v| value::duration(v, MS..=10 * SECOND)),
    }
}

fn store(from: &mut Reader) -> Store {
    let d = Store::default();
    Store {
        url: from.value("store.url", d.url, value::parsed),
        flush_interval: from.value("store.flush_interval", d.flush_interval, |v| value::duration(v, 10 * MS..=MINUTE)),
        batch_entries_max: from.value("store.batch_entries_max", d.batch_entries_max, |v| value::count(v, 1..=100_000)),
        timeout: from.value("store.timeout", d.timeout, |v| value::duration(v, 100 * MS..=MINUTE)),
        connections_max: from.value("store.connections_max", d.connections_max, |v| value::count(v, 2..=1_000)),
        leases: from.optional("store.leases", value::parsed).map(Box::new),
    }
}

fn idempotency(from: &mut Reader) -> Idempotency {
    let d = Idempotency::default();
    Idempotency {
        retain: from.value("idempotency.retain", d.retain, |v| value::duration(v, MINUTE..=31 * 24 * HOUR)),
        entries_max: from.value("idempotency.entries_max", d.entries_max, |v| value::count(v, 1_000..=1_000_000_000)),
    }
}

fn holds(from: &mut Reader) -> Holds {
    let d = Holds::default();
    Holds {
        ttl_default: from.value("holds.ttl_default", d.ttl_default, |v| value::duration(v, SECOND..=24 * HOUR)),
        ttl_max: from.value("holds.ttl_max", d.ttl_max, |v| value::duration(v, SECOND..=24 * HOUR)),
        expire_interval: from
            .value("holds.expire_interval", d.expire_interval, |v| value::duration(v, 10 * MS..=MINUTE)),
        per_team_max: from.value("holds.per_team_max", d.per_team_max, |v| value::count(v, 1..=10_000_000)),
    }
}

fn log(from: &mut Reader) -> Log {
    let d = Log::default();
    Log {
        level: Live(from.value("log.level", d.level.0, value::parsed)),
        format: from.value("log.format", d.format, value::parsed),
    }
}

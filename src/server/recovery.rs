//! Opens the data folder and the store, and brings the engine to where it was: the store's rows as
//! of the last entry that it has, then the journal's entries after it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::{self, Config, PostgresUrl, RedisKind, RedisUrl, StoreUrl};
use crate::domain::{Hold, Set, Timestamp};
use crate::engine::meter::Meter;
use crate::engine::recover::{Disagreement, Drawn, OpenHold};
use crate::engine::{JournalLog, Options, Terms};
use crate::journal::media::file::FileFolder;
use crate::journal::media::memory::MemoryFolder;
use crate::journal::{self, Claim, ClaimError, Failed, Identity, IdentityError, Seq};
use crate::lease::{Proof, Session};
use crate::metrics::Metrics;
use crate::root::sync::SyncRefusal;
use crate::root::{Row, SOLE, Sharing};
use crate::service::JournalMeter;
use crate::store::redis::{Discovery, Lender, Target};
use crate::store::{self, Blocks, Loaded, Memory, Postgres, Redis, Sqlite, Store, StoreError};

use super::doubt::Doubt;
use super::millis;
use super::replay::{EntryError, Replay};

/// Why the data folder or the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder cannot be made or opened.
    #[error("the data folder {0} cannot be used: {1}")]
    Folder(PathBuf, std::io::Error),
    /// Another process has it.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The sidecar's identity cannot be read or written.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store knows a newer incarnation of this sidecar.
    #[error("the store refuses this sidecar: {0}; is a copy of the data folder running?")]
    Refused(SyncRefusal),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] journal::OpenError<EntryError>),
    /// The journal failed right after it was opened.
    #[error(transparent)]
    Failed(#[from] Failed),
    /// The journal and the store do not fit together.
    #[error(transparent)]
    Disagreement(#[from] Disagreement),
    /// The journal begins behind what the store has.
    #[error(
        "the journal begins with entry {first}, the store ends with {last}: it is another store's journal, or the \
         store has lost what lies between (docs/sharing.md says what to do)"
    )]
    OtherStore {
        /// The journal's first entry.
        first: u64,
        /// The store's last entry.
        last: u64,
    },
}

/// The recovered parts.
pub struct Opened {
    /// The engine, over an open journal.
    pub meter: Arc<JournalMeter>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// This sidecar and this run of it.
    pub identity: Identity,
    /// The last entry that the store has.
    pub last: u64,
    /// Times with the last entry then, oldest first.
    pub marks: Vec<(Timestamp, u64)>,
    /// Which store the engine was loaded from, up to which change of control.
    pub session: Session,
    /// Where many share: to be settled, with the last doubted entry, when the root has heard of this run.
    pub doubt: Option<(Doubt, u64)>,
}

/// Opens and recovers. The metric of replaying is set.
///
/// # Errors
/// See [`OpenError`].
pub async fn open(
    config: &Config,
    clock: &Clock,
    metrics: &Metrics,
    store: Option<Arc<dyn Store>>,
) -> Result<Opened, OpenError> {
    let start = clock.instant();
    let folder = |error| OpenError::Folder(config.data.clone(), error);
    let claim = match config.store.url {
        // A journal that outlives its store would be another store's.
        StoreUrl::Memory if store.is_none() => Claim::take(Arc::new(MemoryFolder::default()))?,
        _ => {
            std::fs::create_dir_all(&config.data).map_err(folder)?;
            Claim::take(Arc::new(FileFolder::open(&config.data).map_err(folder)?))?
        }
    };
    let identity = Identity::mint(&claim)?;
    let store = match store {
        Some(store) => store,
        None => open_store(config).await?,
    };
    let sharing = store.sharing();
    let registered = store.register(identity.sidecar.as_u128(), identity.incarnation, identity.nonce).await?;
    let registered = registered.map_err(OpenError::Refused)?;
    let last = registered.last;
    let options = Options {
        retain_millis: millis(config.idempotency.retain),
        entries_max: config.idempotency.entries_max,
        open_holds_max: config.holds.per_team_max as usize,
        sharing,
        ..Options::default()
    };
    let meter = Arc::new(Meter::new(JournalLog::default(), options));
    let sidecar = match sharing {
        Sharing::Sole => SOLE,
        Sharing::Many => identity.sidecar.as_u128(),
    };
    let Restored { holds, session } = load(&*store, &meter, sidecar, clock.now()).await?;
    let mut replay = Replay::new(&meter, last, holds);
    let (journal, recovered) = replay.open(claim, options_of(&config.journal), identity.sidecar)?;
    let Replay { marks, newest, .. } = replay;
    if recovered.records > 0 && recovered.first_seq.0 > last + 1 {
        return Err(OpenError::OtherStore { first: recovered.first_seq.0, last });
    }
    let has_all = journal.next_seq() > Seq(last);
    journal.skip_to(Seq(last))?;
    clock.not_before(newest);
    let mut doubt = None;
    if sharing == Sharing::Many {
        let known = Doubt::read(&config.data, config.journal.durability, identity.nonce).map_err(folder)?;
        // Who has not registered the last run, or lacks entries of it, has not its journal.
        let is_newest = has_all && [identity.before, known.nonce].contains(&registered.before);
        let proof = if is_newest { known.proof } else { Proof::Nothing };
        let through = if proof == Proof::Exact { known.through } else { journal.next_seq().before().0 };
        meter.close_leases(proof, clock.now());
        meter.doubt_through(through);
        doubt = Some((known, through));
    }
    meter.log().open(journal);
    let seconds = clock.since(start).as_secs_f64();
    metrics.journal.replay_seconds.set(seconds);
    tracing::info!(entries = recovered.records, cut = ?recovered.cut, seconds, "journal read");
    Ok(Opened { meter, store, identity, last, marks, session, doubt })
}

async fn open_store(config: &Config) -> Result<Arc<dyn Store>, StoreError> {
    let settings = &config.store;
    let file = match &settings.url {
        StoreUrl::Memory => return Ok(Arc::new(Memory::default())),
        StoreUrl::Redis(url) => return Ok(Arc::new(Redis::open(redis_options(url, settings.timeout)).await?)),
        StoreUrl::Postgres(url) => return open_postgres(url, settings).await,
        StoreUrl::SqliteInData => config.data.join("purser.db"),
        StoreUrl::Sqlite(file) => file.clone(),
    };
    let mut options = store::sqlite::Options::new(file);
    options.verb_timeout = settings.timeout;
    Ok(Arc::new(Sqlite::open(options).await?))
}

async fn open_postgres(url: &PostgresUrl, settings: &config::Store) -> Result<Arc<dyn Store>, StoreError> {
    let mut options = store::postgres::Options::new(url.secret())?;
    options.connections_max = settings.connections_max;
    options.verb_timeout = settings.timeout;
    options.connect_timeout = options.connect_timeout.min(settings.timeout);
    let store = Postgres::open(options).await?;
    Ok(match &settings.leases {
        None => Arc::new(store),
        Some(url) => Arc::new(Blocks::new(store, Lender::new(redis_options(url, settings.timeout)))),
    })
}

fn redis_options(url: &RedisUrl, verb_timeout: Duration) -> store::redis::Options {
    let discovery = match url.kind {
        RedisKind::Single => Discovery::Direct,
        RedisKind::Cluster => Discovery::Cluster,
        RedisKind::Sentinel => Discovery::Sentinel {
            master: url.master.clone(),
            user: url.sentinel_user.clone(),
            password: url.sentinel_password.clone(),
        },
    };
    let target = Target {
        nodes: url.nodes.clone(),
        discovery,
        user: url.user.clone(),
        password: url.password.clone(),
        database: i64::from(url.database),
        tls: url.tls,
        ca: url.ca.clone(),
    };
    let mut options = store::redis::Options { verb_timeout, ..store::redis::Options::new(target) };
    options.prefix = url.prefix.clone().unwrap_or(options.prefix);
    options
}

fn options_of(journal: &config::Journal) -> journal::Options {
    journal::Options {
        segment_bytes: journal.segment_bytes,
        bytes_max: journal.bytes_max,
        queue_bytes_max: usize::try_from(journal.queue_bytes_max).unwrap_or(usize::MAX),
        sync_interval: journal.sync_interval,
        ..journal::Options::default()
    }
}

/// Members that are taken over at once, so that each team is looked up and locked a few times only.
const MEMBERS_TOGETHER: usize = 1_000;

/// Brings the engine to the last entry that the store has.
async fn load(store: &dyn Store, meter: &JournalMeter, sidecar: u128, now: Timestamp) -> Result<Restored, OpenError> {
    let (mut restored, mut failed) = (Restored::default(), None);
    let mut members = Vec::new();
    let mut visit_other = |loaded| match loaded {
        Loaded::Member(..) => unreachable!("members are taken over together"),
        Loaded::Subscription(row) => {
            let (id, accounts) = (row.id.clone(), row.accounts.clone());
            meter.follow(&[Row::Subscription(row)]);
            for account in accounts {
                let (drawn, own) = (Drawn::Subscription(id.clone()), account.of(sidecar));
                meter.recover_lease(&drawn, account.lease_of(sidecar));
                meter.recover_draws(&drawn, account.window.start, own.spent, own.refunded);
            }
        }
        Loaded::Team(team) => meter.follow(&[Row::Team(team)]),
        Loaded::Root(root) => restored.session = Session::new(root.generation, root.config),
        Loaded::MemberFunds(row) => {
            for account in &row.accounts {
                let drawn = Drawn::Member(row.team.clone(), row.user.clone());
                let own = account.holder(sidecar);
                meter.recover_lease(&drawn, account.lease_of(sidecar));
                meter.recover_draws(&drawn, account.window.start, own.spent, own.refunded);
            }
        }
        Loaded::Draws { team, member, window, tally } => {
            meter.recover_draws(&Drawn::Member(team, member), window, tally.spent, tally.refunded);
        }
        Loaded::Hold(row) => {
            let hold = open_hold(*row);
            failed = failed.take().or(meter.recover_hold(&hold).err());
            restored.holds.push(hold);
        }
    };
    // Those of a team come one after the other, and after it; other rows of a member come after it.
    let mut visit = |loaded| match loaded {
        Loaded::Member(team, member) => {
            members.push(Row::Member(team, member));
            if members.len() == MEMBERS_TOGETHER {
                follow_all(meter, &mut members);
            }
        }
        loaded => {
            follow_all(meter, &mut members);
            visit_other(loaded);
        }
    };
    store.load(sidecar, now, &mut visit).await?;
    follow_all(meter, &mut members);
    match failed {
        Some(disagreement) => Err(disagreement.into()),
        None => Ok(restored),
    }
}

fn follow_all(meter: &JournalMeter, rows: &mut Vec<Row>) {
    meter.follow(rows);
    rows.clear();
}

fn open_hold(row: store::Hold) -> OpenHold {
    let set = Set { credits: row.credits, expires_at: row.expires_at };
    let hold = Hold { window: row.window, set };
    let terms = Terms::of(row.rates, row.model.as_ref());
    OpenHold { id: row.id, at: row.held_at, content: row.content, drawer: row.drawer, hold, terms }
}

/// What a store's rows say beside what the engine takes.
#[derive(Default)]
struct Restored {
    /// Holds that were open.
    holds: Vec<OpenHold>,
    /// Which store it is, up to which change of control.
    session: Session,
}
